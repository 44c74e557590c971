"""Helpers for sound on a ring: every buffer is one loop, and time wraps around its end."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

SAMPLE_RATE = 44_100
LOOP_SAMPLES = 225_792
"""5.12 s at 44.1 kHz: exactly 512 hops of 441 samples."""

Wave = NDArray[np.floating[Any]]


def add_wrapped(loop: Wave, start: int, sound: Wave) -> None:
    """Add `sound` (any length) into `loop` from sample `start` on, wrapping at the end."""
    size = len(loop)
    position = start % size
    taken = 0
    while taken < len(sound):
        count = min(size - position, len(sound) - taken)
        loop[position : position + count] += sound[taken : taken + count]
        taken += count
        position = 0


def wrap(sound: Wave, size: int = LOOP_SAMPLES) -> Wave:
    """Fold what lies beyond `size` samples back onto the start, as a looped tail would sound."""
    loop = np.zeros(size, np.float32)
    add_wrapped(loop, 0, sound)
    return loop


def shape_spectrum(loop: Wave, response: Wave) -> Wave:
    """Filter the loop circularly by a real response of shape (samples // 2 + 1,)."""
    spectrum = scipy.fft.rfft(loop)
    filtered = scipy.fft.irfft(spectrum * response, n=len(loop))
    return np.asarray(filtered, np.float32)


def low_pass(loop: Wave, cutoff: float, order: int = 2) -> Wave:
    """Zero-phase low pass with Butterworth magnitude; `cutoff` in Hz."""
    frequency = np.fft.rfftfreq(len(loop), 1 / SAMPLE_RATE).astype(np.float32)
    return shape_spectrum(loop, 1 / np.sqrt(1 + (frequency / cutoff) ** (2 * order)))


def high_pass(loop: Wave, cutoff: float, order: int = 2) -> Wave:
    """Zero-phase high pass with Butterworth magnitude; `cutoff` in Hz."""
    frequency = np.fft.rfftfreq(len(loop), 1 / SAMPLE_RATE).astype(np.float32)
    frequency[0] = 1e-3
    return shape_spectrum(loop, 1 / np.sqrt(1 + (cutoff / frequency) ** (2 * order)))


def band_pass(loop: Wave, low: float, high: float) -> Wave:
    """Keep what lies between `low` and `high` Hz, with gentle slopes."""
    frequency = np.fft.rfftfreq(len(loop), 1 / SAMPLE_RATE).astype(np.float32)
    frequency[0] = 1e-3
    below = np.sqrt(1 + (low / frequency) ** 4)
    above = np.sqrt(1 + (frequency / high) ** 4)
    return shape_spectrum(loop, (1 / (below * above)).astype(np.float32))


def loudness(loop: Wave) -> float:
    """Return the RMS over those 50 ms frames that sound: how loud it is while it plays.

    Frames more than 20 dB below the loudest one are rests, so that a stem of one short hit is not
    taken for a soft one.
    """
    frames = loop[: len(loop) // 2205 * 2205].reshape(-1, 2205)
    power = np.mean(frames**2, axis=1)
    return float(np.sqrt(np.mean(power[power >= 0.01 * power.max()])))


def decibels(gain: float) -> float:
    """Return the amplitude factor of a gain in dB."""
    return float(10 ** (gain / 20))
