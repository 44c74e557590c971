"""What the web shows of a job, as plain JSON types. This is the documented API's `Riff`."""

from __future__ import annotations

import json
from typing import Any

from bot.jobs import JobView
from generation.request import Clip, GenerationRequest

MEDIA_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "png": "image/png"}


def clip_id(job_id: str, index: int) -> str:
    """The first clip is named like its job; later ones get `-2`, `-3`, …."""
    return job_id if index == 0 else f"{job_id}-{index + 1}"


def riff_json(view: JobView, viewer: str | None) -> dict[str, Any]:
    """One riff for the user id `viewer` (None for a script), who is told which are their own."""
    job, request = view.job, view.job.request
    clips = [_clip_json(job.id, clip) for clip in job.clips]
    return {
        "id": job.id,
        "state": job.state,
        **_asked_json(request),
        "requester": {
            "name": job.requester.name,
            "you": job.requester.platform == "local" and job.requester.user == viewer,
        },
        "created_at": job.created_at,
        "position": view.waiting.position if view.waiting else None,
        "expected_seconds": round(view.waiting.expected_seconds, 1) if view.waiting else None,
        "reason": view.waiting.reason if view.waiting else None,
        "notice": view.notice,
        "progress": (
            {
                "stage": view.progress.stage,
                "done": view.progress.done,
                "total": view.progress.total,
                "fraction": round(view.progress.fraction, 3),
            }
            if view.progress
            else None
        ),
        "error": job.error,
        "seconds_taken": None if job.seconds_taken is None else round(job.seconds_taken, 2),
        "clips": clips,
        "links": {"self": f"/api/riffs/{job.id}", **(clips[0]["links"] if clips else {})},
    }


def _asked_json(request: GenerationRequest) -> dict[str, Any]:
    """What was asked for, under the names of the options; None was left open."""
    length = request.length
    return {
        "kind": request.kind,
        "prompt": request.prompt,
        "negative": request.negative,
        "seed": request.seed,
        "steps": request.steps,
        "guidance": request.guidance_scale,
        "bpm": request.bpm,
        "length": None if length is None else f"{length.value:g} {length.unit}",
        "clip_count": request.clips,
        "strength": request.strength,
        "distance": request.variation,
        "loop": request.loop,
        "sampler": request.sampler,
        "points": [{"prompt": point.prompt, "weight": point.weight} for point in request.points],
    }


def _alpha(clip: Clip) -> float | None:
    """Where a clip lies in its blend: 0 is the first prompt, 1 the second; None for others."""
    try:
        (alpha,) = json.loads(clip.recipe["request"])["alphas"]
        return float(alpha)
    except (KeyError, ValueError, TypeError):
        return None


def _clip_json(job_id: str, clip: Clip) -> dict[str, Any]:
    name = clip_id(job_id, clip.index)
    return {
        "id": name,
        "index": clip.index,
        "alpha": _alpha(clip),
        "seconds": clip.seconds,
        "sample_rate": clip.sample_rate,
        "samples": clip.samples,
        "links": {kind: f"/clips/{name}.{kind}" for kind in MEDIA_TYPES if kind in clip.files},
        "recipe": dict(clip.recipe),
    }
