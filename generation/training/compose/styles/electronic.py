"""Club music, synthesisers and chips."""

# fmt: off - one groove a line reads like a score
from __future__ import annotations

from generation.training.compose.melody import melody
from generation.training.compose.registry import style
from generation.training.compose.sketch import Sketch


@style(
    "techno",
    beats=(11, 12),
    says=(
        "techno beat",
        "techno synth",
        "berlin techno",
        "warehouse techno",
        "hard techno",
        "minimal techno",
        "acid techno",
        "techno music",
    ),
    unseen=("berghain at 6am", "relentless pounding machine music"),
    moods=("hypnotic", "dark", "driving", "industrial"),
    places=("berlin", "detroit", "warehouse"),
    eras=("90s",),
    weight=2.0,
)
def techno(sketch: Sketch) -> None:
    """Four to the floor, off-beat hats, one hypnotic synth."""
    sketch.key("minor", "phrygian")
    sketch.drums(
        "synth kit",
        kick="X...",
        hat=sketch.pick("..x.", "x-x-", "--x-"),
        fill=0.0,
        clap=sketch.pick("....x...", "........", "....x..."),
        loose=0.0,
        effects=("drive:1.5",),
        gain=1,
    )
    if sketch.chance(0.65):
        sketch.bass(
            sketch.pick("acid bass", "sub bass", "synth bass"),
            sketch.pick(".rr8.r8r", ".rrr.rrr", "r8.rr.8r", "..r...r."),
            effects=("sidechain:8",),
            legato=0.7,
            loose=0.0,
        )
    synth = sketch.pick("saw lead", "pluck", "acid bass", "supersaw", "fm bell")
    if sketch.chance(0.5):
        sketch.arp(
            synth,
            sketch.pick("up", "random", "updown"),
            density=0.8,
            gain=-3,
            legato=0.6,
            effects=("delay:0.75",),
            loose=0.0,
        )
    else:
        sketch.comp(
            synth,
            sketch.pick("..x...x.", "x..x..x.", "...x....", "x..x..x...x..x.."),
            gain=-3,
            legato=0.8,
            effects=("delay:0.75", "sidechain:5"),
            loose=0.0,
        )
    if sketch.chance(0.4):
        sketch.pad(sketch.pick("sweep pad", "warm pad"), gain=-12, effects=("sidechain:8",))


@style(
    "house",
    beats=(10, 11),
    says=(
        "house music",
        "deep house",
        "chicago house",
        "house beat",
        "piano house",
        "edm",
        "dance music",
        "club music",
    ),
    unseen=("ibiza pool party", "four on the floor with a diva piano"),
    moods=("groovy", "uplifting", "happy"),
    places=("chicago", "ibiza", "the club"),
    eras=("90s", "modern"),
    weight=1.3,
)
def house(sketch: Sketch) -> None:
    """Four to the floor with open hats and off-beat chords."""
    sketch.key("minor", "major", "dorian")
    sketch.changes("im7 iv7", "vi7 IVmaj7", "ii9 V9", "im9 bVII bVImaj7", each=2)
    sketch.drums(
        sketch.pick("synth kit", "electronic kit"),
        kick="X...",
        open="..x.",
        clap="....X...",
        hat=sketch.pick("x.x.", "xx.x", "...."),
        fill=0.1,
        loose=0.002,
        shaker=sketch.pick("x-x-", "...."),
    )
    sketch.bass(
        sketch.pick("synth bass", "sub bass", "finger bass"),
        sketch.pick("..r...r.", "..rr..r8", "r..r..r."),
        effects=("sidechain:6",),
    )
    chords = sketch.pick("piano", "bright piano", "electric piano", "supersaw", "rock organ")
    sketch.comp(
        chords,
        sketch.pick("x..x..x...x.x...", "..x...x.", "x..x..x."),
        legato=0.7,
        gain=-2,
        effects=("sidechain:5",),
    )
    if sketch.chance(0.4):
        sketch.pad(sketch.pick("warm pad", "synth strings"), gain=-9, effects=("sidechain:9",))
    if sketch.chance(0.25):
        melody(
            sketch,
            sketch.pick("voice oohs", "pluck", "alto sax"),
            "easy",
            gain=-5,
            effects=("delay:0.75",),
        )


