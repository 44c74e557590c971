"""What a composer hands to the renderer: notes, parts and a piece, with nothing left to chance."""

from __future__ import annotations

from dataclasses import dataclass, field

LOOP_SECONDS = 5.12
"""Length of every training loop: 512 columns of 10 ms."""

MIN_BEATS, MAX_BEATS = 4, 16


@dataclass(frozen=True)
class Note:
    """One note: onset and length in beats from the loop's start, MIDI pitch, velocity 1..127."""

    start: float
    length: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """The notes of one instrument (a name in `instruments.INSTRUMENTS`) and how it is mixed.

    `gain` is in dB; `effects` are names in `effects.EFFECTS`, optionally with one number after a
    colon ("lowpass:900"), applied in order.
    """

    instrument: str
    notes: tuple[Note, ...]
    gain: float = 0.0
    effects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """One composed loop of `beats` whole beats that lasts exactly `LOOP_SECONDS`.

    `textures` are names in `noises.NOISES` with a gain in dB; `effects` treat the whole mix;
    `tonic` is a pitch class 0..11 or None where there is no key; `seed` repeats the noises.
    """

    style: str
    beats: int
    tonic: int | None
    scale: str
    parts: tuple[Part, ...]
    textures: tuple[tuple[str, float], ...] = ()
    effects: tuple[str, ...] = ()
    tags: tuple[str, ...] = field(default=())
    seed: int = 0

    @property
    def bpm(self) -> float:
        """Tempo in beats a minute, exact for the loop."""
        return self.beats * 60.0 / LOOP_SECONDS
