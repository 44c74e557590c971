"""Scales, chords and voice leading: the little theory that the styles speak in.

Pitches are MIDI note numbers (60 = middle C). A key is a tonic pitch class 0..11 and the name of a
scale in `SCALES`. Chords are written as roman numerals relative to the major scale of the tonic
("ii7", "bVII", "V7b9"), as in any harmony textbook, so a progression reads like a lead sheet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NOTE_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "phrygian dominant": (0, 1, 4, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "major pentatonic": (0, 2, 4, 7, 9),
    "double harmonic": (0, 1, 4, 5, 7, 8, 11),
    "hirajoshi": (0, 2, 3, 7, 8),
    "pelog": (0, 1, 3, 7, 8),
    "slendro": (0, 2, 5, 7, 9),
}

_MAJOR = SCALES["major"]
_NUMERALS = {"i": 0, "ii": 1, "iii": 2, "iv": 3, "v": 4, "vi": 5, "vii": 6}
_NUMERAL = re.compile(r"^([b#]?)(VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)(.*)$")

QUALITIES: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "9": (0, 4, 7, 10, 14),
    "m9": (0, 3, 7, 10, 14),
    "maj9": (0, 4, 7, 11, 14),
    "13": (0, 4, 10, 14, 21),
    "7b9": (0, 4, 7, 10, 13),
    "7#9": (0, 4, 7, 10, 15),
    "add9": (0, 4, 7, 14),
    "madd9": (0, 3, 7, 14),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "o": (0, 3, 6),
    "o7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10),
    "+": (0, 4, 8),
}


@dataclass(frozen=True)
class Chord:
    """A chord: its root as a pitch class 0..11 and its tones in semitones above the root."""

    root: int
    intervals: tuple[int, ...]

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Pitch classes of the chord's tones, root first."""
        return tuple((self.root + interval) % 12 for interval in self.intervals)


def parse_chord(numeral: str, tonic: int) -> Chord:
    """Read a roman numeral such as "ii7", "bVImaj7" or "Vsus4" in the key of pitch class `tonic`.

    Lower case means a minor third; an unknown numeral or quality raises `ValueError`.
    """
    match = _NUMERAL.match(numeral)
    if match is None:
        raise ValueError(
            f"“{numeral}” is not a roman numeral chord; write one like “ii7” or “bVII”."
        )
    accidental, letters, quality = match.groups()
    root = tonic + _MAJOR[_NUMERALS[letters.lower()]] + {"": 0, "b": -1, "#": 1}[accidental]
    if letters.islower() and not quality.startswith(("o", "m", "5", "sus")):
        quality = "m" + quality
    if quality not in QUALITIES:
        raise ValueError(
            f"Chord “{numeral}” has an unknown quality; known: {', '.join(QUALITIES)}."
        )
    return Chord(root % 12, QUALITIES[quality])


def nearest_pitch(pitch_class: int, target: float) -> int:
    """Return the pitch of that class that lies nearest to the (possibly fractional) `target`."""
    return int(pitch_class + 12 * round((target - pitch_class) / 12))


def voice_chord(chord: Chord, centre: float, previous: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Voice `chord` closely around `centre`, moving each voice as little as possible.

    With a `previous` voicing its mean pulls the new one, which is what a pianist's hand does.
    Returns ascending distinct pitches.
    """
    pull = sum(previous) / len(previous) if previous else centre
    target = 0.5 * centre + 0.5 * pull
    best: tuple[int, ...] = ()
    best_cost = float("inf")
    classes = chord.pitch_classes
    for inversion in range(len(classes)):
        order = classes[inversion:] + classes[:inversion]
        pitches = [nearest_pitch(order[0], target - 5)]
        for pitch_class in order[1:]:
            pitches.append(pitches[-1] + ((pitch_class - pitches[-1]) % 12 or 12))
        spread = pitches[-1] - pitches[0]
        cost = abs(sum(pitches) / len(pitches) - target) + 0.15 * spread
        if cost < best_cost:
            best, best_cost = tuple(pitches), cost
    return best


def scale_pitches(tonic: int, scale: str, low: int, high: int) -> list[int]:
    """Return every pitch of the scale between `low` and `high` inclusive, ascending."""
    steps = SCALES[scale]
    return [pitch for pitch in range(low, high + 1) if (pitch - tonic) % 12 in steps]
