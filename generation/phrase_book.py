"""Which style do the letters of a prompt speak of? What is left when nobody understands the word.

A text encoder that never met a name ("kalimba", "skrillex") puts it anywhere. A book of phrases
whose style is known still finds the name itself, a part of it, or its misspelling: every word, pair
of words and piece of four or five letters of the prompt says how often it stands in the phrases of
each style (naive Bayes over n-grams of letters, after Cavnar & Trenkle, 1994).
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

_PIECES = (4, 5)
_KEY = 8
_MOST_WORDS, _MOST_PIECES = 24, 256
_DOUBT = 2.5
"""Phrases' worth of evidence that a piece of text could mean any style."""
_PAIR_WEIGHT = 2.0
"""Two neighbouring words together say more than a word or a part of one."""
_MOST_BYTES = 16 << 20
"""Of the unpacked file: what a stranger packed must not fill the memory."""
_WORD = re.compile(r"[a-z0-9]+")


class PhraseBook:
    """Phrases by style, searched as one text.

    All places of the text are sorted by the eight letters that follow, which takes a fraction of a
    second and spares storing an index: the places of a piece are neighbours (Manber & Myers, 1990).
    """

    NAME_WEIGHT = 12.0
    """How many phrases a style's own name counts for."""

    def __init__(self, sayings: Mapping[str, Sequence[str]]) -> None:
        """Remember what people say when they mean a style, by its name."""
        self._sayings = dict(sayings)
        lines: list[str] = []
        weights: list[float] = []
        styles: list[int] = []
        for number, (name, said) in enumerate(sayings.items()):
            lines += [f" {' '.join(_words(text))} " for text in (name, *said)]
            weights += [self.NAME_WEIGHT] + [1.0] * len(said)
            styles += [number] * (1 + len(said))
        self._text = "\n".join(lines)
        self._starts = np.cumsum([0] + [len(line) + 1 for line in lines[:-1]])
        self._places, self._keys = _sorted_places(self._text)
        self._weights = np.array(weights)
        self._styles = np.array(styles)

    @classmethod
    def load(cls, file: Path) -> PhraseBook:
        """Read what `save` wrote.

        Raises:
            OSError, ValueError, TypeError, AttributeError: it cannot be read, or is something
                else.
        """
        try:
            with gzip.open(file) as packed:
                data = packed.read(_MOST_BYTES + 1)
        except (EOFError, zlib.error) as error:
            raise ValueError(f"{file} is damaged") from error
        if len(data) > _MOST_BYTES:
            raise ValueError(f"{file} unpacks to more than {_MOST_BYTES >> 20} MiB")
        told = json.loads(data)
        return cls({name: [*map(_text, said)] for name, said in told.items()})

    def save(self, file: Path) -> None:
        """Write everything as gzipped JSON, a style a line; the same book gives the same bytes."""
        lines = (f"{json.dumps(k)}: {json.dumps([*said])}" for k, said in self._sayings.items())
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        file.write_bytes(gzip.compress(text.encode("ascii"), mtime=0))

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the styles, in order."""
        return tuple(self._sayings)

    def scores(self, prompt: str) -> npt.NDArray[np.float64]:
        """Return how much each style is meant, as a logarithm, shape (styles,).

        All zeros where nothing of the prompt stands in the book.
        """
        count = len(self._sayings)
        total, heard = np.zeros(count), 0.0
        for piece in _pieces(prompt):
            found = self._found(piece)
            if len(found):
                weight = _PAIR_WEIGHT if " " in piece.strip() else 1.0
                by_style = np.bincount(self._styles[found], self._weights[found], count)
                share = (by_style + _DOUBT / count) / (by_style.sum() + _DOUBT)
                total += weight * np.log(share * count)
                heard += weight
        # Pieces of one word agree with each other: they are no independent witnesses.
        return np.asarray(total / max(1.0, heard) ** 0.5)

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


def _text(told: object) -> str:
    if not isinstance(told, str):
        raise TypeError(f"{told!r} is no text")
    return told


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
