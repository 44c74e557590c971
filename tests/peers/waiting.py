"""A world whose changes can be waited for."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Waiting(ABC):
    """Whoever changes something calls `notify`, which wakes those in `until`."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Something changed: whoever waits for it looks again."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, look: Callable[[], T | None], seconds: float = 15.0) -> T:
        """Wait until `look()` finds something truthy, and return it.

        Raises:
            AssertionError: it did not within `seconds`.
        """
        try:
            async with asyncio.timeout(seconds):
                while not (found := look()):
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiting.add(waiter)
                    try:
                        await waiter
                    finally:
                        self._waiting.discard(waiter)
                return found
        except TimeoutError:
            report = f"nothing came within {seconds} s; {self.transcript()}"
            raise AssertionError(report) from None

    @abstractmethod
    def transcript(self) -> str:
        """What happened, for the report of a failed test."""
