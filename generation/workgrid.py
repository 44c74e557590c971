"""The grid on which a picture is turned into sound.

It is coarser than the picture's own: the lowest sample rate that holds the picture's band, a hop
and an FFT length that are whole numbers there, and a circle of frames, so that the sound repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.fft

from generation.errors import MediaError
from generation.mel import FloatArray, MelBands, mel_bands
from generation.spectrogram import SpectrogramParams, hann

_MAX_CELLS = 120_000_000
_BAND_MARGIN = 1.08


@dataclass(frozen=True)
class Preset:
    """What a quality level does.

    Attributes:
        zero_padding: FFT length over window length; 2 resolves the low bands better.
        iterations: Griffin-Lim steps.
        fit_updates: steps of the non-negative fit that spreads bands over bins.
        classic: random start phase and fixed magnitudes, as Griffin and Lim wrote it.
    """

    zero_padding: int
    iterations: int
    fit_updates: int = 4
    momentum: float = 0.99
    classic: bool = False


@dataclass(frozen=True)
class WorkGrid:
    """The grid on which the inversion works: frames of `window` samples every `hop` at `rate`.

    Attributes:
        rate: in Hz; not a whole number when the tempo was changed.
        columns: frames on the circle, including `guard` mirrored ones at each side.
        guard: 0 for a loop; for open-ended sound, how many columns keep the two ends apart.
        samples: length of the result at the picture's sample rate.
        density: per band, from mel amplitude of the picture to mean magnitude per bin here.
    """

    rate: float
    hop: int
    window: FloatArray
    n_fft: int
    bands: MelBands
    columns: int
    guard: int
    samples: int
    density: FloatArray

    @cached_property
    def slot(self) -> npt.NDArray[np.uint32]:
        """Per bin, the slot below it; see `generation._kernels`."""
        return (self.bands.lower + 1).astype(np.uint32)

    @cached_property
    def edges(self) -> npt.NDArray[np.uint32]:
        """Per slot, the first bin in it."""
        slots = np.arange(len(self.bands.row_sums) + 2)
        return np.searchsorted(self.slot, slots).astype(np.uint32)

    @property
    def length(self) -> int:
        """Samples on the circle."""
        return self.columns * self.hop

    @cached_property
    def mirror(self) -> npt.NDArray[np.intp]:
        """For each sample on the circle, where to copy it from: guards mirror the sound's ends.

        For sound that is late by half a window, as overlap-add leaves it.
        """
        inner = (self.columns - 2 * self.guard - 1) * self.hop
        late = len(self.window) // 2
        position = (np.arange(self.length) - late) % self.length - self.guard * self.hop
        folded = inner - np.abs((position % (2 * inner)) - inner)
        return np.asarray((folded + self.guard * self.hop + late) % self.length, dtype=np.intp)

    @cached_property
    def synthesis_window(self) -> FloatArray:
        """The window divided by the sum of its overlapped squares."""
        padded = np.zeros(-(-len(self.window) // self.hop) * self.hop)
        padded[: len(self.window)] = self.window.astype(np.float64) ** 2
        overlapped = padded.reshape(-1, self.hop).sum(axis=0)
        tiled = np.tile(overlapped, len(padded) // self.hop)[: len(self.window)]
        return np.asarray(self.window / np.maximum(tiled, 1e-9), dtype=np.float32)


def work_grid(
    params: SpectrogramParams, width: int, *, circular: bool, samples: int, zero_padding: int
) -> WorkGrid:
    """Choose the grid for a picture of `width` columns that lasts `samples` samples.

    Hop and FFT length are whole numbers, so the rate is bent to fit: pitch and length are both
    exact for any tempo.
    """
    hops = width if circular else width - 1
    seconds_per_hop = samples / params.sample_rate / hops
    hop = max(1, round(2.0 * _BAND_MARGIN * params.max_frequency * seconds_per_hop))
    rate = hop / seconds_per_hop
    half_window = max(hop, round(params.win_length / params.sample_rate * rate / 2))
    n_fft = scipy.fft.next_fast_len(2 * half_window * zero_padding, real=True)
    bands = mel_bands(
        params.mel_bins, params.min_frequency, params.max_frequency, rate / n_fft, n_fft // 2 + 1
    )
    if bands.bins < 2:
        raise MediaError("This picture's frequency band is too narrow to hold sound.")
    window = hann(2 * half_window)
    reference = params.bands().row_sums
    gain = window.sum() / hann(params.win_length).sum()
    guard = 0 if circular else half_window // hop + 5
    columns = width + 2 * guard
    if columns * (n_fft // 2 + 1) > _MAX_CELLS:
        raise MediaError(
            f"A picture of {width} columns is too long to turn into sound in one piece; cut it "
            "into shorter ones."
        )
    return WorkGrid(
        rate=rate,
        hop=hop,
        window=window.astype(np.float32),
        n_fft=n_fft,
        bands=bands,
        columns=columns,
        guard=guard,
        samples=samples,
        density=np.asarray(
            np.divide(gain, reference, out=np.zeros_like(reference), where=reference > 0),
            dtype=np.float32,
        ),
    )
