"""Which instruments does a prompt ask for, and which of several loops has them?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[a-z0-9]+")
_UNWANTED = re.compile(r"\b(?:no|without|minus)\s+[a-z0-9]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """How well a prompt names an instrument.

    Attributes:
        noun: what it was called: the last word of one of its names ("guitar"), in the singular.
        share: of that name's words, how many the prompt holds, 0 to 1: "electric guitar" and
            "guitar" ask both for an electric guitar, the first more so.
    """

    noun: str
    share: float


def asked_instruments(prompt: str, names: Mapping[str, Sequence[str]]) -> dict[str, Asked]:
    """Return the instruments that a prompt may mean.

    Args:
        prompt: as people write it; "no drums" and "without drums" ask for none.
        names: what each instrument is called.
    """
    said = set(_words(_UNWANTED.sub(" ", prompt)))
    asked: dict[str, Asked] = {}
    for instrument, phrases in names.items():
        for phrase in phrases:
            words = _words(phrase)
            if not words or words[-1] not in said:
                continue
            share = sum(word in said for word in words) / len(words)
            if instrument not in asked or share > asked[instrument].share:
                asked[instrument] = Asked(words[-1], share)
    return asked


def fit(asked: Mapping[str, Asked], instruments: Iterable[str]) -> float:
    """Return how much of what was asked for a piece by these instruments has.

    Each noun counts once, by the instrument that fits it best: two guitars are no better an answer
    to "guitar" than one.
    """
    best: dict[str, float] = {}
    for name in instruments:
        if (one := asked.get(name)) is not None:
            best[one.noun] = max(best.get(one.noun, 0.0), one.share)
    return sum(best.values())


def _words(text: str) -> list[str]:
    """Words in lower case, without a plural's s."""
    return [word.removesuffix("s") for word in _WORD.findall(text.lower())]
