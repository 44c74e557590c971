"""What the evaluation asks a checkpoint to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from generation.training.captions import (
    ClipFacts,
    caption,
    facts_of,
    reworded_prompts,
    unseen_prompts,
)
from generation.training.classifier import STYLE_NAMES
from generation.training.compose import STYLES, compose
from generation.training.shards import Render

PLAIN_REQUESTS = (
    "lo-fi beat", "guitar solo with distortion", "jazz piano melody", "techno synth",
    "classical violin",
)  # fmt: skip
PLAIN_STYLES = ("lo-fi hip hop", "guitar solo", "jazz trio", "techno", "violin solo")
_SEED = 40_000_000

Question = tuple[str, ClipFacts]
"""A prompt, and what a picture that follows it is."""


@dataclass(frozen=True)
class Drawn(Render):
    """A picture that was asked for, and by which words."""

    prompt: str


@dataclass(frozen=True)
class Plan:
    """How much to draw: pictures a style, seeds a plain request, timed prompts, wordings.

    `styles` are those that captions are drawn for; `wordings` None takes all of them, else about
    so many of each kind; `yardsticks` is how many real renders are measured beside them.
    """

    per_style: int = 10
    plain_seeds: int = 20
    tempos: int = 100
    wordings: int | None = None
    styles: tuple[str, ...] = STYLE_NAMES
    yardsticks: int = 1024


QUICK = Plan(1, 4, 24, 24, STYLE_NAMES[::2], 256)
"""A share of the pictures: ±6 points at best, in minutes and not in hours."""


@dataclass(frozen=True)
class Questions:
    """All that is asked, by what it is for; plain requests lie one group after the other."""

    captions: Sequence[Question]
    reworded: Sequence[Question]
    unseen: Sequence[Question]
    timed: Sequence[Question]
    plain: Sequence[Question]


def caption_prompts(per_style: int, styles: Sequence[str] = STYLE_NAMES) -> list[Question]:
    """Return captions of clips that were never rendered, `per_style` for each of the styles."""
    rng = np.random.default_rng(_SEED)
    prompts = []
    for name in styles:
        for index in range(per_style):
            facts = facts_of(compose(name, _SEED + index), "none")
            prompts.append((caption(facts, rng), facts))
    return prompts


def wordings(pairs: Sequence[tuple[str, str]], limit: int | None = None) -> list[Question]:
    """Return held-out (phrase, style) pairs, or about `limit` of them, with facts to match."""
    chosen = pairs if limit is None else pairs[:: max(1, len(pairs) // max(limit, 1))]
    return [(text, _only_style(style)) for text, style in chosen]


def _only_style(style: str) -> ClipFacts:
    return ClipFacts(0, style, "none", 8, -1, "major", (), ())


def tempo_words(beats: int, columns: int = 512) -> str:
    """Say the tempo of a picture of `columns` (10 ms each) that holds `beats`, as captions do."""
    return f"{round(beats * 60 / (columns * 0.01))} bpm"


def tempo_prompts(count: int) -> list[Question]:
    """Return prompts that ask a rhythmic ensemble for an exact tempo."""
    rng = np.random.default_rng(_SEED + 1)
    rhythmic = [name for name, style in STYLES.items() if style.rhythmic and not style.solo]
    prompts = []
    for index in range(count):
        name = rhythmic[int(rng.integers(len(rhythmic)))]
        facts = facts_of(compose(name, _SEED + 500_000 + index), "none")
        prompts.append((f"{name} {tempo_words(facts.beats)}", facts))
    return prompts


def questions_of(plan: Plan) -> Questions:
    """Return everything that the table needs; the same plan asks the same."""
    plain = [
        (prompt, _only_style(style))
        for prompt, style in zip(PLAIN_REQUESTS, PLAIN_STYLES, strict=True)
        for _ in range(plan.plain_seeds)
    ]
    return Questions(
        caption_prompts(plan.per_style, plan.styles),
        wordings(reworded_prompts(), plan.wordings),
        wordings(unseen_prompts(), plan.wordings),
        tempo_prompts(plan.tempos),
        plain,
    )
