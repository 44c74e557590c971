"""Studio effects on a loop: each wraps around, so that what they ring into is the loop's start.

An effect is written as its name, or name and one number: "lowpass:900". Every function takes
(loop, number, beats, random generator) and returns a new loop of the same shape.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from generation.training.waves import (
    LOOP_SAMPLES,
    SAMPLE_RATE,
    Wave,
    band_pass,
    decibels,
    high_pass,
    loudness,
    low_pass,
)

Effect = Callable[[Wave, float, int, np.random.Generator], Wave]


def _turns(loop: Wave) -> Wave:
    return np.arange(len(loop), dtype=np.float32) / np.float32(len(loop))


@functools.lru_cache(maxsize=16)
def _room(tenths: int, gated: bool) -> NDArray[np.complex64]:
    """Spectrum of a synthetic room: decaying noise, duller as it dies. `tenths`: its size."""
    rng = np.random.default_rng(tenths)
    time = np.arange(LOOP_SAMPLES) / SAMPLE_RATE
    decay = 0.06 + 0.045 * tenths
    tail: Wave = rng.standard_normal(LOOP_SAMPLES) * np.exp(-time / decay)
    tail[: int(0.01 * SAMPLE_RATE)] *= 0.2
    if gated:
        tail = rng.standard_normal(LOOP_SAMPLES) * (time < 0.22)
    tail = low_pass(tail.astype(np.float32), 4500, 1)
    tail /= np.sqrt(np.sum(tail**2))
    return np.asarray(scipy.fft.rfft(tail), np.complex64)


def _convolve(loop: Wave, amount: float, gated: bool) -> Wave:
    spectrum = scipy.fft.rfft(loop) * _room(max(1, min(9, round(amount * 10))), gated)
    wet = scipy.fft.irfft(spectrum, n=len(loop)).astype(np.float32)
    return np.asarray(loop * np.float32(1 - 0.4 * amount) + wet * np.float32(1.1 * amount))


def reverb(loop: Wave, amount: float, beats: int, rng: np.random.Generator) -> Wave:
    """Room of size and share `amount` (0..1)."""
    return _convolve(loop, amount, gated=False)


def gate_reverb(loop: Wave, amount: float, beats: int, rng: np.random.Generator) -> Wave:
    """The cut-off room of 1980s snares."""
    return _convolve(loop, amount, gated=True)


def drive(loop: Wave, amount: float, beats: int, rng: np.random.Generator) -> Wave:
    """Soft clipping, `amount` times too hot, at unchanged loudness."""
    level = loudness(loop) + 1e-9
    hot = np.tanh(loop * np.float32(0.35 * amount / level))
    return np.asarray(hot * (level / (loudness(hot) + 1e-9)), np.float32)


def crush(loop: Wave, bits: float, beats: int, rng: np.random.Generator) -> Wave:
    """Quantise to that many bits."""
    peak = float(np.abs(loop).max()) + 1e-9
    steps = 2 ** (bits - 1)
    return np.asarray(np.round(loop / peak * steps) / steps * peak, np.float32)


def _warp(loop: Wave, offset: Wave) -> Wave:
    """Read the loop at a moving offset of samples, around its end."""
    position = (np.arange(len(loop), dtype=np.float64) + offset) % len(loop)
    low = position.astype(np.int64)
    part = (position - low).astype(np.float32)
    return loop[low % len(loop)] * (1 - part) + loop[(low + 1) % len(loop)] * part


def vibrato(loop: Wave, depth: float, beats: int, rng: np.random.Generator) -> Wave:
    """Pitch swings 5 to 6 times a second; `depth` 1 is about a semitone each way."""
    cycles = int(rng.integers(26, 31))
    swing = 0.02 * depth * SAMPLE_RATE / (2 * np.pi * cycles / 5.12)
    return _warp(loop, np.float32(swing) * np.sin(2 * np.pi * cycles * _turns(loop)))


def wow(loop: Wave, depth: float, beats: int, rng: np.random.Generator) -> Wave:
    """The slow drift of worn tape."""
    cycles = int(rng.integers(2, 8))
    swing = 0.02 * depth * SAMPLE_RATE / (2 * np.pi * cycles / 5.12)
    return _warp(loop, np.float32(swing) * np.sin(2 * np.pi * cycles * _turns(loop)))


def chorus(loop: Wave, depth: float, beats: int, rng: np.random.Generator) -> Wave:
    """Two copies, slowly out of tune."""
    turns = _turns(loop)
    one = _warp(loop, 300 + 90 * np.sin(2 * np.pi * 4 * turns))
    two = _warp(loop, 420 + 90 * np.sin(2 * np.pi * 3 * turns + 2))
    return np.asarray(0.6 * loop + 0.4 * one + 0.4 * two, np.float32)


def rotary(loop: Wave, depth: float, beats: int, rng: np.random.Generator) -> Wave:
    """A rotating organ speaker: pitch and level swing together."""
    cycles = int(rng.choice([5, 32, 34]))
    phase = 2 * np.pi * cycles * _turns(loop)
    return np.asarray(_warp(loop, 12 * np.sin(phase)) * (1 + 0.25 * np.cos(phase)), np.float32)


def tremolo(loop: Wave, rate: float, beats: int, rng: np.random.Generator) -> Wave:
    """Level swings `rate` times a beat."""
    phase = 2 * np.pi * round(rate * beats) * _turns(loop)
    return np.asarray(loop * (1 - 0.3 + 0.3 * np.cos(phase)), np.float32)


def delay(loop: Wave, time: float, beats: int, rng: np.random.Generator) -> Wave:
    """Echoes every `time` beats."""
    step = round(time / beats * len(loop))
    echoes = loop.copy()
    for k in range(1, 4):
        echoes += np.float32(0.42**k) * np.roll(loop, k * step)
    return echoes


def sidechain(loop: Wave, depth: float, beats: int, rng: np.random.Generator) -> Wave:
    """Duck by `depth` dB on every beat, as a compressor keyed by the kick does."""
    within = (_turns(loop) * beats) % 1.0
    duck = 1 - (1 - decibels(-depth)) * np.exp(-within / 0.25)
    return np.asarray(loop * duck, np.float32)


def _sweep(loop: Wave, cycles: float, bands: list[Wave]) -> Wave:
    """Fade through filtered copies and back, `cycles` times in the loop."""
    place = (0.5 - 0.5 * np.cos(2 * np.pi * cycles * _turns(loop))) * (len(bands) - 1)
    swept = np.zeros_like(loop)
    for index, band in enumerate(bands):
        swept += band * np.maximum(0, 1 - np.abs(place - index)).astype(np.float32)
    return swept


def wah(loop: Wave, rate: float, beats: int, rng: np.random.Generator) -> Wave:
    """A band pass that opens `rate` times a beat."""
    bands = [band_pass(loop, c * 0.7, c * 1.4) * 1.5 for c in (450, 800, 1400, 2200)]
    return np.asarray(0.3 * loop + _sweep(loop, round(rate * beats), bands), np.float32)


def wobble(loop: Wave, rate: float, beats: int, rng: np.random.Generator) -> Wave:
    """A low pass that opens `rate` times a beat."""
    bands = [low_pass(loop, c, 3) for c in (180, 500, 1200, 3500)]
    return _sweep(loop, round(rate * beats), bands)


EFFECTS: dict[str, tuple[Effect, float]] = {
    "reverb": (reverb, 0.3),
    "gate reverb": (gate_reverb, 0.3),
    "drive": (drive, 2.0),
    "crush": (crush, 6.0),
    "vibrato": (vibrato, 0.4),
    "wow": (wow, 0.3),
    "chorus": (chorus, 1.0),
    "rotary": (rotary, 1.0),
    "tremolo": (tremolo, 2.0),
    "delay": (delay, 0.75),
    "sidechain": (sidechain, 6.0),
    "wah": (wah, 1.0),
    "wobble": (wobble, 2.0),
    "lowpass": (lambda loop, cutoff, beats, rng: low_pass(loop, cutoff), 3000.0),
    "highpass": (lambda loop, cutoff, beats, rng: high_pass(loop, cutoff), 200.0),
}
"""Every effect with the number it takes when none is written."""


def apply_effects(
    loop: Wave, effects: tuple[str, ...], beats: int, rng: np.random.Generator
) -> Wave:
    """Apply the effects in order; an unknown name raises `ValueError`."""
    for written in effects:
        name, _, number = written.partition(":")
        if name not in EFFECTS:
            raise ValueError(f"There is no effect “{name}”; there are: {', '.join(EFFECTS)}.")
        effect, default = EFFECTS[name]
        loop = effect(loop, float(number) if number else default, beats, rng)
    return loop
