"""Which style do the letters of a prompt speak of? What is left when nobody understands the word.

A text encoder that never met a name ("kalimba", "skrillex") puts it anywhere. A book of phrases
whose style is known still finds the name itself, a part of it, or its misspelling: every word, pair
of words and piece of four or five letters of the prompt says how often it stands in the phrases of
each style (naive Bayes over n-grams of letters, after Cavnar & Trenkle, 1994).
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

_PIECES = (4, 5)
_KEY = 8
_MOST_WORDS, _MOST_PIECES = 24, 256
_DOUBT = 2.5
"""Phrases' worth of evidence that a piece of text could mean any style."""
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Sayings:
    """What people say when they mean a style.

    Attributes:
        phrases: short and typical, the style's name among them.
        captions: whole requests, which say other things too.
    """

    phrases: Sequence[str]
    captions: Sequence[str]


class PhraseBook:
    """Phrases by style, searched as one text.

    All places of the text are sorted by the eight letters that follow, which takes a tenth of a
    second and spares storing an index: the places of a piece are neighbours (Manber & Myers, 1990).
    """

    NAME_WEIGHT, CAPTION_WEIGHT = 12.0, 0.25
    """How many phrases a style's own name and a caption count for."""

    def __init__(self, sayings: Mapping[str, Sayings]) -> None:
        """Remember what is said of each style, by its name."""
        self._sayings = dict(sayings)
        lines: list[str] = []
        weights: list[float] = []
        styles: list[int] = []
        for number, (name, said) in enumerate(sayings.items()):
            for weight, texts in (
                (self.NAME_WEIGHT, [name]),
                (1.0, said.phrases),
                (self.CAPTION_WEIGHT, said.captions),
            ):
                lines += [f" {' '.join(_words(text))} " for text in texts]
                weights += [weight] * len(texts)
                styles += [number] * len(texts)
        self._text = "\n".join(lines)
        self._starts = np.cumsum([0] + [len(line) + 1 for line in lines[:-1]])
        self._places, self._keys = _sorted_places(self._text)
        self._weights = np.array(weights)
        self._styles = np.array(styles)

    @classmethod
    def load(cls, file: Path) -> PhraseBook:
        """Read what `save` wrote.

        Raises:
            OSError, ValueError, TypeError, KeyError, AttributeError: it cannot be read, or is
                something else.
        """
        told = json.loads(file.read_text("utf-8"))
        return cls({name: Sayings(one["phrases"], one["captions"]) for name, one in told.items()})

    def save(self, file: Path) -> None:
        """Write everything as JSON, a style a line."""
        lines = (
            f"{json.dumps(name)}: "
            + json.dumps({"phrases": list(said.phrases), "captions": list(said.captions)})
            for name, said in self._sayings.items()
        )
        file.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the styles, in order."""
        return tuple(self._sayings)

    def scores(self, prompt: str) -> npt.NDArray[np.float64]:
        """Return how much each style is meant, as a logarithm, shape (styles,).

        All zeros where nothing of the prompt stands in the book.
        """
        count = len(self._sayings)
        total, known = np.zeros(count), 0
        for piece in _pieces(prompt):
            found = self._found(piece)
            if len(found):
                known += 1
                by_style = np.bincount(self._styles[found], self._weights[found], count)
                share = (by_style + _DOUBT / count) / (by_style.sum() + _DOUBT)
                total += np.log(share * count)
        # Pieces of one word agree with each other: they are no independent witnesses.
        return np.asarray(total / max(1, known) ** 0.5)

    def _found(self, piece: str) -> npt.NDArray[np.intp]:
        """Return the numbers of the lines that a piece of text stands in."""
        first, last = (_key(piece, filler) for filler in (b"\0", b"\xff"))
        begin = int(np.searchsorted(self._keys, first, side="left"))
        end = int(np.searchsorted(self._keys, last, side="right"))
        places = self._places[begin:end]
        if len(piece) > _KEY:
            places = places[[self._text.startswith(piece, int(place)) for place in places]]
        return np.unique(np.searchsorted(self._starts, places, side="right") - 1)


def _sorted_places(text: str) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint64]]:
    """Return every place of a text of ASCII, and its key, in the order of the keys."""
    letters = np.frombuffer(text.encode("ascii") + bytes(_KEY - 1), np.uint8)
    keys = np.zeros(len(text), np.uint64)
    for at in range(_KEY):
        keys = (keys << np.uint64(8)) | letters[at : at + len(text)]
    places = np.argsort(keys, kind="stable")
    return places, keys[places]


def _key(piece: str, filler: bytes) -> np.uint64:
    """Return the first letters of a piece of text as one number."""
    return np.uint64(int.from_bytes(piece.encode("ascii")[:_KEY].ljust(_KEY, filler), "big"))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _pieces(prompt: str) -> list[str]:
    """Words, pairs of neighbours, and what words are made of; a space marks a word's ends.

    Each once, in order: a sum in another order may differ in its last digit.
    """
    words = _words(prompt)[:_MOST_WORDS]
    whole = [f" {word} " for word in words]
    pairs = [f" {first} {second} " for first, second in itertools.pairwise(words)]
    parts = [part for word in whole for part in _parts(word)]
    return list(dict.fromkeys(whole + pairs + parts))[:_MOST_PIECES]


def _parts(word: str) -> Iterator[str]:
    for size in _PIECES:
        yield from (word[at : at + size] for at in range(len(word) - size + 1))
