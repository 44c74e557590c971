"""Disguises for real renders, so that the judge hears the music and not the soundfont.

Inputs and outputs are what `classifier.shrink` makes: (clips, 1, rows, columns), 1 silent, -1 the
loudest, low frequencies at the bottom. Darkness is the fourth root of amplitude, so that a gain
of g dB multiplies it by 10^(g / 80).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_TILT, _BUMP, _LEVEL = 9.0, 5.0, 3.0  # standard deviations in dB
_BUMPS = 6
_NOISE, _FLOOR = 0.02, 0.15


def _normal(like: Tensor, *shape: int, generator: torch.Generator) -> Tensor:
    return torch.randn((len(like), *shape), generator=generator)


def _equaliser(small: Tensor, generator: torch.Generator) -> Tensor:
    """Return a random smooth gain in dB for each clip and row: shape (clips, 1, rows, 1)."""
    rows = small.shape[2]
    at = torch.linspace(-1, 1, rows)
    waves = torch.stack([torch.cos(torch.pi * (k + 1) * (at + 1) / 2) for k in range(_BUMPS)])
    tilt = _TILT * _normal(small, 1, generator=generator) * at
    bumps = _BUMP * _normal(small, _BUMPS, generator=generator) @ waves / (_BUMPS / 2) ** 0.5
    level = _LEVEL * _normal(small, 1, generator=generator)
    gain: Tensor = tilt + bumps + level
    return gain[:, None, :, None]


def _smear(dark: Tensor, generator: torch.Generator) -> Tensor:
    """Lengthen the decay of every second clip or so, as another release or room would."""
    share = 0.6 * torch.rand((len(dark), 1, 1, 1), generator=generator)
    share *= (torch.rand((len(dark), 1, 1, 1), generator=generator) < 0.5).float()
    tail = dark
    for shift in (1, 2, 3):
        tail = torch.maximum(tail, dark.roll(shift, -1) * share**shift)
    return tail


def _mask(small: Tensor, generator: torch.Generator) -> Tensor:
    """Return 0 in one band of rows of every second clip, else 1 (Park et al., 2019)."""
    rows = small.shape[2]
    at = torch.arange(rows)[None]
    start = (rows * torch.rand((len(small), 1), generator=generator)).long()
    size = (rows / 6 * torch.rand((len(small), 1), generator=generator)).long()
    size *= (torch.rand((len(small), 1), generator=generator) < 0.5).long()
    kept = (at < start) | (at >= start + size)
    return kept.float()[:, None, :, None]


def disguise(small: Tensor, generator: torch.Generator) -> Tensor:
    """Return the clips rolled in time, equalised, smeared, masked, shifted and made noisy."""
    dark = (1 - small) / 2
    shift = int(torch.randint(small.shape[3], (1,), generator=generator))
    up = int(torch.randint(-2, 3, (1,), generator=generator))
    dark = nn.functional.pad(dark.roll(shift, -1), (0, 0, 2, 2), mode="replicate")
    dark = dark[:, :, 2 + up : 2 + up + small.shape[2]]
    dark = _smear(dark, generator) * 10 ** (_equaliser(small, generator) / 80)
    dark = dark * _mask(small, generator)
    floor = _FLOOR * torch.rand((len(small), 1, 1, 1), generator=generator)
    dark = torch.maximum(dark, floor)
    dark = dark + _NOISE * _normal(small, *small.shape[1:], generator=generator)
    return 1 - 2 * dark.clamp(0, 1)
