"""Jazz, ragtime and what grew out of the church."""

# fmt: off - one groove a line reads like a score
from __future__ import annotations

from generation.training.compose.melody import melody
from generation.training.compose.registry import style
from generation.training.compose.sketch import Sketch

TURNAROUNDS = (
    "ii7 V7 Imaj7 vi7",
    "Imaj7 VI7 ii7 V7",
    "iii7 VI7b9 ii7 V13",
    "iim7b5 V7b9 im6",
    "Imaj7 #io7 ii7 V7",
)
RIDE = {"ride": "x..x.x", "pedal": "...x..", "step": "3"}


def _swing_drums(sketch: Sketch, kit: str, gain: float = -1) -> None:
    sketch.drums(
        kit,
        gain=gain,
        step=3,
        ride=sketch.pick("x..x.x", "x..x.x", "x.xx.x"),
        pedal="...x..",
        kick=sketch.pick("g.....", "g...........g..."),
        fill=0.2,
        snare=sketch.pick("......", ".....g......", "........g...", "..g...g....."),
    )


@style(
    "jazz trio",
    beats=(9, 10, 11, 12),
    says=(
        "jazz",
        "jazz piano",
        "piano trio",
        "smooth jazz",
        "jazz piano melody",
        "lounge jazz",
        "jazz club",
        "cocktail jazz",
        "cool jazz",
    ),
    unseen=("bill evans at the vanguard", "martini bar background music"),
    moods=("smooth", "classy", "smoky", "relaxed"),
    places=("jazz club", "new york", "paris"),
    eras=("50s", "60s"),
    weight=1.6,
)
def jazz_trio(sketch: Sketch) -> None:
    """Piano, walking bass and a ride cymbal."""
    sketch.key("major", "dorian")
    sketch.changes(*TURNAROUNDS)
    _swing_drums(sketch, sketch.pick("jazz kit", "brush kit"))
    sketch.walk("acoustic bass")
    sketch.comp(
        "piano",
        sketch.pick("x....x......", "..x.....x...", "x.........x."),
        step=3,
        gain=-4,
        centre=58,
    )
    lead = sketch.pick("piano", "piano", "vibraphone", "jazz guitar")
    melody(sketch, lead, "swing", low=64, high=88, rest=0.15, grace=0.15)


@style(
    "swing",
    beats=(11, 12, 14, 15),
    says=(
        "big band",
        "swing jazz",
        "big band swing",
        "swing dance",
        "glenn miller",
        "jazz band",
        "electro swing",
    ),
    unseen=("lindy hop ballroom", "duke ellington orchestra night"),
    moods=("lively", "happy", "elegant"),
    places=("harlem", "ballroom"),
    eras=("30s", "40s"),
)
def swing(sketch: Sketch) -> None:
    """Section riffs over four to the bar."""
    sketch.key("major")
    sketch.changes("I6 VI7 ii7 V7", "I6 IV6 I6 V7", "I6 #io7 ii7 V7")
    _swing_drums(sketch, "jazz kit", gain=0)
    sketch.walk("acoustic bass")
    sketch.comp("jazz guitar", "x..", step=3, gain=-6, legato=1.5)
    sketch.comp(
        "brass section",
        sketch.pick("x....x..x...", "..x..x......", "x_____..x..x"),
        step=3,
        legato=0.9,
    )
    melody(
        sketch,
        sketch.pick("alto sax", "trumpet", "clarinet", "trombone"),
        "swing",
        gain=-1,
        double=sketch.pick(0, -12),
    )


@style(
    "bebop",
    beats=(14, 15, 16),
    says=("fast jazz", "bebop sax", "charlie parker", "hard bop", "bebop jazz"),
    unseen=("dizzy running changes", "frantic saxophone improvisation"),
    moods=("fast", "virtuosic", "frantic"),
    places=("52nd street",),
    eras=("40s", "50s"),
)
def bebop(sketch: Sketch) -> None:
    """Fast lines over fast changes."""
    sketch.key("major")
    sketch.changes(*TURNAROUNDS)
    _swing_drums(sketch, "jazz kit")
    sketch.walk("acoustic bass")
    sketch.comp("piano", "..x....x....", step=3, gain=-6)
    melody(sketch, sketch.pick("alto sax", "trumpet", "tenor sax"), "bop", grace=0.1, rest=0.05)


