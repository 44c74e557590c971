"""Constant loudness: measure as ITU-R BS.1770 does, then bring every clip to the same level.

A loop is measured as it will be heard, over and over, and everything here that looks at
neighbouring samples looks around the end of the loop, so mastering never makes a seam.
"""

from __future__ import annotations

import functools
import warnings

import numpy as np
import numpy.typing as npt
import pyloudnorm
import scipy.fft
from scipy.ndimage import minimum_filter1d
from scipy.signal import oaconvolve

from generation.mel import FloatArray

TARGET_LUFS = -14.0
CEILING_DBTP = -1.0

_BLOCK_SECONDS = 0.4
_OVERSAMPLING = 4
_LOOKAHEAD_SECONDS = 0.003
_LIMITER_ROUNDS = 3
_NEAR_ENOUGH = 0.05  # LU: nobody hears it


def decibels(ratio: float) -> float:
    """Amplitude ratio in dB; minus infinity for zero."""
    return 20.0 * float(np.log10(ratio)) if ratio > 0.0 else -np.inf


def integrated_loudness(waveform: FloatArray, sample_rate: int, *, loop: bool = True) -> float:
    """Gated loudness in LUFS, as ITU-R BS.1770-4 defines it.

    Args:
        waveform: shape `(channels, samples)`, within ±1.
        sample_rate: in Hz.
        loop: measure the sound as it repeats, three times or for three seconds, whichever is
            longer. Sound shorter than one measuring block is always repeated.

    Returns:
        Minus infinity for silence.
    """
    length = waveform.shape[1]
    block = int(np.ceil(_BLOCK_SECONDS * sample_rate)) + 1
    repeats = max(3, -(-3 * sample_rate // length)) if loop else max(1, -(-block // length))
    samples = np.tile(waveform.astype(np.float64), (1, repeats)).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(pyloudnorm.Meter(sample_rate).integrated_loudness(samples))


def true_peak(waveform: FloatArray) -> float:
    """Highest absolute value between the samples, at four times the rate (BS.1770-4, annex 2).

    The sound is taken as one period of a loop; for an open-ended clip that only matters within a
    few samples of its ends.
    """
    return float(_peak_envelope(waveform).max(initial=0.0))


def _peak_envelope(waveform: FloatArray) -> FloatArray:
    """For each sample, the highest absolute value in its neighbourhood, over all channels."""
    length = waveform.shape[1]
    series = scipy.fft.rfft(waveform, axis=1)
    between = np.zeros(length, dtype=np.float32)
    # The points a quarter, a half and three quarters of a sample on: the same numbers as one
    # long transform at four times the rate would give, in half the time.
    for turn in _turns(length):
        ahead = scipy.fft.irfft(series * turn, length, axis=1)
        np.maximum(between, np.abs(ahead).max(axis=0), out=between)
    # The points between this sample and the one before belong to both.
    neighbours = np.maximum(between, np.roll(between, 1))
    return np.asarray(np.maximum(np.abs(waveform).max(axis=0), neighbours), dtype=np.float32)


@functools.lru_cache(maxsize=4)
def _turns(length: int) -> tuple[npt.NDArray[np.complex64], ...]:
    """By what to multiply a spectrum so that the sound is read parts of a sample ahead."""
    turn = np.exp(2j * np.pi / (_OVERSAMPLING * length) * np.arange(length // 2 + 1))
    return tuple((turn**part).astype(np.complex64) for part in range(1, _OVERSAMPLING))


def limit(
    waveform: FloatArray, sample_rate: int, ceiling: float, *, loop: bool = True
) -> FloatArray:
    """Turn down peaks above `ceiling` (an amplitude) smoothly, three milliseconds around each.

    The gain is the sliding minimum of what each peak needs, smoothed with a window of the same
    length, so it is low enough everywhere and changes without a click. At the end a plain gain
    takes care of what little the changing gain itself has added.
    """
    envelope = _peak_envelope(waveform)
    if envelope.max(initial=0.0) <= ceiling:
        return waveform
    turned = _turned_down(waveform, envelope, sample_rate, ceiling, loop=loop)
    return turned * np.float32(min(1.0, ceiling / true_peak(turned)))


def _turned_down(
    waveform: FloatArray, envelope: FloatArray, sample_rate: int, ceiling: float, *, loop: bool
) -> FloatArray:
    """A waveform with peak envelope `envelope` under a gain that changes smoothly."""
    reach = max(1, int(_LOOKAHEAD_SECONDS * sample_rate))
    wanted = np.minimum(1.0, ceiling / np.maximum(envelope, 1e-12))
    lowest = minimum_filter1d(wanted, 2 * reach + 1, mode="wrap" if loop else "nearest")
    smooth = np.hanning(2 * reach + 3)[1:-1]
    smooth /= smooth.sum()
    padded = np.pad(lowest, reach, mode="wrap" if loop else "edge")
    gain = oaconvolve(padded, smooth, mode="valid")
    return np.asarray(waveform * gain.astype(np.float32), dtype=np.float32)


def master(
    waveform: FloatArray,
    sample_rate: int,
    *,
    loop: bool = True,
    target_lufs: float = TARGET_LUFS,
    ceiling_dbtp: float = CEILING_DBTP,
    max_limiting_db: float = 4.0,
) -> FloatArray:
    """Bring a clip to the target loudness without clipping.

    Mostly a plain gain. Where that would push peaks over the ceiling, up to `max_limiting_db` of
    them are limited; a clip that is spikier than that stays quieter than the target.

    Args:
        waveform: shape `(channels, samples)`, at any level.
        sample_rate: in Hz.
        loop: the end is followed by the start.
        target_lufs: integrated loudness to reach.
        ceiling_dbtp: true peak that is never exceeded.
        max_limiting_db: 0 for a plain gain only.

    Returns:
        The same shape, float32. Silence stays silence.
    """
    peak = float(np.abs(waveform).max(initial=0.0))
    if peak <= 0.0:
        return waveform.astype(np.float32)
    sound = np.asarray(waveform / np.float32(peak), dtype=np.float32)
    loudness = integrated_loudness(sound, sample_rate, loop=loop)
    ceiling = 10.0 ** (ceiling_dbtp / 20.0)
    envelope = _peak_envelope(sound)
    headroom = ceiling / float(envelope.max())
    if not np.isfinite(loudness):
        # Too quiet by the standard's gate to have a loudness: only make sure it does not clip.
        return np.asarray(sound * np.float32(min(peak, headroom)), dtype=np.float32)
    most = headroom * 10.0 ** (max_limiting_db / 20.0)
    gain = 10.0 ** ((target_lufs - loudness) / 20.0)
    if gain <= headroom:
        return np.asarray(sound * np.float32(gain), dtype=np.float32)
    for number in range(_LIMITER_ROUNDS):
        level = np.float32(min(gain, most))
        result = _turned_down(sound * level, envelope * level, sample_rate, ceiling, loop=loop)
        if gain >= most or number == _LIMITER_ROUNDS - 1:
            break
        missing = target_lufs - integrated_loudness(result, sample_rate, loop=loop)
        if missing < _NEAR_ENOUGH:
            break
        # Limiting took some loudness away: ask for that much more.
        gain *= 10.0 ** (missing / 20.0)
    return result * np.float32(min(1.0, ceiling / true_peak(result)))
