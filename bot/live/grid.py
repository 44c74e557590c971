"""The beat grid of a session: one tempo, counted in samples."""

from __future__ import annotations

from dataclasses import dataclass

from generation.loops import tempo_samples
from generation.request import BEATS_PER_BAR

SAMPLE_RATE = 44_100


@dataclass(frozen=True, slots=True)
class Grid:
    """Where beats are.

    A loop is rounded to whole samples (as the engine rounds its clips), and the beats divide it:
    loops therefore never drift against the grid, however long the session is.

    Attributes:
        bpm: beats per minute, 20 to 400.
        beats: in one loop.
    """

    bpm: float
    beats: int

    @property
    def loop(self) -> int:
        """Samples in one loop."""
        return tempo_samples(self.beats, self.bpm, SAMPLE_RATE)

    @property
    def seconds(self) -> float:
        """Seconds in one loop."""
        return self.loop / SAMPLE_RATE

    def sample_of(self, beat: int) -> int:
        """Where beat `beat` of the session begins; beat 0 is at sample 0."""
        loop = self.loop
        return (2 * beat * loop + self.beats) // (2 * self.beats)

    def beat_at(self, sample: int) -> int:
        """The first beat that begins at `sample` or after it."""
        beat = (sample * self.beats) // self.loop - 1
        while self.sample_of(beat) < sample:
            beat += 1
        return beat

    def join_after(self, sample: int, patience: int) -> int:
        """Where something new may enter at `sample` or after it: on the next bar if that comes
        within `patience` samples, else on the next beat."""
        beat = self.beat_at(sample)
        bar = -(-beat // BEATS_PER_BAR) * BEATS_PER_BAR
        if self.sample_of(bar) - sample <= patience:
            return self.sample_of(bar)
        return self.sample_of(beat)

    def bar_after(self, sample: int) -> int:
        """Where the next bar begins, at `sample` or after it."""
        return self.join_after(sample, self.loop * BEATS_PER_BAR)


def samples(seconds: float) -> int:
    """A duration in samples."""
    return round(seconds * SAMPLE_RATE)
