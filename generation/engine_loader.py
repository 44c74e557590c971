"""The real engine as the worker process sees it. Imported only in the child: it loads torch."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

from generation.task import BatchEngine


def load(options: Mapping[str, Any]) -> BatchEngine:
    """Import, load and warm up the engine, with the libraries' chatter turned down.

    Args:
        options: the fields of `generation.engine.EngineOptions`.

    Raises:
        CheckpointError: the checkpoint or device cannot be used.
    """
    if options.get("offline"):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)
    import diffusers  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    for library in (diffusers, transformers):
        chatter: Any = library.utils.logging
        chatter.set_verbosity_error()
        chatter.disable_progress_bar()
    from generation.allocator import keep_freed_memory  # noqa: PLC0415
    from generation.engine import Engine, EngineOptions  # noqa: PLC0415

    keep_freed_memory()
    engine = Engine(EngineOptions(**options))
    engine.warm_up()
    return engine
