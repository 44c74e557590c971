from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.extension import Extension
from generation.request import Side
from generation.sources import Sound
from generation.spectrogram import SpectrogramParams
from tests.generation.sounds import Waveform, loop

PARAMS = SpectrogramParams()
SIDES: tuple[Side, ...] = get_args(Side)


def extension(kept: Waveform, samples: int, side: Side = "right", whole: bool = True) -> Extension:
    return Extension(Sound(kept, PARAMS), samples, side, whole)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(SIDES),
    st.booleans(),
    st.integers(3_000, 60_000),
    st.integers(1_000, 60_000),
    st.sampled_from([1, 2]),
)
def test_the_kept_samples_come_back_exactly(
    side: Side, whole: bool, kept: int, new: int, channels: int
) -> None:
    rng = np.random.default_rng(kept)
    sound = rng.uniform(-0.5, 0.5, (channels, kept)).astype(np.float32)
    drawn = rng.uniform(-3, 3, (1, kept + new)).astype(np.float32)
    result = extension(sound, kept + new, side, whole).compose(drawn)
    assert result.shape == (channels, kept + new)
    part = result[:, :kept] if side == "right" else result[:, new:]
    assert np.array_equal(part, sound)
    assert np.abs(result).max() <= np.sqrt(2) * 0.97 + 1e-6


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("cut", [0, 5_000], ids=["loop", "cut off"])
def test_joins_do_not_click(side: Side, cut: int) -> None:
    """The joins are no rougher than the sounds that they join, also round the ring's end."""
    whole = loop(112_896)
    kept = whole[:, : 112_896 - cut]
    drawn = loop(kept.shape[1] + 60_000, seed=1)
    result = extension(kept, drawn.shape[1], side).compose(drawn)
    new = drawn.shape[1] - kept.shape[1]
    joins = (kept.shape[1], 0) if side == "right" else (0, new)
    rough = np.quantile(np.abs(np.diff(kept)), 0.999)
    for join in joins:
        around = np.roll(result, 8 - join, axis=1)[:, :16]
        assert np.abs(np.diff(around)).max() <= 1.5 * rough


@pytest.mark.parametrize(("side", "free"), [("right", -1), ("left", 0)])
def test_a_piece_that_just_ends_fades_at_its_free_end(side: Side, free: int) -> None:
    kept = loop(50_000)
    result = extension(kept, 90_000, side, whole=False).compose(loop(90_000, seed=2))
    assert result[0, free] == 0


@pytest.mark.parametrize("side", SIDES)
def test_the_mask_leaves_what_is_kept(side: Side) -> None:
    kept = loop(112_896)
    one = extension(kept, 2 * 112_896, side)
    canvas, mask = one.canvas(512), one.mask(512, 512)
    assert mask.shape == canvas.grey.shape == (512, 512)
    assert mask[0].mean() == 0.5
    # what is kept looks as it sounds, the rest is silence but for the windows that reach over
    middle = slice(64, 192) if side == "right" else slice(320, 448)
    assert not mask[:, middle].any()
    alone = Sound(kept, PARAMS).canvas(256)
    assert np.abs(canvas.grey[:, middle].astype(int) - alone.grey[:, 64:192]).max() <= 1
    empty = slice(320, 448) if side == "right" else slice(64, 192)
    assert (canvas.grey[:, empty] == 255).all()


def test_the_new_part_is_as_loud_as_the_old_one() -> None:
    kept = 0.5 * loop(100_000)
    for gain in (0.2, 1.0, 3.0):
        result = extension(kept, 200_000).compose(gain * loop(200_000, seed=1))
        levels = [np.sqrt(np.mean(part**2)) for part in (result[:, 100_000:], kept)]
        assert 0.7 < levels[0] / levels[1] < 1.4
