"""Guitars, loud and quiet: rock, metal, blues, country, folk."""

# fmt: off - one groove a line reads like a score
from __future__ import annotations

from generation.training.compose.melody import melody
from generation.training.compose.registry import style
from generation.training.compose.sketch import Sketch

POWER = ("I5 bVII5 IV5", "I5 IV5 V5", "I5 bIII5 IV5", "I5 bVI5 bVII5")


@style(
    "rock",
    beats=(9, 10, 11),
    says=(
        "rock music",
        "classic rock",
        "rock band",
        "indie rock",
        "alternative rock",
        "rock n roll",
        "rock beat",
    ),
    unseen=("garage band jam", "stadium anthem with guitars"),
    moods=("energetic", "loud", "driving"),
    places=("garage", "stadium"),
    eras=("70s", "80s", "60s"),
    weight=1.2,
)
def rock(sketch: Sketch) -> None:
    """Eighth-note guitars over a straight backbeat."""
    sketch.key("mixolydian", "minor", "major")
    sketch.changes("I V IV", "I bVII IV I", "vi IV I V", *POWER)
    sketch.drums(
        sketch.pick("standard kit", "power kit", "room kit"),
        effects=("reverb:0.15",),
        kick=sketch.pick("X.....x.X.x.....", "X...X...", "X.x...x.X......."),
        snare="....X...",
        hat=sketch.pick("x.x.x.x.", "x...x..."),
        crash=sketch.pick("X" + "." * 31, "."),
    )
    sketch.bass("pick bass", sketch.pick("r.r.", "r.r.r.5."))
    guitar = sketch.pick("overdriven guitar", "clean guitar", "distortion guitar")
    sketch.comp(
        guitar,
        sketch.pick("X.x.x.x.", "X___..x_x_x_....", "X.xx.xx.X.xx.x.x"),
        strum=0.03,
        centre=55,
        effects=("drive:2",),
        gain=-2,
    )
    if sketch.chance(0.4):
        melody(
            sketch,
            sketch.pick("overdriven guitar", "rock organ"),
            "easy",
            gain=-3,
            scale="minor pentatonic",
            effects=("drive:2",),
            grace=0.2,
        )


@style(
    "hard rock",
    beats=(10, 11, 12),
    says=("hard rock riff", "heavy rock", "electric guitar riff", "ac/dc style rock", "grunge"),
    unseen=("arena riff with cowbell attitude", "leather jacket guitar crunch"),
    moods=("heavy", "loud", "raw"),
    places=("arena", "seattle"),
    eras=("70s", "80s", "90s"),
)
def hard_rock(sketch: Sketch) -> None:
    """Power chords and a pentatonic riff."""
    sketch.key("blues", "minor")
    sketch.changes(*POWER)
    sketch.drums(
        "power kit",
        kick=sketch.pick("X...x.x.X...x...", "X.....x.X.x....."),
        snare="....X...",
        hat="x...",
        crash=sketch.pick("X" + "." * 31, "X..............."),
        effects=("drive:1.5",),
    )
    sketch.bass("pick bass", "r.r.", gain=-1)
    sketch.comp(
        "distortion guitar",
        sketch.pick("X_x.X_x.", "X__x__x_....x_x_", "X.....x_x_....x."),
        centre=48,
        effects=("drive:4",),
    )
    melody(
        sketch,
        "distortion guitar",
        "busy",
        low=40,
        high=60,
        scale="minor pentatonic",
        gain=-3,
        effects=("drive:4",),
    )


@style(
    "metal",
    beats=(12, 14, 16),
    says=(
        "heavy metal",
        "death metal",
        "thrash metal",
        "metal riff",
        "metalcore",
        "black metal",
        "double kick metal",
    ),
    unseen=("blast beats and chugging", "mosh pit madness"),
    moods=("brutal", "heavy", "angry", "fast"),
    places=("hell", "norway"),
    eras=("80s", "90s"),
)
def metal(sketch: Sketch) -> None:
    """Double kick, palm-muted sixteenths, dark scales."""
    sketch.key("phrygian", "harmonic minor", "minor")
    sketch.changes("I5 bII5", "I5 bVI5 bVII5", "I5 bII5 bIII5 bII5")
    sketch.drums(
        "power kit",
        kick=sketch.pick("xxxx", "x.xxx.xx", "x.x."),
        snare=sketch.pick("....X...", "..X."),
        ride=sketch.pick("x.x.", "x..."),
        crash=sketch.pick("X" + "." * 31, "X......."),
        gain=-1,
        effects=("drive:2",),
    )
    sketch.comp(
        "distortion guitar",
        sketch.pick("xxxx", "x.xxx.xx", "X___xxxxX___xx.x", "xxx.xxx."),
        centre=45,
        effects=("drive:6",),
        legato=0.6,
        loose=0.003,
    )
    sketch.bass("pick bass", sketch.pick("rrrr", "r.rr"), effects=("drive:4",))
    if sketch.chance(0.4):
        melody(sketch, "distortion guitar", "run", gain=-2, effects=("drive:4",))


