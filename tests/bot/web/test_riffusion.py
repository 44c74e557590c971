from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.errors import BusyRefusal
from bot.events import JobChanged
from bot.jobs import Job
from bot.web import riffusion
from bot.web.riffusion import RiffusionApi
from generation.audio import encode, png_bytes
from generation.request import Clip
from generation.spectrogram import (
    SpectrogramParams,
    image_from_waveform,
    max_value_from_image,
    params_from_image,
)
from tests.bot.web.site import Site
from tests.generation.sounds import SAMPLE_RATE, loop
from tests.waiting import DEADLINE

BODY = {
    "alpha": 0.25,
    "num_inference_steps": 50,
    "seed_image_id": "og_beat",
    "mask_image_id": None,
    "start": {"prompt": "church bells", "seed": 42, "denoising": 0.75, "guidance": 7.0},
    "end": {"prompt": "jazz", "seed": 123, "denoising": 0.65, "guidance": 6.0},
}


async def send(site: Site, body: Any, kind: str = "application/json") -> tuple[int, Any]:
    headers = {"Content-Type": kind}
    async with site.http.post("/run_inference/", data=json.dumps(body), headers=headers) as reply:
        return reply.status, await reply.json()


async def ask(site: Site, body: Any) -> tuple[asyncio.Task[tuple[int, Any]], Job]:
    """Send a request; the answer to come, and the job that it became."""
    with site.kit.studio.subscribe() as events:
        answer = asyncio.create_task(send(site, body))
        async with asyncio.timeout(DEADLINE):
            async for _ in events:
                job = await site.kit.ledger.claim("worker-1", 60)
                if job is not None:
                    return answer, job
    raise AssertionError("the events ended")


async def draw(site: Site, job: Job) -> None:
    """Play the worker, with a real sound and picture."""
    params = SpectrogramParams()
    image = image_from_waveform(loop(), params, circular=True)
    files = {"mp3": encode(loop(), SAMPLE_RATE, "mp3"), "png": png_bytes(image, params)}
    site.clips.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (site.clips / f"x.{name}").write_bytes(data)
    clip = Clip(0, {name: f"x.{name}" for name in files}, 2.56, SAMPLE_RATE, 112_896, {})
    await site.kit.ledger.record_rendered(job, [clip])
    site.kit.events.publish(JobChanged(job.id))


async def test_an_app_made_for_riffusion_gets_what_it_expects(site: Site) -> None:
    answer, job = await ask(site, BODY)
    await draw(site, job)
    status, body = await answer
    request = job.request
    assert status == 200
    assert set(body) == {"image", "audio", "duration_s"}
    assert body["duration_s"] == 2.56
    assert body["audio"].startswith("data:audio/mpeg;base64,")
    assert base64.b64decode(body["audio"].partition(",")[2]) == (site.clips / "x.mp3").read_bytes()
    assert body["image"].startswith("data:image/jpeg;base64,")
    with Image.open(io.BytesIO(base64.b64decode(body["image"].partition(",")[2]))) as image:
        assert (image.format, image.size) == ("JPEG", (256, 512))
        assert params_from_image(image) == SpectrogramParams()
        assert max_value_from_image(image) > 0
    # its interpolation: both ends with their own seed, strength and guidance, at alpha
    assert (request.kind, request.alphas, request.clips) == ("blend", (0.25,), 1)
    first, second = request.points
    assert (first.prompt, first.seed, first.strength, first.guidance_scale) == (
        "church bells", 42, 0.75, 7.0,
    )  # fmt: skip
    assert (second.prompt, second.seed, second.strength, second.guidance_scale) == (
        "jazz", 123, 0.65, 6.0,
    )  # fmt: skip
    assert [source.role for source in request.sources] == ["init"]
    assert request.steps == 25  # what the operator allows
    loop_file = Path(riffusion.__file__).parents[2] / "generation/seed_images/og_beat.png"
    assert site.sources.path(request.sources[0].sha256).read_bytes() == loop_file.read_bytes()


async def test_defaults_are_riffusions(site: Site) -> None:
    ends = {"start": {"prompt": "a", "seed": 1}, "end": {"prompt": "b", "seed": 2}}
    body = {"alpha": 0, **ends, "mask_image_id": "mask_top_third_75"}
    answer, job = await ask(site, body)
    await draw(site, job)
    assert (await answer)[0] == 200
    request = job.request
    assert [point.strength for point in request.points] == [0.75, 0.75]
    assert [point.guidance_scale for point in request.points] == [7.0, 7.0]
    assert [source.role for source in request.sources] == ["init", "mask"]


async def test_who_asks_too_early_waits_for_a_turn() -> None:
    """Four at once, then one per clip's duration: delayed, not refused."""
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    nothing: Any = None
    api = RiffusionApi(nothing, nothing, nothing, nothing, 25, now=lambda: 100.0, sleep=nap)
    for _ in range(6):
        await api.wait_for_turn("an app")
    await api.wait_for_turn("another app")
    assert naps == pytest.approx([5.12, 10.24])
    for _ in range(8):
        await api.wait_for_turn("an app")
    with pytest.raises(BusyRefusal, match="faster than they can play"):
        await api.wait_for_turn("an app")


async def test_a_clip_that_fails_is_said_to_have_failed(site: Site) -> None:
    answer, job = await ask(site, BODY)
    await site.kit.ledger.record_failed(job, "The seed image is damaged.")
    site.kit.events.publish(JobChanged(job.id))
    assert await answer == (400, {"error": "The seed image is damaged."})


async def test_nobody_waits_longer_than_a_minute(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(riffusion, "_PATIENCE", 0.05)
    status, body = await send(site, BODY)
    assert (status, "too busy" in body["error"]) == (429, True)
    assert await site.kit.ledger.claim("worker-1", 60) is None  # it was cancelled


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start": None}, '"start"'),
        ({"end": {"prompt": "x"}}, '"seed" has to be a number'),
        ({"start": {"prompt": "", "seed": 1}}, "Tell me what"),
        ({"start": {"prompt": "x", "seed": 1, "denoising": 3}}, "strength"),
        ({"alpha": None}, '"alpha"'),
        ({"alpha": float("nan")}, '"alpha"'),
        ({"num_inference_steps": 0}, "num_inference_steps"),
        ({"seed_image_id": "nope"}, "there are agile"),
        ({"seed_image_id": "../../secret"}, "there are agile"),
        ({"mask_image_id": "nope"}, "there are agile"),
    ],
)
async def test_bad_input_gets_one_sentence(site: Site, change: Any, words: str) -> None:
    status, body = await send(site, {**BODY, **change})
    assert status in (400, 404)
    assert words in body["error"]
