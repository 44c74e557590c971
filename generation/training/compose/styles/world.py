"""Dances from the Americas, Africa and Spain."""

# fmt: off - one groove a line reads like a score
from __future__ import annotations

from generation.training.compose.melody import melody
from generation.training.compose.registry import style
from generation.training.compose.sketch import Sketch


@style(
    "bossa nova",
    beats=(10, 11, 12),
    says=("bossa", "bossa nova guitar", "brazilian jazz", "girl from ipanema", "jobim"),
    unseen=("elevator in rio", "caipirinha on the sand"),
    moods=("breezy", "romantic", "relaxed"),
    places=("rio", "the beach"),
    eras=("60s",),
)
def bossa_nova(sketch: Sketch) -> None:
    """Nylon guitar and rim clicks on the bossa clave."""
    sketch.key("major", "dorian")
    sketch.changes("Imaj9 II9 ii9 V13", "Imaj7 vi7 ii7 V7", "im7 iim7b5 V7b9 im6")
    sketch.drums(
        "brush kit" if sketch.chance(0.5) else "standard kit",
        fill=0.0,
        step=4,
        kick="x..xx..xx..xx..x",
        rim="x..x..x...x..x..",
        hat="--------",
        shaker=sketch.pick("x-x-x-x-", "."),
        gain=-4,
    )
    sketch.comp("nylon guitar", sketch.pick("x..x..x...x..x..", "x.x..x.x..x.x..x"), legato=1.6)
    sketch.bass("acoustic bass", "r--5r--5", legato=0.9)
    if sketch.chance(0.7):
        melody(sketch, sketch.pick("flute", "tenor sax", "voice oohs", "piano"), "easy", gain=-1)


@style(
    "samba",
    beats=(9, 10),
    says=("samba drums", "carnival", "brazilian carnival", "batucada", "brazilian percussion"),
    unseen=("sambadrome feathers", "rio street party percussion"),
    moods=("festive", "joyful", "energetic"),
    places=("rio", "brazil"),
)
def samba(sketch: Sketch) -> None:
    """Surdos, tamborim, agogo, cavaquinho."""
    sketch.key("major")
    sketch.changes("I6 VI7 ii7 V7", "I6 IV6", "im6 V7")
    sketch.drums(
        "percussion",
        surdo="....X.......X...",
        surdo_mute="x.......x.......",
        shaker="X--xX--x",
        agogo="x..x....x.x.....",
        agogo_low="....x.x....x..x.",
        snare=sketch.pick("g-gXg-gX", "gXggXggX"),
        cabasa="x-x-",
        swing=0.1,
    )
    sketch.bass("finger bass", "r..5r..5", gain=-2)
    if sketch.chance(0.7):
        sketch.comp("nylon guitar", "x.x..x.xx.x.x.x.", strum=0.03, centre=66)
    if sketch.chance(0.5):
        melody(sketch, sketch.pick("flute", "trumpet", "trombone", "whistle"), "busy", gain=-2)


@style(
    "reggae",
    beats=(6, 7, 12, 13),
    says=("reggae music", "roots reggae", "bob marley", "reggae riddim", "one drop"),
    unseen=("kingston beach bonfire", "jammin with dreadlocks"),
    moods=("laid back", "sunny", "chill"),
    places=("jamaica", "kingston"),
    eras=("70s",),
    weight=1.2,
)
def reggae(sketch: Sketch) -> None:
    """One drop drums, skank on the off-beat, melodic bass."""
    sketch.key("major", "minor")
    sketch.changes(
        *(("I IV", "I V vi IV", "I ii") if sketch.scale == "major" else ("im iv", "im bVII"))
    )
    slow = 4 if sketch.beats < 10 else 2
    sketch.drums(
        "standard kit",
        step=slow,
        kick="....X...",
        rim="....X...",
        hat=sketch.pick("x.x.x.x.", "x-x-x-x-"),
        swing=0.1,
    )
    sketch.comp(
        sketch.pick("clean guitar", "hammond organ", "piano"),
        "..x." if slow == 4 else ".x",
        step=slow,
        legato=0.4,
        gain=0,
        centre=64,
    )
    sketch.bass(
        "finger bass",
        sketch.pick("r..r5.3....r....", "..r.r.5.8..5...."),
        step=slow,
        gain=3,
        effects=("lowpass:900",),
    )
    if sketch.chance(0.5):
        sketch.comp("hammond organ", ".x.x..x.", step=slow, gain=-7, legato=0.4)
    if sketch.chance(0.4):
        melody(
            sketch,
            sketch.pick("trombone", "harmonica", "voice oohs"),
            "easy",
            gain=-2,
            effects=("delay:0.75",),
        )


