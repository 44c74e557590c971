from __future__ import annotations


class HandClock:
    """A clock whose hands the test turns."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time
