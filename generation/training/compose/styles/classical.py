"""Concert halls, churches and film studios."""

# fmt: off - one groove a line reads like a score
from __future__ import annotations

from generation.training.compose.melody import melody
from generation.training.compose.registry import style
from generation.training.compose.sketch import Sketch

CADENCES = ("I IV V I", "I vi ii V", "I V vi IV", "im iv V im", "im bVI iv V", "I ii V I")


def _classical_key(sketch: Sketch) -> None:
    sketch.key("major", "harmonic minor")
    minor = sketch.scale != "major"
    sketch.changes(*[c for c in CADENCES if c.startswith("im") == minor])


@style(
    "string quartet",
    beats=(7, 8, 9),
    says=(
        "chamber music",
        "classical strings",
        "quartet",
        "violins and cello",
        "haydn quartet",
        "classical violin quartet",
    ),
    unseen=("beethoven late quartet", "wedding reception string players"),
    moods=("elegant", "refined"),
    places=("vienna", "the palace"),
    eras=("18th century",),
)
def string_quartet(sketch: Sketch) -> None:
    """A first violin, moving inner voices, a cello."""
    _classical_key(sketch)
    melody(
        sketch,
        "violin",
        sketch.pick("easy", "busy"),
        gain=0,
        low=67,
        grace=0.15,
        effects=("reverb:0.25",),
    )
    sketch.comp(
        "violin",
        sketch.pick("x.x.x.x.", "x_______", "..x...x."),
        gain=-6,
        centre=64,
        effects=("reverb:0.25",),
    )
    melody(sketch, "viola", "easy", gain=-5, effects=("reverb:0.25",))
    sketch.bass("cello", sketch.pick("r---r---", "r-5-3-5-", "r.r.r.r."), effects=("reverb:0.25",))


@style(
    "symphony",
    beats=(7, 8, 9),
    says=(
        "orchestra",
        "symphony orchestra",
        "orchestral music",
        "classical orchestra",
        "symphonic",
        "classical music",
    ),
    unseen=("beethoven's ninth", "philharmonic tutti fortissimo"),
    moods=("grand", "majestic", "powerful"),
    places=("concert hall", "vienna"),
    eras=("19th century",),
)
def symphony(sketch: Sketch) -> None:
    """Strings, winds, brass and timpani together."""
    _classical_key(sketch)
    hall = ("reverb:0.4",)
    melody(sketch, "strings", sketch.pick("easy", "busy"), low=67, double=-12, effects=hall)
    sketch.pad("slow strings", gain=-6, effects=hall)
    if sketch.chance(0.7):
        sketch.comp("french horn", sketch.pick("x______.", "x__.x_x_"), gain=-5, effects=hall)
    if sketch.chance(0.6):
        melody(sketch, sketch.pick("flute", "oboe", "clarinet"), "busy", gain=-5, effects=hall)
    if sketch.chance(0.6):
        sketch.comp(
            "brass section",
            sketch.pick("x_______........", "....x_x_x___...."),
            gain=-5,
            effects=hall,
        )
    sketch.bass("contrabass", "r---5---", effects=hall)
    if sketch.chance(0.7):
        sketch.bass("timpani", sketch.pick("r.......r.r.r...", "rrrr............"), effects=hall)


@style(
    "piano concerto",
    beats=(6, 7, 8),
    says=("classical piano concerto", "rachmaninoff", "piano and orchestra", "romantic piano"),
    unseen=("grand virtuoso with the philharmonic", "tchaikovsky opening chords"),
    moods=("romantic", "dramatic", "virtuosic"),
    places=("concert hall", "russia"),
    eras=("19th century",),
)
def piano_concerto(sketch: Sketch) -> None:
    """Arpeggios from hand to hand over warm strings."""
    _classical_key(sketch)
    sketch.arp(
        "piano",
        sketch.pick("updown", "up"),
        step=sketch.pick(4, 6),
        octaves=3,
        centre=66,
        effects=("reverb:0.3",),
    )
    melody(sketch, "piano", "slow", low=72, double=-12, effects=("reverb:0.3",))
    sketch.pad("slow strings", gain=-5, effects=("reverb:0.4",))
    sketch.bass("cello", "r---5---", gain=-5)


