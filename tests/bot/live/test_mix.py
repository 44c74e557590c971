from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.live.mix import MOST, distance, normalised, strongest, towards

TOPICS = [f"t{number}" for number in range(12)]


def mixes(most: int, least: int = 1) -> st.SearchStrategy[dict[str, float]]:
    weights = st.dictionaries(
        st.sampled_from(TOPICS), st.floats(0.01, 1), min_size=least, max_size=most
    )
    return weights.map(normalised)


@given(mixes(MOST), mixes(6), st.floats(0.01, 1))
def test_a_step_is_a_mix_within_the_limit_and_no_further_from_the_target(
    a: dict[str, float], b: dict[str, float], limit: float
) -> None:
    step = towards(a, b, limit)
    assert sum(step.values()) == pytest.approx(1)
    assert all(share > 0 for share in step.values())
    assert len(step) <= MOST
    assert distance(a, step) <= limit + 1e-5
    assert distance(step, b) <= distance(a, b) + 1e-9


@given(mixes(MOST), mixes(6), st.floats(0.05, 1))
def test_steps_arrive(a: dict[str, float], b: dict[str, float], limit: float) -> None:
    # Eight topics that all leave have to go one by one where the steps are small.
    for _ in range(int(1 / limit) + MOST + 3):
        a = towards(a, b, max(limit, 1 / MOST))
    assert distance(a, b) < 1e-5


@given(mixes(6), mixes(6), mixes(6))
def test_distance_is_one(a: dict[str, float], b: dict[str, float], c: dict[str, float]) -> None:
    assert distance(a, a) == 0
    assert 0 <= distance(a, b) <= 1 + 1e-9
    assert distance(a, b) == pytest.approx(distance(b, a))
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-9


def test_nothing_to_mix() -> None:
    assert normalised({"t1": 0.0}) == {}
    assert towards({}, {"t1": 1.0}, 0.1) == {"t1": 1.0}
    assert distance({}, {}) == 0


def test_a_newcomer_takes_a_place_only_with_a_clear_lead() -> None:
    strengths = {"t1": 5.0, "t2": 2.0, "t3": 2.2}
    assert strongest(strengths, ["t1", "t2"], [], 2, 1.25) == ["t1", "t2"]
    assert strongest({**strengths, "t3": 2.6}, ["t1", "t2"], [], 2, 1.25) == ["t1", "t3"]
    assert strongest({**strengths, "t3": 9.0}, ["t1", "t2"], ["t1", "t2"], 2, 1.25) == ["t1", "t2"]


@given(
    st.dictionaries(st.sampled_from(TOPICS), st.floats(0.01, 100), min_size=1),
    st.lists(st.sampled_from(TOPICS), unique=True, max_size=6),
    st.integers(1, 6),
)
def test_as_many_are_chosen_as_there_are_places(
    strengths: dict[str, float], held: list[str], most: int
) -> None:
    chosen = strongest(strengths, held, held[:1], most, 1.25)
    assert len(chosen) == len(set(chosen)) == min(most, len(strengths))
    assert set(chosen) <= set(strengths)
    if held and held[0] in strengths:
        assert held[0] in chosen
