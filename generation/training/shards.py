"""Clips on disk: shards of pictures with their facts, written once, read by memory map."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from generation.training.captions import ClipFacts

SHARD = 128
"""Clips in a shard."""


def write_atomically(path: Path, array: NDArray[np.generic]) -> None:
    """Save `array` so that a reader sees the whole file or none, even after a crash."""
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.save(file, array)
    temporary.replace(path)


def write_shard(
    folder: Path, number: int, pictures: NDArray[np.uint8], facts: Sequence[ClipFacts]
) -> None:
    """Write shard `number`: pictures of shape (clips, 512, 512) and as many facts."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"pictures-{number:05}.npy", pictures)
    text = json.dumps([one.to_json() for one in facts])
    temporary = folder / f"facts-{number:05}.part"
    temporary.write_text(text, encoding="utf-8")
    # the facts come last: a shard is complete when they are there
    temporary.replace(folder / f"facts-{number:05}.json")


def shard_numbers(folder: Path) -> list[int]:
    """Return the numbers of the complete shards, ascending."""
    return sorted(int(path.stem.split("-")[1]) for path in folder.glob("facts-*.json"))


@dataclass(frozen=True)
class Render:
    """A clip: what it is, and its picture of shape (512, 512)."""

    facts: ClipFacts
    picture: NDArray[np.uint8]


class Clips:
    """All complete shards of a folder as one sequence of (picture, facts)."""

    def __init__(self, folder: Path) -> None:
        """Open the shards that are there now; later ones are seen by a new `Clips`."""
        self.numbers = shard_numbers(folder)
        self.facts: list[ClipFacts] = []
        self._pictures: list[NDArray[np.uint8]] = []
        self._place: list[tuple[int, int]] = []
        for index, number in enumerate(self.numbers):
            stored = json.loads((folder / f"facts-{number:05}.json").read_text(encoding="utf-8"))
            self.facts += [ClipFacts.from_json(one) for one in stored]
            self._place += [(index, row) for row in range(len(stored))]
            self._pictures.append(np.load(folder / f"pictures-{number:05}.npy", mmap_mode="r"))

    def __len__(self) -> int:
        return len(self.facts)

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return clip `index`'s picture: grey levels, shape (512, 512)."""
        shard, row = self._place[index]
        return np.asarray(self._pictures[shard][row])

    def spread(self, count: int) -> list[Render]:
        """Return up to `count` clips, evenly chosen."""
        rows = np.linspace(0, len(self) - 1, min(count, len(self))).astype(int)
        return [Render(self.facts[int(i)], self.picture(int(i))) for i in rows]