@style(
    "trance",
    beats=(11, 12),
    says=(
        "trance music",
        "uplifting trance",
        "trance synth",
        "psytrance",
        "trance arpeggio",
        "eurodance",
        "rave",
    ),
    unseen=("hands in the air festival anthem", "supersaw euphoria"),
    moods=("euphoric", "uplifting", "energetic"),
    places=("goa", "festival"),
    eras=("2000s", "90s"),
)
def trance(sketch: Sketch) -> None:
    """Rolling off-beat bass and supersaw arpeggios."""
    sketch.key("minor")
    sketch.changes("im bVI bIII bVII", "im bVII bVI bVII", "bVI bVII im")
    sketch.drums(
        "synth kit", kick="X...", open="..x.", clap="....x...", hat="x-x-", fill=0.2, loose=0.0
    )
    sketch.bass(
        "synth bass", sketch.pick(".rrr", "..r.", ".r8r"), effects=("sidechain:6",), loose=0.0
    )
    sketch.arp(
        sketch.pick("supersaw", "pluck", "saw lead"),
        sketch.pick("up", "updown", "random"),
        effects=("sidechain:6", "delay:0.75"),
        gain=-2,
        centre=70,
        loose=0.0,
    )
    if sketch.chance(0.6):
        sketch.pad("supersaw", gain=-9, effects=("sidechain:9", "reverb:0.3"))


@style(
    "drum and bass",
    beats=(14, 15),
    says=("dnb", "drum n bass", "jungle", "liquid dnb", "breakbeat", "drum & bass", "jungle break"),
    unseen=("amen break chaos", "174 bpm bristol roller"),
    moods=("fast", "energetic", "frantic"),
    places=("bristol", "london"),
    eras=("90s",),
)
def drum_and_bass(sketch: Sketch) -> None:
    """Fast broken drums, deep reese."""
    sketch.key("minor", "dorian")
    sketch.changes("im7 bVImaj7", "im9 iv9", each=4)
    sketch.drums(
        sketch.pick("standard kit", "power kit", "synth kit"),
        kick=sketch.pick("X.........x.....", "X.x.......x.....", "X.x......xx....."),
        snare=sketch.pick("....X.......X...", "....X..g.g..X..g", "....X..x.x....X."),
        hat="x.x.x.x.x.x.x.x.",
        ride=sketch.pick(".", "x...x...x...x..."),
        loose=0.003,
    )
    sketch.bass(
        sketch.pick("reese bass", "sub bass"),
        sketch.pick("r-------....r---", "r---..r-----5---", "r-----r-8-----5-"),
    )
    if sketch.chance(0.7):
        sketch.pad(
            sketch.pick("warm pad", "slow strings", "halo pad"), gain=-8, effects=("reverb:0.4",)
        )
    if sketch.chance(0.4):
        sketch.comp(sketch.pick("electric piano", "piano"), "x______.........", gain=-6)


@style(
    "dubstep",
    beats=(12,),
    says=("dubstep drop", "wobble bass", "brostep", "dubstep bass"),
    unseen=("filthy wub wub", "skrillex drop"),
    moods=("heavy", "filthy", "aggressive"),
    places=("london",),
    eras=("2010s",),
)
def dubstep(sketch: Sketch) -> None:
    """Half-time drums under a wobbling bass."""
    sketch.key("minor", "phrygian")
    sketch.changes("im bVI", "im bII", each=4)
    sketch.drums(
        "synth kit",
        kick="X.........x.....",
        snare="........X.......",
        hat=sketch.pick("x.x.x.x.", "..x...x."),
        fill=0.1,
        effects=("drive:2",),
    )
    sketch.bass(
        sketch.pick("reese bass", "saw lead"),
        "r-------r---r---",
        gain=2,
        effects=(f"wobble:{sketch.pick(1, 2, 3, 4)}", "drive:3"),
    )
    if sketch.chance(0.4):
        melody(sketch, sketch.pick("square lead", "saw lead", "pluck"), "easy", gain=-5)


