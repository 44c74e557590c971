"""Decoding wide latents in little memory: the autoencoder's last levels, tile by tile in time.

Most of a decoder's memory goes to its last levels, whose pictures are large. They only look a few
columns around themselves, except that their group norms divide by a variance over the whole
picture: a tile that normalises by itself comes out with another loudness than its neighbour. So
every tile is decoded with margins, and more than once: first to learn each norm's mean and variance
over all tiles, at last to draw with them. The low levels, which may attend over the whole picture,
run whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import GroupNorm, functional

from generation.circular import set_circular

LOOKS = 2
"""Passes that learn. In the first the early norms are the tile's own, so what the later ones see is
not quite the picture; the second sees it through what the first has learned. As many passes as
there are norms would be exact."""


@dataclass(frozen=True, slots=True)
class _Tile:
    """Latent columns to decode, margins included, and how many of them lie left of what is kept."""

    columns: Tensor
    left: int
    kept: int

    def core(self, x: Tensor) -> Tensor:
        """What is kept of `x`, which was made from the tile at any scale."""
        scale = x.shape[-1] // len(self.columns)
        return x[..., self.left * scale : (self.left + self.kept) * scale]


def decode_in_tiles(vae: Any, latents: Tensor, width: int, *, loop: bool) -> Tensor:
    """Decode with little memory what `vae.decode` would decode at once.

    The starter's pictures stay within two grey levels of 255. Costs 3·(1 + 2·margin/width) times as
    much time, with margins of 9 to 13 columns.

    Args:
        vae: an autoencoder; one whose decoder has no levels to speak of is decoded at once.
        latents: as `vae.decode` takes them, shape `(n, channels, height, columns)`.
        width: latent columns of a tile, at least 1.
        loop: whether the last column meets the first.

    Returns:
        Shape `(n, 3, 8·height, 8·columns)`, in the dtype of the autoencoder.
    """
    set_circular(vae, loop)
    decoder = vae.decoder
    if not hasattr(decoder, "mid_block") or width + 2 * reach(decoder) >= latents.shape[-1]:
        whole: Tensor = vae.decode(latents, return_dict=False)[0]
        return whole
    low = latents if vae.post_quant_conv is None else vae.post_quant_conv(latents)
    low = decoder.mid_block(decoder.conv_in(low))
    # A tile is no ring: its margins are cut from the ring instead.
    set_circular(vae, False)
    tiles = _cut(latents.shape[-1], width, reach(decoder), loop)
    norms = _Norms(decoder)
    for _ in range(LOOKS):
        for tile in tiles:
            with norms.learning(tile):
                _high(decoder, low[..., tile.columns])
        norms.settle()
    drawn = []
    for tile in tiles:
        with norms.known():
            drawn.append(tile.core(_high(decoder, low[..., tile.columns])).clone())
    return torch.cat(drawn, dim=-1)


def reach(decoder: Any) -> int:
    """Latent columns that the levels above the middle see to either side."""
    scale, columns = 1, 0.0
    for block in decoder.up_blocks:
        columns += 2 * len(block.resnets) / scale
        if block.upsamplers is not None:
            scale *= 2
            columns += 1 / scale
    return math.ceil(columns + 1 / scale)


def _cut(columns: int, width: int, margin: int, loop: bool) -> list[_Tile]:
    tiles = []
    for start in range(0, columns, width):
        end = min(start + width, columns)
        first, last = start - margin, end + margin
        if not loop:
            first, last = max(first, 0), min(last, columns)
        tiles.append(_Tile(torch.arange(first, last) % columns, start - first, end - start))
    return tiles


def _high(decoder: Any, low: Tensor) -> Tensor:
    for block in decoder.up_blocks:
        low = block(low)
    picture: Tensor = decoder.conv_out(decoder.conv_act(decoder.conv_norm_out(low)))
    return picture


class _Norms:
    """The group norms above the middle, and what they would know of the whole picture."""

    def __init__(self, decoder: Any) -> None:
        levels = (*decoder.up_blocks, decoder.conv_norm_out)
        modules = [module for level in levels for module in level.modules()]
        self._norms = [module for module in modules if isinstance(module, GroupNorm)]
        self._known: list[tuple[Tensor, Tensor]] = []
        self._begin()

    def _begin(self) -> None:
        self._counts = [0] * len(self._norms)
        self._sums: list[tuple[Any, Any]] = [(0.0, 0.0)] * len(self._norms)

    def settle(self) -> None:
        """Take the means and variances of what was counted, and begin to count anew."""
        self._known = []
        for count, (total, squares) in zip(self._counts, self._sums, strict=True):
            mean = total / count
            self._known.append((mean, (squares / count - mean.square()).clamp_min(0)))
        self._begin()

    @contextmanager
    def learning(self, tile: _Tile) -> Iterator[None]:
        """Count what passes through the norms inside the tile's margins."""

        def look(index: int, x: Tensor) -> Tensor:
            norm = self._norms[index]
            core = tile.core(x).double().reshape(len(x), norm.num_groups, -1)
            total, squares = self._sums[index]
            self._sums[index] = (total + core.sum(2), squares + core.square().sum(2))
            self._counts[index] += core.shape[2]
            return self._normalise(index, x)

        with self._replaced(look):
            yield

    @contextmanager
    def known(self) -> Iterator[None]:
        """Normalise by what is settled."""
        with self._replaced(self._normalise):
            yield

    def _normalise(self, index: int, x: Tensor) -> Tensor:
        norm = self._norms[index]
        if not self._known:
            return functional.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)
        mean, variance = self._known[index]
        channels = x.shape[1] // norm.num_groups
        scale = (variance + norm.eps).rsqrt().repeat_interleave(channels, 1) * norm.weight
        shift = norm.bias - mean.repeat_interleave(channels, 1) * scale
        scale, shift = (values[..., None, None].to(x.dtype) for values in (scale, shift))
        return torch.addcmul(shift, x, scale)

    @contextmanager
    def _replaced(self, normalise: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
        patched: Sequence[Any] = self._norms
        for index, norm in enumerate(patched):
            norm.forward = lambda x, index=index: normalise(index, x)
        try:
            yield
        finally:
            for norm in patched:
                del norm.forward