@style(
    "ska",
    beats=(12, 13, 14),
    says=("ska punk", "ska music", "two tone ska", "ska brass"),
    unseen=("checkerboard shoes skanking", "madness one step beyond"),
    moods=("bouncy", "happy", "upbeat"),
    places=("jamaica", "england"),
    eras=("60s", "80s", "90s"),
)
def ska(sketch: Sketch) -> None:
    """Off-beat guitar chops, walking bass, horns."""
    sketch.key("major")
    sketch.changes("I IV V", "I vi IV V", "I IV")
    sketch.drums("standard kit", kick="X...x...", snare="....X...", hat="x.x.")
    sketch.comp("clean guitar", "..x.", legato=0.35, gain=1, centre=66)
    sketch.bass("finger bass", "r.3.5.3.", step=2, legato=0.8)
    sketch.comp("brass section", sketch.pick("x.x...x.........", "......x.x.x....."), legato=0.5)
    if sketch.chance(0.6):
        melody(sketch, sketch.pick("trumpet", "trombone", "tenor sax"), "busy")


@style(
    "dub",
    beats=(6, 7, 12),
    says=("dub reggae", "dub music", "king tubby", "dub echo", "dub techno"),
    unseen=("echo chamber sound system", "lee perry at the desk"),
    moods=("spacey", "heavy", "smoky", "trippy"),
    places=("jamaica", "studio"),
    eras=("70s",),
)
def dub(sketch: Sketch) -> None:
    """Reggae taken apart with echo."""
    sketch.key("minor")
    sketch.changes("im iv", "im", each=4)
    slow = 4 if sketch.beats < 10 else 2
    sketch.drums(
        "standard kit",
        step=slow,
        kick="....X...",
        rim="....X......X....",
        effects=("delay:0.75",),
        hat="x...x.x.",
        fill=0.4,
    )
    sketch.bass(
        "finger bass",
        sketch.pick("r..r..5.r.......", "..r.r.r...5.3..."),
        step=slow,
        gain=4,
        effects=("lowpass:500",),
    )
    sketch.comp(
        sketch.pick("clean guitar", "hammond organ"),
        "..x............." if slow == 4 else ".x......",
        step=slow,
        legato=0.5,
        effects=("delay:0.75", "delay:1.5", "reverb:0.5"),
    )
    if sketch.chance(0.4):
        melody(
            sketch,
            sketch.pick("harmonica", "trombone"),
            "slow",
            rest=0.4,
            gain=-3,
            effects=("delay:0.75", "reverb:0.5"),
        )


@style(
    "dancehall",
    beats=(8, 9),
    says=("reggaeton", "dancehall riddim", "dembow", "soca", "moombahton"),
    unseen=("daddy yankee gasolina", "caribbean club bashment"),
    moods=("hot", "sweaty", "party"),
    places=("jamaica", "puerto rico"),
    eras=("2000s", "90s"),
)
def dancehall(sketch: Sketch) -> None:
    """The dembow: three-three-two over four to the floor."""
    sketch.key("minor")
    sketch.changes("im bVII bVI", "im bVI")
    sketch.drums(
        sketch.pick("808 kit", "electronic kit", "synth kit"),
        kick="X...",
        loose=0.002,
        snare="...x..x.",
        hat=sketch.pick("x.x.", "...."),
        fill=0.15,
    )
    sketch.bass(sketch.pick("sub bass", "synth bass"), "r..r..r.", legato=0.8)
    sketch.comp(
        sketch.pick("pluck", "brass section", "marimba", "nylon guitar"),
        sketch.pick("x..x..x.", "...x..x."),
        gain=-3,
        legato=0.6,
    )
    if sketch.chance(0.5):
        melody(sketch, sketch.pick("pluck", "flute", "square lead"), "busy", gain=-4)


@style(
    "mambo",
    beats=(14, 15, 16),
    says=("mambo number", "cha cha", "cuban mambo", "latin big band", "cha cha cha"),
    unseen=("perez prado grunt", "havana nightclub in black and white"),
    moods=("hot", "festive"),
    places=("havana", "cuba"),
    eras=("50s",),
)
def mambo(sketch: Sketch) -> None:
    """Cowbell, congas, brass riffs."""
    sketch.key("major", "harmonic minor")
    sketch.changes("I V7", "I IV V7 IV", "im V7")
    sketch.drums(
        "percussion",
        step=2,
        cowbell="x.xx.xx.",
        conga="......xx",
        conga_mute="x.x.x...",
        timbale=sketch.pick(".", "x......x"),
        maracas="x-",
        kick="...x",
    )
    sketch.bass("acoustic bass", "r..5..8.", step=2, gain=1)
    sketch.comp(
        "brass section", sketch.pick("x.x..x..", "..xx..x.", "x__x__x."), step=2, legato=0.6
    )
    melody(sketch, sketch.pick("trumpet", "alto sax"), "busy", gain=-1)


