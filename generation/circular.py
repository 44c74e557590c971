"""Convolutions whose left and right edges are neighbours, so that a picture is a ring in time."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional


def make_circular(model: torch.nn.Module) -> None:
    """Make every padded convolution in `model` wrap along x (time), in place.

    Along y (frequency) the zero padding stays: low and high frequencies are no neighbours.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and module.padding != (0, 0):
            _wrap(module)


def _wrap(conv: torch.nn.Conv2d) -> None:
    if isinstance(conv.padding, str):
        raise TypeError(f"cannot wrap a convolution whose padding is {conv.padding!r}")
    pad_y, pad_x = conv.padding

    def forward(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ring = functional.pad(x, (pad_x, pad_x, 0, 0), mode="circular")
        return functional.conv2d(
            ring, weight, bias, conv.stride, (pad_y, 0), conv.dilation, conv.groups
        )

    # nn.Conv2d.forward calls this with its own weight and bias: one method fewer to subclass, and
    # the parameters keep their names, so checkpoints load and save as ever.
    patched: Any = conv
    patched._conv_forward = forward
