"""The time by which tokens, nonces, timeouts and deadlines of the loopback Discord end."""

from __future__ import annotations

import time


class WorldClock:
    """Seconds since the world began: real ones, plus what tests skip with `World.advance`."""

    def __init__(self) -> None:
        self._skipped = 0.0
        self._began: float | None = time.monotonic()

    @property
    def time(self) -> float:
        running = 0.0 if self._began is None else time.monotonic() - self._began
        return self._skipped + running

    def stop(self) -> None:
        """From now on only `advance` moves it, for tests that keep the machine busy themselves."""
        self._skipped = self.time
        self._began = None

    def advance(self, seconds: float) -> None:
        assert seconds >= 0
        self._skipped += seconds
