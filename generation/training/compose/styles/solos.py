"""One instrument alone: drilled often, because that is what people type first."""

# fmt: off - one groove a line reads like a score
from __future__ import annotations

from generation.training.compose.melody import melody
from generation.training.compose.registry import style
from generation.training.compose.sketch import Sketch


@style(
    "guitar solo",
    beats=(8, 9, 10, 11, 12),
    says=(
        "guitar solo with distortion",
        "electric guitar solo",
        "distorted guitar solo",
        "shredding guitar",
        "rock guitar solo",
        "guitar shredding",
        "lead guitar",
        "distortion guitar",
    ),
    unseen=("eddie van halen eruption", "face melting six string wailing"),
    moods=("screaming", "epic", "wailing"),
    places=("stadium", "mountain top"),
    eras=("80s", "70s"),
    weight=2.5,
    solo=True,
)
def guitar_solo(sketch: Sketch) -> None:
    """Fast pentatonics with bends through a hot amplifier."""
    sketch.key("minor pentatonic", "blues", "minor")
    sketch.changes("I5 bVII5 IV5", "I5 IV5", "I5 bVI5 bVII5")
    melody(
        sketch,
        sketch.pick("distortion guitar", "overdriven guitar"),
        sketch.pick("run", "busy", "triplet"),
        gain=2,
        low=58,
        high=88,
        grace=0.3,
        rest=0.03,
        effects=("vibrato:0.4", "drive:4", "delay:0.75", "reverb:0.2"),
    )
    if sketch.chance(0.5):
        sketch.comp(
            "distortion guitar",
            sketch.pick("X_______", "x.x.x.x."),
            centre=46,
            gain=-6,
            effects=("drive:4",),
        )
    if sketch.chance(0.4):
        sketch.drums("power kit", kick="X...", snare="....X...", hat="x.x.", gain=-6)


@style(
    "violin solo",
    beats=(6, 7, 8, 9, 10),
    says=(
        "classical violin",
        "violin",
        "solo violin",
        "violin melody",
        "violin concerto",
        "sad violin",
        "paganini",
    ),
    unseen=("stradivarius virtuoso alone", "itzhak perlman encore"),
    moods=("sad", "beautiful", "passionate", "emotional"),
    places=("concert hall", "vienna"),
    eras=("19th century",),
    weight=2.5,
    solo=True,
)
def violin_solo(sketch: Sketch) -> None:
    """A singing line, sometimes over a soft accompaniment."""
    sketch.key("harmonic minor", "major", "minor")
    sketch.changes("I IV V I") if sketch.scale == "major" else sketch.changes(
        "im iv V im", "im bVI"
    )
    melody(
        sketch,
        "violin",
        sketch.pick("easy", "busy", "run", "slow"),
        gain=2,
        low=60,
        high=92,
        grace=0.15,
        effects=("vibrato:0.35", "reverb:0.3"),
        legato=1.05,
    )
    if sketch.chance(0.4):
        sketch.comp(
            sketch.pick("piano", "harp", "pizzicato"), "x...x...", gain=-8, effects=("reverb:0.3",)
        )
    elif sketch.chance(0.3):
        sketch.pad("slow strings", gain=-9, effects=("reverb:0.3",))


