"""Bells, toys and the sounds of the world."""

# fmt: off - one groove a line reads like a score
from __future__ import annotations

from generation.training.compose.melody import melody
from generation.training.compose.registry import style
from generation.training.compose.sketch import Sketch


@style(
    "church bells",
    beats=(4, 5, 6),
    says=(
        "bells",
        "church bell",
        "ringing bells",
        "bell tower",
        "church bells ringing",
        "church bells on sunday",
        "big bells",
    ),
    unseen=("notre dame at noon", "wedding in the village square"),
    moods=("solemn", "festive"),
    places=("the village", "cathedral"),
    weight=1.2,
    rhythmic=False,
)
def church_bells(sketch: Sketch) -> None:
    """Change ringing on a few large bells."""
    sketch.key("major")
    bell = sketch.pick("church bell", "tubular bells", "church bell")
    melody(
        sketch,
        bell,
        sketch.pick("slow", "easy"),
        leap=0.3,
        legato=3.0,
        rest=0.05,
        effects=("reverb:0.35",),
        loose=0.03,
    )
    if sketch.chance(0.5):
        sketch.bass(bell, "r...", step=1, legato=4.0, effects=("reverb:0.35",), loose=0.04)


@style(
    "music box",
    beats=(6, 7, 8, 9),
    says=("music box melody", "lullaby", "wind up toy", "jewelry box tune", "baby mobile"),
    unseen=("ballerina in a jewellery case", "creepy nursery at night"),
    moods=("sweet", "innocent", "creepy", "sleepy"),
    places=("the nursery",),
)
def music_box(sketch: Sketch) -> None:
    """A small tune over broken chords, in three or four."""
    sketch.key("major", "harmonic minor")
    sketch.changes("I IV V I", "I V") if sketch.scale == "major" else sketch.changes("im V im")
    box = sketch.pick("music box", "music box", "celesta")
    melody(sketch, box, "easy", low=76, high=96, rest=0.05)
    sketch.arp(box, sketch.pick("alberti", "updown"), step=2, octaves=1, centre=72, gain=-4)


@style(
    "christmas",
    beats=(9, 10, 11),
    says=("christmas music", "sleigh bells", "xmas song", "jingle bells", "holiday music"),
    unseen=("santa on the rooftop", "december shopping mall"),
    moods=("festive", "jolly", "cozy"),
    places=("the north pole", "snow"),
    weight=0.7,
)
def christmas(sketch: Sketch) -> None:
    """Sleigh bells, glockenspiel, warm strings."""
    sketch.key("major")
    sketch.changes("I vi ii V7", "I IV V7 I")
    sketch.drums("standard kit", tambourine="xx", triangle="x...", step=2, fill=0.0)
    melody(sketch, sketch.pick("glockenspiel", "celesta", "tubular bells"), "easy")
    sketch.pad(sketch.pick("strings", "choir"), gain=-4, effects=("reverb:0.3",))
    sketch.bass("pizzicato", "r...5...", gain=-1)


@style(
    "drum solo",
    beats=(8, 9, 10, 11, 12),
    says=("drums", "drum beat", "drum break", "just drums", "drum loop", "acoustic drums"),
    unseen=("john bonham showing off", "percussionist alone on stage"),
    moods=("energetic", "tight"),
    weight=1.2,
)
def drum_solo(sketch: Sketch) -> None:
    """A kit by itself: a groove with ghost notes and fills."""
    sketch.drums(
        sketch.pick("standard kit", "room kit", "power kit", "jazz kit", "808 kit"),
        kick=sketch.pick("X..x..x.", "X.....x.X.x.....", "X.x.....x.x....."),
        fill=0.8,
        snare=sketch.pick("....X..g.g..X..g", "....X...", "..g.X.g.....X.gg"),
        hat=sketch.pick("x.x.", "xxxx", "x-x-"),
        crash=sketch.pick("X" + "." * 31, "."),
        high_tom=sketch.pick(".", "..........x.....", "."),
        low_tom=sketch.pick(".", ".............xx.", "."),
    )


@style(
    "hand percussion",
    beats=(8, 9, 10, 11),
    says=("bongos", "congas", "djembe", "african drums", "percussion", "latin percussion"),
    unseen=("drum circle in the park", "beatnik poetry night bongos"),
    moods=("earthy", "hypnotic"),
    places=("africa", "cuba"),
)
def hand_percussion(sketch: Sketch) -> None:
    """Congas, bongos, shakers interlocking."""
    sketch.drums(
        "percussion",
        conga=sketch.pick("x..x..x...xx....", "...x..xx"),
        conga_low=sketch.pick("x.....x.x.......", "x...x..."),
        conga_mute="..x.x.x-",
        bongo_high=sketch.pick("x-x-xx-x", "."),
        bongo_low=sketch.pick("..x...x.", "."),
        shaker=sketch.pick("x-x-", "."),
        claves=sketch.pick("x..x..x...x.x...", "."),
        fill=0.0,
    )


def _noise(name: str, says: tuple[str, ...], unseen: tuple[str, ...]) -> None:
    """Register a style that is one texture and nothing else."""

    def write(sketch: Sketch) -> None:
        sketch.texture(name, 0.0)

    write.__doc__ = f"The sound of {name} alone."
    style(name, beats=(4,), says=says, unseen=unseen, weight=0.5, rhythmic=False)(write)


_noise(
    "rain",
    ("rain sounds", "heavy rain", "rainfall", "rainy day", "rain on a window"),
    ("pouring outside", "stormy drizzle on a tin roof"),
)
_noise(
    "typing",
    ("keyboard typing", "typing on a keyboard", "typewriter", "office typing"),
    ("programmer at work", "secretary hitting keys"),
)
_noise(
    "bird calls",
    ("birds", "birdsong", "birds singing", "chirping birds", "forest birds"),
    ("robins at sunrise", "dawn chorus"),
)
_noise(
    "water drops",
    ("dripping water", "drops", "water dripping in a cave", "leaky tap"),
    ("plink plonk in the sink", "stalactite echoes"),
)
_noise(
    "alarm clock",
    ("alarm", "beeping alarm", "wake up alarm", "digital alarm clock"),
    ("time to get out of bed", "snooze button"),
)
_noise(
    "applause",
    ("clapping", "audience clapping", "crowd applause", "cheering crowd"),
    ("standing ovation", "fans going wild"),
)
_noise(
    "waves",
    ("ocean waves", "sea", "the ocean", "waves on the beach", "seaside"),
    ("surf rolling in", "tide on the shore"),
)
_noise(
    "wind",
    ("howling wind", "windy", "blizzard", "cold wind"),
    ("gale over the moor", "arctic storm"),
)
