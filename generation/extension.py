"""Longer than it was: where the new part goes, and how it is joined to untouched samples.

The clip and its continuation are drawn as one ring: the model sees the old part (which is kept)
on both sides of the new one. In the sound, the old samples come back exactly as they were, and
the new part is faded into their natural continuation at each join.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generation.loudness import limit
from generation.mel import FloatArray
from generation.request import Side
from generation.sources import Canvas, Mask, Sound

_JOIN_SECONDS = 0.03
_END_SECONDS = 0.06
_CEILING = 0.97
_MOST_GAIN = 4.0


@dataclass(frozen=True)
class Extension:
    """A sound on its way to become longer.

    Attributes:
        sound: what is kept.
        samples: length of the whole result, more than the sound's.
        side: where the new part is.
        loop: whether the result's end meets its start.
    """

    sound: Sound
    samples: int
    side: Side
    loop: bool

    @property
    def _start(self) -> int:
        """First kept sample."""
        return 0 if self.side == "right" else self.samples - self.sound.samples

    def canvas(self, width: int) -> Canvas:
        """The kept part's picture with silence where the new part goes."""
        kept = self.sound.waveform
        whole = np.zeros((kept.shape[0], self.samples), np.float32)
        whole[:, self._start : self._start + kept.shape[1]] = kept
        return Sound(whole, self.sound.params).canvas(width)

    def mask(self, width: int, height: int) -> Mask:
        """1 in columns whose middle lies in the new part; shape `(height, width)`."""
        middle = (np.arange(width) + 0.5) * self.samples / width
        new = (middle < self._start) | (middle >= self._start + self.sound.samples)
        return np.broadcast_to(new, (height, width)).astype(np.float32)

    def compose(self, drawn: FloatArray) -> FloatArray:
        """Put the kept samples back.

        Args:
            drawn: the whole result as sound, shape `(1 or channels, samples)`.

        Returns:
            Shape `(channels, samples)`; the kept part is the original, sample by sample.
        """
        kept = self.sound.waveform
        rate = self.sound.params.sample_rate
        result = np.repeat(drawn, kept.shape[0] // drawn.shape[0], axis=0)
        # The ring begins with the first new sample, so that neither join crosses its end.
        first_new = (self._start + kept.shape[1]) % self.samples
        result = np.roll(result, -first_new, axis=1)
        new = self.samples - kept.shape[1]
        result[:, :new] = _as_loud_as(kept, result[:, :new], rate)
        result[:, new:] = kept
        join = min(round(_JOIN_SECONDS * rate), new // 2)
        after, before = _continuations(kept, join)
        rise = np.sin(0.5 * np.pi * (np.arange(join) + 0.5) / join).astype(np.float32)
        fall = rise[::-1]
        ends = min(round(_END_SECONDS * rate), new // 2)
        slope = np.linspace(0.0, 1.0, ends, dtype=np.float32)
        if self.loop or self.side == "right":
            result[:, :join] = result[:, :join] * rise + after * fall
        else:
            result[:, :ends] *= slope
        if self.loop or self.side == "left":
            result[:, new - join : new] = result[:, new - join : new] * fall + before * rise
        else:
            result[:, new - ends : new] *= slope[::-1]
        return np.roll(result, first_new, axis=1)


def _as_loud_as(kept: FloatArray, new: FloatArray, sample_rate: int) -> FloatArray:
    """The new part at the level of the old one; made louder by 12 dB at most."""
    old_level, new_level = (float(np.sqrt(np.mean(part**2))) for part in (kept, new))
    if not old_level or not new_level:
        return new * np.float32(min(1.0, _CEILING / max(float(np.abs(new).max()), _CEILING)))
    gain = min(old_level / new_level, _MOST_GAIN)
    return limit(new * np.float32(gain), sample_rate, _CEILING, loop=False)


def _continuations(kept: FloatArray, length: int) -> tuple[FloatArray, FloatArray]:
    """What would follow and precede a sound: itself if it is a loop, else its mirror image."""
    steps = np.abs(np.diff(kept, axis=1))
    jump = float(np.abs(kept[:, 0] - kept[:, -1]).max())
    if jump <= 4 * float(np.sqrt(np.mean(steps**2))) + 1e-6:
        return kept[:, :length], kept[:, kept.shape[1] - length :]
    return kept[:, ::-1][:, :length], kept[:, :length][:, ::-1]