@style(
    "solo piano",
    beats=(5, 6, 7, 8, 9),
    says=(
        "piano",
        "piano solo",
        "classical piano",
        "piano melody",
        "sad piano",
        "soft piano",
        "calm piano",
        "chopin",
        "piano ballad",
        "nocturne",
    ),
    unseen=("chopin nocturne at midnight", "erik satie vibes", "lonely grand in an empty hall"),
    moods=("sad", "calm", "emotional", "romantic", "gentle"),
    places=("concert hall",),
    eras=("19th century",),
    weight=2.0,
    solo=True,
)
def solo_piano(sketch: Sketch) -> None:
    """Left-hand arpeggios under a right-hand tune."""
    sketch.key("major", "minor", "harmonic minor")
    sketch.changes(
        *(
            ("I vi IV V", "I V vi IV", "Imaj7 IVmaj7")
            if sketch.scale == "major"
            else ("im bVI bIII bVII", "im iv V im", "im bVII bVI V")
        )
    )
    room = ("reverb:0.25",)
    sketch.arp(
        "piano",
        sketch.pick("up", "updown", "alberti"),
        step=sketch.pick(2, 2, 3, 4),
        octaves=sketch.pick(1, 2),
        centre=50,
        legato=2.5,
        gain=-3,
        effects=room,
    )
    melody(
        sketch,
        "piano",
        sketch.pick("easy", "slow", "busy"),
        low=65,
        high=88,
        effects=room,
        legato=1.3,
        double=sketch.pick(0, 0, -12),
    )


def _solo(
    instrument: str,
    says: tuple[str, ...],
    rhythms: tuple[str, ...] = ("easy", "busy"),
    scales: tuple[str, ...] = ("major", "minor"),
    effects: tuple[str, ...] = ("reverb:0.2",),
    grace: float = 0.1,
    weight: float = 0.6,
    unseen: tuple[str, ...] = (),
    chords: bool = False,
) -> None:
    """Register "`instrument` solo": a tune, perhaps with its own broken chords."""

    def write(sketch: Sketch) -> None:
        sketch.key(*scales)
        sketch.changes("I IV V I", "I vi IV V") if "major" in sketch.scale else (
            sketch.changes("im bVII", "im bVI", "im iv")
        )
        melody(sketch, instrument, sketch.pick(*rhythms), grace=grace, effects=effects, legato=1.05)
        if chords:
            sketch.arp(
                instrument,
                sketch.pick("up", "alberti", "updown"),
                step=sketch.pick(2, 4),
                octaves=1,
                gain=-4,
                effects=effects,
                legato=1.5,
            )

    write.__doc__ = f"{instrument} alone."
    style(
        f"{instrument} solo",
        beats=(6, 7, 8, 9, 10),
        says=says,
        unseen=unseen,
        weight=weight,
        solo=True,
        moods=("beautiful", "lonely", "expressive"),
    )(write)