@style(
    "salsa",
    beats=(15, 16),
    says=(
        "salsa piano",
        "latin",
        "salsa music",
        "montuno",
        "latin dance",
        "cuban salsa",
        "latin jazz",
    ),
    unseen=("celia cruz shouting azucar", "spin class on latin night"),
    moods=("hot", "spicy", "lively"),
    places=("cuba", "miami", "new york"),
    eras=("70s",),
)
def salsa(sketch: Sketch) -> None:
    """Piano montuno over clave and tumbao."""
    sketch.key("harmonic minor", "major")
    sketch.changes(*(("im iv V7", "im V7") if sketch.scale != "major" else ("I IV V7 IV", "I V7")))
    sketch.drums(
        "percussion",
        step=2,
        claves="..xx..x..x..",
        cowbell="x.x.",
        conga="......xx",
        conga_mute="x.x.x...",
        guiro="x-x",
        bongo_high="xgxx",
        kick="...x",
    )
    sketch.bass("acoustic bass", "...5..8-...5..r-", step=2)
    for centre in (60, 72):
        sketch.comp(
            "piano",
            "x.xx.xx..xx.x.xx",
            step=4 if sketch.chance(0.2) else 2,
            centre=centre,
            legato=0.7,
            gain=-2,
        )
    if sketch.chance(0.6):
        sketch.comp("brass section", "x..x..x.........", step=2, gain=-3, legato=0.7)


@style(
    "afrobeat",
    beats=(9, 10),
    says=(
        "afrobeats",
        "fela kuti",
        "afro funk",
        "highlife",
        "african guitar",
        "west african groove",
    ),
    unseen=("lagos shrine at midnight", "nigerian dance party"),
    moods=("hypnotic", "sunny", "groovy"),
    places=("lagos", "africa"),
    eras=("70s",),
)
def afrobeat(sketch: Sketch) -> None:
    """Interlocking guitars, shekere, horns on a vamp."""
    sketch.key("dorian", "major")
    sketch.changes("i7", "i7 IV9", each=4) if sketch.scale == "dorian" else sketch.changes(
        "I IV V IV"
    )
    sketch.drums(
        "standard kit",
        kick="x..x..x...x.x...",
        snare="...x..x....x..x.",
        hat="x.xx",
        cabasa="x-xx",
        claves=sketch.pick("x..x..x...x.x...", "."),
    )
    sketch.bass("finger bass", sketch.pick("r.r..5.8..5.r...", "r..8.5r...3.5..."))
    sketch.arp("clean guitar", "random", density=0.7, octaves=1, centre=68, legato=0.5)
    sketch.comp("muted guitar", "x.x-x.xx", gain=-4, legato=0.4)
    if sketch.chance(0.6):
        sketch.comp(
            "brass section", sketch.pick("x.x...x.........", "..x..x_......x.."), legato=0.7
        )


@style(
    "flamenco",
    beats=(9, 12),
    says=("flamenco guitar", "spanish guitar", "gypsy guitar", "spanish flamenco", "rumba guitar"),
    unseen=("paco de lucia", "castanets and red dress"),
    moods=("passionate", "fiery"),
    places=("spain", "seville", "andalusia"),
)
def flamenco(sketch: Sketch) -> None:
    """Andalusian cadence with rasgueado and claps."""
    sketch.key("phrygian dominant", "phrygian")
    sketch.changes("iv bIII bII I", "I bII", "bII I")
    sketch.comp(
        "nylon guitar",
        sketch.pick("X.xxX.xxX.x.xxxx", "X..X..X.X.X.", "xxxX..x.x.X."),
        strum=0.06,
        effects=("reverb:0.15",),
        legato=0.8,
    )
    melody(sketch, "nylon guitar", sketch.pick("run", "triplet"), low=60, high=82, grace=0.15)
    if sketch.chance(0.7):
        sketch.drums("percussion", clap=sketch.pick("..xx..xx..x.", "x.x.xx.x"), gain=-3, fill=0.0)


@style(
    "tango",
    beats=(10, 11),
    says=("argentine tango", "tango bandoneon", "piazzolla", "buenos aires tango"),
    unseen=("rose between the teeth", "dramatic couple dance in san telmo"),
    moods=("dramatic", "passionate", "melancholic"),
    places=("buenos aires", "argentina"),
)
def tango(sketch: Sketch) -> None:
    """Marcato strings and bandoneon, sharp accents."""
    sketch.key("harmonic minor")
    sketch.changes("im V7", "im iv V7 im", "im bVI iv V7")
    sketch.comp("piano", sketch.pick("X.x.", "X..X..X."), step=4, legato=0.6, centre=54)
    sketch.bass("contrabass", sketch.pick("r...", "r..r..5."), legato=0.9)
    melody(sketch, sketch.pick("bandoneon", "violin"), sketch.pick("easy", "busy"), grace=0.25)
    sketch.comp("bandoneon", sketch.pick("x..x..x.", "x.x.x.x."), gain=-4, legato=0.5)
