"""Exact change of sample rate for periodic sound."""

from __future__ import annotations

import numpy as np
import scipy.fft

from generation.mel import FloatArray


def resample_periodic(signal: FloatArray, samples: int) -> FloatArray:
    """Resample one period of a periodic signal to another number of samples.

    The Fourier series of the period is kept and cut or extended with zeros: ideal band-limited
    interpolation without a filter, and the result is exactly as periodic as the input.

    Args:
        signal: shape `(…, n)`, one period.
        samples: length of the result.

    Returns:
        Shape `(…, samples)`, float32.
    """
    length = signal.shape[-1]
    if samples == length:
        return signal
    series = scipy.fft.rfft(signal, axis=-1)
    kept = min(length, samples)
    series = series[..., : kept // 2 + 1].copy()
    if kept % 2 == 0:
        # The bin at half the smaller rate holds two mirror images, or becomes two of them.
        series[..., -1] *= 0.5 if samples > length else 2.0
    result = scipy.fft.irfft(series, samples, axis=-1)
    return np.asarray(result * (samples / length), dtype=np.float32)
