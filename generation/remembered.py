"""Small facts about this machine, remembered between starts in the user's cache folder."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def recall(topic: str, key: str) -> Any:
    """What was noted under this key, or None. Losing it only costs finding it out again."""
    return _read(_file(topic)).get(key)


def note(topic: str, key: str, value: Any) -> None:
    """Remember a JSON value; where nothing can be written, nothing is."""
    file = _file(topic)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        part.write_text(json.dumps({**_read(file), key: value}, indent=1), "utf-8")
        part.replace(file)
    except OSError:
        pass  # a read-only home only means that the next start finds it out again


def best_seconds(
    work: Callable[[], object], clock: Callable[[], float] = time.perf_counter, times: int = 5
) -> float:
    """The shortest of several runs, by this clock: the one that other programs disturbed least."""
    best = float("inf")
    for _ in range(times):
        start = clock()
        work()
        best = min(best, clock() - start)
    return best


def _file(topic: str) -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "riffbot" / f"{topic}.json"


def _read(file: Path) -> dict[str, Any]:
    try:
        known = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
