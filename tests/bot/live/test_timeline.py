from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.live.grid import Grid
from bot.live.timeline import Segment, Share, Take, Timeline, fade_gains

TAKE = Take("a", 1000, files={"wav": "ab/c.wav"}, recipe={"seed": "1"})


def segment(number: int, start: int, fade: int = 10) -> Segment:
    return Segment(number, start, fade, 0, TAKE)


def test_every_sample_has_a_segment() -> None:
    timeline = Timeline()
    for number, start in enumerate((0, 100, 110, 500), start=1):
        timeline.enter(segment(number, start))
    for sample in range(0, 1000, 7):
        sounding = timeline.window(sample, sample + 1)
        assert 1 <= len(sounding) <= 2
        assert timeline.at(sample) in sounding
    assert [one.number for one in timeline.window(105, 106)] == [1, 2]
    assert [one.number for one in timeline.window(115, 500)] == [2, 3]


def test_a_segment_comes_in_before_the_next_one_does() -> None:
    timeline = Timeline([segment(1, 0)])
    with pytest.raises(ValueError, match="come in"):
        timeline.enter(segment(2, 9))
    with pytest.raises(ValueError, match="one sample"):
        timeline.enter(segment(2, 50, 0))


def test_what_has_not_begun_can_be_taken_back_and_what_was_over_forgotten() -> None:
    timeline = Timeline([segment(1, 0), segment(2, 100), segment(3, 200)])
    assert [one.number for one in timeline.retract(100)] == [2, 3]
    assert timeline.retract(0) == []
    timeline.enter(segment(4, 300))
    timeline.enter(segment(5, 400))
    timeline.trim(350)
    assert [one.number for one in timeline] == [4, 5]
    timeline.trim(10_000)
    assert [one.number for one in timeline] == [5]


@given(st.floats(0, 1), st.floats(0, 1))
def test_joins_keep_the_power(progress: float, correlation: float) -> None:
    out, into = fade_gains(np.array([progress], dtype=np.float32), correlation)
    power = out**2 + into**2 + 2 * correlation * out * into
    assert power == pytest.approx(1, abs=1e-5)


def test_segments_survive_being_written_down() -> None:
    one = Segment(3, 5, 6, 7, TAKE, "guest", (Share("t1", "rain", 1.0, ("Ann",)),), "rain", 0.5)
    assert Segment.from_json(one.to_json()) == one


@given(st.floats(60, 200), st.sampled_from([4, 8, 12, 16]), st.integers(0, 10_000))
def test_beats_divide_loops_for_good(bpm: float, beats: int, loop: int) -> None:
    grid = Grid(bpm, beats)
    assert grid.sample_of(loop * beats) == loop * grid.loop
    beat = grid.beat_at(loop * 977)
    assert grid.sample_of(beat - 1) < loop * 977 <= grid.sample_of(beat)


@given(st.floats(60, 200), st.integers(0, 10**7), st.integers(0, 44_100))
def test_joins_are_on_bars_where_one_is_near_and_else_on_beats(
    bpm: float, sample: int, patience: int
) -> None:
    grid = Grid(bpm, 8)
    join, bar = grid.join_after(sample, patience), grid.bar_after(sample)
    assert sample <= join <= bar
    assert grid.sample_of(grid.beat_at(join)) == join
    assert grid.beat_at(bar) % 4 == 0
    assert join == bar or bar - sample > patience
