"""Tunes: short rhythmic motifs, repeated and varied, on a line that leans on the chords."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from generation.training.compose import theory
from generation.training.compose.instruments import INSTRUMENTS
from generation.training.compose.score import Note
from generation.training.compose.sketch import Sketch

CELLS: dict[str, tuple[tuple[float, ...], ...]] = {
    "slow": ((2.0,), (1.0, 1.0), (1.5, 0.5), (-1.0, 1.0)),
    "easy": ((1.0, 1.0), (0.5, 0.5, 1.0), (1.5, 0.5), (1.0, 0.5, 0.5), (-0.5, 0.5, 1.0)),
    "busy": (
        (0.5, 0.5, 0.5, 0.5),
        (0.5, 0.25, 0.25, 1.0),
        (0.75, 0.25, 0.5, 0.5),
        (0.25, 0.25, 0.5, -0.5, 0.5),
        (0.5, 1.0, 0.5),
    ),
    "run": (
        (0.25,) * 8,
        (0.5, 0.5) + (0.25,) * 4,
        (0.25,) * 4 + (0.5, 0.5),
        (0.5, 0.25, 0.25, 0.5, 0.25, 0.25),
    ),
    "swing": (
        (2 / 3, 1 / 3, 2 / 3, 1 / 3),
        (1.0, 2 / 3, 1 / 3),
        (2 / 3, 1 / 3, 1.0),
        (-2 / 3, 1 / 3, 2 / 3, 1 / 3),
    ),
    "bop": (
        (1 / 3,) * 3 + (2 / 3, 1 / 3),
        (2 / 3, 1 / 3, 2 / 3, 1 / 3),
        (2 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3),
        (2 / 3, 1 / 3, 1.0),
    ),
    "triplet": ((1 / 3,) * 6, (2 / 3, 1 / 3) * 2, (1.0, 1 / 3, 1 / 3, 1 / 3)),
    "jig": ((1 / 3,) * 6, (2 / 3, 1 / 3) + (1 / 3,) * 3, (1 / 3,) * 3 + (2 / 3, 1 / 3)),
}
"""Rhythm cells of two beats by name; a negative length rests."""


def melody(
    sketch: Sketch,
    instrument: str,
    rhythm: str = "easy",
    gain: float = 0.0,
    effects: Sequence[str] = (),
    scale: str | None = None,
    low: int | None = None,
    high: int | None = None,
    legato: float = 0.95,
    leap: float = 0.2,
    rest: float = 0.08,
    grace: float = 0.0,
    loose: float = 0.01,
    double: int = 0,
) -> None:
    """Write a tune: pick two or three rhythm cells, repeat them, walk the scale between them.

    Strong beats lean on chord tones. `leap` is the chance of a jump, `rest` of a dropped note,
    `grace` of a short note a step below; `double` adds a line that many semitones away.
    """
    voice = INSTRUMENTS[instrument]
    middle = (voice.low + voice.high) / 2
    floor = low if low is not None else round(max(voice.low, middle - 10))
    ceiling = high if high is not None else round(min(voice.high, middle + 12))
    ladder = theory.scale_pitches(sketch.tonic, scale or sketch.scale, floor, ceiling)
    cells = CELLS[rhythm]
    motifs = [cells[int(i)] for i in sketch.rng.integers(len(cells), size=2)]
    # a a b a, as songs do, so that a listener hears one idea and not a random walk
    plan = [motifs[i] for i in (0, 0, 1, 0, 1, 1, 0, 1)]
    notes: list[Note] = []
    place = len(ladder) // 2 + int(sketch.rng.integers(-2, 3))
    direction = 1
    beat, cell = 0.0, 0
    while beat < sketch.beats - 0.01:
        for length in plan[cell % len(plan)]:
            if beat >= sketch.beats - 0.01:
                break
            size = min(abs(length), sketch.beats - beat)
            if length > 0 and not sketch.chance(rest):
                place, direction = _step(sketch, ladder, place, direction, beat, leap)
                accent = 104 if abs(beat - round(beat)) < 0.01 else 88
                notes.append(Note(beat, size * legato, ladder[place], accent))
                if sketch.chance(grace) and place > 0:
                    notes.append(Note(beat - 0.09, 0.1, ladder[place - 1], 76))
            beat += size
        cell += 1
    if double:
        notes += [Note(n.start, n.length, n.pitch + double, n.velocity - 6) for n in notes]
    sketch.add(instrument, notes, gain, effects, loose)


def _step(
    sketch: Sketch, ladder: list[int], place: int, direction: int, beat: float, leap: float
) -> tuple[int, int]:
    """Move along the scale; on a beat, settle on the nearest chord tone. Returns place, trend."""
    size = int(sketch.rng.integers(2, 5)) if sketch.chance(leap) else 1
    if sketch.chance(0.25):
        direction = -direction
    place += direction * size
    if place >= len(ladder) or place < 0:
        direction = -direction
        place = int(np.clip(place, 0, len(ladder) - 1)) + direction
    place = int(np.clip(place, 0, len(ladder) - 1))
    if abs(beat - round(beat)) < 0.01 and sketch.chance(0.8):
        classes = sketch.chord_at(beat).pitch_classes
        near = sorted(range(len(ladder)), key=lambda i: abs(i - place))
        place = next((i for i in near if ladder[i] % 12 in classes), place)
    return place, direction
