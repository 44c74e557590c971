"""The mel scale: how 512 picture rows divide the spectrum.

A filterbank is a row of triangles whose corners are equally spaced in mel. Between two
neighbouring centres exactly two triangles overlap and their weights add up to one, so the
whole bank is described by two numbers per FFT bin: which triangle, and how far up its slope.
That is what makes it cheap to apply (sparse) and to turn round (linear interpolation).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

FloatArray = npt.NDArray[np.float32]


def hz_to_mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Frequency in Hz to mel on the HTK scale, `2595·log10(1 + f/700)`.

    Source: S. Young et al., *The HTK Book*, section 5.4.
    """
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hz, dtype=np.float64) / 700.0))


def mel_to_hz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Mel on the HTK scale back to Hz: the inverse of `hz_to_mel`."""
    return np.asarray(700.0 * (10.0 ** (np.asarray(mel, dtype=np.float64) / 2595.0) - 1.0))


def mel_corners(
    mel_bins: int, min_frequency: float, max_frequency: float
) -> npt.NDArray[np.float64]:
    """Corners of the triangles in Hz, shape `(mel_bins + 2,)`; triangle j peaks at corner j+1."""
    low, high = hz_to_mel([min_frequency, max_frequency])
    return mel_to_hz(np.linspace(low, high, mel_bins + 2))


@dataclass(frozen=True)
class MelBands:
    """A mel filterbank on one FFT grid, in sparse form.

    Attributes:
        lower: shape `(bins,)`, int32. The triangle whose falling slope covers the bin; it is -1
            below the first centre. The bin lies on the rising slope of triangle `lower + 1`.
        rise: shape `(bins,)`, float32 in 0…1. Weight of the bin in triangle `lower + 1`; its
            weight in triangle `lower` is `1 - rise`.
        row_sums: shape `(mel_bins,)`, float64. Sum of each triangle's weights; 0 if no bin of
            this grid falls inside it.
        matrix: the same bank as a sparse matrix of shape `(mel_bins, bins)`, float32.

    Only bins strictly inside the first and last corner are listed: bin i of these arrays is FFT
    bin `first_bin + i`.
    """

    first_bin: int
    lower: npt.NDArray[np.int32]
    rise: FloatArray
    row_sums: npt.NDArray[np.float64]
    matrix: sparse.csr_array

    @property
    def bins(self) -> int:
        """How many FFT bins the bank touches."""
        return len(self.lower)


@lru_cache(maxsize=32)
def mel_bands(
    mel_bins: int, min_frequency: float, max_frequency: float, bin_hz: float, fft_bins: int
) -> MelBands:
    """Build the filterbank for FFT bins at `0, bin_hz, 2·bin_hz, …` (`fft_bins` of them).

    Triangles are not normalised (each peaks at one), as in torchaudio's `MelScale(norm=None,
    mel_scale="htk")`. Computed in float64.
    """
    corners = mel_corners(mel_bins, min_frequency, max_frequency)
    frequencies = np.arange(fft_bins, dtype=np.float64) * bin_hz
    inside = np.flatnonzero((frequencies > corners[0]) & (frequencies < corners[-1]))
    frequencies = frequencies[inside]
    segment = np.searchsorted(corners, frequencies, side="right") - 1
    rise = (frequencies - corners[segment]) / (corners[segment + 1] - corners[segment])
    lower = segment - 1

    columns = np.arange(len(inside))
    up = segment < mel_bins
    down = lower >= 0
    matrix = sparse.csr_array(
        (
            np.concatenate([rise[up], 1.0 - rise[down]]),
            (
                np.concatenate([segment[up], lower[down]]),
                np.concatenate([columns[up], columns[down]]),
            ),
        ),
        shape=(mel_bins, len(inside)),
    )
    row_sums = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
    return MelBands(
        first_bin=int(inside[0]) if len(inside) else 0,
        lower=lower.astype(np.int32),
        rise=rise.astype(np.float32),
        row_sums=row_sums,
        matrix=matrix.astype(np.float32),
    )
