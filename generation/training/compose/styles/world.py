"""Dances and traditions from around the world."""

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
