"""What made a clip, as people read it: its facts, and the command that makes it again."""

from __future__ import annotations

from collections.abc import Sequence

from bot.jobs import Job
from generation.request import Clip, GenerationRequest, Point

_DEFAULT_BLEND = 5


def facts_of(job: Job, clip: Clip | None = None) -> list[tuple[str, str]]:
    """Name and value of everything worth knowing about a clip, in the order of interest.

    Args:
        job: the riff that it is of.
        clip: without it, what was asked for is all that is known.
    """
    request, recipe = job.request, clip.recipe if clip else {}
    steps = recipe.get("steps") or ("" if request.steps is None else str(request.steps))
    guidance = recipe.get("guidance_scale") or _number(request.guidance_scale)
    facts = [
        ("seed", str(request.seed + (clip.index if clip else 0))),
        ("steps", steps),
        ("guidance", guidance),
        ("tempo", f"{request.bpm:g} bpm" if request.bpm else ""),
        ("strength", _share(request.strength) if request.kind == "remix" else ""),
        ("distance", _share(request.variation) if request.kind == "variation" else ""),
        ("loop" if request.loop else "length", f"{clip.seconds:.4g} s" if clip else ""),
        ("sampler", request.sampler),
        ("LoRAs", recipe.get("loras", "")),
        ("made in", "" if job.seconds_taken is None else f"{job.seconds_taken:.1f} s"),
        ("model", recipe.get("model", "")),
        ("licence", recipe.get("licence", "")),
    ]
    return [(name, value) for name, value in facts if value]


def command_of(request: GenerationRequest) -> str | None:
    """The message that asks for exactly this again; None for what builds on a sound or clip."""
    start = _start(request)
    if start is None:
        return None
    parts = [start, f"--seed {request.seed}"]
    if request.negative:
        parts.append(f'--negative "{request.negative.replace(chr(34), chr(39))}"')
    if request.steps is not None:
        parts.append(f"--steps {request.steps}")
    return " ".join(filter(None, [*parts, more_options(request)]))


def more_options(request: GenerationRequest) -> str:
    """The rarer options of a request as they are typed; seed, steps and negative prompt aside."""
    parts = []
    if request.guidance_scale is not None:
        parts.append(f"--guidance {request.guidance_scale:g}")
    if request.bpm is not None:
        parts.append(f"--bpm {request.bpm:g}")
    if request.length is not None:
        parts.append(f"--length {request.length.value:g}{request.length.unit}")
    if request.clips != (_DEFAULT_BLEND if request.kind == "blend" else 1):
        parts.append(f"--clips {request.clips}")
    if request.sampler:
        parts.append(f"--sampler {request.sampler}")
    if request.adapters:
        parts.append("--lora " + ",".join(f"{one.name}:{one.weight:g}" for one in request.adapters))
    if request.start:
        parts.append(f"--start {request.start}")
    if not request.loop:
        parts.append("--loop no")
    return " ".join(parts)


def words_of(request: GenerationRequest) -> str:
    """The prompt as it is typed: of a blend or mix, with arrow or plus signs."""
    if request.kind == "blend":
        return f"{request.points[0].prompt} -> {request.points[1].prompt}"
    if request.kind == "mix" and len(request.points) > 1:
        return _mixed(request.points)
    return " ".join(request.prompt.split())


def _start(request: GenerationRequest) -> str | None:
    if request.sources or request.kind not in ("text", "blend", "mix"):
        return None
    return f"!{'riff' if request.kind == 'text' else 'blend'} {words_of(request)}"


def _mixed(points: Sequence[Point]) -> str:
    even = len({point.weight for point in points}) == 1
    return " + ".join(
        point.prompt if even else f"{point.prompt}:{point.weight:g}" for point in points
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
