"""From a request to the pictures that it needs: every choice that it left open is settled here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from generation.checkpoint import Checkpoint, Preferences
from generation.errors import BadRequestError
from generation.extension import Extension
from generation.request import (
    DEFAULT_SECONDS,
    DEFAULT_STRENGTH,
    DEFAULT_VARIATION,
    MAX_SEED,
    AdapterUse,
    GenerationRequest,
    Length,
    SourceRole,
)
from generation.sources import Canvas, Mask, Picture, Sound, find_source, open_mask, open_material
from generation.spectrogram import SpectrogramParams
from generation.tempo import MAX_SECONDS, MIN_SECONDS, Measure, settle, settle_samples
from generation.version import version

_Number = TypeVar("_Number", int, float)

_EXTENSION_STRENGTH = 1.0
"""New parts are drawn from pure noise: what they start from is silence."""

_GOLDEN = 2_654_435_761
"""2³² divided by the golden ratio (Knuth): seeds of variations lie far from each other."""


@dataclass(frozen=True)
class Drawing:
    """One picture to draw, with everything settled.

    Attributes:
        request: the request for exactly this picture, to make it again.
        prompts: texts with their shares, which sum to 1.
        noise: seeds with their shares, which sum to 1. Two are interpolated on the sphere.
        canvas: what to start from, if anything.
        mask: where the canvas is drawn anew.
        strength: share of the schedule that is run from the canvas.
        extension: what the sound is put back into.
        from_loop: start from a stored loop of the checkpoint, if it has one that fits.
        tempo: tempo that the picture should show, in beats per minute.
    """

    request: GenerationRequest
    measure: Measure
    prompts: tuple[tuple[str, float], ...]
    negative: str
    noise: tuple[tuple[int, float], ...]
    steps: int
    guidance_scale: float
    strength: float = 1.0
    canvas: Canvas | None = None
    mask: Mask | None = None
    extension: Extension | None = None
    from_loop: bool = False
    tempo: int | None = None

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Drawings with equal keys can be denoised together."""
        request = self.request
        canvas = None if self.canvas is None else (self.strength, self.mask is None)
        drawing = (self.measure.width, self.steps, request.sampler, request.loop, self.from_loop)
        return (*drawing, canvas)

    @property
    def loop_picks(self) -> tuple[tuple[str, int, float], ...]:
        """Prompt, seed and share of each stored loop to start from (if `from_loop`)."""
        request = self.request
        seeds = [self.noise[0][0]]
        if request.kind in ("blend", "mix"):
            seeds = [_or(point.seed, request.seed) for point in request.points]
        pairs = zip(self.prompts, seeds, strict=True)
        return tuple((prompt, seed, share) for (prompt, share), seed in pairs)


