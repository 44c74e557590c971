from __future__ import annotations

import json
from dataclasses import replace

from bot.jobs import Job, JobView, Requester
from bot.web.views import riff_json
from generation.request import Clip, GenerationRequest, Length, Point

ANN = Requester("local", "chat", "ann", "Ann")
BLEND = GenerationRequest(
    prompt="rain \u2192 techno",
    seed=7,
    kind="blend",
    points=(Point("rain"), Point("techno")),
    clips=3,
    bpm=90,
    length=Length(4, "bars"),
)


def job(request: GenerationRequest, *clips: Clip) -> Job:
    return Job("x" * 22, "delivered", "riffs", ANN, request, 0.0, 1, 0, clips=clips)


def clip(index: int, recipe: dict[str, str]) -> Clip:
    return Clip(index, {"mp3": "a.mp3"}, 5.12, 44100, 225_792, recipe)


def test_a_riff_says_what_it_is() -> None:
    riff = riff_json(JobView(job(BLEND)), "ann")
    assert (riff["kind"], riff["clip_count"], riff["bpm"]) == ("blend", 3, 90)
    assert riff["length"] == "4 bars"
    assert [point["prompt"] for point in riff["points"]] == ["rain", "techno"]
    plain = riff_json(JobView(job(GenerationRequest("rain", 7))), None)
    assert (plain["kind"], plain["clip_count"], plain["bpm"], plain["length"]) == (
        "text",
        1,
        None,
        None,
    )


def test_the_clips_of_a_blend_say_where_they_lie() -> None:
    clips = [
        clip(index, {"request": json.dumps(replace(BLEND, clips=1, alphas=(alpha,)).to_json())})
        for index, alpha in enumerate((0.0, 0.5, 1.0))
    ]
    riff = riff_json(JobView(job(BLEND, *clips)), None)
    assert [one["alpha"] for one in riff["clips"]] == [0.0, 0.5, 1.0]
    assert [one["index"] for one in riff["clips"]] == [0, 1, 2]


def test_clips_of_older_versions_lie_nowhere() -> None:
    recipes: list[dict[str, str]] = [{}, {"request": "no JSON"}, {"request": '{"alphas": []}'}]
    riff = riff_json(JobView(job(BLEND, *(clip(n, r) for n, r in enumerate(recipes)))), None)
    assert [one["alpha"] for one in riff["clips"]] == [None] * 3


def test_what_holds_everything_up_is_told() -> None:
    waiting = replace(job(BLEND), state="queued")
    riff = riff_json(JobView(waiting, notice="The studio is down; your riff is safe."), None)
    assert riff["notice"] == "The studio is down; your riff is safe."
    assert riff["reason"] is None
