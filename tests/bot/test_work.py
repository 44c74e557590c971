from __future__ import annotations

import pytest

from bot.store.durations import FIRST_GUESS, Forecast
from bot.work import MIN_COST, audio_seconds, cost_of
from generation.request import GenerationRequest, Length, Point, Source

INIT = (Source("init", "0" * 64),)
ENDS = (Point("a"), Point("b"))


@pytest.mark.parametrize(
    ("request_", "cost"),
    [
        (GenerationRequest("x", seed=1), 1.0),
        (GenerationRequest("x", seed=1, steps=24), 2.0),
        (GenerationRequest("x", seed=1, length=Length(10.24)), 2.0),
        (GenerationRequest("x", seed=1, length=Length(10.24), steps=6), 1.0),
        (GenerationRequest("x", seed=1, steps=1), MIN_COST),
        (GenerationRequest("x", seed=1, length=Length(8, "beats"), bpm=93.75), 1.0),
        (GenerationRequest("x", seed=1, length=Length(2, "bars"), bpm=93.75), 1.0),
        (GenerationRequest("x", seed=1, kind="blend", points=ENDS, clips=8), 8.0),
        (GenerationRequest("x", seed=1, kind="extend", sources=INIT), 2.0),
        (GenerationRequest("x", seed=1, kind="remix", sources=INIT), 1.0),
    ],
)
def test_a_riff_costs_seconds_of_sound_times_steps(
    request_: GenerationRequest, cost: float
) -> None:
    assert cost_of(request_, default_steps=12) == pytest.approx(cost, rel=1e-3)


def test_all_clips_count() -> None:
    blend = GenerationRequest("x", seed=1, kind="blend", points=ENDS, clips=5)
    assert audio_seconds(blend) == pytest.approx(5 * 5.12)


def test_times_are_as_measured_or_in_proportion() -> None:
    assert Forecast({}).seconds(0, 5.12) == FIRST_GUESS
    known = Forecast({(12, 5.12): 3.0, (24, 5.12): 5.0})
    assert known.seconds(12, 5.12) == 3.0
    assert known.seconds(24, 5.12) == 5.0
    assert 5.0 < known.seconds(48, 5.12) < 10.0
    assert known.seconds(0, 10.24) == pytest.approx(6.0, rel=0.1)
