"""What carries EventSub notifications: WebSocket sessions, and conduits that spread over them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.peers.twitch.feed import Subscription
from tests.peers.twitch.models import App, Json


class Line(Protocol):
    """An open connection to a client."""

    def send(self, frame: Json) -> None: ...


@dataclass(slots=True, eq=False)
class Session:
    """One WebSocket session; after a `session_reconnect` it goes on over another connection."""

    id: str
    keepalive_seconds: float
    connected_at: str
    line: Line | None
    challenge: str | None = None
    unused: asyncio.TimerHandle | None = None
    sent: list[Json] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return self.line is not None

    def send(self, frame: Json) -> bool:
        """Send to the client; returns whether there is one."""
        if self.line is None:
            return False
        self.sent.append(frame)
        self.line.send(frame)
        return True

    def used(self) -> None:
        """It carries something now, so it stays open."""
        if self.unused is not None:
            self.unused.cancel()
            self.unused = None


@dataclass(slots=True, eq=False)
class Shard:
    """One of a conduit's transports."""

    id: str
    session: Session | None = None

    def to_json(self) -> Json:
        transport: Json = {"method": "websocket"}
        if self.session is not None:
            transport |= {
                "session_id": self.session.id,
                "connected_at": self.session.connected_at,
                "disconnected_at": None,
            }
        return {"id": self.id, "status": self.status, "transport": transport}

    @property
    def status(self) -> str:
        live = self.session is not None and self.session.open
        return "enabled" if live else "websocket_disconnected"


@dataclass(slots=True, eq=False)
class Conduit:
    """An app's conduit; notifications go to its live shards in turn."""

    id: str
    app: App
    shards: list[Shard]
    turn: int = 0

    def next_shard(self) -> Session | None:
        live = [s.session for s in self.shards if s.session is not None and s.session.open]
        if not live:
            return None
        self.turn += 1
        return live[self.turn % len(live)]


class Transports:
    """All sessions and conduits; a carrier of the feed.

    `shard_errors` are (code, message) that the next shards are refused with.
    """

    def __init__(self) -> None:
        self.sockets: dict[str, Session] = {}
        self.conduits: dict[str, Conduit] = {}
        self.repeats = 0
        self.shard_errors: list[tuple[str, str]] = []

    def carry(self, subscription: Subscription, frame: Json) -> bool:
        """Send a frame where its subscription says; twice, if it is among those to repeat."""
        session = self._session(subscription.transport)
        if session is None or not session.send(frame):
            return False
        if self.repeats > 0 and frame["metadata"]["message_type"] == "notification":
            self.repeats -= 1
            session.send(frame)
        return True

    def _session(self, transport: dict[str, Any]) -> Session | None:
        if transport["method"] == "websocket":
            return self.sockets.get(transport["session_id"])
        conduit = self.conduits.get(transport["conduit_id"])
        return None if conduit is None else conduit.next_shard()
