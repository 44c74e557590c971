"""How well to draw: as well as there is time for."""

from __future__ import annotations

from dataclasses import dataclass

from bot.live.rules import LiveRules

_OVERHEAD_STEPS = 3.0
"""What reading, inverting and encoding cost, in denoising steps."""
_SHARES = (1.0, 2 / 3, 1 / 2, 1 / 3)
_BUDGET = 0.75
"""Share of a loop within which a clip should be ready: the rest is for surprises."""
_NEWEST = 0.4
_FORGIVEN_AFTER = 8


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to draw."""

    steps: int
    look_ahead: int


class Quality:
    """A ladder of four rungs. It goes down where a clip was late or would be, and up again after
    eight clips that were in time; never further up than there is time for."""

    def __init__(self, rules: LiveRules) -> None:
        self._loop = rules.grid.seconds
        self._rungs = tuple(
            Rung(
                max(1, round(rules.steps * share)),
                max(1, rules.look_ahead - (1 if index else 0)),
            )
            for index, share in enumerate(_SHARES)
        )
        self._floor = 0
        self._in_time = 0
        self._pace: float | None = None

    @property
    def level(self) -> int:
        """0 is best."""
        if self._pace is None:
            return self._floor
        for index in range(self._floor, len(self._rungs) - 1):
            if self.seconds(self._rungs[index].steps) <= _BUDGET * self._loop:
                return index
        return len(self._rungs) - 1

    @property
    def rung(self) -> Rung:
        """How to draw now."""
        return self._rungs[self.level]

    def seconds(self, steps: int | None = None) -> float:
        """Expected until a clip is ready, from the order on; before any was made, two loops: the
        first one is waited for as long as it takes, and is late only if it is very slow."""
        if self._pace is None:
            return 2 * self._loop
        return self._pace * ((self.rung.steps if steps is None else steps) + _OVERHEAD_STEPS)

    def made(self, seconds: float, steps: int) -> None:
        """A clip took this long from its beginning."""
        pace = seconds / (steps + _OVERHEAD_STEPS)
        # One that took very long (a restart of the worker, say) says little about the next.
        if self._pace is not None:
            pace = min(pace, 4 * self._pace)
            pace = self._pace + _NEWEST * (pace - self._pace)
        self._pace = pace
        self._in_time += 1
        if self._in_time >= _FORGIVEN_AFTER and self._floor:
            self._floor -= 1
            self._in_time = 0

    def missed(self) -> None:
        """A clip was late."""
        self._floor = min(len(self._rungs) - 1, self.level + 1)
        self._in_time = 0
