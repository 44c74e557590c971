"""What the worker process asks of an engine, without loading one: no torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from generation.errors import GenerationError
from generation.request import Clip, GenerationRequest, Progress

DrawPreview = Callable[[], bytes]
"""Draws a small PNG of a picture as it is now."""


@dataclass(frozen=True, slots=True)
class Task:
    """One request of a batch.

    Attributes:
        request: what to make.
        folder: where the files go; made if it is missing.
        stem: name of the first clip's files; later ones get `-2`, `-3`, ….
        on_progress: told after every step; what it raises becomes this task's outcome and ends
            its drawing, leaving no file.
        on_preview: offered, after every step, a function that draws a small PNG of the picture so
            far. It is called only when somebody watches, so a preview costs nothing otherwise.
    """

    request: GenerationRequest
    folder: Path
    stem: str
    on_progress: Callable[[Progress], None]
    on_preview: Callable[[DrawPreview], None] | None = None


Outcome = list[Clip] | GenerationError
"""What became of one task: its clips, or the sentence that says why not."""


class BatchEngine(Protocol):
    """What the worker process needs of an engine, loaded and warm."""

    @property
    def model(self) -> Mapping[str, str]:
        """Name and hash of what it draws with."""

    def make_batch(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        """One outcome for each task, in order.

        Raises:
            MemoryError, torch.OutOfMemoryError: there was too little memory for this batch.
        """

    def relieve(self, level: int) -> None:
        """Use less memory from now on: 0 frees caches, 1 decodes in small tiles as well."""