@style(
    "ragtime",
    beats=(8, 9, 10),
    says=("ragtime piano", "scott joplin", "saloon piano", "rag", "old time piano"),
    unseen=("silent film chase piano", "the entertainer"),
    moods=("jolly", "comic", "old-timey"),
    places=("saloon", "missouri"),
    eras=("1900s", "20s"),
)
def ragtime(sketch: Sketch) -> None:
    """Stride left hand, syncopated right."""
    sketch.key("major")
    sketch.changes("I VI7 II7 V7", "I IV I V7", "I V7 I")
    piano = sketch.pick("honky-tonk piano", "piano", "bright piano")
    sketch.bass(piano, "r.......5.......", step=8, gain=0, legato=3.0)
    sketch.comp(piano, "..x.", gain=-2, centre=57, legato=1.0)
    melody(sketch, piano, "busy", low=67, high=90, grace=0.1, double=sketch.pick(0, 12), leap=0.4)


@style(
    "saxophone jazz",
    beats=(6, 7, 8),
    says=("jazz sax", "saxophone", "jazz saxophone", "sax solo", "late night sax", "jazz ballad"),
    unseen=("coltrane ballad", "rainy noir detective theme"),
    moods=("smoky", "romantic", "sad"),
    places=("night club", "the city at night"),
    eras=("50s",),
    weight=1.2,
)
def saxophone_jazz(sketch: Sketch) -> None:
    """A slow saxophone over brushes."""
    sketch.key("major", "dorian")
    sketch.changes(*TURNAROUNDS)
    _swing_drums(sketch, "brush kit")
    sketch.walk("acoustic bass", gain=-1)
    sketch.comp(sketch.pick("piano", "jazz guitar"), "x___________", step=3, gain=-5)
    melody(
        sketch,
        sketch.pick("tenor sax", "alto sax", "soprano sax"),
        "swing",
        gain=2,
        grace=0.3,
        effects=("vibrato:0.3", "reverb:0.3"),
    )


@style(
    "gospel",
    beats=(6, 7, 9),
    says=("gospel choir", "gospel organ", "church gospel", "sunday gospel", "hammond organ gospel"),
    unseen=("baptist revival meeting", "hallelujah with handclaps"),
    moods=("joyful", "uplifting", "soulful"),
    places=("church", "the south"),
    eras=("60s",),
)
def gospel(sketch: Sketch) -> None:
    """Twelve-eight piano and organ, claps and choir."""
    sketch.key("major")
    sketch.changes("I IV I V7", "I I7 IV ivm6", "IV #ivo7 I VI7", "I iii7 vi7 II7")
    sketch.drums(
        "standard kit",
        step=3,
        kick="x....x",
        snare="...x..",
        clap="...X..",
        hat="xxx",
        tambourine="...x..",
    )
    sketch.bass("finger bass", "r....a5..r.3", step=3)
    sketch.comp("piano", "x.xx.x", step=3, gain=-3)
    sketch.pad("hammond organ", gain=-5, effects=("rotary",))
    if sketch.chance(0.7):
        sketch.comp("choir", "x____...x___", step=3, gain=-1, effects=("reverb:0.3",))


@style(
    "dixieland",
    beats=(14, 15, 16),
    says=("new orleans jazz", "trad jazz", "dixieland jazz", "hot jazz"),
    unseen=("mardi gras street parade", "louis armstrong band"),
    moods=("happy", "rowdy"),
    places=("new orleans",),
    eras=("20s",),
)
def dixieland(sketch: Sketch) -> None:
    """Three horns at once over banjo and tuba."""
    sketch.key("major")
    sketch.changes("I VI7 II7 V7", "I IV I V7")
    sketch.drums("jazz kit", step=2, kick="x...", snare="g-x-", bell=".", crash="X" + "." * 15)
    sketch.bass("tuba", "r.5.", step=2, legato=0.8)
    sketch.comp("banjo", "x.", step=2, gain=-4, strum=0.04)
    melody(sketch, "trumpet", "swing", gain=0)
    melody(sketch, "clarinet", "bop", gain=-3, low=70)
    melody(sketch, "trombone", "slow", gain=-4)
