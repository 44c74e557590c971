"""Latents in four bits a value, with the sixteen levels that fit them best.

Latents of an autoencoder are nearly normal, so even steps would waste levels on values that hardly
occur. Levels that minimise the mean square error (Lloyd, "Least Squares Quantization in PCM", 1982)
leave a hundredth of the variance as noise, which drawing over a loop takes away.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_LEVELS, _BITS = 16, 4
_ROUNDS = 30
_SAMPLE = 200_000


@dataclass(frozen=True)
class Quantised:
    """Latents stored small.

    Attributes:
        codes: uint8 (n, channels, h, w / 2); each byte holds two neighbouring columns' levels, the
            left one's in the higher four bits.
        levels: float32 (channels, 16), ascending.
    """

    codes: Tensor
    levels: Tensor

    @classmethod
    def of(cls, latents: Tensor) -> Quantised:
        """Choose the levels of each channel and store latents (n, channels, h, w), w even."""
        channels = latents.float().transpose(0, 1).flatten(1)
        levels = torch.stack([_best_levels(values) for values in channels])
        between = (levels[:, 1:] + levels[:, :-1]) / 2
        numbers = torch.stack(
            [
                torch.bucketize(latents[:, channel].contiguous().float(), edges)
                for channel, edges in enumerate(between)
            ],
            dim=1,
        ).to(torch.uint8)
        return cls((numbers[..., ::2] << _BITS) | numbers[..., 1::2], levels)

    def __len__(self) -> int:
        return len(self.codes)

    def row(self, index: int) -> Tensor:
        """Return latents `index`: float32, shape (channels, h, w)."""
        codes = self.codes[index]
        numbers = torch.stack((codes >> _BITS, codes & (_LEVELS - 1)), dim=-1).flatten(-2)
        flat = self.levels.gather(1, numbers.flatten(1).long())
        return flat.view(numbers.shape)


def _best_levels(values: Tensor) -> Tensor:
    """Return sixteen ascending levels for values of shape (n,): k-means in one dimension."""
    ordered = values[:: max(1, len(values) // _SAMPLE)].sort().values
    sums = torch.cat([torch.zeros(1, dtype=torch.float64), ordered.double().cumsum(0)])
    places = (torch.arange(_LEVELS) + 0.5) / _LEVELS * (len(ordered) - 1)
    levels = ordered[places.long()]
    for _ in range(_ROUNDS):
        inner = torch.searchsorted(ordered, (levels[1:] + levels[:-1]) / 2)
        ends = torch.cat([torch.tensor([0]), inner, torch.tensor([len(ordered)])])
        counts = ends.diff()
        means = (sums[ends[1:]] - sums[ends[:-1]]) / counts.clamp(min=1)
        # a level that nothing is nearest to stays where it is
        levels = torch.where(counts > 0, means.float(), levels)
    return levels
