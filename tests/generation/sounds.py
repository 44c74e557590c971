"""Sounds for tests, made here so that nothing has to be stored."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 44100
Waveform = npt.NDArray[np.float32]


def loop(samples: int = 112_896, channels: int = 1, seed: int = 0) -> Waveform:
    """Periodic music-like sound: a chord, a decaying square bass on each beat, noise hits.

    The default length is 256 columns. Hits start a little after the loop point.
    """
    rng = np.random.default_rng(seed)
    seconds = np.arange(samples) / SAMPLE_RATE
    duration = samples / SAMPLE_RATE

    def whole(hz: float) -> float:
        return round(hz * duration) / duration

    sound = sum(
        0.1 * np.sin(2 * np.pi * whole(hz) * seconds) for hz in (220.0, 277.2, 329.6, 880.0)
    )
    beat = (seconds - 0.03) % (duration / 4)
    sound = sound + 0.1 * np.sign(np.sin(2 * np.pi * whole(110.0) * seconds)) * np.exp(-5 * beat)
    for hit in range(8):
        start = round((hit + 0.25) * samples / 8)
        length = min(4000, samples - start)
        decay = np.exp(-np.arange(length) / 700)
        sound[start : start + length] += 0.15 * rng.standard_normal(length) * decay
    shifts = [np.roll(sound, 500 * channel) for channel in range(channels)]
    return np.stack(shifts).astype(np.float32)


def convergence(wanted: npt.ArrayLike, found: npt.ArrayLike) -> float:
    """Spectral convergence in dB: below zero is better."""
    difference = np.linalg.norm(np.asarray(found) - np.asarray(wanted))
    return 20.0 * float(np.log10(difference / np.linalg.norm(np.asarray(wanted)) + 1e-12))
