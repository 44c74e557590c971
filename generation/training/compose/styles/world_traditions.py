"""Traditions from Galway to Bali."""

# fmt: off - one groove a line reads like a score
from __future__ import annotations

from generation.training.compose.melody import melody
from generation.training.compose.registry import style
from generation.training.compose.sketch import Sketch


@style(
    "klezmer",
    beats=(10, 11, 12),
    says=("klezmer clarinet", "jewish wedding music", "balkan brass", "gypsy music", "balkan"),
    unseen=("fiddler on the roof", "bar mitzvah dance circle"),
    moods=("lively", "bittersweet"),
    places=("eastern europe", "the wedding"),
)
def klezmer(sketch: Sketch) -> None:
    """Crying clarinet over an accordion oom-pah."""
    sketch.key("phrygian dominant", "harmonic minor")
    sketch.changes("I bII", "im V7 im", "I iv") if sketch.scale != "harmonic minor" else (
        sketch.changes("im V7", "im iv V7")
    )
    sketch.bass(sketch.pick("tuba", "acoustic bass"), "r.5.", step=2, legato=0.7)
    sketch.comp("accordion", ".x", step=2, legato=0.5, gain=-3)
    sketch.drums("standard kit", kick="x...", snare="..x.", step=4, gain=-3)
    melody(sketch, sketch.pick("clarinet", "violin"), "run", grace=0.35)


@style(
    "celtic",
    beats=(10, 11, 12),
    says=(
        "irish jig",
        "irish music",
        "celtic fiddle",
        "irish folk",
        "scottish bagpipes",
        "celtic harp",
        "tin whistle",
    ),
    unseen=("pub session in galway", "riverdance"),
    moods=("cheerful", "merry", "wistful"),
    places=("ireland", "scotland", "the pub"),
)
def celtic(sketch: Sketch) -> None:
    """A jig on fiddle or whistle, bodhran and strummed strings."""
    sketch.key("major", "mixolydian", "dorian")
    sketch.changes("I IV V", "I bVII") if sketch.scale != "dorian" else sketch.changes("im bVII")
    lead = sketch.pick("fiddle", "recorder", "whistle", "bagpipe", "flute")
    melody(sketch, lead, "jig", grace=0.2, rest=0.02, leap=0.15)
    sketch.comp(
        sketch.pick("acoustic guitar", "harp", "accordion"), "x.x", step=3, gain=-5, strum=0.03
    )
    if sketch.chance(0.6):
        sketch.drums("percussion", step=3, low_tom="X.xx.x", gain=-3, fill=0.0)
    if lead == "bagpipe":
        sketch.pad("bagpipe", gain=-9, centre=60)


@style(
    "sitar raga",
    beats=(7, 8, 9),
    says=(
        "sitar",
        "indian classical",
        "raga",
        "indian music",
        "sitar and tabla",
        "bollywood",
        "ravi shankar",
        "tabla",
    ),
    unseen=("ganges at sunrise", "george harrison in rishikesh"),
    moods=("meditative", "mystical", "exotic"),
    places=("india", "the temple"),
)
def sitar_raga(sketch: Sketch) -> None:
    """Sitar over tanpura and tabla."""
    sketch.key("double harmonic", "mixolydian", "dorian")
    sketch.changes("I5", each=16)
    sketch.pad("tanpura", gain=-3, centre=50)
    melody(
        sketch,
        "sitar",
        sketch.pick("busy", "easy", "run"),
        grace=0.45,
        leap=0.1,
        effects=("reverb:0.2",),
        gain=1,
    )
    if sketch.chance(0.8):
        sketch.drums(
            "tabla",
            kick=sketch.pick("X.....x.X...x...", "X..x..x."),
            fill=0.0,
            snare=sketch.pick("..x.x.xx", "x.xx.xx."),
        )


