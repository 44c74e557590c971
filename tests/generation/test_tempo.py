from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.errors import BadRequestError
from generation.request import Length
from generation.spectrogram import SpectrogramParams
from generation.tempo import (
    MAX_SECONDS,
    MIN_SECONDS,
    said_bpm,
    settle,
    settle_samples,
    without_bpm,
)

PARAMS = SpectrogramParams()
RATE = PARAMS.sample_rate


@given(st.floats(30, 300), st.floats(MIN_SECONDS, 40))
def test_a_loop_with_a_tempo_holds_whole_beats_to_the_sample(bpm: float, seconds: float) -> None:
    measure = settle(Length(seconds), bpm, PARAMS, 64)
    assert measure.beats is not None
    assert measure.beats >= 4
    assert abs(measure.samples - measure.beats * 60 / bpm * RATE) <= 0.5
    # a beat less would not be nearer, or too short
    assert (
        measure.beats == 4
        or abs(measure.samples / RATE - seconds) <= 30 / bpm + 1 / RATE
        or measure.samples / RATE - 60 / bpm < MIN_SECONDS
    )


@given(st.floats(30, 300), st.floats(MIN_SECONDS, 40), st.sampled_from([32, 64]))
def test_columns_are_stretched_by_an_eighth_at_most(
    bpm: float, seconds: float, multiple: int
) -> None:
    measure = settle(Length(seconds), bpm, PARAMS, multiple)
    assert measure.width % multiple == 0
    assert 0.87 <= measure.samples / (measure.width * PARAMS.hop_length) <= 1.13


@given(st.floats(MIN_SECONDS, MAX_SECONDS))
def test_without_a_tempo_every_column_lasts_one_hop(seconds: float) -> None:
    measure = settle(Length(seconds), None, PARAMS, 64)
    assert (measure.samples, measure.beats) == (measure.width * 441, None)


@pytest.mark.parametrize(
    ("length", "bpm", "beats", "width", "drawn"),
    [
        (Length(5.12), 90, 8, 512, 94),
        (Length(5.12), 93.75, 8, 512, 94),
        (Length(5.12), 140, 12, 512, 141),
        (Length(5.12), 40, 4, 576, 83),  # four beats at least; told to the model as double time
        (Length(4, "bars"), 120, 16, 768, 125),
        (Length(8, "beats"), 90, 8, 512, 94),
        (Length(10.24), 94, 16, 1024, 94),
        (Length(2.56), 375, 16, 256, 188),
    ],
)
def test_examples(length: Length, bpm: float, beats: int, width: int, drawn: int) -> None:
    measure = settle(length, bpm, PARAMS, 64)
    assert (measure.beats, measure.width, measure.drawn_bpm(PARAMS)) == (beats, width, drawn)


def test_a_sound_that_is_there_keeps_its_length() -> None:
    measure = settle_samples(230_001, PARAMS, 64)
    assert (measure.width, measure.samples, measure.drawn_bpm(PARAMS)) == (512, 230_001, None)


@pytest.mark.parametrize(
    ("length", "bpm", "sentence"),
    [
        (Length(8, "beats"), None, "needs a tempo"),
        (Length(2, "bars"), None, "needs a tempo"),
        (Length(7.5, "beats"), 90, "whole beats"),
        (Length(1, "beats"), 90, "2.56 to 60 seconds"),
        (Length(100, "bars"), 90, "2.56 to 60 seconds"),
        (Length(0.5), None, "not 0.5"),
        (Length(500), None, "not 500"),
        (Length(500), 90, "not 500"),
    ],
)
def test_what_cannot_be_settled_is_refused(
    length: Length, bpm: float | None, sentence: str
) -> None:
    with pytest.raises(BadRequestError, match=sentence):
        settle(length, bpm, PARAMS, 64)


@pytest.mark.parametrize(
    ("prompt", "bpm", "rest"),
    [
        ("techno 128 bpm", 128, "techno"),
        ("128bpm techno", 128, "techno"),
        ("jazz, 92.5 BPM, smoky", 92.5, "jazz, , smoky"),
        ("house 120-bpm.", 120, "house ."),
        ("94 bpm", 94, "94 bpm"),
        ("techno", None, "techno"),
        ("techno 999 bpm", None, "techno"),
        ("route 66 bpmx", None, "route 66 bpmx"),
        ("a128 bpm", None, "a128 bpm"),
        ("(128 bpm:1.2) techno", None, "(128 bpm:1.2) techno"),
    ],
)
def test_a_prompt_may_name_its_tempo(prompt: str, bpm: float | None, rest: str) -> None:
    assert said_bpm(prompt) == bpm
    assert without_bpm(prompt) == rest
