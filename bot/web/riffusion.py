"""Riffusion's own HTTP API, so that the apps people built on its server work here unchanged.

    POST /run_inference/   {"start": {"prompt", "seed", "denoising", "guidance"}, "end": {…},
                            "alpha", "num_inference_steps", "seed_image_id", "mask_image_id"}
                           → {"image": JPEG as data URI, "audio": MP3 as data URI, "duration_s"}

(Riffusion's `riffusion/datatypes.py`.) Those apps ask for three clips ahead without end, and take
an error for a clip: so a request that comes too early is not refused but waits for its turn.
"""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image

from bot.ask import Ask
from bot.errors import BadInputRefusal, BusyRefusal, NotFoundRefusal
from bot.jobs import FINISHED, Address, JobView, Requester
from bot.limits import RateLimit, judge
from bot.seed_images import SeedImages
from bot.store.sources import Sources
from bot.studio import Studio
from bot.web.bodies import read_json
from bot.web.identity import PLATFORM
from generation.request import DEFAULT_SECONDS, MAX_SEED, Clip, Point, Source, check_range

ROLE = "riffusion-api"
"""Whoever comes this way has this route's own limit, and not the chat's as well."""

_COMMUNITY = "riffusion"
_RATE = RateLimit(burst=4, period=DEFAULT_SECONDS)
_PATIENCE = 55.0  # proxies and browsers give up after a minute
_MOST_CALLERS = 1000
_DENOISING, _GUIDANCE, _STEPS, _SEED_IMAGE = 0.75, 7.0, 50, "og_beat"


class RiffusionApi:
    """Handler of `/run_inference/`."""

    def __init__(
        self,
        studio: Studio,
        sources: Sources,
        images: SeedImages,
        clips: Path,
        max_steps: int,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """At most `max_steps` denoising steps are run, whatever an app asks for."""
        self._studio = studio
        self._sources = sources
        self._images = images
        self._clips = clips
        self._max_steps = max_steps
        self._now = now
        self._sleep = sleep
        self._arrivals: dict[str, float] = {}

    def routes(self) -> list[web.RouteDef]:
        """The route, with and without its last slash."""
        return [
            web.post("/run_inference/", self.run_inference),
            web.post("/run_inference", self.run_inference),
        ]

    async def run_inference(self, request: web.Request) -> web.Response:
        """Make one clip of an interpolation, and answer with it."""
        ask = await self._ask(await read_json(request))
        caller = request.remote or "unknown"
        give_up_at = self._now() + _PATIENCE
        await self.wait_for_turn(caller)
        requester = Requester(
            PLATFORM, _COMMUNITY, f"app:{caller}", "A Riffusion app", frozenset({ROLE})
        )
        view = await self._studio.submit(requester, ask, Address(PLATFORM, {}))
        try:
            async with asyncio.timeout(give_up_at - self._now()):
                clip = await self._clip_of(view)
        except TimeoutError as error:
            raise BusyRefusal(
                "The studio is too busy right now; please try again.", retry_after=10.0
            ) from error
        finally:
            await self._drop(view.job.id, requester)
        return web.json_response(await asyncio.to_thread(self._answer, clip))

    async def _ask(self, data: Mapping[str, Any]) -> Ask:
        points = _point(data, "start"), _point(data, "end")
        alpha = min(1.0, max(0.0, _number(data, "alpha", None)))
        steps = int(_number(data, "num_inference_steps", _STEPS))
        check_range("num_inference_steps", steps, 1, 1000)
        seed_image, mask = data.get("seed_image_id", _SEED_IMAGE), data.get("mask_image_id")
        sources = [await self._source("init", seed_image)]
        if mask:
            sources.append(await self._source("mask", mask))
        return Ask(
            prompt=f"{points[0].prompt} \u2192 {points[1].prompt}"[:500],
            seed=points[0].seed,
            kind="blend",
            steps=min(steps, self._max_steps),
            points=points,
            alphas=(alpha,),
            sources=tuple(sources),
        )

    async def _source(self, role: Any, name: Any) -> Source:
        path = await asyncio.to_thread(self._images.find, str(name))
        return Source(role, await self._sources.put_file(path))

    async def wait_for_turn(self, caller: str) -> None:
        """One clip per clip's duration, four at once; who is early waits in order of arrival."""
        now = self._now()
        # Booked before the wait, so that those who come later wait behind.
        verdict = judge(_RATE, self._arrivals.get(caller), now)
        if verdict.retry_after > _PATIENCE:
            raise BusyRefusal(
                "This app asks for clips faster than they can play.", verdict.retry_after
            )
        booked = max(self._arrivals.get(caller, now), now) + _RATE.period
        self._arrivals.pop(caller, None)
        self._arrivals[caller] = booked
        while len(self._arrivals) > _MOST_CALLERS:
            del self._arrivals[next(iter(self._arrivals))]
        if not verdict.allowed:
            await self._sleep(verdict.retry_after)

    async def _clip_of(self, view: JobView) -> Clip:
        job_id = view.job.id
        with self._studio.subscribe() as events:
            view = await self._studio.view(job_id)
            if (clip := _outcome(view)) is not None:
                return clip
            async for event in events:
                if getattr(event, "job_id", None) == job_id:
                    view = await self._studio.view(job_id)
                    if (clip := _outcome(view)) is not None:
                        return clip
        raise NotFoundRefusal("This riff was given up.")

    async def _drop(self, job_id: str, requester: Requester) -> None:
        """Nobody waits for it any more (a no-op once it is made)."""
        with suppress(NotFoundRefusal):
            await self._studio.cancel(job_id, requester, may_cancel_any=False)

    def _answer(self, clip: Clip) -> dict[str, Any]:
        with Image.open(self._clips / clip.files["png"]) as image:
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "JPEG", quality=95, exif=image.getexif())
        sound = (self._clips / clip.files["mp3"]).read_bytes()
        return {
            "image": _data_uri("image/jpeg", buffer.getvalue()),
            "audio": _data_uri("audio/mpeg", sound),
            "duration_s": clip.seconds,
        }


def _outcome(view: JobView) -> Clip | None:
    job = view.job
    if job.clips and job.state in ("rendered", "delivered"):
        return job.clips[0]
    if job.state in FINISHED:
        raise BadInputRefusal(job.error or "This riff was given up.")
    return None


def _point(data: Mapping[str, Any], name: str) -> Point:
    end = data.get(name)
    if not isinstance(end, dict) or not isinstance(end.get("prompt"), str):
        raise BadInputRefusal(f'"{name}" has to be {{"prompt": text, "seed": number}}.')
    seed = _number(end, "seed", None)
    return Point(
        end["prompt"],
        seed=int(seed) % (MAX_SEED + 1),
        strength=_number(end, "denoising", _DENOISING),
        guidance_scale=_number(end, "guidance", _GUIDANCE),
    )


def _number(data: Mapping[str, Any], name: str, default: float | None) -> float:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise BadInputRefusal(f'"{name}" has to be a number.')
    return value


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
