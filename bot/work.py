"""How much work a riff is, in units of a default one. Limits, turns and forecasts go by this."""

from __future__ import annotations

from generation.request import BEATS_PER_BAR, DEFAULT_SECONDS, GenerationRequest, Length

DEFAULT_BPM = 120.0
# Turning the picture into sound and encoding it takes its time even after a single step.
MIN_COST = 0.25


def audio_seconds(request: GenerationRequest) -> float:
    """Seconds of sound that a request makes, all its clips together.

    An extension that leaves its length open counts twice the default: its source is not known here.
    """
    default = 2 * DEFAULT_SECONDS if request.kind == "extend" else DEFAULT_SECONDS
    each = default if request.length is None else _seconds(request.length, request.bpm)
    return round(each * request.clips, 3)


def cost_of(request: GenerationRequest, default_steps: int) -> float:
    """Seconds of sound × denoising steps, as a multiple of a default riff; at least 0.25.

    Args:
        request: what is asked.
        default_steps: the steps of a default riff.
    """
    steps = (request.steps or default_steps) / default_steps
    return max(MIN_COST, audio_seconds(request) / DEFAULT_SECONDS * steps)


def _seconds(length: Length, bpm: float | None) -> float:
    if length.unit == "seconds":
        return length.value
    beats = length.value * (BEATS_PER_BAR if length.unit == "bars" else 1)
    return beats * 60 / (bpm or DEFAULT_BPM)
