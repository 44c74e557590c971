"""Rings in time: wrapped convolutions against padding by hand, and against rolling the input."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import Conv2d, functional

from generation import circular
from generation.circular import is_circular, make_circular, set_circular
from tests.generation.tiny import CELL, tiny_checkpoint


def picture(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "conv",
    [
        Conv2d(4, 6, 3, padding=1),
        Conv2d(4, 6, 5, padding=2, stride=2),
        Conv2d(4, 4, 3, padding=2, dilation=2, groups=2, bias=False),
    ],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_wrapped_convolution_is_one_of_a_wrapped_picture(
    conv: Conv2d, layout: torch.memory_format
) -> None:
    x = picture(2, 4, 8, 16).contiguous(memory_format=layout)
    pad_y, pad_x = (int(pad) for pad in conv.padding)
    ring = functional.pad(x, (pad_x, pad_x, 0, 0), mode="circular")
    ring = functional.pad(ring, (0, 0, pad_y, pad_y))
    wanted = functional.conv2d(
        ring, conv.weight, conv.bias, conv.stride, 0, conv.dilation, conv.groups
    )
    flat = conv(x)
    make_circular(conv)
    assert torch.allclose(conv(x), wanted, atol=1e-5)
    set_circular(conv, False)
    assert torch.equal(conv(x), flat)


@pytest.mark.parametrize(
    "conv",
    [
        Conv2d(4, 6, 3, padding=1),
        Conv2d(4, 4, 5, padding=2, groups=2, bias=False),
        Conv2d(4, 6, 3, padding=1, stride=2),
        Conv2d(4, 6, 3, padding=2, dilation=2),
    ],
)
@pytest.mark.parametrize("width", [2, 4, 5, 64])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_large_picture_is_mended_at_its_seam(
    conv: Conv2d, width: int, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = picture(2, 4, 8, width).contiguous(memory_format=layout)
    make_circular(conv)
    with torch.inference_mode():
        copied = conv(x)
        monkeypatch.setattr(circular, "_LARGE", 1)
        mended = conv(x)
    assert torch.allclose(mended, copied, atol=1e-6)
    # What is trained keeps the way that gradients can follow.
    conv(x.requires_grad_()).sum().backward()
    assert x.grad is not None


def test_the_switch_does_twice_what_it_does_once() -> None:
    unet = tiny_checkpoint().unet
    x, text = picture(1, 4, 8, 16), picture(1, 12, 16)
    names = list(unet.state_dict())

    def drawn() -> Tensor:
        result: Tensor = unet(x, 500, encoder_hidden_states=text).sample
        return result

    assert not is_circular(unet)
    flat = drawn()
    for on in (True, True, False, False, True):
        set_circular(unet, on)
        assert is_circular(unet) == on
        assert torch.equal(drawn(), flat) != on
    assert list(unet.state_dict()) == names


@pytest.mark.parametrize("part", ["unet", "encoder", "decoder"])
def test_a_rolled_picture_gives_the_rolled_result(part: str) -> None:
    checkpoint = tiny_checkpoint()
    vae, unet, text = checkpoint.vae, checkpoint.unet, picture(1, 12, 16)
    shape, model, grow = {
        "unet": ((1, 4, 8, 32), lambda x: unet(x, 500, encoder_hidden_states=text).sample, 1.0),
        "encoder": ((1, 3, 16, 32), lambda x: vae.encode(x).latent_dist.mode(), 0.5),
        "decoder": ((1, 4, 8, 16), lambda x: vae.decode(x).sample, 2.0),
    }[part]
    make_circular(unet)
    make_circular(vae)
    x = picture(*shape)
    rolled = torch.roll(model(x), int(CELL * grow), -1)
    assert torch.allclose(model(torch.roll(x, CELL, -1)), rolled, atol=1e-4)
    set_circular(unet, False)
    set_circular(vae, False)
    assert not torch.allclose(model(torch.roll(x, CELL, -1)), rolled, atol=1e-2)


def test_paddings_that_cannot_wrap_are_refused() -> None:
    for conv in (
        Conv2d(1, 1, 3, padding="same"),
        Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
    ):
        with pytest.raises(TypeError, match="cannot wrap"):
            make_circular(conv)
