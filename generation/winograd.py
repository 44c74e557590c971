"""3×3 convolutions on the processor with a quarter of the multiplications.

A tile of 4×4 outputs of a 3×3 convolution takes 144 products per channel when it is computed
directly. Winograd's minimal filtering F(4×4, 3×3) takes 36: with the matrices B, G and A below,

    Y = Aᵀ · [(G·g·Gᵀ) ⊙ (Bᵀ·d·B)] · A

for a kernel g and a 6×6 piece d of the input (Lavin & Gray, "Fast Algorithms for Convolutional
Neural Networks", 2016, section 4.3). Summed over channels, the products ⊙ are 36 matrix products,
which PyTorch computes at the processor's full speed; the transforms are additions and run in
compiled loops over the channels. The result differs from the direct one by some 1e-5 of its
largest value. PyTorch's own library for processors computes float32 convolutions directly.

Kernels are transformed at each call: that costs little beside the products, takes no memory, and
a kernel that a LoRA has changed needs no care.
"""

from __future__ import annotations

import functools
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from generation import remembered
from generation._kernels import compiled
from generation.threads import share

Array = npt.NDArray[Any]

MIN_CHANNELS = 64
MIN_TILES = 32
"""With fewer channels the transforms, with fewer tiles the kernels' take more than is won."""

_PIECE = 16_000_000  # bytes of transformed input and output at a time: more leaves the cache
_KERNELS = 32_000_000  # bytes of transformed kernels at a time
_WORTH_IT = 1.1


class WinogradConv2d(torch.nn.Conv2d):
    """A convolution that takes the short way where it can, and the usual one elsewhere."""

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        if not suits(self, x):
            return super().forward(x)
        # This is how `generation.circular` marks a convolution whose sides meet.
        return convolve(x, self.weight, self.bias, ring="_conv_forward" in vars(self))


def speed_up(model: torch.nn.Module) -> None:
    """Let the 3×3 convolutions of a model on the processor take the short way, where it is one."""
    if not faster_than_direct():
        return
    for module in model.modules():
        if type(module) is torch.nn.Conv2d and _is_plain(module):
            module.__class__ = WinogradConv2d