@style(
    "punk",
    beats=(14, 15, 16),
    says=("punk rock", "pop punk", "skate punk", "hardcore punk", "three chord punk"),
    unseen=("mohawk and safety pins", "ramones energy"),
    moods=("fast", "angry", "snotty"),
    places=("garage", "california"),
    eras=("70s", "90s"),
)
def punk(sketch: Sketch) -> None:
    """Three chords, down-strokes, fast two-beat drums."""
    sketch.key("major")
    sketch.changes("I5 IV5 V5", "I5 V5 vi IV5", "I5 IV5")
    sketch.drums(
        "room kit",
        kick=sketch.pick("x..xx...", "x...", "x...x.x."),
        snare="..X.",
        step=2 if sketch.chance(0.5) else 4,
        hat="x.x.",
        crash=sketch.pick("X...", "X" + "." * 31),
    )
    sketch.comp("distortion guitar", "x.x.", centre=52, effects=("drive:4",), strum=0.02)
    sketch.bass("pick bass", "r.r.")


@style(
    "blues",
    beats=(5, 6, 7, 9),
    says=(
        "blues shuffle",
        "slow blues",
        "chicago blues",
        "12 bar blues",
        "electric blues",
        "blues guitar",
    ),
    unseen=("bb king night", "woke up this morning feeling low"),
    moods=("sad", "smoky", "gritty"),
    places=("chicago", "a smoky bar"),
    eras=("50s", "60s"),
)
def blues(sketch: Sketch) -> None:
    """Triplet shuffle in dominant sevenths with guitar licks."""
    sketch.key("blues")
    sketch.changes("I7 IV7", "I7 IV7 V7", "V7 IV7 I7", "I7")
    sketch.drums(
        "standard kit",
        step=3,
        kick="x..x.x",
        snare="...X..",
        ride=sketch.pick("x.x", "x.."),
        hat=sketch.pick("...", "x.x"),
    )
    sketch.bass(
        sketch.pick("finger bass", "acoustic bass"),
        sketch.pick("r.r3.35.57.5", "r..3..5..8.."),
        step=3,
    )
    sketch.comp(sketch.pick("piano", "hammond organ", "clean guitar"), "..xx..", step=3, gain=-5)
    lead = sketch.pick("overdriven guitar", "jazz guitar", "harmonica", "clean guitar")
    melody(
        sketch,
        lead,
        "triplet",
        grace=0.4,
        effects=("drive:2", "reverb:0.2"),
        rest=0.25,
        scale="blues",
    )


@style(
    "delta slide",
    beats=(6, 8, 9),
    says=(
        "slide guitar",
        "delta blues",
        "bottleneck guitar",
        "slide guitar blues",
        "resonator guitar",
    ),
    unseen=("robert johnson at the crossroads", "swampy porch guitar"),
    moods=("raw", "lonely", "swampy"),
    places=("mississippi", "delta", "back porch"),
    eras=("30s",),
)
def delta_slide(sketch: Sketch) -> None:
    """One steel guitar, thumb bass and slid notes, a foot stomp."""
    sketch.key("blues")
    sketch.changes("I7", "I7 IV7", each=4)
    sketch.bass("acoustic guitar", "r.r.5.r.", step=2, gain=-2, effects=("drive:2",))
    melody(
        sketch,
        "acoustic guitar",
        "triplet",
        grace=0.7,
        rest=0.2,
        scale="blues",
        effects=("vibrato:0.6", "drive:2"),
        low=57,
    )
    if sketch.chance(0.6):
        sketch.drums("standard kit", kick="x", step=1, fill=0.0, gain=-5)


