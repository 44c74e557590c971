"""The time by which tokens, nonces, timeouts and deadlines of the loopback Discord end."""

from __future__ import annotations

import asyncio
import time

_TICK, _GRACE = 0.05, 0.1


class WorldClock:
    """Seconds since the world began: real ones, plus what tests skip with `World.advance`.

    While the peer runs, `run` ticks. A longer gap between two ticks counts only as far as this
    process used the processor meanwhile, so a machine that is busy with something else makes
    nobody late, but a bot that blocks the event loop is.
    """

    def __init__(self) -> None:
        self._counted = 0.0
        self._skipped = 0.0
        self._running = True
        self._real, self._used = time.monotonic(), time.process_time()

    @property
    def time(self) -> float:
        """Seconds, for judging others."""
        self._tick()
        return self._counted + self._skipped

    @property
    def real(self) -> float:
        """Seconds as others count them too, for promises such as the end of a rate limit."""
        return time.monotonic() + self._skipped

    def stop(self) -> None:
        """From now on only `advance` moves `time`, for tests that keep the loop busy themselves."""
        self._tick()
        self._running = False

    def advance(self, seconds: float) -> None:
        assert seconds >= 0
        self._skipped += seconds

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            self._tick()
            await asyncio.sleep(_TICK)

    def _tick(self) -> None:
        real, used = time.monotonic(), time.process_time()
        if self._running:
            self._counted += min(real - self._real, used - self._used + _GRACE)
        self._real, self._used = real, used
