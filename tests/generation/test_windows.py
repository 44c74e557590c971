"""Windows over wide pictures: where they lie, and that no seam shows."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from generation.sampler import initial_noise
from generation.windows import OVERLAP, WHOLE, WIDEST, Windows, lay_out

DOWNSCALE = 8


def laid_out(columns: int, cell: int = 8, *, ring: bool) -> Windows:
    windows = lay_out(columns, cell, DOWNSCALE, ring=ring)
    assert windows is not None
    return windows


def test_what_fits_is_drawn_at_once() -> None:
    assert lay_out(WHOLE // DOWNSCALE, 8, DOWNSCALE, ring=True) is None
    assert lay_out(8, 8, DOWNSCALE, ring=False) is None


@given(st.integers(33, 400), st.sampled_from([4, 8]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_windows_cover_everything_and_overlap(cells: int, cell: int, ring: bool) -> None:
    columns = cells * cell * (8 // cell)
    windows = laid_out(columns, cell, ring=ring)
    assert windows.width * DOWNSCALE <= WIDEST
    assert all(start % cell == 0 for start in (*windows.starts, windows.width))
    ends = [start + windows.width for start in windows.starts]
    following = [*windows.starts[1:], *([columns] if ring else [])]
    shared = [end - start for end, start in zip(ends, following, strict=False)]
    assert min(shared) * DOWNSCALE >= OVERLAP
    assert windows.starts[0] == 0
    assert ring or ends[-1] == columns
    assert len(windows.starts) * windows.width < 1.6 * columns


@pytest.mark.parametrize("ring", [True, False])
def test_a_model_that_sees_single_columns_does_not_notice_windows(ring: bool) -> None:
    [x] = initial_noise([1], 4, 8, 328)
    predicted = laid_out(328, ring=ring).predict(x, torch.sin)
    assert torch.allclose(predicted, torch.sin(x), atol=1e-6)


@pytest.mark.parametrize("ring", [True, False])
def test_windows_change_gently_where_they_disagree(ring: bool) -> None:
    """Windows that each say another number: between them the mean changes in small steps."""
    columns = 328
    windows = laid_out(columns, ring=ring)
    said = iter(range(len(windows.starts)))

    def stubborn(x: Tensor) -> Tensor:
        return torch.full_like(x, next(said))

    predicted = windows.predict(torch.zeros(1, 1, 1, columns), stubborn).flatten()
    steps = predicted.diff().abs()
    assert steps.max() <= 2 * (len(windows.starts) - 1) / (OVERLAP / DOWNSCALE)
    if ring:  # the seam is an overlap like the others
        assert abs(float(predicted[0] - predicted[-1])) <= float(steps.max())


def test_on_a_ring_a_picture_rolled_by_a_window_gives_the_rolled_prediction() -> None:
    columns = 384  # the windows' distance divides it
    windows = laid_out(columns, ring=True)
    distance = windows.starts[1]
    assert columns % distance == 0

    def smooth(x: Tensor) -> Tensor:  # sees its window's edges
        return torch.nn.functional.avg_pool2d(x, (1, 9), 1, (0, 4))

    x = initial_noise([1], 4, 8, columns)
    rolled = windows.predict(x.roll(distance, -1), smooth)
    assert torch.allclose(rolled, windows.predict(x, smooth).roll(distance, -1), atol=1e-6)