@style(
    "country",
    beats=(9, 10, 11),
    says=("country music", "nashville", "honky tonk", "country guitar", "western", "cowboy song"),
    unseen=("pickup truck and boots", "johnny cash train beat"),
    moods=("happy", "twangy", "heartfelt"),
    places=("nashville", "texas", "the ranch"),
    eras=("50s", "60s"),
)
def country(sketch: Sketch) -> None:
    """Boom-chick bass, train snare, twang."""
    sketch.key("major")
    sketch.changes("I IV V I", "I V", "I IV I V")
    sketch.drums(
        "brush kit" if sketch.chance(0.5) else "standard kit",
        kick="x...",
        fill=0.1,
        snare=sketch.pick("g-x-g-x-", "..x."),
        hat="..x.",
    )
    sketch.bass(sketch.pick("finger bass", "acoustic bass"), "r...5...", legato=2.0)
    sketch.comp("acoustic guitar", "..x...x-", strum=0.05, gain=-2)
    lead = sketch.pick("clean guitar", "fiddle", "banjo", "harmonica", "honky-tonk piano")
    melody(sketch, lead, "busy", scale="major pentatonic", grace=0.3, effects=("reverb:0.15",))


@style(
    "folk",
    beats=(7, 8, 9),
    says=(
        "folk song",
        "acoustic folk",
        "fingerpicking guitar",
        "singer songwriter",
        "campfire guitar",
        "acoustic guitar song",
    ),
    unseen=("bob dylan harmonica tune", "around the bonfire strumming"),
    moods=("gentle", "warm", "homely"),
    places=("campfire", "the woods"),
    eras=("60s",),
)
def folk(sketch: Sketch) -> None:
    """Picked or strummed steel strings with a simple tune."""
    sketch.key("major", "mixolydian")
    sketch.changes("I V vi IV", "I IV V I", "I vi IV V")
    if sketch.chance(0.6):
        sketch.arp(
            "acoustic guitar",
            sketch.pick("alberti", "updown"),
            step=sketch.pick(2, 4),
            octaves=2,
            centre=58,
            legato=2.5,
        )
    else:
        sketch.comp("acoustic guitar", "X...x.xx..x.x.x.", strum=0.08, legato=1.8)
    sketch.bass("acoustic guitar", "r...5...", legato=2.0, gain=-2)
    if sketch.chance(0.7):
        melody(
            sketch,
            sketch.pick("harmonica", "recorder", "voice oohs", "fiddle", "flute"),
            "easy",
            gain=-2,
            effects=("reverb:0.2",),
        )


@style(
    "bluegrass",
    beats=(10, 11, 12),
    says=("bluegrass banjo", "banjo music", "hoedown", "banjo picking", "appalachian music"),
    unseen=("deliverance style duel", "barn dance breakdown"),
    moods=("fast", "cheerful"),
    places=("kentucky", "the barn"),
    eras=("40s",),
)
def bluegrass(sketch: Sketch) -> None:
    """Banjo rolls, fiddle, upright bass, mandolin chop."""
    sketch.key("major")
    sketch.changes("I IV I V", "I V", "I bVII I V")
    sketch.arp("banjo", sketch.pick("updown", "random", "up"), step=4, octaves=2, gain=0)
    sketch.bass("acoustic bass", "r...5...", legato=1.5)
    sketch.comp("acoustic guitar", "..x.", strum=0.03, gain=-2)
    if sketch.chance(0.7):
        melody(sketch, "fiddle", "run", scale="major pentatonic", grace=0.2, gain=-1)


@style(
    "rockabilly",
    beats=(14, 15),
    says=("rock and roll", "50s rock", "surf rock", "surf guitar"),
    unseen=("elvis hips", "pulp fiction opening"),
    moods=("fun", "upbeat"),
    places=("the diner", "the beach"),
    eras=("50s", "60s"),
)
def rockabilly(sketch: Sketch) -> None:
    """Slapped bass, swung snare, echoing twang."""
    sketch.key("mixolydian")
    sketch.changes("I7 IV7 I7 V7", "I6 vi IV V")
    sketch.drums(
        "standard kit", kick="x...", snare="..X.", ride=sketch.pick("x.x.", "x.xx"), swing=0.3
    )
    sketch.bass("acoustic bass", "r.3.5.3.", step=2, legato=0.7)
    sketch.comp("clean guitar", "..x.", strum=0.02, effects=("delay:0.25",), gain=-2)
    melody(sketch, "clean guitar", "busy", scale="blues", effects=("tremolo:4", "reverb:0.3"))
