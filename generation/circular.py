"""Convolutions whose left and right edges are neighbours, so that a picture is a ring in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from diffusers.models.downsampling import Downsample2D
from torch import Tensor
from torch.nn import functional

Forward: TypeAlias = Callable[[Tensor, Tensor, Tensor | None], Tensor]

_LARGE = 1 << 22
"""Numbers in an input from which on copying it costs more than a second, tiny convolution."""


def make_circular(model: torch.nn.Module) -> None:
    """Make every padded convolution in `model` wrap along x (time), in place.

    Along y (frequency) the zero padding stays: low and high frequencies are no neighbours.
    """
    set_circular(model, True)


def set_circular(model: torch.nn.Module, on: bool) -> None:
    """Make every padded convolution in `model` wrap along x (time), or none, in place.

    Doing it twice is doing it once. Convolutions that are added later (an adapter's) need another
    call; parameters keep their names and values, so a checkpoint loads and saves as ever.

    Raises:
        TypeError: a convolution is padded in a way that cannot wrap.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and module.padding != (0, 0):
            _set(module, on, _wrapping)
        elif isinstance(module, Downsample2D) and module.use_conv and module.padding == 0:
            _set(module.conv, on, _closing)


def is_circular(model: torch.nn.Module) -> bool:
    """Whether the convolutions of `model` wrap."""
    return any("_conv_forward" in vars(module) for module in model.modules())


def _set(conv: Any, on: bool, make: Callable[[Any], Forward]) -> None:
    if on == ("_conv_forward" in vars(conv)):
        return
    if on:
        # nn.Conv2d.forward calls this with its own weight and bias: one method fewer to subclass.
        conv._conv_forward = make(conv)
    else:
        del conv._conv_forward


def _wrapping(conv: torch.nn.Conv2d) -> Forward:
    if isinstance(conv.padding, str) or conv.padding_mode != "zeros":
        raise TypeError(f"cannot wrap a convolution whose padding is {conv.padding!r}")
    pad_y, pad_x = conv.padding

    def padded(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        # One copy, in the memory format of x; functional.pad makes three, the last back from NCHW,
        # and takes 1.1 to 3.4 times as long with the convolution (benchmarks/sampling.py).
        ring = torch.cat([x[..., x.shape[-1] - pad_x :], x, x[..., :pad_x]], dim=-1)
        return functional.conv2d(
            ring, weight, bias, conv.stride, (pad_y, 0), conv.dilation, conv.groups
        )

    def mended(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        # The same numbers without a copy of a large picture: only its outermost columns are wrong
        # with zeros around them, and are computed again from what lies about the seam.
        drawn = functional.conv2d(x, weight, bias, 1, (pad_y, pad_x), 1, conv.groups)
        seam = torch.cat([x[..., -2 * pad_x :], x[..., : 2 * pad_x]], dim=-1)
        about = functional.conv2d(seam, weight, bias, 1, (pad_y, 0), 1, conv.groups)
        drawn[..., -pad_x:], drawn[..., :pad_x] = about[..., :pad_x], about[..., pad_x:]
        return drawn

    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        plain = conv.stride == conv.dilation == (1, 1) and weight.shape[-1] == 2 * pad_x + 1
        large = x.device.type == "cpu" and x.numel() >= _LARGE and x.shape[-1] >= 2 * pad_x
        if plain and large and not torch.is_grad_enabled():
            return mended(x, weight, bias)
        return padded(x, weight, bias)

    return forward


def _closing(conv: torch.nn.Conv2d) -> Forward:
    """For the autoencoder's downsampling, which gets one column of zeros at the right."""

    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ring = torch.cat([x[..., :-1], x[..., :1]], dim=-1)
        return functional.conv2d(
            ring, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups
        )

    return forward
