"""Which Riffbot this is."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def version() -> str:
    """The installed version, e.g. `0.1.0`; `0` when it runs from a folder without installation."""
    try:
        return metadata.version("riffbot")
    except metadata.PackageNotFoundError:
        return "0"