@style(
    "baroque harpsichord",
    beats=(7, 8, 9),
    says=("harpsichord", "baroque", "bach", "baroque music", "bach harpsichord", "vivaldi"),
    unseen=("powdered wigs at versailles", "scarlatti sonata"),
    moods=("ornate", "courtly"),
    places=("the court", "leipzig"),
    eras=("17th century", "18th century"),
)
def baroque_harpsichord(sketch: Sketch) -> None:
    """Running counterpoint in two or three voices."""
    _classical_key(sketch)
    melody(sketch, "harpsichord", "run", low=65, high=88, grace=0.1, leap=0.1)
    melody(sketch, "harpsichord", sketch.pick("busy", "easy"), low=45, high=64, gain=-1)
    if sketch.chance(0.4):
        melody(
            sketch,
            sketch.pick("violin", "recorder", "oboe"),
            "easy",
            gain=-3,
            effects=("reverb:0.2",),
        )
    if sketch.chance(0.3):
        sketch.bass("cello", "r-3-5-3-", gain=-4)


@style(
    "choir hymn",
    beats=(4, 5, 6),
    says=(
        "choir",
        "hymn",
        "church choir",
        "gregorian chant",
        "choral music",
        "angelic choir",
        "choir singing",
    ),
    unseen=("monks in a cathedral", "carol service by candlelight"),
    moods=("holy", "solemn", "heavenly"),
    places=("cathedral", "church"),
    eras=("medieval", "renaissance"),
    rhythmic=False,
)
def choir_hymn(sketch: Sketch) -> None:
    """Four voices, one chord a beat or two."""
    _classical_key(sketch)
    hall = ("vibrato:0.2", "reverb:0.55")
    sketch.comp("choir", sketch.pick("x", "x_", "x_x_xx"), step=1, legato=1.05, effects=hall)
    sketch.comp("choir", "x_", step=1, centre=50, gain=-3, effects=hall)
    if sketch.chance(0.4):
        melody(sketch, "voice oohs", "slow", gain=-3, effects=hall)
    if sketch.chance(0.4):
        sketch.pad("church organ", gain=-9, effects=("reverb:0.5",))


@style(
    "film score",
    beats=(7, 8, 9, 10),
    says=(
        "epic film score",
        "cinematic",
        "movie soundtrack",
        "epic orchestral",
        "trailer music",
        "epic trailer",
        "movie score",
        "hans zimmer",
    ),
    unseen=("braam before the battle", "spaceship reveal in imax"),
    moods=("epic", "dramatic", "tense", "heroic"),
    places=("battlefield", "space"),
    eras=("modern",),
    weight=1.2,
)
def film_score(sketch: Sketch) -> None:
    """String ostinato, big drums, low brass."""
    sketch.key("minor")
    sketch.changes("im bVI bIII bVII", "im bVI", "im iv bVI V", "im bII")
    hall = ("reverb:0.4",)
    sketch.arp(
        "strings",
        sketch.pick("alberti", "updown"),
        step=sketch.pick(2, 4),
        octaves=1,
        legato=0.6,
        effects=hall,
        centre=60,
    )
    sketch.drums(
        "orchestra kit",
        kick="X.....x.X.x.....",
        low_tom="X...x..xX..x..x.",
        gain=0,
        effects=hall,
        fill=0.3,
    )
    if sketch.chance(0.6):
        sketch.bass("taiko", sketch.pick("r..r..r.", "r...r.r."), effects=hall)
    sketch.comp(
        "brass section",
        sketch.pick("x_______________", "x____...x___...."),
        centre=50,
        effects=hall,
        gain=-1,
    )
    if sketch.chance(0.5):
        melody(sketch, sketch.pick("french horn", "choir", "trumpet"), "slow", effects=hall)


