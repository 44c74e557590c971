"""When to give a child process up, and when to start the next: rules without a clock or process.

Times are in seconds and come from the caller, so that a test can play a day in a moment.
"""

from __future__ import annotations

import signal
from collections import deque
from typing import Literal

BreakerState = Literal["closed", "open", "half-open"]

# A beat that is late because this process itself was held up (a laptop that slept, a debugger) is
# not the child's fault: no single look at the clock counts for more than this many intervals.
_MOST_INTERVALS_AT_ONCE = 3.0


class Pulse:
    """Whether a child still lives: hears its messages, and complains when there are too few.

    Three things are watched, each with its own patience: becoming ready, giving any sign of life,
    and getting on with the work (a child whose drawing thread hangs still beats). An idle child is
    never stalled.
    """

    def __init__(
        self,
        *,
        start_timeout: float,
        silence_timeout: float,
        stall_timeout: float,
        interval: float,
        now: float,
    ) -> None:
        """`interval` is how often `complaint` will be asked at least."""
        self._start_timeout = start_timeout
        self._silence_timeout = silence_timeout
        self._stall_timeout = stall_timeout
        self._interval = interval
        self._looked_at = now
        self._ready = False
        self._starting = self._silent = self._stalled = 0.0
        self._steps = -1

    def ready(self) -> None:
        """The child can work: from now on it has to beat."""
        self._ready = True
        self._silent = self._stalled = 0.0

    def heard(self) -> None:
        """The child's drawing thread said something."""
        self._silent = self._stalled = 0.0

    def beat(self, *, busy: bool, steps: int) -> None:
        """The child's beat: is there work, and how many steps were ever made."""
        self._silent = 0.0
        if not busy or steps != self._steps:
            self._stalled = 0.0
        self._steps = steps

    def complaint(self, now: float) -> str | None:
        """What is wrong with the child, as the end of a sentence; None if nothing is."""
        passed = min(max(now - self._looked_at, 0.0), _MOST_INTERVALS_AT_ONCE * self._interval)
        self._looked_at = now
        if not self._ready:
            # The loader holds the interpreter's lock for long; only the whole start is timed.
            self._starting += passed
            if self._starting > self._start_timeout:
                return f"was not ready after {self._start_timeout:g} s"
            return None
        self._silent += passed
        self._stalled += passed
        if self._silent > self._silence_timeout:
            return f"gave no sign of life for {self._silence_timeout:g} s"
        if self._stalled > self._stall_timeout:
            return f"made no progress for {self._stall_timeout:g} s"
        return None


class Backoff:
    """Ever longer pauses after failures in a row, spread so that many bots do not move as one."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0

    @property
    def failures(self) -> int:
        """How many there were in a row."""
        return self._failures

    def failed(self) -> None:
        """One more."""
        self._failures += 1

    def succeeded(self) -> None:
        """The row is broken."""
        self._failures = 0

    def pause(self, chance: float) -> float:
        """Seconds until the next try; `chance` from 0 to 1 takes up to half of it off."""
        if not self._failures:
            return 0.0
        # The exponent is bounded: 2.0**1024 is an error, and a bot may be broken for months.
        pause = min(self._first * 2.0 ** min(self._failures - 1, 32), self._longest)
        return pause * (1 - chance / 2)


class Breaker:
    """A circuit breaker over deaths (Nygard, Release It!, 2007).

    closed: deaths are counted; `deaths` of them within `window` open it. open: nothing is tried for
    a cool-down. half-open: one child is tried; if it dies before it proved itself, the breaker
    opens again for twice as long, up to `longest`.
    """

    def __init__(self, *, deaths: int, window: float, cooldown: float, longest: float) -> None:
        self._deaths: deque[float] = deque(maxlen=deaths)
        self._window = window
        self._cooldown = cooldown
        self._longest = longest
        self._openings = 0
        self._probed_at: float | None = None
        self.state: BreakerState = "closed"

    def died(self, now: float) -> None:
        """A child died that was not meant to."""
        self._deaths.append(now)
        if self.state == "half-open" and self._on_probation(now):
            self._open()
            return
        if self.state == "half-open":
            self.proved()
            self._deaths.append(now)
        if len(self._deaths) == self._deaths.maxlen and now - self._deaths[0] <= self._window:
            self._open()

    def pause(self) -> float:
        """Seconds to wait before the next child is tried."""
        if self.state != "open":
            return 0.0
        return min(self._cooldown * 2.0 ** min(self._openings - 1, 32), self._longest)

    def probe(self) -> None:
        """The pause is over: the next child is tried."""
        if self.state == "open":
            self.state, self._probed_at = "half-open", None

    def probing_since(self, now: float) -> None:
        """The child that is tried became ready."""
        self._probed_at = now

    def proved(self) -> None:
        """A child did its work: all is well again."""
        if self.state == "half-open":
            self.state, self._openings, self._probed_at = "closed", 0, None
            self._deaths.clear()

    def _on_probation(self, now: float) -> bool:
        return self._probed_at is None or now - self._probed_at <= self._window

    def _open(self) -> None:
        self.state, self._openings = "open", self._openings + 1


def describe_exit(code: int) -> str:
    """How a process ended, for a log: `was killed by SIGSEGV`, `ended with status 1`."""
    if code >= 0:
        return f"ended with status {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