@dataclass(frozen=True)
class Planner:
    """Turns requests into drawings for one checkpoint.

    Attributes:
        checkpoint: whose defaults and sizes apply.
        params: picture format.
        sources: folder of uploads, by hash; None where there is none.
    """

    checkpoint: Checkpoint
    params: SpectrogramParams
    sources: Path | None = None

    def plan(self, request: GenerationRequest) -> list[Drawing]:
        """Every picture that a request needs, in order.

        Raises:
            BadRequestError: the checkpoint cannot do what is asked.
            MediaError: a source cannot be read.
        """
        drawings = [self._base(request)]
        if request.kind in ("remix", "extend"):
            drawings = [self._on_source(drawings[0])]
        if request.kind == "blend":
            return [self._between(drawings[0], alpha) for alpha in _alphas(request)]
        if request.kind == "mix":
            drawings = [self._mixed(drawings[0])]
        if request.kind == "variation":
            drawings = [self._varied(drawings[0])]
        return [_with_next_seed(drawings[0], index) for index in range(request.clips)]

    def _base(self, request: GenerationRequest) -> Drawing:
        preferences: Preferences = self.checkpoint.preferences
        guidance = request.guidance_scale
        measure = self._settle(request.length or Length(DEFAULT_SECONDS), request.bpm)
        drawing = Drawing(
            request=request,
            measure=measure,
            prompts=((request.prompt, 1.0),),
            negative=request.negative,
            noise=((request.seed, 1.0),),
            steps=request.steps or preferences.steps,
            guidance_scale=preferences.guidance_scale if guidance is None else guidance,
            from_loop=request.loop and (request.start or preferences.start) == "loop",
            tempo=measure.drawn_bpm(self.params),
        )
        if request.kind in ("blend", "mix") and request.sources:
            return self._on_source(drawing)
        if request.kind in ("text", "variation") and request.sources:
            raise BadRequestError("To build on a sound or picture, ask for a remix of it.")
        return drawing

    def _settle(self, length: Length, bpm: float | None) -> Measure:
        return settle(length, bpm, self.params, self.checkpoint.width_multiple)

    def _on_source(self, drawing: Drawing) -> Drawing:
        material = open_material(self._find(drawing.request, "init"), self.params)
        if drawing.request.kind == "extend":
            return self._extended(drawing, material)
        measure = self._measure_of(drawing.request, material)
        drawing = replace(
            drawing,
            measure=measure,
            canvas=material.lasting(measure.samples).canvas(measure.width),
            from_loop=False,
            strength=_or(drawing.request.strength, DEFAULT_STRENGTH),
            tempo=measure.drawn_bpm(self.params),
        )
        if all(source.role != "mask" for source in drawing.request.sources):
            return drawing
        path = self._find(drawing.request, "mask")
        return replace(drawing, mask=open_mask(path, measure.width, self.params.mel_bins))

    def _measure_of(self, request: GenerationRequest, material: Sound | Picture) -> Measure:
        """As long as asked for, else as long as the source: cut or repeated where it must be."""
        rate = self.params.sample_rate
        if request.length is not None:
            return self._settle(request.length, request.bpm)
        seconds = material.samples / rate
        if request.bpm is not None:
            return self._settle(Length(min(max(seconds, MIN_SECONDS), MAX_SECONDS)), request.bpm)
        samples = min(material.samples, int(MAX_SECONDS * rate))
        samples *= max(1, -(-int(MIN_SECONDS * rate) // samples))
        return settle_samples(samples, self.params, self.checkpoint.width_multiple)

    def _extended(self, drawing: Drawing, material: Sound | Picture) -> Drawing:
        sound = material.sound if isinstance(material, Picture) else material
        request, rate = drawing.request, self.params.sample_rate
        length = request.length or Length(sound.samples / rate + DEFAULT_SECONDS)
        measure = self._settle(length, request.bpm)
        least = sound.samples + int(MIN_SECONDS / 4 * rate)
        if measure.samples < least:
            raise BadRequestError(
                f"This clip lasts {sound.samples / rate:.1f} seconds already; ask for a longer "
                "whole."
            )
        extension = Extension(sound, measure.samples, request.side, request.loop)
        return replace(
            drawing,
            # the ring stays whole while it is drawn, also where the result just ends
            request=request,
            measure=measure,
            canvas=extension.canvas(measure.width),
            from_loop=False,
            mask=extension.mask(measure.width, self.params.mel_bins),
            strength=_or(request.strength, _EXTENSION_STRENGTH),
            extension=extension,
            tempo=measure.drawn_bpm(self.params),
        )

    def _find(self, request: GenerationRequest, role: SourceRole) -> Path:
        source = next(source for source in request.sources if source.role == role)
        if self.sources is None:
            raise BadRequestError("I have no folder of sounds to build on.")
        return find_source(self.sources, source)

    def _between(self, drawing: Drawing, alpha: float) -> Drawing:
        """One clip of a blend (Riffusion's interpolation): everything that can lie between does."""
        request = drawing.request
        first, second = request.points
        settled = replace(request, clips=1, alphas=(alpha,))
        shares = ((first, 1 - alpha), (second, alpha))
        return replace(
            drawing,
            request=settled,
            prompts=tuple((point.prompt, share) for point, share in shares),
            noise=_merged([(_or(point.seed, request.seed), share) for point, share in shares]),
            guidance_scale=sum(
                _or(point.guidance_scale, drawing.guidance_scale) * share for point, share in shares
            ),
            strength=sum(_or(point.strength, drawing.strength) * share for point, share in shares),
        )

    def _mixed(self, drawing: Drawing) -> Drawing:
        request = drawing.request
        total = sum(point.weight for point in request.points)
        shares = [(point, point.weight / total) for point in request.points]
        return replace(
            drawing,
            prompts=tuple((point.prompt, share) for point, share in shares),
            noise=_merged([(_or(point.seed, request.seed), share) for point, share in shares]),
            guidance_scale=sum(
                _or(point.guidance_scale, drawing.guidance_scale) * share for point, share in shares
            ),
        )

    def _varied(self, drawing: Drawing) -> Drawing:
        request = drawing.request
        distance = _or(request.variation, DEFAULT_VARIATION)
        towards = request.variation_seed
        if towards is None:
            towards = (request.seed * _GOLDEN + 1) % (MAX_SEED + 1)
        return replace(
            drawing,
            request=replace(request, variation=distance, variation_seed=towards),
            noise=((request.seed, 1 - distance), (towards, distance)),
        )

    def recipe(self, drawing: Drawing) -> Mapping[str, str]:
        """What made a clip, as readable text by name; `request` makes it again."""
        request, checkpoint = drawing.request, self.checkpoint
        preferences = checkpoint.preferences
        facts = {
            "prompt": _prompts_in_words(drawing.prompts),
            "negative": drawing.negative,
            "kind": "" if request.kind == "text" else request.kind,
            "seed": " ~ ".join(str(seed) for seed, _ in drawing.noise),
            "steps": str(drawing.steps),
            "guidance_scale": f"{drawing.guidance_scale:g}",
            "guided": "" if preferences.guided == 1 else f"{preferences.guided:g}",
            "start": "loop" if drawing.from_loop else "",
            "strength": "" if drawing.canvas is None else f"{drawing.strength:g}",
            "bpm": "" if request.bpm is None else f"{request.bpm:g}",
            "beats": "" if drawing.measure.beats is None else str(drawing.measure.beats),
            "width": str(drawing.measure.width),
            "loras": ", ".join(_adapter_in_words(one) for one in request.adapters),
            "scheduler": request.sampler or type(checkpoint.scheduler).__name__,
            "model": preferences.name,
            "model_hash": checkpoint.fingerprint,
            "licence": preferences.licence,
            "riffbot": version(),
            "request": json.dumps(_given(request), separators=(",", ":"), ensure_ascii=False),
        }
        return {name: text for name, text in facts.items() if text}


def _with_next_seed(drawing: Drawing, index: int) -> Drawing:
    """Clip `index` of several: every seed moves on by its number."""
    request = drawing.request
    seed = (request.seed + index) % (MAX_SEED + 1)
    points = tuple(
        point if point.seed is None else replace(point, seed=(point.seed + index) % (MAX_SEED + 1))
        for point in request.points
    )
    noise = tuple(((number + index) % (MAX_SEED + 1), share) for number, share in drawing.noise)
    if request.kind == "variation":
        # Several variations lie around one clip: only what they move towards differs.
        towards = (drawing.noise[1][0] + index) % (MAX_SEED + 1)
        settled = replace(request, clips=1, variation_seed=towards)
        return replace(
            drawing, request=settled, noise=(drawing.noise[0], (towards, drawing.noise[1][1]))
        )
    return replace(
        drawing, request=replace(request, seed=seed, points=points, clips=1), noise=noise
    )


def _alphas(request: GenerationRequest) -> tuple[float, ...]:
    if request.alphas:
        return request.alphas
    if request.clips == 1:
        return (0.5,)
    return tuple(index / (request.clips - 1) for index in range(request.clips))


def _merged(shares: list[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """Shares of the same seed added up: a mix that holds its seed keeps that seed's noise."""
    sums: dict[int, float] = {}
    for seed, share in shares:
        sums[seed] = sums.get(seed, 0.0) + share
    return tuple(sums.items())


def _or(value: _Number | None, default: _Number) -> _Number:
    return default if value is None else value


def _prompts_in_words(prompts: tuple[tuple[str, float], ...]) -> str:
    if len(prompts) == 1:
        return prompts[0][0]
    return " + ".join(f"{share:.0%} {text}" for text, share in prompts)


def _adapter_in_words(use: AdapterUse) -> str:
    return f"{use.name} x{use.weight:g}"


def _given(request: GenerationRequest) -> dict[str, object]:
    """A request without what it leaves at its defaults."""
    plain = request.to_json()
    usual = GenerationRequest("x", 0).to_json()
    always = ("prompt", "seed", "version")
    return {k: v for k, v in plain.items() if k in always or v != usual[k]}
