"""The real engine as the worker process sees it. Imported only in the child: it loads torch."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from generation.errors import GenerationError
from generation.task import BatchEngine, Outcome, Task


def load(options: Mapping[str, Any]) -> BatchEngine:
    """Import, load and warm up the engine, with the libraries' chatter turned down.

    Args:
        options: the fields of `generation.engine.EngineOptions`.

    Raises:
        CheckpointError: the checkpoint or device cannot be used.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)
    import diffusers  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    for library in (diffusers, transformers):
        chatter: Any = library.utils.logging
        chatter.set_verbosity_error()
        chatter.disable_progress_bar()
    from generation.engine import Engine, EngineOptions  # noqa: PLC0415

    engine = Engine(EngineOptions(**options))
    engine.warm_up()
    batching: Any = engine
    return batching if hasattr(engine, "make_batch") else _OneByOne(engine)


class _OneByOne:
    """An engine that makes one request at a time, where a batch is asked for."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    @property
    def model(self) -> Mapping[str, str]:
        checkpoint = self._engine.checkpoint
        return {"name": checkpoint.preferences.name, "hash": checkpoint.fingerprint}

    def make_batch(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        return [self._make(task) for task in tasks]

    def relieve(self, level: int) -> None:
        """One picture at a time has no cache to free."""

    def _make(self, task: Task) -> Outcome:
        try:
            made: Outcome = self._engine.make(
                task.request, task.folder, task.stem, task.on_progress
            )
        except GenerationError as error:
            return error
        return made
