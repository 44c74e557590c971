"""The ground that the world stands on: time, ids, events, and waiting for what happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tests.peers.discord.clock import WorldClock
from tests.peers.discord.models import DISCORD_EPOCH_MS, Attachment, Channel, kept_name

T = TypeVar("T")
# Told of an event; returns whether somebody connected heard of it.
Listener = Callable[[str, dict[str, Any], Channel | None], bool]


class Ground:
    """Changes are told to listeners (the gateway) and wake those who wait."""

    def __init__(self) -> None:
        self._last_id = 0
        self._listeners: list[Listener] = []
        self._waiting: set[asyncio.Future[None]] = set()
        self.clock = WorldClock()
        self.violations: list[str] = []
        self.channels: dict[int, Channel] = {}
        self.attachments: dict[int, Attachment] = {}
        self.sounds: dict[int, bytes] = {}
        self.cdn_url = "http://cdn.invalid"
        self.gateway_url = ""

    def snowflake(self) -> int:
        """A fresh id that says when it was made, above all earlier ones."""
        now = (int(time.time() * 1000) - DISCORD_EPOCH_MS) << 22
        self._last_id = max(self._last_id + 1, now)
        return self._last_id

    def upload(self, filename: str, data: bytes, description: str | None = None) -> Attachment:
        """A file goes to the CDN."""
        made = Attachment(self.snowflake(), kept_name(filename), data, description)
        made.url = f"{self.cdn_url}/attachments/{made.id}/{made.filename}"
        self.attachments[made.id] = made
        return made

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def tell(self, event: str, data: dict[str, Any], channel: Channel | None = None) -> bool:
        """An event for the gateway; returns whether anybody connected hears of it now."""
        heard = [listener(event, data, channel) for listener in self._listeners]
        self.notify()
        return any(heard)

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
        """Every message there is and every violation, for the report of a failed test."""
        lines: Iterable[str] = (
            f"  #{channel.name} {message.author.name}: {message.content!r} "
            f"{[a.filename for a in message.attachments]}"
            for channel in self.channels.values()
            for message in channel.messages.values()
        )
        wrong = "".join(f"\n  violation: {violation}" for violation in self.violations)
        return "what was said:\n" + "\n".join(lines) + wrong
