"""Convolutions whose left and right edges are neighbours, so that a picture is a ring in time."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional


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
            _set(module, on)


def _set(conv: torch.nn.Conv2d, on: bool) -> None:
    patched: Any = conv
    if on == ("_conv_forward" in vars(conv)):
        return
    if not on:
        del patched._conv_forward
        return
    if isinstance(conv.padding, str) or conv.padding_mode != "zeros":
        raise TypeError(f"cannot wrap a convolution whose padding is {conv.padding!r}")
    pad_y, pad_x = conv.padding

    def forward(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ring = functional.pad(x, (pad_x, pad_x, 0, 0), mode="circular")
        return functional.conv2d(
            ring, weight, bias, conv.stride, (pad_y, 0), conv.dilation, conv.groups
        )

    # nn.Conv2d.forward calls this with its own weight and bias: one method fewer to subclass.
    patched._conv_forward = forward