@style(
    "synthwave",
    beats=(8, 9, 10),
    says=(
        "retrowave",
        "80s synth",
        "outrun",
        "synth wave",
        "80s synthwave",
        "synthpop",
        "vaporwave",
    ),
    unseen=("neon night drive", "stranger things intro", "miami vice chase"),
    moods=("nostalgic", "neon", "dreamy"),
    places=("miami", "night drive"),
    eras=("80s",),
    weight=1.3,
)
def synthwave(sketch: Sketch) -> None:
    """Gated snare, octave bass, wide saws."""
    sketch.key("minor")
    sketch.changes("im bVI bIII bVII", "im bVII bVI", "bVI bVII im")
    sketch.drums(
        sketch.pick("electronic kit", "synth kit"),
        kick=sketch.pick("X...", "X.....x."),
        snare="....X...",
        hat=sketch.pick("x.x.", "xxxx"),
        effects=("gate reverb:0.3",),
        loose=0.0,
    )
    sketch.bass(
        sketch.pick("synth bass", "saw lead"),
        sketch.pick("r.r.", "rrrr", "r.8.", "rr88"),
        legato=0.7,
        effects=("lowpass:1200",),
        loose=0.0,
    )
    sketch.pad(
        sketch.pick("supersaw", "synth strings", "warm pad"), gain=-8, effects=("reverb:0.3",)
    )
    if sketch.chance(0.5):
        sketch.arp(
            sketch.pick("pluck", "square lead", "saw lead"),
            "up",
            gain=-5,
            effects=("delay:0.75",),
            centre=72,
        )
    else:
        melody(
            sketch,
            sketch.pick("saw lead", "square lead", "sine lead"),
            "easy",
            gain=-4,
            effects=("delay:0.75", "reverb:0.3"),
        )


@style(
    "chiptune",
    beats=(10, 12, 14),
    says=(
        "8-bit",
        "8 bit music",
        "video game music",
        "nes music",
        "chip tune",
        "game boy music",
        "arcade music",
        "retro game",
    ),
    unseen=("nintendo level one", "pixel hero jumping"),
    moods=("happy", "bouncy", "playful"),
    places=("arcade", "boss fight"),
    eras=("80s",),
    weight=1.2,
)
def chiptune(sketch: Sketch) -> None:
    """Two pulse voices, a triangle bass, noise drums."""
    sketch.key("major", "minor", "harmonic minor")
    sketch.changes("I V vi IV", "im bVII bVI V", "I IV V", "im bVI bVII")
    sketch.drums(
        "chip kit",
        kick="x...x...",
        snare="..x.",
        hat=sketch.pick("x.x.", "xxxx"),
        step=2 if sketch.chance(0.3) else 4,
        fill=0.2,
        loose=0.0,
        gain=-4,
    )
    sketch.bass("chip triangle", sketch.pick("r.8.", "rr88", "r.5."), loose=0.0)
    melody(sketch, "square lead", sketch.pick("busy", "run"), loose=0.0, gain=-2, low=65)
    if sketch.chance(0.7):
        sketch.arp("pulse lead", "up", gain=-8, octaves=1, loose=0.0, centre=66)


@style(
    "ambient",
    beats=(4, 5),
    says=(
        "ambient music",
        "ambient pad",
        "atmospheric",
        "soundscape",
        "space music",
        "ethereal soundscape",
        "brian eno",
    ),
    unseen=("floating through a nebula", "music for airports"),
    moods=("calm", "peaceful", "dreamy", "spacious"),
    places=("space", "underwater"),
    rhythmic=False,
)
def ambient(sketch: Sketch) -> None:
    """Slow pads in a large room."""
    sketch.key("major", "lydian", "minor")
    sketch.changes("Imaj7 IVmaj7", "Iadd9", "imadd9 bVImaj7", "Isus2 vi7", each=2)
    pads = ("warm pad", "halo pad", "sweep pad", "new age pad", "slow strings", "choir")
    sketch.pad(sketch.pick(*pads), gain=0, effects=("reverb:0.6",))
    sketch.pad(sketch.pick(*pads), gain=-6, effects=("reverb:0.6", "chorus"), centre=70)
    if sketch.chance(0.5):
        melody(
            sketch,
            sketch.pick("fm bell", "piano", "celesta", "flute"),
            "slow",
            gain=-6,
            effects=("delay:0.75", "reverb:0.6"),
            rest=0.4,
            scale="major pentatonic" if sketch.scale != "minor" else "minor pentatonic",
        )
    if sketch.chance(0.25):
        sketch.texture(sketch.pick("wind", "rain", "waves"), -22)


