"""The ground that the loopback Twitch stands on: time, ids, violations, waiting."""

from __future__ import annotations

import time
import uuid

from tests.peers.discord.clock import WorldClock
from tests.peers.twitch.models import App, Token, User
from tests.peers.waiting import Waiting


class Ground(Waiting):
    """People, apps and tokens; changes wake those who wait."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = WorldClock()
        self.violations: list[str] = []
        self.users: dict[str, User] = {}
        self.apps: dict[str, App] = {}
        self.tokens: dict[str, Token] = {}
        self.refreshes: dict[str, Token] = {}
        self._born, self._born_real = time.time(), self.clock.real
        self._last_id = 70_000_000

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

    def transcript(self) -> str:
        """The last messages of every chat and every violation, for the report of a failed test."""
        lines = [
            f"  #{channel.login} {message.author.login}: {message.text!r}"
            for channel in self.users.values()
            for message in channel.messages[-30:]
        ]
        wrong = "".join(f"\n  violation: {each}" for each in self.violations)
        return "what was said:\n" + "\n".join(lines) + wrong
