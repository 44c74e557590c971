"""The words that the text encoder is distilled on: captions, free requests, a dictionary."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from generation.training.captions import ClipFacts, caption, facts_of, unseen_prompts
from generation.training.compose import STYLES, choose_style, compose
from generation.training.text.requests import free_request

WORDNET = Path("/usr/share/wordnet")
"""Debian's wordnet-base: Princeton WordNet 3.0, free to use (Fellbaum, 1998)."""

_MUSICAL = re.compile(
    r"\b(music|musical|musician|song|sing|singer|dance|instrument|composer|melody|rhythm|drum|"
    r"guitar|piano|violin|jazz|opera|band|orchestra|tune|sound|noise|bell|horn|voice|chord)\w*"
)


def invent_facts(count: int, first_seed: int = 20_000_000) -> list[ClipFacts]:
    """Compose `count` pieces, without rendering them, and return their facts."""
    return [
        facts_of(compose(choose_style(seed), seed), "none")
        for seed in range(first_seed, first_seed + count)
    ]


def captions(count: int, seed: int) -> dict[str, str]:
    """Return captions and the style of each: `count` of invented clips, and all that styles say."""
    rng = np.random.default_rng([seed, 1])
    facts = invent_facts(-(-count // 5))
    drawn = {caption(one, rng): one.style for one in facts for _ in range(5)}
    said = {text: style.name for style in STYLES.values() for text in (*style.says, *style.phrases)}
    return {**drawn, **said}


def free_requests(count: int, seed: int) -> list[str]:
    """Return `count` different free requests, without any held-out phrase."""
    rng = np.random.default_rng([seed, 2])
    held_out = {phrase for phrase, _ in unseen_prompts()}
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        drawn[free_request(rng)] = None
    return [text for text in drawn if text not in held_out]


def dictionary(count: int, seed: int, folder: Path = WORDNET) -> list[str]:
    """Return up to `count` dictionary texts: every musical entry, and a sample of the others.

    An entry gives up to three texts: its word, its gloss, and "word: gloss". Without the package
    the list is empty, and distillation does without.
    """
    musical: list[str] = []
    other: list[str] = []
    for name in ("data.noun", "data.verb", "data.adj"):
        if not (folder / name).exists():
            continue
        for line in (folder / name).read_text(encoding="latin-1").splitlines():
            if line.startswith("  ") or "|" not in line:
                continue
            fields, gloss = line.split("|", 1)
            word = re.sub(r"\(.*?\)", "", fields.split()[4]).replace("_", " ").lower()
            gloss = gloss.split(";")[0].strip().lower()[:120]
            target = musical if _MUSICAL.search(gloss) else other
            target.append(word)
            target.append(f"{word}: {gloss}" if len(gloss) < 60 else gloss)
    rng = np.random.default_rng([seed, 3])
    rng.shuffle(other)
    unique = dict.fromkeys(musical + other)
    held_out = {phrase for phrase, _ in unseen_prompts()}
    return [text for text in unique if text not in held_out][:count]