@style(
    "koto",
    beats=(5, 6, 7),
    says=(
        "japanese koto",
        "japanese music",
        "shamisen",
        "zen garden",
        "japanese traditional",
        "geisha music",
    ),
    unseen=("cherry blossom tea ceremony", "samurai at dawn"),
    moods=("calm", "delicate", "meditative"),
    places=("japan", "kyoto"),
)
def koto(sketch: Sketch) -> None:
    """Plucked pentatonics with silence around them, perhaps a bamboo flute."""
    sketch.key("hirajoshi")
    sketch.changes("i5", each=16)
    lead = sketch.pick("koto", "koto", "shamisen")
    melody(sketch, lead, "easy", grace=0.3, rest=0.2, leap=0.35, effects=("reverb:0.3",))
    sketch.arp(lead, "up", step=2, density=0.35, octaves=2, gain=-4, effects=("reverb:0.3",))
    if sketch.chance(0.5):
        melody(sketch, "shakuhachi", "slow", grace=0.4, rest=0.2, effects=("reverb:0.4",), gain=-2)


@style(
    "gamelan",
    beats=(8, 10, 12),
    says=("gamelan orchestra", "balinese gamelan", "javanese gamelan", "indonesian gongs"),
    unseen=("shadow puppet theatre in bali", "bronze metallophones interlocking"),
    moods=("shimmering", "exotic", "ritual"),
    places=("bali", "java", "indonesia"),
)
def gamelan(sketch: Sketch) -> None:
    """Interlocking bronze in pelog or slendro."""
    sketch.key("pelog", "slendro")
    sketch.changes("i5", each=16)
    melody(sketch, "gong chime", "run", low=66, high=86, leap=0.1, rest=0.02)
    melody(sketch, "gong chime", "easy", low=54, high=70, rest=0.02)
    sketch.bass("gong chime", "r.......", legato=4.0, gain=2)
    if sketch.chance(0.5):
        sketch.drums("percussion", conga_low="x..x..x.", conga_mute="..x..x.x", gain=-4)


@style(
    "taiko",
    beats=(8, 9, 10, 11),
    says=(
        "taiko drums",
        "japanese drums",
        "war drums",
        "tribal drums",
        "epic drums",
        "drum ensemble",
    ),
    unseen=("thunderous festival drumming", "army marching to battle drums"),
    moods=("powerful", "thunderous", "epic"),
    places=("japan", "battlefield"),
)
def taiko(sketch: Sketch) -> None:
    """Big drums and rims in unison and answer."""
    sketch.drums(
        "orchestra kit",
        low_tom=sketch.pick("X..x..X.X.x.X...", "X.xxX.xxX.X.xxxx"),
        rim=sketch.pick("..x...x.", "x.xxx.xx", "."),
        kick=sketch.pick("X.......", "X..X..X."),
        effects=("reverb:0.3",),
        gain=2,
    )
    sketch.key("minor")
    sketch.bass("taiko", sketch.pick("r..r..r.", "r.rrr.r.", "r...r..."), effects=("reverb:0.3",))
    if sketch.chance(0.3):
        melody(sketch, "shakuhachi", "slow", grace=0.4, scale="hirajoshi", effects=("reverb:0.4",))


@style(
    "marching drums",
    beats=(9, 10, 11, 12),
    says=(
        "drumline",
        "snare drums marching",
        "marching snare",
        "drum corps",
        "military drums",
        "drum cadence",
    ),
    unseen=("college halftime battery", "rudiments and paradiddles"),
    moods=("tight", "martial"),
    places=("the parade",),
)
def marching_drums(sketch: Sketch) -> None:
    """Rolls and rudiments on snares over bass drums."""
    sketch.drums(
        "orchestra kit",
        kick=sketch.pick("X...X...", "X..x..X."),
        fill=0.4,
        snare=sketch.pick("XgxgXggx", "XggXggXg", "xgXgxgXX", "XgggXgggXgXgxxxx"),
        rim=sketch.pick(".", "....x..."),
        effects=("reverb:0.15",),
    )


