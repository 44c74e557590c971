"""What somebody asks for, before settings and seeds are settled; and what follows from a clip."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from bot.settings import RiffSettings, SoundSettings
from generation.request import (
    AdapterUse,
    GenerationRequest,
    Kind,
    Length,
    Point,
    Side,
    Source,
    Start,
)
from generation.tempo import said_bpm

T = TypeVar("T")
How = Literal["again", "variation", "extend", "remix"]

NEW_SEEDS = 1_000_000
"""Seeds that people can read out to each other; `--seed` takes any other."""

SUBTLE_REMIX = 0.35
"""Strength of a variation of what was not drawn from a prompt alone."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody asks for; None leaves a choice to the settings or the checkpoint.

    The fields are those of `generation.request.GenerationRequest`, which says what they mean.
    `settled` is True where the settings have had their say already: this repeats a request.

    Raises:
        BadInputRefusal: when made by `bot.grammar` out of unusable input.
    """

    prompt: str
    seed: int | None = None
    negative: str = ""
    steps: int | None = None
    guidance_scale: float | None = None
    kind: Kind = "text"
    length: Length | None = None
    bpm: float | None = None
    clips: int | None = None
    strength: float | None = None
    points: tuple[Point, ...] = ()
    alphas: tuple[float, ...] = ()
    variation: float | None = None
    variation_seed: int | None = None
    side: Side = "right"
    loop: bool | None = None
    start: Start = ""
    sources: tuple[Source, ...] = ()
    sampler: str = ""
    adapters: tuple[AdapterUse, ...] = ()
    settled: bool = False

    def to_request(self, settings: RiffSettings) -> GenerationRequest:
        """Settle what was left open. The seed is drawn here, so that a retry repeats it.

        Raises:
            BadRequestError: a value is out of range, or does not go with the others.
        """
        sound = SoundSettings() if self.settled else settings.sound
        # What is built on a clip has its length and tempo from there.
        anew = self.kind in ("text", "blend", "mix")
        clips = sound.clips if self.kind in ("text", "remix") else 1
        return GenerationRequest(
            prompt=self.prompt,
            seed=new_seed() if self.seed is None else self.seed,
            kind=self.kind,
            negative=self.negative,
            steps=_either(self.steps, sound.steps),
            guidance_scale=_either(self.guidance_scale, sound.guidance_scale),
            length=_either(self.length, sound.length if anew else None),
            bpm=self._tempo(sound.bpm) if anew else self.bpm,
            clips=clips if self.clips is None else self.clips,
            sources=self.sources,
            strength=_either(self.strength, sound.strength if self.kind == "remix" else None),
            points=self.points,
            alphas=self.alphas,
            variation=self.variation,
            variation_seed=self.variation_seed,
            side=self.side,
            loop=sound.loop if self.loop is None else self.loop,
            start=self.start,
            sampler=self.sampler,
            adapters=self.adapters,
        )

    def _tempo(self, usual: float | None) -> float | None:
        """The tempo that was asked for: by an option, in the prompt's own words, or nowhere."""
        said = None if self.settled else said_bpm(self.prompt)
        return _either(_either(self.bpm, said), usual)

    @classmethod
    def of(cls, request: GenerationRequest) -> Ask:
        """What would give this very request again."""
        return cls(
            prompt=request.prompt,
            seed=request.seed,
            negative=request.negative,
            steps=request.steps,
            guidance_scale=request.guidance_scale,
            kind=request.kind,
            length=request.length,
            bpm=request.bpm,
            clips=request.clips,
            strength=request.strength,
            points=request.points,
            alphas=request.alphas,
            variation=request.variation,
            variation_seed=request.variation_seed,
            side=request.side,
            loop=request.loop,
            start=request.start,
            sources=request.sources,
            sampler=request.sampler,
            adapters=request.adapters,
            settled=True,
        )


def _either(asked: T | None, otherwise: T | None) -> T | None:
    return otherwise if asked is None else asked


def new_seed() -> int:
    """A seed nobody asked for."""
    return secrets.randbelow(NEW_SEEDS)


@dataclass(frozen=True, slots=True)
class Follow:
    """What is to become of an earlier clip; None keeps what the clip has.

    Attributes:
        how: `again` draws anew, `variation` nearby, `extend` continues it, `remix` changes it.
        prompt: what a remix goes towards.
        variation: distance of a variation, 0 to 1.
        length: of the whole, extended or remixed.
    """

    how: How
    prompt: str | None = None
    seed: int | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    negative: str | None = None
    bpm: float | None = None
    length: Length | None = None
    strength: float | None = None
    variation: float | None = None
    side: Side = "right"
    sampler: str | None = None

    def from_clip(
        self, request: GenerationRequest, clip: Source | None, pick: Callable[[], int] = new_seed
    ) -> Ask:
        """What to ask for.

        Args:
            request: for exactly that clip, as its recipe says.
            clip: its sound or picture; needed only where `needs_source` says so.
            pick: draws new seeds.
        """
        seed = pick() if self.seed is None else self.seed
        if self.how == "again":
            points = tuple(
                point if point.seed is None else replace(point, seed=pick())
                for point in request.points
            )
            return replace(Ask.of(request), seed=seed, points=points)
        if self.how == "variation" and not self.needs_source(request):
            return replace(
                Ask.of(request),
                kind="variation",
                variation=self.variation,
                variation_seed=pick(),
                clips=1,
            )
        if clip is None:
            raise ValueError(f"{self.how} is built on the clip itself")
        strength = SUBTLE_REMIX if self.variation is None else self.variation
        return Ask(
            prompt=self.prompt or request.prompt,
            seed=seed,
            kind="extend" if self.how == "extend" else "remix",
            negative=request.negative if self.negative is None else self.negative,
            steps=request.steps if self.steps is None else self.steps,
            guidance_scale=(
                request.guidance_scale if self.guidance_scale is None else self.guidance_scale
            ),
            bpm=request.bpm if self.bpm is None else self.bpm,
            length=self.length,
            strength=strength if self.how == "variation" else self.strength,
            side=self.side,
            loop=request.loop,
            sources=(replace(clip, role="init"),),
            sampler=request.sampler if self.sampler is None else self.sampler,
            adapters=request.adapters,
        )

    def needs_source(self, request: GenerationRequest) -> bool:
        """Whether the clip itself is built on, not only its recipe.

        What was drawn from a prompt alone varies in its noise; a variation of anything else is a
        subtle remix.
        """
        if self.how == "again":
            return False
        return self.how != "variation" or request.kind not in ("text", "variation")
