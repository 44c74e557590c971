from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.errors import BadRequestError
from generation.request import (
    MAX_SEED,
    AdapterUse,
    Clip,
    GenerationRequest,
    Length,
    Point,
    Progress,
    Source,
    Stage,
)

PROMPTS = st.text(min_size=1, max_size=500).filter(str.strip)
SEEDS = st.integers(0, MAX_SEED)
LENGTHS = st.builds(Length, st.floats(0.1, 100), st.sampled_from(["seconds", "beats", "bars"]))
INIT, MASK = Source("init", "ab" * 32), Source("mask", "cd" * 32)
POINTS = st.builds(
    Point,
    PROMPTS,
    weight=st.floats(0.1, 10),
    seed=st.none() | SEEDS,
    strength=st.none() | st.floats(0, 1),
)
COMMON = {
    "prompt": PROMPTS,
    "seed": SEEDS,
    "negative": st.text(max_size=500),
    "steps": st.none() | st.integers(1, 100),
    "guidance_scale": st.none() | st.floats(0, 30),
    "length": st.none() | LENGTHS,
    "bpm": st.none() | st.floats(20, 400),
    "loop": st.booleans(),
    "sampler": st.sampled_from(["", "euler"]),
    "adapters": st.lists(
        st.builds(AdapterUse, st.text(max_size=9), st.floats(-2, 2)), max_size=4
    ).map(tuple),
}
REQUESTS = st.one_of(
    st.builds(GenerationRequest, **COMMON, clips=st.integers(1, 16)),
    st.builds(
        GenerationRequest,
        **COMMON,
        kind=st.sampled_from(["remix", "extend"]),
        sources=st.sampled_from([(INIT,), (INIT, MASK)]),
        strength=st.none() | st.floats(0, 1),
    ),
    st.builds(GenerationRequest, **COMMON, kind=st.just("blend"), points=st.tuples(POINTS, POINTS)),
    st.builds(
        GenerationRequest,
        **COMMON,
        kind=st.just("mix"),
        points=st.lists(POINTS, min_size=1, max_size=8).map(tuple),
    ),
    st.builds(
        GenerationRequest,
        **COMMON,
        kind=st.just("variation"),
        variation=st.none() | st.floats(0, 1),
        variation_seed=st.none() | SEEDS,
    ),
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
        {"kind": "dance"},
        {"kind": "remix"},
        {"kind": "extend"},
        {"kind": "blend", "points": (Point("a"),)},
        {"kind": "blend", "points": (Point("a"), Point("b")), "alphas": (0.5, 0.7)},
        {"kind": "blend", "points": (Point("a"), Point("b")), "alphas": (1.5,)},
        {"kind": "mix"},
        {"points": (Point("a"),)},
        {"sources": (MASK,)},
        {"sources": (INIT, INIT)},
        {"strength": float("nan")},
        {"strength": 1.01},
        {"kind": "variation", "variation": -0.1},
        {"adapters": (AdapterUse("a"),) * 5},
    ],
)
def test_values_out_of_range_are_refused_with_a_sentence(changes: dict[str, object]) -> None:
    with pytest.raises(BadRequestError) as caught:
        GenerationRequest(**{"prompt": "x", "seed": 1, **changes})  # type: ignore[arg-type]
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Length(0),
        lambda: Length(float("inf")),
        lambda: Source("init", "../../etc/passwd"),
        lambda: Point(" "),
        lambda: Point("a", weight=0),
        lambda: AdapterUse("a", weight=float("nan")),
    ],
)
def test_parts_out_of_range_are_refused_too(make: Callable[[], object]) -> None:
    with pytest.raises(BadRequestError) as caught:
        make()
    assert str(caught.value).endswith(".")


def test_what_may_share_a_batch_differs_in_prompt_seed_and_guidance_only() -> None:
    one = GenerationRequest("a", 1, guidance_scale=3)
    assert one.batch_key == GenerationRequest("b", 2, negative="c").batch_key
    assert one.batch_key != GenerationRequest("a", 1, steps=7).batch_key
    assert one.batch_key != GenerationRequest("a", 1, length=Length(10)).batch_key
    assert one.batch_key != GenerationRequest("a", 1, adapters=(AdapterUse("x"),)).batch_key


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
