"""The ground that the world stands on: time, ids, events, and waiting for what happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from tests.peers.discord.clock import WorldClock
from tests.peers.discord.models import DISCORD_EPOCH_MS, Attachment, Channel, kept_name
from tests.peers.waiting import Waiting

# Told of an event; returns whether somebody connected heard of it.
Listener = Callable[[str, dict[str, Any], Channel | None], bool]


class Ground(Waiting):
    """Changes are told to listeners (the gateway) and wake those who wait."""

    def __init__(self) -> None:
        super().__init__()
        self._last_id = 0
        self._listeners: list[Listener] = []
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
