"""The ground that the loopback Twitch stands on: time, ids, violations, waiting."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import TypeVar

from tests.peers.discord.clock import WorldClock
from tests.peers.twitch.models import App, Token, User

T = TypeVar("T")


class Ground:
    """People, apps and tokens; changes wake those who wait."""

    def __init__(self) -> None:
        self.clock = WorldClock()
        self.violations: list[str] = []
        self.users: dict[str, User] = {}
        self.apps: dict[str, App] = {}
        self.tokens: dict[str, Token] = {}
        self.refreshes: dict[str, Token] = {}
        self._born, self._born_real = time.time(), self.clock.real
        self._last_id = 70_000_000
        self._waiting: set[asyncio.Future[None]] = set()

    def now(self) -> float:
        """World time as seconds since the epoch."""
        return self._born + self.clock.time

    def promised(self) -> float:
        """The same as clients count it, for promises: a busy machine does not slow it down."""
        return self._born + self.clock.real - self._born_real

    def advance(self, seconds: float) -> None:
        """Skip time: tokens expire, timeouts end, rate limits refill."""
        self.clock.advance(seconds)
        self.notify()

    def number(self) -> str:
        """A fresh numeric id."""
        self._last_id += 1
        return str(self._last_id)

    @staticmethod
    def uuid() -> str:
        return str(uuid.uuid4())

    def violate(self, what: str) -> None:
        """Note a breach of what Twitch documents."""
        self.violations.append(what)
        self.notify()

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

    def transcript(self) -> str:
        """The last messages of every chat and every violation, for the report of a failed test."""
        lines = [
            f"  #{channel.login} {message.author.login}: {message.text!r}"
            for channel in self.users.values()
            for message in channel.messages[-30:]
        ]
        wrong = "".join(f"\n  violation: {each}" for each in self.violations)
        return "what was said:\n" + "\n".join(lines) + wrong
