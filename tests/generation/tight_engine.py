"""The real engine in a process that may hardly grow: allocations fail for real. Unix only."""

from __future__ import annotations

import logging
import re
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generation import engine_loader
from generation.task import BatchEngine

TIGHT = f"{__name__}:load"


def load(settings: Mapping[str, Any]) -> BatchEngine:
    """The engine with `headroom` MiB of address space more than it takes when it is warm."""
    engine = engine_loader.load(
        {name: value for name, value in settings.items() if name != "headroom"}
    )
    status = Path("/proc/self/status").read_text("ascii")
    [kib] = re.findall(r"^VmSize:\s+(\d+) kB$", status, re.MULTILINE)
    limit = int(kib) * 1024 + settings["headroom"] * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    logging.getLogger(__name__).info("limited to %d MiB", limit // 2**20)
    return engine
