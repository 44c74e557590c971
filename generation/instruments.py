"""Which instruments does a prompt ask for, and which of several loops has them?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

_WORD = re.compile(r"[a-z0-9]+")
_UNWANTED = re.compile(r"\b(?:no|without|minus)\s+[a-z0-9]+", re.IGNORECASE)


Asked: TypeAlias = Mapping[str, float]
"""What one instrument may be asked for as, and how well that fits it: noun -> share, 0 to 1.

A noun is the last word of a name, in the singular. "Guitar" and "electric guitar" both ask for a
guitar; the second fits an electric one (1) better than a nylon one (1/4).
"""


def asked_instruments(prompt: str, names: Mapping[str, Sequence[str]]) -> dict[str, Asked]:
    """Return the instruments that a prompt may mean.

    Args:
        prompt: as people write it; "no drums" and "without drums" ask for none.
        names: what each instrument is called.
    """
    said = set(_words(_UNWANTED.sub(" ", prompt)))
    held: dict[str, dict[str, float]] = {}
    most: dict[str, float] = {}
    for instrument, words in ((name, _words(one)) for name in names for one in names[name]):
        if not words or (noun := words[-1]) not in said:
            continue
        # long names are meant more than short ones, and whole ones more than parts
        fits = sum(word in said for word in words) ** 2 / len(words)
        nouns = held.setdefault(instrument, {})
        nouns[noun] = max(nouns.get(noun, 0.0), fits)
        most[noun] = max(most.get(noun, 0.0), fits)
    return {
        instrument: {noun: fits / most[noun] for noun, fits in nouns.items()}
        for instrument, nouns in held.items()
    }


def fit(asked: Mapping[str, Asked], instruments: Iterable[str]) -> float:
    """Return how much of what was asked for a piece by these instruments has.

    Each noun counts once, by the instrument that fits it best: two guitars are no better an answer
    to "guitar" than one. A distortion guitar answers both "distortion" and "guitar".
    """
    best: dict[str, float] = {}
    for name in instruments:
        for noun, share in asked.get(name, {}).items():
            best[noun] = max(best.get(noun, 0.0), share)
    return sum(best.values())


def _words(text: str) -> list[str]:
    """Words in lower case, without a plural's s."""
    return [word.removesuffix("s") for word in _WORD.findall(text.lower())]
