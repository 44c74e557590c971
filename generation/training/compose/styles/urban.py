"""Hip hop and its relatives."""

# fmt: off - one groove a line reads like a score
from __future__ import annotations

from generation.training.compose.melody import melody
from generation.training.compose.registry import style
from generation.training.compose.sketch import Sketch

SEVENTHS = (
    "ii7 V7 Imaj7 vi7",
    "Imaj7 iii7 vi7 IVmaj7",
    "ii9 V13 Imaj9",
    "IVmaj7 iii7 ii7 Imaj7",
    "vi9 ii7 V7 Imaj7",
)


@style(
    "lo-fi hip hop",
    beats=(6, 7, 8),
    says=(
        "lo-fi beat",
        "lofi",
        "lofi hip hop",
        "lo-fi",
        "chillhop",
        "lofi beat",
        "chill lofi",
        "lo-fi chill beat",
        "lofi study beat",
        "jazzy lofi",
    ),
    unseen=("beats to study to", "late night study music", "lofi girl type beat"),
    moods=("chill", "relaxing", "mellow", "sleepy", "nostalgic", "cozy", "dusty"),
    places=("bedroom", "rainy window", "coffee shop", "late night"),
    eras=("90s",),
    weight=2.5,
)
def lofi(sketch: Sketch) -> None:
    """Dusty swung drums, seventh chords on old keys, vinyl."""
    sketch.key("major")
    sketch.changes(*SEVENTHS)
    sketch.drums(
        sketch.pick("standard kit", "room kit", "synth kit"),
        swing=0.3,
        fill=0.1,
        loose=0.01,
        effects=("lowpass:5200", "drive:1.5"),
        kick=sketch.pick("x......x..x.....", "x.....x...x.....", "x..x......x....."),
        snare=sketch.pick("....x.......x...", "....x..g....x..g"),
        hat=sketch.pick("x.-.x.-.x.-.x.-.", "x-x-x-x-x-x-x-x-", "x.x.x.x.x.x.x.x-"),
    )
    keys = sketch.pick("electric piano", "piano", "jazz guitar", "electric piano", "vibraphone")
    sketch.comp(
        keys,
        sketch.pick("x_______x_______", "x______-____x___", "x__x____________"),
        effects=("wow:0.3", "lowpass:2600"),
        strum=0.06,
    )
    sketch.bass(
        "finger bass", sketch.pick("r-----r-5---r---", "r---...rr---5---"), effects=("lowpass:700",)
    )
    if sketch.chance(0.5):
        lead = sketch.pick("vibraphone", "electric piano", "flute", "kalimba", "jazz guitar")
        melody(sketch, lead, "slow", gain=-5, effects=("reverb:0.3",), scale="major pentatonic")
    if sketch.chance(0.7):
        sketch.texture("vinyl", sketch.pick(-30, -26, -22))
    if sketch.chance(0.15):
        sketch.texture("rain", -28)
    sketch.mix("drive:1.2")


@style(
    "boom bap",
    beats=(7, 8),
    says=(
        "boom bap beat",
        "old school hip hop",
        "90s hip hop beat",
        "hip hop beat",
        "hip hop",
        "new york rap beat",
    ),
    unseen=("golden age rap instrumental", "head nodding east coast beat"),
    moods=("gritty", "dusty", "laid back"),
    places=("brooklyn", "the bronx", "street corner"),
    eras=("90s", "old school"),
)
def boom_bap(sketch: Sketch) -> None:
    """Hard swung drums over a chopped sample."""
    sketch.key("minor", "dorian")
    sketch.changes("i7 iv7", "im7 bVImaj7", "im9 iv7 bVII7", each=4)
    sketch.drums(
        sketch.pick("power kit", "standard kit"),
        swing=0.25,
        effects=("drive:2",),
        fill=0.15,
        kick=sketch.pick("X..x......X.....", "X.....x.x.X.....", "X......X.xX....."),
        snare="....X.......X...",
        hat="x.x.x.x.x.x.x.x.",
    )
    sketch.bass("finger bass", sketch.pick("r..r....r.5.....", "r-....r-..r-5-8-"))
    sample = sketch.pick("piano", "electric piano", "strings", "brass section", "jazz guitar")
    sketch.comp(
        sample,
        sketch.pick("x__.....x__.....", "x_....x_......x.", "..x_..x_..x_...."),
        gain=-3,
        effects=("lowpass:3200",),
    )
    if sketch.chance(0.3):
        melody(sketch, sketch.pick("muted trumpet", "flute", "alto sax"), "slow", gain=-5)
    if sketch.chance(0.25):
        sketch.texture("scratch", -14)
    if sketch.chance(0.5):
        sketch.texture("vinyl", -28)


