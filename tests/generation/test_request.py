from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.errors import BadRequestError
from generation.request import (
    MAX_SEED,
    Clip,
    GenerationRequest,
    Length,
    Progress,
    Source,
    Stage,
)

REQUESTS = st.builds(
    GenerationRequest,
    prompt=st.text(min_size=1, max_size=500).filter(str.strip),
    seed=st.integers(0, MAX_SEED),
    negative=st.text(max_size=500),
    steps=st.none() | st.integers(1, 100),
    guidance_scale=st.none() | st.floats(0, 30),
    length=st.builds(Length, st.floats(0.1, 100), st.sampled_from(["seconds", "beats"])),
    bpm=st.none() | st.floats(20, 400),
    clips=st.integers(1, 16),
    sources=st.lists(st.builds(Source, st.just("init"), st.just("ab" * 32)), max_size=2).map(tuple),
)


@given(REQUESTS)
def test_a_request_survives_the_ledger(request: GenerationRequest) -> None:
    assert GenerationRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_a_request_of_a_newer_version_is_refused_with_a_sentence() -> None:
    data = GenerationRequest("x", seed=1).to_json()
    with pytest.raises(BadRequestError, match="format 2"):
        GenerationRequest.from_json({**data, "version": 2})
    with pytest.raises(BadRequestError, match="do not know"):
        GenerationRequest.from_json({**data, "colour": "blue"})


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": " "},
        {"prompt": "x" * 501},
        {"negative": "x" * 501},
        {"seed": -1},
        {"seed": 2**32},
        {"steps": 0},
        {"steps": 101},
        {"guidance_scale": float("nan")},
        {"guidance_scale": 31},
        {"bpm": 5},
        {"clips": 0},
        {"clips": 17},
        {"length": Length(0)},
        {"length": Length(float("inf"))},
        {"kind": "dance"},
    ],
)
def test_values_out_of_range_are_refused_with_a_sentence(changes: dict[str, object]) -> None:
    with pytest.raises(BadRequestError) as caught:
        GenerationRequest(**{"prompt": "x", "seed": 1, **changes})  # type: ignore[arg-type]
    assert str(caught.value).endswith(".")


def test_a_clip_survives_the_ledger() -> None:
    clip = Clip(0, {"mp3": "ab/x.mp3"}, 5.12, 44100, 225_792, {"seed": "7"})
    assert Clip.from_json(json.loads(json.dumps(clip.to_json()))) == clip


def test_progress_never_goes_back() -> None:
    stages: list[tuple[Stage, int]] = [
        ("reading", 1),
        ("drawing", 12),
        ("sounding", 1),
        ("encoding", 3),
    ]
    shown = [
        Progress(stage, done, total).fraction
        for stage, total in stages
        for done in range(total + 1)
    ]
    assert shown == sorted(shown)
    assert (shown[0], shown[-1]) == (0.0, 1.0)
