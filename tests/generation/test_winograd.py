from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from generation import remembered, winograd
from generation.circular import set_circular
from generation.winograd import MIN_TILES, WinogradConv2d, convolve, faster_than_direct, speed_up


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "faster_than_direct", lambda: True)


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def exact(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, ring: bool) -> object:
    """In float64, with the padding laid out by hand."""
    wide = functional.pad(x.double(), (1, 1, 0, 0), mode="circular" if ring else "constant")
    shift = None if bias is None else bias.double()
    return functional.conv2d(wide, weight.double(), shift, padding=(1, 0)).float()


def error(found: torch.Tensor, expected: object) -> float:
    assert isinstance(expected, torch.Tensor)
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-6))


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 3),
    channels=st.integers(1, 40),
    outputs=st.integers(1, 40),
    high=st.integers(1, 5),
    wide=st.integers(1, 5),
    ring=st.booleans(),
    bias=st.booleans(),
    channels_last=st.booleans(),
)
def test_it_is_the_convolution(
    count: int, channels: int, outputs: int, high: int, wide: int,
    ring: bool, bias: bool, channels_last: bool,
) -> None:  # fmt: skip
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(count, channels, 4 * high, 4 * wide).contiguous(memory_format=layout)
    weight = torch.randn(outputs, channels, 3, 3).contiguous(memory_format=layout)
    shift = torch.randn(outputs) if bias else None
    found = convolve(x, weight, shift, ring=ring)
    assert found.shape == (count, outputs, 4 * high, 4 * wide)
    assert error(found, exact(x, weight, shift, ring)) < 1e-4


@pytest.mark.parametrize("ring", [False, True])
def test_pieces_and_threads_fit_together(
    monkeypatch: pytest.MonkeyPatch, threads: None, ring: bool
) -> None:
    """Small buffers cut the work into many pieces, the last of them a short one."""
    x, weight, bias = torch.randn(2, 70, 20, 36), torch.randn(90, 70, 3, 3), torch.randn(90)
    whole = convolve(x, weight, bias, ring=ring)
    monkeypatch.setattr(winograd, "_PIECE", 144 * 170 * 17)
    monkeypatch.setattr(winograd, "_KERNELS", 144 * 70 * 32)
    pieces = convolve(x, weight, bias, ring=ring)
    assert error(pieces, exact(x, weight, bias, ring)) < 1e-4
    assert torch.allclose(pieces, whole, atol=1e-3)


def test_its_error_is_far_below_a_grey_level() -> None:
    """A deep layer on data of the usual size, against float64."""
    x, weight = torch.randn(2, 320, 32, 32), torch.randn(320, 320, 3, 3) / 54
    expected = exact(x, weight, None, False)
    assert error(convolve(x, weight, None), expected) < 3e-5


def build() -> torch.nn.Sequential:
    return torch.nn.Sequential(
        torch.nn.Conv2d(64, 80, 3, padding=1),
        torch.nn.Conv2d(80, 64, 3, padding=1, stride=2),
        torch.nn.Conv2d(64, 64, 1),
        torch.nn.Conv2d(64, 8, 3, padding=1),
    )


def test_only_what_suits_is_sped_up_and_everything_stays_the_same(
    always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build().eval()
    x = torch.randn(1, 64, 32, 64)
    with torch.inference_mode():
        flat = model(x)
        set_circular(model, True)
        ring = model(x)
        set_circular(model, False)
        names = list(model.state_dict())
        speed_up(model)
        assert [type(layer) is WinogradConv2d for layer in model] == [True, False, False, False]
        assert list(model.state_dict()) == names
        taken: list[bool] = []
        monkeypatch.setattr(
            winograd,
            "convolve",
            lambda *args, ring: (taken.append(ring), convolve(*args, ring=ring))[1],
        )
        assert torch.allclose(model(x), flat, atol=1e-4)
        set_circular(model, True)
        assert torch.allclose(model(x), ring, atol=1e-4)
        assert taken == [False, True]


def test_where_it_does_not_pay_or_fit_the_usual_way_is_taken(
    always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build()[:1]
    speed_up(model)
    monkeypatch.setattr(winograd, "convolve", lambda *_, **__: pytest.fail("taken"))
    with torch.inference_mode():
        model(torch.randn(1, 64, 8, 16))  # too small
        model(torch.randn(1, 64, 34, 64))  # not whole tiles
    loss = model(torch.randn(1, 64, 32, 64)).sum()  # training needs gradients
    loss.backward()
    assert model[0].weight.grad is not None
    with torch.inference_mode():
        model.double()(torch.randn(1, 64, 32, 64).double())
        model.bfloat16()(torch.randn(1, 64, 32, 64).bfloat16())


def test_a_changed_kernel_is_seen_at_once(always: None) -> None:
    model = build()[:1].requires_grad_(False)
    speed_up(model)
    x = torch.randn(1, 64, 16, 4 * MIN_TILES)
    with torch.no_grad():
        before = model(x)
        model[0].weight.data = model[0].weight * 2
        after = model(x)
    bias = model[0].bias[:, None, None]
    assert torch.allclose(after - bias, 2 * (before - bias), atol=1e-4)


def test_whether_it_pays_is_timed_once_per_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    faster_than_direct.cache_clear()
    answer = faster_than_direct()
    faster_than_direct.cache_clear()  # another start
    monkeypatch.setattr(remembered, "best_seconds", lambda *_: pytest.fail("timed again"))
    assert faster_than_direct() is answer
    [key] = remembered._read(tmp_path / "riffbot" / "winograd.json")
    remembered.note("winograd", key, not answer)
    faster_than_direct.cache_clear()
    assert faster_than_direct() is not answer
    faster_than_direct.cache_clear()
