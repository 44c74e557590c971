"""Griffin-Lim on a processor: compiled loops over blocks of frames, shared between threads.

The blocks do not depend on the number of threads, and what they contribute to the sound is added
in their order, so the same input gives the same bytes with any number of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from generation import _kernels
from generation.mel import FloatArray
from generation.threads import in_order
from generation.workgrid import Preset, WorkGrid

ComplexArray = npt.NDArray[np.complex64]

_FRAMES_AT_ONCE = 32


@dataclass(frozen=True)
class Start:
    """Where the iterations of one channel begin.

    Attributes:
        target: shape `(columns, mel_bins + 2)`: the band sums to reach, see `_kernels`.
        magnitude: shape `(columns, bins)`: magnitudes that nearly reach them.
        turn: shape `(columns, bins)`: complex numbers of size one, the first guess of the phase.
    """

    target: FloatArray
    magnitude: FloatArray
    turn: ComplexArray


def griffin_lim(start: Start, grid: WorkGrid, preset: Preset, threads: int = 1) -> FloatArray:
    """Alternate between coefficients that fit the picture and the sound that is nearest.

    Returns:
        The sound around the circle, shape `(grid.length,)`.
    """
    bands, first = grid.bands, grid.bands.first_bin
    coefficients = np.zeros((grid.columns, grid.n_fft // 2 + 1), dtype=np.complex64)
    np.multiply(start.magnitude, start.turn, out=coefficients[:, first : first + bands.bins])
    previous = np.zeros_like(start.turn)
    signal = _synthesise(coefficients, grid, threads)
    for step in range(preset.iterations):
        momentum = preset.momentum if step else 0.0
        _project(signal, start, previous, coefficients, grid, preset.classic, momentum, threads)
        signal = _synthesise(coefficients, grid, threads)
    return np.roll(signal[: grid.length], -(len(grid.window) // 2))


def _project(
    signal: FloatArray,
    start: Start,
    previous: ComplexArray,
    coefficients: ComplexArray,
    grid: WorkGrid,
    classic: bool,
    momentum: float,
    threads: int,
) -> None:
    """Analyse the sound, and give its coefficients the magnitudes of the picture."""
    bands, first = grid.bands, grid.bands.first_bin
    inside = slice(first, first + bands.bins)

    def work(number: int) -> None:
        chunk = _block(number)
        cut = np.zeros((len(previous[chunk]), grid.n_fft), dtype=np.float32)
        _kernels.cut_frames(signal, grid.window, grid.hop, chunk.start, cut)
        spectrum = scipy.fft.rfft(cut, axis=1)
        if classic:
            estimate = spectrum[:, inside]
            ahead = estimate + np.float32(momentum) * (estimate - previous[chunk])
            ahead /= np.abs(ahead) + np.float32(1e-16)
            coefficients[chunk, inside] = start.magnitude[chunk] * ahead
            previous[chunk] = estimate
            return
        _kernels.project_frames(
            spectrum.view(np.float32),
            previous[chunk].view(np.float32),
            start.target[chunk],
            first,
            grid.slot,
            grid.edges,
            bands.rise,
            momentum,
            coefficients[chunk].view(np.float32),
        )

    for _ in in_order(_blocks(grid), threads, work):
        pass


def _synthesise(coefficients: ComplexArray, grid: WorkGrid, threads: int) -> FloatArray:
    """Overlap-add around the circle.

    Returns:
        The sound, late by half a window, with as much of its beginning repeated at its end as
        the last frame needs: `(grid.length + window,)`.
    """
    window = grid.synthesis_window
    length, hop = grid.length, grid.hop

    def work(number: int) -> FloatArray:
        frames = scipy.fft.irfft(coefficients[_block(number)], grid.n_fft, axis=1)
        part = np.zeros((len(frames) - 1) * hop + len(window), dtype=np.float32)
        _kernels.overlap_add(frames, window, hop, 0, part)
        return part

    signal = np.zeros(length + len(window), dtype=np.float32)
    for number, part in enumerate(in_order(_blocks(grid), threads, work)):
        at = _block(number).start * hop
        signal[at : at + len(part)] += part
    for at in range(length, len(signal), length):
        rest = signal[at : at + length]
        signal[: len(rest)] += rest
    if grid.guard:
        signal[:length] = signal[:length][grid.mirror]
    signal[length:] = np.resize(signal[:length], len(window))
    return signal


def _blocks(grid: WorkGrid) -> int:
    return -(-grid.columns // _FRAMES_AT_ONCE)


def _block(number: int) -> slice:
    return slice(number * _FRAMES_AT_ONCE, (number + 1) * _FRAMES_AT_ONCE)