_solo(
    "cello",
    ("cello", "solo cello", "cello suite", "sad cello"),
    ("easy", "slow"),
    effects=("vibrato:0.3", "reverb:0.3"),
    unseen=("yo-yo ma prelude",),
    weight=0.8,
)
_solo("flute", ("flute", "flute melody", "solo flute"), unseen=("faun in the meadow",))
_solo("clarinet", ("clarinet", "clarinet melody"), unseen=("benny goodman licks",))
_solo("trumpet", ("trumpet", "trumpet melody", "solo trumpet"), unseen=("bugle at sunset",))
_solo(
    "alto sax",
    ("saxophone solo", "sax melody", "alto saxophone"),
    grace=0.3,
    effects=("vibrato:0.3", "reverb:0.2"),
    unseen=("careless whisper hook",),
)
_solo("muted trumpet", ("muted trumpet", "miles davis trumpet"), ("slow", "easy"), ("dorian",))
_solo(
    "french horn", ("french horn", "horn call"), ("slow", "easy"), unseen=("alpine hunting call",)
)
_solo("oboe", ("oboe", "oboe melody"), unseen=("duck in peter and the wolf",))
_solo(
    "harmonica",
    ("harmonica", "blues harmonica"),
    ("easy", "triplet"),
    ("blues",),
    grace=0.4,
    unseen=("lonesome cowboy on the trail",),
)
_solo(
    "accordion",
    ("accordion", "french accordion", "musette"),
    chords=True,
    unseen=("montmartre cafe tune",),
)
_solo(
    "nylon guitar",
    ("classical guitar", "spanish classical guitar", "guitar fingerstyle"),
    chords=True,
    weight=1.0,
    unseen=("segovia recital",),
)
_solo(
    "acoustic guitar",
    ("acoustic guitar", "guitar", "acoustic guitar melody", "guitar arpeggio"),
    chords=True,
    weight=1.0,
    unseen=("troubadour with six steel strings",),
)
_solo(
    "clean guitar",
    ("clean electric guitar", "electric guitar melody"),
    chords=True,
    unseen=("strat through a twin reverb",),
)
_solo(
    "harp",
    ("harp", "harp glissando", "angelic harp"),
    ("busy", "run"),
    ("major",),
    chords=True,
    unseen=("heaven's waiting room",),
)
_solo(
    "vibraphone",
    ("vibraphone", "vibes solo"),
    ("swing", "easy"),
    ("dorian", "major"),
    unseen=("milt jackson mallets",),
)
_solo(
    "marimba",
    ("marimba", "marimba melody"),
    ("busy", "run"),
    chords=True,
    unseen=("iphone ringtone",),
)
_solo("xylophone", ("xylophone", "skeleton dance xylophone"), ("busy", "run"))
_solo("glockenspiel", ("glockenspiel", "toy bells"))
_solo("kalimba", ("kalimba", "thumb piano", "mbira"), chords=True, unseen=("lamellophone plinks",))
_solo("dulcimer", ("hammered dulcimer", "dulcimer"), ("run", "busy"), ("dorian",), chords=True)
_solo(
    "hammond organ",
    ("hammond solo", "b3 organ solo"),
    ("swing", "triplet"),
    ("blues",),
    effects=("rotary",),
    chords=True,
)
_solo(
    "electric piano",
    ("electric piano", "rhodes", "rhodes piano"),
    ("easy", "slow"),
    ("dorian",),
    effects=("tremolo:2", "reverb:0.2"),
    chords=True,
)
_solo(
    "slap bass",
    ("slap bass", "bass solo", "bass guitar solo"),
    ("busy", "run"),
    ("dorian",),
    effects=(),
    unseen=("flea popping the strings",),
)
_solo(
    "acoustic bass",
    ("upright bass", "double bass solo", "walking bass"),
    ("swing", "easy"),
    ("dorian",),
    effects=(),
    unseen=("charles mingus alone",),
)
_solo(
    "saw lead",
    ("synth solo", "synth lead", "analog synth", "moog", "synthesizer"),
    ("busy", "run", "easy"),
    ("minor",),
    ("delay:0.75", "reverb:0.2"),
    weight=1.2,
    unseen=("keith emerson modular", "prog keyboard wizardry"),
)
_solo(
    "sine lead",
    ("theremin", "spooky theremin", "sci-fi theremin"),
    ("slow",),
    ("minor",),
    ("vibrato:0.8", "reverb:0.4"),
    unseen=("b-movie flying saucer",),
)
_solo("shakuhachi", ("shakuhachi", "bamboo flute"), ("slow",), ("hirajoshi",), ("reverb:0.4",), 0.5)
_solo(
    "pan flute",
    ("pan flute", "andean flute", "peruvian pan pipes"),
    ("slow", "easy"),
    ("minor pentatonic",),
    ("reverb:0.4",),
    unseen=("condor over the andes",),
)
_solo(
    "bagpipe",
    ("bagpipes", "scottish pipes"),
    ("easy", "jig"),
    ("mixolydian",),
    grace=0.4,
    unseen=("highland funeral in a kilt",),
)
_solo("banjo", ("banjo", "banjo solo"), ("run",), ("major",), chords=True)
_solo("sitar", ("sitar solo", "solo sitar"), ("easy", "busy"), ("double harmonic",), grace=0.5)
_solo("trombone", ("trombone", "trombone solo"), ("easy", "slow"))
_solo(
    "whistle",
    ("whistling", "whistle", "someone whistling"),
    ("easy",),
    ("major",),
    unseen=("good bad ugly duel tune",),
)