@style(
    "trap",
    beats=(6, 12, 13, 14),
    says=("trap beat", "dark trap", "atlanta trap", "trap type beat", "808 trap"),
    unseen=("rattling hi hats and booming 808s", "metro style beat"),
    moods=("dark", "hard", "menacing", "moody"),
    places=("atlanta",),
    eras=("2010s", "modern"),
    weight=1.3,
)
def trap(sketch: Sketch) -> None:
    """Half-time claps, rolling hats, long 808s."""
    sketch.key("minor", "harmonic minor", "phrygian")
    sketch.changes("im bVI", "im iv", "im bII im", each=4)
    slow = sketch.beats <= 8
    hats = sketch.pick("x.x.x.x.x.x.xxxx", "x.x.xxxxx.x.x.x.", "x.x.x.xxx.x.xxxx")
    sketch.drums(
        sketch.pick("808 kit", "synth kit"),
        fill=0.0,
        loose=0.002,
        step=8 if slow else 4,
        kick=sketch.pick("X.....X.........", "X..X......X.....", "X.........X..X.."),
        clap="........X.......",
        hat=hats,
        open=sketch.pick("................", "......x........."),
    )
    sketch.bass(
        "808 bass",
        sketch.pick("r-----r---......", "r--r------r-....", "r---------r--r--"),
        step=8 if slow else 4,
        effects=("drive:2",),
    )
    lead = sketch.pick("music box", "piano", "fm bell", "pluck", "choir", "flute", "nylon guitar")
    if sketch.chance(0.5):
        sketch.arp(lead, sketch.pick("updown", "random"), step=2, effects=("reverb:0.35",), gain=-4)
    else:
        melody(sketch, lead, "easy", effects=("reverb:0.35",), gain=-3)
    if sketch.chance(0.4):
        sketch.pad(sketch.pick("slow strings", "warm pad", "choir"), gain=-10)


@style(
    "drill",
    beats=(12, 13),
    says=("uk drill", "drill beat", "drill type beat", "brooklyn drill"),
    unseen=("sliding 808s and syncopated hats", "london road rap instrumental"),
    moods=("dark", "cold", "aggressive"),
    places=("london", "brooklyn"),
    eras=("2020s", "modern"),
)
def drill(sketch: Sketch) -> None:
    """Three-three-two hats, late snares, sliding 808s."""
    sketch.key("minor", "harmonic minor")
    sketch.changes("im bVI", "im bVII bVI", each=4)
    sketch.drums(
        "808 kit",
        fill=0.0,
        loose=0.002,
        kick="X.....x....X....x.....X.........",
        snare="......X.......X.......X......X..",
        hat=sketch.pick("x..x..x.", "x..x..xx", "x.xx..x."),
        rim="...g......g.....",
    )
    sketch.bass(
        "808 bass",
        sketch.pick("r-----8---r-----5-----r---......", "r---......8-----r-----3-----...."),
        effects=("drive:2",),
    )
    melody(
        sketch,
        sketch.pick("piano", "choir", "strings", "pluck"),
        "easy",
        gain=-4,
        effects=("reverb:0.4",),
    )
    sketch.pad(sketch.pick("slow strings", "choir", "sweep pad"), gain=-11)


@style(
    "rap",
    beats=(7, 8),
    says=(
        "rapping",
        "rap vocals",
        "rapper",
        "rap verse",
        "rap over a beat",
        "mc rapping",
        "spoken word",
        "freestyle rap",
    ),
    unseen=("someone spitting bars", "a guy talking fast over a drum beat"),
    moods=("confident", "angry", "fast"),
    places=("street", "the club"),
    eras=("90s", "2000s"),
)
def rap(sketch: Sketch) -> None:
    """A voice on the sixteenth grid over drums and bass."""
    sketch.key("minor")
    sketch.changes("im7 iv7", "im7", each=4)
    flow = sketch.pick("x.xxx.x.x.xxx.x.", "xx.xx.xxx.xx.x..", "x.x.xxx.x.x.x.x.")
    sketch.comp("rap voice", flow, gain=3, legato=1.6, loose=0.008)
    sketch.drums(
        sketch.pick("power kit", "808 kit", "standard kit"),
        fill=0.1,
        kick=sketch.pick("X..x......X.....", "X.....x...X.x..."),
        snare="....X.......X...",
        hat="x.x.x.x.x.x.x.x.",
    )
    sketch.bass(sketch.pick("finger bass", "808 bass"), "r..r....r.5.....", gain=-2)
    if sketch.chance(0.4):
        sketch.comp(sketch.pick("piano", "electric piano", "strings"), "x_____......x___", gain=-9)


