"""The iterations of `generation.inversion` in torch, for CUDA and MPS.

The same algorithm on the same grid from the same starting phase, for all channels of all clips of
a batch at once. Overlap-add is written as rolls of hop-sized blocks instead of a scatter, so that
results do not depend on the order in which a device adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from generation.errors import BadRequestError
from generation.griffin_lim import Start
from generation.mel import FloatArray
from generation.workgrid import Preset, WorkGrid

_SILENT = 1e-12


def backend(device: str) -> Callable[[Sequence[Start], WorkGrid, Preset], FloatArray]:
    """The iterations on a device by name: "cuda", "cuda:1", "mps" or "torch-cpu".

    Raises:
        BadRequestError: this machine has no such device.
    """
    kind = device.partition(":")[0]
    available: dict[str, Callable[[], bool]] = {
        "torch-cpu": lambda: True,
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
    }
    if kind not in available or not available[kind]():
        raise BadRequestError(
            f'There is no device called {device!r} on this machine; use "cpu", which is fast too.'
        )
    place = torch.device("cpu" if kind == "torch-cpu" else device)
    return lambda starts, grid, preset: _griffin_lim(starts, grid, preset, place)


class _Circle:
    """STFT and its inverse around the circle, on a device."""

    def __init__(self, grid: WorkGrid, device: torch.device) -> None:
        self._grid = grid
        self._overlaps = -(-len(grid.window) // grid.hop)
        self._window = torch.from_numpy(grid.window).to(device)
        self._synthesis = torch.from_numpy(grid.synthesis_window).to(device)
        self._mirror = torch.from_numpy(grid.mirror).to(device) if grid.guard else None

    def analyse(self, signal: torch.Tensor) -> torch.Tensor:
        """`(channels, length)`, late by half a window, to `(channels, columns, fft_bins)`."""
        blocks = signal.reshape(len(signal), self._grid.columns, self._grid.hop)
        shifted = [torch.roll(blocks, -step, dims=1) for step in range(self._overlaps)]
        frames = torch.cat(shifted, dim=2)[:, :, : len(self._window)] * self._window
        spectrum: torch.Tensor = torch.fft.rfft(frames, self._grid.n_fft, dim=2)
        return spectrum

    def synthesise(self, coefficients: torch.Tensor) -> torch.Tensor:
        """The inverse of `analyse`; open-ended sound gets its mirrored guards."""
        frames = torch.fft.irfft(coefficients, self._grid.n_fft, dim=2)
        frames = frames[:, :, : len(self._window)] * self._synthesis
        hop = self._grid.hop
        frames = torch.nn.functional.pad(frames, (0, self._overlaps * hop - len(self._window)))
        blocks = frames.reshape(*frames.shape[:2], self._overlaps, hop)
        signal: torch.Tensor = blocks[:, :, 0]
        for step in range(1, self._overlaps):
            signal = signal + torch.roll(blocks[:, :, step], step, dims=1)
        signal = signal.flatten(1)
        return signal if self._mirror is None else signal[:, self._mirror]


def _griffin_lim(
    starts: Sequence[Start], grid: WorkGrid, preset: Preset, device: torch.device
) -> FloatArray:
    first, bins = grid.bands.first_bin, grid.bands.bins
    circle = _Circle(grid, device)
    sums, spread = _band_matrices(grid, device)
    target = torch.from_numpy(np.stack([start.target for start in starts])).to(device)
    magnitude = torch.from_numpy(np.stack([start.magnitude for start in starts])).to(device)
    turn = torch.from_numpy(np.stack([start.turn for start in starts])).to(device)
    previous = torch.zeros_like(turn)

    def synthesise(inside: torch.Tensor) -> torch.Tensor:
        above = grid.n_fft // 2 + 1 - first - bins
        return circle.synthesise(torch.nn.functional.pad(inside, (first, above)))

    signal = synthesise(magnitude * turn)
    for step in range(preset.iterations):
        momentum = preset.momentum if step else 0.0
        spectrum = circle.analyse(signal)[:, :, first : first + bins]
        ahead = spectrum + momentum * (spectrum - previous)
        if not preset.classic:
            magnitude = spectrum.abs()
            ratio = target[:, :, 1:-1] / (magnitude @ sums + _SILENT)
            magnitude = magnitude * (ratio @ spread)
        signal = synthesise(magnitude * ahead / (ahead.abs() + 1e-15))
        previous = spectrum
    result = torch.roll(signal, -(len(grid.window) // 2), dims=1)
    return np.asarray(result.cpu().numpy(), dtype=np.float32)


def _band_matrices(grid: WorkGrid, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """F transposed, `(bins, mel_bins)`, and interpolation between bands, `(mel_bins, bins)`."""
    bank = grid.bands.matrix.toarray()
    weights = np.maximum(bank.sum(axis=0, keepdims=True), 1e-12)
    sums = torch.from_numpy(np.ascontiguousarray(bank.T)).to(device)
    return sums, torch.from_numpy(np.asarray(bank / weights, dtype=np.float32)).to(device)