def suits(conv: torch.nn.Conv2d, x: Tensor) -> bool:
    """Whether the short way can be taken, and is short."""
    return (
        _is_plain(conv)
        and x.dtype == conv.weight.dtype == torch.float32
        and x.device.type == "cpu"
        and not torch.is_grad_enabled()
        and x.shape[-1] % 4 == x.shape[-2] % 4 == 0
        and x.shape[0] * x.shape[-1] * x.shape[-2] >= 16 * MIN_TILES
    )


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, *, ring: bool = False) -> Tensor:
    """A 3×3 convolution with one pixel of padding.

    Args:
        x: shape `(n, channels, height, width)`, float32, on the CPU; sides are multiples of 4.
        weight: shape `(outputs, channels, 3, 3)`, float32.
        bias: shape `(outputs,)`, or None.
        ring: True pads left and right with what is on the other side, False with zeros.

    Returns:
        Shape `(n, outputs, height, width)`, in channels-last memory.
    """
    count, channels, height, width = x.shape
    outputs = weight.shape[0]
    source = x.permute(0, 2, 3, 1).contiguous().numpy()
    kernels = weight.permute(0, 2, 3, 1).contiguous().numpy()
    target = torch.empty((count, height, width, outputs))
    shift = (torch.zeros(outputs) if bias is None else bias).numpy()
    rows, columns = _neighbours(height, False), _neighbours(width, ring)
    tiles = count * len(rows) * len(columns)
    threads = torch.get_num_threads()
    block = max(16, min(outputs, _KERNELS // (144 * channels) // 16 * 16))
    for first in range(0, outputs, block):
        some = slice(first, min(first + block, outputs))
        short = torch.empty((36, some.stop - first, channels))
        share(len(short[0]), threads, functools.partial(_kernels_in, kernels[some], short.numpy()))
        piece = max(16, min(tiles, _PIECE // (144 * (channels + block))))
        drawn = target.numpy()[..., some]
        for start in range(0, tiles, piece):
            size = min(piece, tiles - start)
            given = torch.empty((36, size, channels))
            share(
                size,
                threads,
                functools.partial(_tiles_in, source, rows, columns, start, given.numpy()),
            )
            products = torch.bmm(given, short.transpose(1, 2))
            share(
                size,
                threads,
                functools.partial(
                    _tiles_out, products.numpy(), shift[some], len(rows), len(columns), start, drawn
                ),
            )
    return target.permute(0, 3, 1, 2)


@functools.cache
def faster_than_direct() -> bool:
    """Time both ways on one layer, once per machine; the answer decides the last digits, so stays.

    (A processor or a version of PyTorch may have a better direct way.)
    """
    key = f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"
    known = remembered.recall("winograd", key)
    if isinstance(known, bool):
        return known
    x = torch.zeros(2, 320, 32, 32).to(memory_format=torch.channels_last)
    kernel = torch.zeros(320, 320, 3, 3).to(memory_format=torch.channels_last)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one thread's own time is the same on a busy machine
    try:
        with torch.inference_mode():
            direct = remembered.best_seconds(
                lambda: functional.conv2d(x, kernel, padding=1), time.thread_time
            )
            short = remembered.best_seconds(lambda: convolve(x, kernel, None), time.thread_time)
    finally:
        torch.set_num_threads(threads)
    answer = direct > _WORTH_IT * short
    remembered.note("winograd", key, answer)
    return answer


def _is_plain(conv: torch.nn.Conv2d) -> bool:
    return (
        conv.kernel_size == (3, 3)
        and conv.stride == conv.dilation == (1, 1)
        and conv.padding == (1, 1)
        and conv.groups == 1
        and conv.padding_mode == "zeros"
        and min(conv.in_channels, conv.out_channels) >= MIN_CHANNELS
    )


def _neighbours(size: int, ring: bool) -> Array:
    """The six positions that each tile along one axis reads; -1 is outside."""
    at = np.arange(0, size, 4)[:, None] + np.arange(-1, 5)[None]
    return at % size if ring else np.where((at < 0) | (at >= size), -1, at)


@compiled
def _kernels_in(kernels: Array, short: Array, first: int, last: int) -> None:
    """G·g·Gᵀ of kernels `(outputs, 3, 3, channels)` into `(36, outputs, channels)`."""
    channels = kernels.shape[3]
    half = np.empty((6, 3, channels), np.float32)
    a, b, c = np.float32(1 / 4), np.float32(1 / 6), np.float32(1 / 24)
    d = np.float32(1 / 12)
    for o in range(first, last):
        for j in range(3):
            g0, g1, g2 = kernels[o, 0, j], kernels[o, 1, j], kernels[o, 2, j]
            for i in range(channels):
                even, odd = b * (g0[i] + g2[i]), b * g1[i]
                wide, mid = c * g0[i] + b * g2[i], d * g1[i]
                half[0, j, i] = a * g0[i]
                half[1, j, i] = -even - odd
                half[2, j, i] = odd - even
                half[3, j, i] = wide + mid
                half[4, j, i] = wide - mid
                half[5, j, i] = g2[i]
        for k in range(6):
            g0, g1, g2 = half[k, 0], half[k, 1], half[k, 2]
            for i in range(channels):
                even, odd = b * (g0[i] + g2[i]), b * g1[i]
                wide, mid = c * g0[i] + b * g2[i], d * g1[i]
                short[6 * k, o, i] = a * g0[i]
                short[6 * k + 1, o, i] = -even - odd
                short[6 * k + 2, o, i] = odd - even
                short[6 * k + 3, o, i] = wide + mid
                short[6 * k + 4, o, i] = wide - mid
                short[6 * k + 5, o, i] = g2[i]


@compiled
def _tiles_in(
    x: Array, rows: Array, columns: Array, start: int, given: Array, first: int, last: int
) -> None:
    """Bᵀ·d·B of tiles of `(n, height, width, channels)` into `(36, tiles, channels)`."""
    channels = x.shape[3]
    high, wide = len(rows), len(columns)
    half = np.empty((6, 6, channels), np.float32)
    outside = np.zeros(channels, np.float32)
    two, four, five = np.float32(2), np.float32(4), np.float32(5)
    for at in range(first, last):
        n, rest = divmod(start + at, high * wide)
        ty, tx = divmod(rest, wide)
        r, s = rows[ty], columns[tx]
        for j in range(6):
            inside = s[j] >= 0
            d0 = x[n, r[0], s[j]] if inside and r[0] >= 0 else outside
            d1 = x[n, r[1], s[j]] if inside else outside
            d2 = x[n, r[2], s[j]] if inside else outside
            d3 = x[n, r[3], s[j]] if inside else outside
            d4 = x[n, r[4], s[j]] if inside else outside
            d5 = x[n, r[5], s[j]] if inside and r[5] >= 0 else outside
            for i in range(channels):
                even, odd = d4[i] - four * d2[i], d3[i] - four * d1[i]
                near, far = d4[i] - d2[i], two * (d3[i] - d1[i])
                half[0, j, i] = four * d0[i] - five * d2[i] + d4[i]
                half[1, j, i] = even + odd
                half[2, j, i] = even - odd
                half[3, j, i] = near + far
                half[4, j, i] = near - far
                half[5, j, i] = four * d1[i] - five * d3[i] + d5[i]
        for k in range(6):
            d0, d1, d2 = half[k, 0], half[k, 1], half[k, 2]
            d3, d4, d5 = half[k, 3], half[k, 4], half[k, 5]
            v0, v1, v2 = given[6 * k, at], given[6 * k + 1, at], given[6 * k + 2, at]
            v3, v4, v5 = given[6 * k + 3, at], given[6 * k + 4, at], given[6 * k + 5, at]
            for i in range(channels):
                even, odd = d4[i] - four * d2[i], d3[i] - four * d1[i]
                near, far = d4[i] - d2[i], two * (d3[i] - d1[i])
                v0[i] = four * d0[i] - five * d2[i] + d4[i]
                v1[i] = even + odd
                v2[i] = even - odd
                v3[i] = near + far
                v4[i] = near - far
                v5[i] = four * d1[i] - five * d3[i] + d5[i]


@compiled
def _tiles_out(
    products: Array, bias: Array, high: int, wide: int, start: int, y: Array, first: int, last: int
) -> None:
    """Aᵀ·m·A + bias of `(36, tiles, outputs)` into tiles of `(n, height, width, outputs)`."""
    outputs = len(bias)
    half = np.empty((4, 6, outputs), np.float32)
    two, four, eight = np.float32(2), np.float32(4), np.float32(8)
    for at in range(first, last):
        n, rest = divmod(start + at, high * wide)
        ty, tx = divmod(rest, wide)
        for j in range(6):
            m0, m1, m2 = products[j, at], products[6 + j, at], products[12 + j, at]
            m3, m4, m5 = products[18 + j, at], products[24 + j, at], products[30 + j, at]
            for o in range(outputs):
                sum1, sum2 = m1[o] + m2[o], m3[o] + m4[o]
                off1, off2 = m1[o] - m2[o], m3[o] - m4[o]
                half[0, j, o] = m0[o] + sum1 + sum2
                half[1, j, o] = off1 + two * off2
                half[2, j, o] = sum1 + four * sum2
                half[3, j, o] = off1 + eight * off2 + m5[o]
        for k in range(4):
            m0, m1, m2 = half[k, 0], half[k, 1], half[k, 2]
            m3, m4, m5 = half[k, 3], half[k, 4], half[k, 5]
            y0, y1 = y[n, 4 * ty + k, 4 * tx], y[n, 4 * ty + k, 4 * tx + 1]
            y2, y3 = y[n, 4 * ty + k, 4 * tx + 2], y[n, 4 * ty + k, 4 * tx + 3]
            for o in range(outputs):
                sum1, sum2 = m1[o] + m2[o], m3[o] + m4[o]
                off1, off2 = m1[o] - m2[o], m3[o] - m4[o]
                y0[o] = m0[o] + sum1 + sum2 + bias[o]
                y1[o] = off1 + two * off2 + bias[o]
                y2[o] = sum1 + four * sum2 + bias[o]
                y3[o] = off1 + eight * off2 + m5[o] + bias[o]
