"""The timeline as sound: a pure function of the sample, whoever asks and in whatever pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from bot.live.sounds import Sound, stretch
from bot.live.timeline import FloatArray, Segment, Take, fade_gains

CHANNELS = 2
_FULL = np.float32(32768.0)

SoundOf = Callable[[Take], Sound]


def render(segments: Sequence[Segment], sound_of: SoundOf, first: int, end: int) -> FloatArray:
    """What sounds from sample `first` up to `end`.

    Args:
        segments: all that sound in between, in order, and the one after the last of them.
        sound_of: gives the samples of a take.
        first, end: samples of the session.

    Returns:
        Shape `(2, end - first)`, float32; mono is on both sides. What comes before the first
        segment of all is silence.
    """
    mixed = np.zeros((CHANNELS, max(0, end - first)), dtype=np.float32)
    for index, segment in enumerate(segments):
        after = segments[index + 1] if index + 1 < len(segments) else None
        over = end if after is None else min(end, after.start + after.fade)
        begin = max(first, segment.start)
        if begin >= over:
            continue
        gains = np.full(over - begin, segment.take.gain, dtype=np.float32)
        _come(gains, segment, begin)
        if after is not None:
            _leave(gains, after, begin)
        sound = stretch(sound_of(segment.take), segment.origin, begin, over - begin)
        mixed[:, begin - first : over - first] += gains * (sound.astype(np.float32) / _FULL)
    return mixed


def pcm(waveform: FloatArray) -> npt.NDArray[np.int16]:
    """Interleaved 16-bit samples, shape `(samples, channels)`."""
    scaled = np.rint(waveform.T * _FULL)
    return np.ascontiguousarray(np.clip(scaled, -32768, 32767), dtype="<i2")


def _come(gains: FloatArray, segment: Segment, begin: int) -> None:
    length = min(len(gains), segment.start + segment.fade - begin)
    if length > 0:
        progress = _progress(segment, begin, length)
        gains[:length] *= fade_gains(progress, segment.correlation)[1]


def _leave(gains: FloatArray, after: Segment, begin: int) -> None:
    at = max(0, after.start - begin)
    if at < len(gains):
        progress = _progress(after, begin + at, len(gains) - at)
        gains[at:] *= fade_gains(progress, after.correlation)[0]


def _progress(segment: Segment, begin: int, length: int) -> FloatArray:
    passed = np.arange(begin - segment.start, begin - segment.start + length, dtype=np.float64)
    return np.asarray((passed + 0.5) / segment.fade, dtype=np.float32)