@style(
    "drone",
    beats=(4,),
    says=("dark drone", "drone music", "low drone", "dark ambient", "drone ambient"),
    unseen=("endless humming tone", "abandoned reactor hum"),
    moods=("dark", "ominous", "scary", "meditative"),
    places=("cave", "haunted house"),
    rhythmic=False,
)
def drone(sketch: Sketch) -> None:
    """One chord that hardly moves."""
    sketch.key("minor", "phrygian")
    sketch.changes("i5", "isus2" if sketch.chance(0.3) else "I5", each=4)
    sketch.pad("drone", gain=2, centre=42, effects=("reverb:0.5",))
    if sketch.chance(0.6):
        sketch.pad(
            sketch.pick("sweep pad", "choir", "church organ", "contrabass"),
            gain=-8,
            centre=48,
            effects=("reverb:0.6", "lowpass:1500"),
        )
    if sketch.chance(0.4):
        sketch.texture("wind", -18)


@style(
    "industrial",
    beats=(9, 10, 11),
    says=("industrial music", "industrial metal beat", "noise rock machine", "ebm"),
    unseen=("factory floor stomp", "nine inch nails vibe"),
    moods=("harsh", "noisy", "angry"),
    places=("factory",),
    eras=("90s",),
)
def industrial(sketch: Sketch) -> None:
    """Distorted machines in lockstep."""
    sketch.key("minor", "phrygian")
    sketch.drums(
        "synth kit",
        kick="X..xX...",
        snare="....X...",
        hat="x.xxx.xx",
        effects=("drive:6",),
        loose=0.0,
    )
    sketch.bass(
        sketch.pick("reese bass", "acid bass"),
        sketch.pick("rrrr", "r.rr", "rr.r8.r."),
        effects=("drive:6",),
        loose=0.0,
    )
    sketch.comp(
        sketch.pick("distortion guitar", "saw lead"),
        sketch.pick("x_______x___....", "x..x..x."),
        gain=-3,
        effects=("drive:3",),
        centre=52,
    )


@style(
    "disco",
    beats=(10,),
    says=("disco music", "70s disco", "nu disco", "disco strings", "dancefloor disco"),
    unseen=("saturday night fever", "studio 54 mirrorball"),
    moods=("happy", "glamorous", "danceable"),
    places=("new york", "dancefloor"),
    eras=("70s",),
)
def disco(sketch: Sketch) -> None:
    """Octave bass, open hats, string runs."""
    sketch.key("minor", "dorian", "major")
    sketch.changes("im7 IV9", "im7 bVII bVImaj7 V7", "ii7 V7 Imaj7", "vi7 ii7 V7 Imaj7")
    sketch.drums("standard kit", kick="X...", open="..x.", hat="x..x", snare="....X...")
    sketch.bass("finger bass", sketch.pick("r.8.", "r.8r", "rr8."), gain=1, legato=0.7)
    sketch.comp(
        "muted guitar", sketch.pick("x-xxx-xx", "..x-..x-"), gain=-4, strum=0.02, legato=0.4
    )
    if sketch.chance(0.7):
        melody(
            sketch,
            "strings",
            sketch.pick("busy", "run"),
            gain=-3,
            low=67,
            double=sketch.pick(0, 12),
        )
    if sketch.chance(0.4):
        sketch.comp("brass section", "......x.x.......", gain=-3, legato=0.6)
