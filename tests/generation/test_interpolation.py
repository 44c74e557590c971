"""Interpolation against independent formulas, and the lengths that it promises to keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from generation.interpolation import lerp_keeping_norm, mix_embeddings, mix_noise, slerp

SHARE = st.floats(0, 1)
SEED = st.integers(0, 2**30)


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape or (4, 16, 32), generator=torch.Generator().manual_seed(seed))


def rotated(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Slerp of unit vectors another way: turn `a` by a share of the angle in the plane of both."""
    x, y = a.double().flatten().numpy(), b.double().flatten().numpy()
    across = y - x * (x @ y)
    across /= np.linalg.norm(across)
    angle = t * np.arctan2(y @ across, y @ x)
    return torch.from_numpy(x * np.cos(angle) + across * np.sin(angle)).reshape(a.shape)


@given(SEED, SEED, SHARE)
@settings(max_examples=30, deadline=None)
def test_slerp_turns_one_unit_vector_towards_the_other(one: int, other: int, t: float) -> None:
    a, b = noise(2 * one), noise(2 * other + 1)
    a, b = a / a.norm(), b / b.norm()
    assert torch.allclose(slerp(a, b, t).double(), rotated(a, b, t), atol=1e-6)


def test_slerp_ends_exactly_at_its_ends_and_gives_new_tensors() -> None:
    a, b = noise(1), noise(2)
    for t, end in ((0.0, a), (1.0, b)):
        reached = slerp(a, b, t)
        assert torch.equal(reached, end)
        assert reached.data_ptr() != end.data_ptr()


@given(SEED, SHARE)
@settings(max_examples=20, deadline=None)
def test_slerp_of_almost_the_same_noise_is_a_straight_line(seed: int, t: float) -> None:
    a = noise(seed)
    b = a + 1e-4 * noise(seed + 1)
    assert torch.allclose(slerp(a, b, t), a + t * (b - a), atol=1e-5)
    assert torch.isfinite(slerp(a, -a, t)).all()
    assert torch.isfinite(slerp(a, torch.zeros_like(a), t)).all()


@given(SEED, SHARE)
@settings(max_examples=20, deadline=None)
def test_noise_on_the_way_is_as_loud_as_at_the_ends(seed: int, t: float) -> None:
    a, b = noise(seed), noise(seed + 1)
    assert float(slerp(a, b, t).std()) == pytest.approx(1, abs=0.06)
    # where a straight line falls inside the sphere
    assert float(torch.lerp(a, b, 0.5).std()) < 0.76


@given(SEED, SHARE)
@settings(max_examples=20, deadline=None)
def test_tokens_keep_the_length_between_their_ends(seed: int, t: float) -> None:
    a, b = noise(seed, 7, 24), 3 * noise(seed + 1, 7, 24)
    mixed = lerp_keeping_norm(a, b, t)
    assert torch.allclose(mixed.norm(dim=-1), torch.lerp(a.norm(dim=-1), b.norm(dim=-1), t))
    straight = torch.lerp(a, b, t)
    assert torch.cosine_similarity(mixed, straight, dim=-1).min() > 0.99999


@given(SEED, st.lists(st.floats(0.01, 100), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_a_mix_of_independent_noises_follows_the_formula(seed: int, weights: list[float]) -> None:
    noises = [noise(seed + i) for i in range(len(weights))]
    mixed = mix_noise(noises, weights)
    formula = sum(w * n for w, n in zip(weights, noises, strict=True))
    formula = formula / np.sqrt(np.sum(np.square(weights)))
    assert float(mixed.std()) == pytest.approx(1, abs=0.06)
    assert torch.allclose(mixed, formula, atol=0.25)
    assert torch.allclose(mix_noise(noises, [3 * w for w in weights]), mixed, atol=1e-5)


def test_the_same_noise_mixed_with_itself_stays_itself() -> None:
    a, b = noise(1), noise(2)
    assert torch.allclose(mix_noise([a, a, a], [1, 2, 3]), a, atol=1e-6)
    assert torch.equal(mix_noise([a, b], [0, 5]), b)
    assert torch.equal(mix_embeddings([a, b], [1, 0]), a)


def test_opposite_vectors_cancel_without_an_error() -> None:
    a = noise(1, 3, 8)
    assert torch.isfinite(mix_embeddings([a, -a], [1, 1])).all()
    assert torch.isfinite(mix_noise([a, -a], [1, 1])).all()


@given(SEED, st.lists(st.floats(0.01, 100), min_size=2, max_size=6))
@settings(max_examples=20, deadline=None)
def test_a_mix_of_embeddings_keeps_the_mean_length_of_each_token(
    seed: int, weights: list[float]
) -> None:
    parts = [noise(seed + i, 5, 12) for i in range(len(weights))]
    mixed = mix_embeddings(parts, weights)
    lengths = np.array([part.norm(dim=-1).numpy() for part in parts])
    wanted = np.average(lengths, axis=0, weights=weights)
    assert np.allclose(mixed.norm(dim=-1).numpy(), wanted, rtol=1e-4)
    straight = np.average(np.array([p.numpy() for p in parts]), axis=0, weights=weights)
    assert torch.cosine_similarity(mixed, torch.from_numpy(straight), dim=-1).min() > 0.9999


def test_half_precision_comes_back_as_it_went_in() -> None:
    a, b = noise(1).bfloat16(), noise(2).bfloat16()
    assert slerp(a, b, 0.3).dtype == mix_noise([a, b], [1, 1]).dtype == torch.bfloat16


@pytest.mark.parametrize("weights", [[], [1.0], [0.0, 0.0], [2.0, -1.0], [float("nan"), 1.0]])
def test_weights_that_make_no_mix_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        mix_noise([noise(1), noise(2)], weights)