@style(
    "waltz",
    beats=(9, 12, 15),
    says=("viennese waltz", "waltz in 3/4", "ballroom waltz", "strauss waltz", "3/4 waltz"),
    unseen=("blue danube new year's concert", "one two three dancing in gowns"),
    moods=("graceful", "elegant", "romantic"),
    places=("vienna", "ballroom"),
    eras=("19th century",),
)
def waltz(sketch: Sketch) -> None:
    """Oom-pah-pah under a sweeping tune."""
    sketch.key("major")
    sketch.changes("I V7 I", "I IV V7 I", "I ii V7", each=3)
    sketch.bass(sketch.pick("contrabass", "pizzicato", "cello"), "r..", step=1, legato=0.8)
    sketch.comp(sketch.pick("strings", "pizzicato", "piano"), ".xx", step=1, legato=0.5, gain=-3)
    melody(
        sketch,
        sketch.pick("strings", "violin", "flute", "clarinet"),
        "easy",
        low=67,
        effects=("reverb:0.3",),
    )


@style(
    "church organ",
    beats=(5, 6, 8),
    says=(
        "pipe organ",
        "organ music",
        "organ",
        "cathedral organ",
        "bach organ",
        "toccata",
        "church organ music",
    ),
    unseen=("phantom of the opera", "count dracula at the keyboard"),
    moods=("solemn", "spooky", "grand"),
    places=("cathedral", "church"),
    eras=("18th century",),
)
def church_organ(sketch: Sketch) -> None:
    """Held chords, pedals and runs on a pipe organ."""
    _classical_key(sketch)
    hall = ("reverb:0.5",)
    if sketch.chance(0.7):
        sketch.pad("church organ", gain=-2, effects=hall)
    else:
        sketch.comp("church organ", "x_x_x_x_", effects=hall, legato=1.0)
    sketch.bass("church organ", "r---", effects=hall, legato=1.0)
    melody(
        sketch, "church organ", sketch.pick("run", "easy", "busy"), low=67, effects=hall, gain=-1
    )


@style(
    "military march",
    beats=(9, 10),
    says=("marching band", "march", "brass band", "military music", "parade"),
    unseen=("fourth of july veterans procession", "sousa in the park"),
    moods=("proud", "patriotic", "bold"),
    places=("the parade",),
    eras=("1900s",),
)
def military_march(sketch: Sketch) -> None:
    """Oom-pah brass with a snare line."""
    sketch.key("major")
    sketch.changes("I V7 I", "I IV V7 I")
    sketch.drums(
        "orchestra kit",
        kick="x...",
        snare=sketch.pick("x.xxx.x.", "x.gxx.gg"),
        crash=sketch.pick("x.......", "."),
    )
    sketch.bass("tuba", "r.5.", step=2, legato=0.7)
    sketch.comp("french horn", ".x", step=2, gain=-5, legato=0.5)
    melody(sketch, sketch.pick("trumpet", "brass section", "piccolo"), "easy", legato=0.8)


@style(
    "new age",
    beats=(5, 6, 7),
    says=(
        "new age music",
        "meditation music",
        "spa music",
        "yoga music",
        "relaxing music",
        "healing music",
        "enya",
    ),
    unseen=("massage table soundtrack", "crystal shop incense"),
    moods=("calm", "peaceful", "relaxing", "soothing"),
    places=("spa", "the garden"),
    eras=("80s",),
    rhythmic=False,
)
def new_age(sketch: Sketch) -> None:
    """Harp or bells over a warm pad."""
    sketch.key("major", "lydian")
    sketch.changes("Iadd9 IVadd9", "I vi IV V", "Imaj7 IVmaj7")
    sketch.pad(sketch.pick("new age pad", "warm pad", "halo pad"), effects=("reverb:0.5",))
    sketch.arp(
        sketch.pick("harp", "celesta", "nylon guitar", "piano"),
        "updown",
        step=2,
        octaves=2,
        effects=("reverb:0.5", "delay:0.5"),
        legato=2.0,
    )
    if sketch.chance(0.6):
        melody(
            sketch,
            sketch.pick("pan flute", "flute", "ocarina", "shakuhachi"),
            "slow",
            scale="major pentatonic",
            effects=("reverb:0.5",),
            gain=-2,
        )
    if sketch.chance(0.3):
        sketch.texture(sketch.pick("waves", "bird calls", "rain"), -20)
