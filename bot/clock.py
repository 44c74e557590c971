"""The one clock. Everything that asks the time takes a `Clock`, so tests can turn its hands."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> float:
        """Wall-clock time as Unix seconds; what the database stores."""

    def monotonic(self) -> float:
        """Seconds that never run backwards; for measuring durations."""


class SystemClock:
    """The computer's own clock."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()