@style(
    "hawaiian",
    beats=(8, 9, 10),
    says=("ukulele", "hawaiian music", "tropical", "ukulele song", "luau", "island music"),
    unseen=("hula under the palm trees", "somewhere over the rainbow uke"),
    moods=("sunny", "happy", "breezy"),
    places=("hawaii", "the beach"),
)
def hawaiian(sketch: Sketch) -> None:
    """Strummed high strings, slide, soft bass."""
    sketch.key("major")
    sketch.changes("I IV V7 I", "I VI7 II7 V7", "I iii IV V")
    sketch.comp("nylon guitar", sketch.pick("x.xx.xxx", "x.x-x.x-"), strum=0.04, centre=69)
    sketch.bass("acoustic bass", "r...5...", legato=1.5)
    melody(
        sketch,
        sketch.pick("clean guitar", "steel drums", "whistle", "voice oohs"),
        "easy",
        gain=-1,
        effects=("vibrato:0.5", "reverb:0.2"),
        grace=0.3,
    )


@style(
    "calypso",
    beats=(9, 10),
    says=("steel drums", "steelpan", "caribbean", "calypso music", "trinidad steel band"),
    unseen=("under the sea crab song", "cruise ship deck party"),
    moods=("sunny", "happy"),
    places=("trinidad", "the caribbean"),
)
def calypso(sketch: Sketch) -> None:
    """Steel pans over a soca-like beat."""
    sketch.key("major")
    sketch.changes("I IV V I", "I ii V I")
    melody(sketch, "steel drums", "busy", double=sketch.pick(0, 4))
    sketch.comp("steel drums", "x.xx.xx.", gain=-4, centre=62)
    sketch.drums("standard kit", kick="x...", snare="...x..x.", maracas="x-x-", conga="..x...xx")
    sketch.bass("finger bass", "r..5..8.")


@style(
    "mariachi",
    beats=(9, 12, 15),
    says=("mexican music", "mariachi trumpets", "mexican fiesta", "ranchera"),
    unseen=("tequila and sombreros", "day of the dead serenade"),
    moods=("festive", "proud"),
    places=("mexico",),
)
def mariachi(sketch: Sketch) -> None:
    """Trumpets in thirds over vihuela and guitarron in three."""
    sketch.key("major")
    sketch.changes("I V7", "I IV V7", each=3)
    sketch.bass("acoustic bass", "r.5", step=1)
    sketch.comp("nylon guitar", ".xx", step=1, strum=0.06)
    melody(sketch, "trumpet", "easy", double=-4)
    if sketch.chance(0.6):
        melody(sketch, "violin", "busy", gain=-3)


@style(
    "middle eastern",
    beats=(8, 9, 10),
    says=(
        "arabic music",
        "oud",
        "belly dance",
        "turkish music",
        "egyptian",
        "arabian nights",
        "persian",
    ),
    unseen=("snake charmer in the souk", "caravan crossing the desert"),
    moods=("mysterious", "exotic"),
    places=("cairo", "the desert", "istanbul"),
)
def middle_eastern(sketch: Sketch) -> None:
    """Darbuka rhythm and an ornamented line in hijaz."""
    sketch.key("phrygian dominant", "double harmonic")
    sketch.changes("I5", "I5 bII5", each=4)
    sketch.drums(
        "percussion",
        conga_low=sketch.pick("X...x...", "X..x..x."),
        conga_mute="..x..xx.",
        tambourine=sketch.pick("x-x-", "."),
        fill=0.0,
    )
    melody(sketch, sketch.pick("shamisen", "nylon guitar", "oboe", "dulcimer"), "busy", grace=0.4)
    if sketch.chance(0.6):
        melody(sketch, "strings", "easy", gain=-3, double=12)
    if sketch.chance(0.4):
        sketch.pad("tanpura", gain=-8, centre=48)