@style(
    "vocals",
    beats=(6, 8, 10),
    says=(
        "singing",
        "sung vocals",
        "singer",
        "a cappella",
        "vocal harmony",
        "voices singing",
        "female vocals",
        "male vocals",
        "vocalist",
    ),
    unseen=("somebody humming a tune", "people singing together"),
    moods=("soulful", "pretty", "sad"),
    places=("church", "shower"),
    eras=("60s", "80s"),
)
def vocals(sketch: Sketch) -> None:
    """Voices in harmony, with a little under them."""
    sketch.key("major", "minor")
    sketch.changes("I vi IV V", "I IV", "im bVI bIII bVII")
    melody(
        sketch,
        sketch.pick("voice oohs", "choir"),
        "slow",
        gain=2,
        grace=0.1,
        effects=("vibrato:0.4", "reverb:0.3"),
        double=sketch.pick(0, 0, 12),
    )
    sketch.pad(sketch.pick("voice oohs", "choir"), gain=-5, effects=("reverb:0.3",))
    if sketch.chance(0.4):
        sketch.comp("piano", "x___x___", gain=-10)
    if sketch.chance(0.3):
        sketch.comp("rap voice", "x...x.x.", gain=-6)


@style(
    "soul",
    beats=(6, 7, 8),
    says=("soul music", "neo soul", "motown", "r&b", "rnb", "smooth r&b"),
    unseen=("marvin gaye vibe", "slow jam"),
    moods=("smooth", "warm", "sexy", "romantic"),
    places=("detroit", "memphis"),
    eras=("60s", "70s", "90s"),
)
def soul(sketch: Sketch) -> None:
    """Backbeat, electric piano, answering horns."""
    sketch.key("major", "dorian")
    sketch.changes("Imaj7 vi7 ii7 V9", "Imaj9 IVmaj7", "vi7 ii9 Vsus4 I6")
    sketch.drums(
        "standard kit",
        kick="x.....x.x.x.....",
        snare="....x..g....x...",
        hat="x-x-x-x-x-x-x-x-",
        tambourine=sketch.pick("....x.......x...", "."),
        swing=0.1,
    )
    sketch.bass("finger bass", sketch.pick("r-.r..5.8-.5.3.a", "r--.8.r-..5-r.a."))
    sketch.comp(
        sketch.pick("electric piano", "hammond organ"),
        "x__.x_..x__.x_..",
        gain=-3,
        effects=("tremolo:2",),
    )
    if sketch.chance(0.6):
        sketch.comp("brass section", "..............x.", gain=-4, legato=0.5)
    if sketch.chance(0.4):
        melody(sketch, sketch.pick("alto sax", "voice oohs", "tenor sax"), "easy", gain=-3)
    if sketch.chance(0.4):
        sketch.comp("muted guitar", "....x.......x...", gain=-5, strum=0.03)


@style(
    "funk",
    beats=(8, 9, 10),
    says=("funk groove", "funky", "james brown funk", "slap bass funk", "funk guitar"),
    unseen=("get on the good foot", "stanky groove with wah"),
    moods=("funky", "groovy", "tight"),
    places=("new orleans",),
    eras=("70s",),
)
def funk(sketch: Sketch) -> None:
    """On the one: syncopated bass, scratch guitar, clav."""
    sketch.key("dorian", "mixolydian")
    sketch.changes("i7", "I9", "i7 IV9", each=4)
    sketch.drums(
        "standard kit",
        kick=sketch.pick("X.x...x...x..x..", "X..x..x...X....."),
        snare="....X..g.g..X..g",
        hat="x-x-x-x-x-x-x-xx",
        open=".......x........",
    )
    sketch.bass(
        sketch.pick("slap bass", "finger bass"),
        sketch.pick("r..8r..5..r.7.8.", "r.r..8.5r..7..8.", "rr..8..r.5.7r.a."),
        gain=2,
        legato=0.6,
    )
    sketch.comp(
        "muted guitar",
        sketch.pick("x.gxg.xg.gx.gxg.", "..x.g.x...x.gxx."),
        gain=-3,
        effects=("wah:2",),
        strum=0.02,
        legato=0.5,
    )
    if sketch.chance(0.6):
        sketch.comp("clavinet", "x..x..x..x..x.x.", gain=-4, legato=0.5)
    if sketch.chance(0.5):
        sketch.comp(
            "brass section",
            sketch.pick("X.....x.........", "......x..x......"),
            gain=-2,
            legato=0.5,
        )
