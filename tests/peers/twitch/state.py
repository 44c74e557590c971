"""The world that the loopback Twitch serves."""

from __future__ import annotations

from tests.peers.twitch.happenings import Happenings
from tests.peers.twitch.transports import Conduit, Session, Transports


class World(Happenings):
    """All of it."""

    def __init__(self) -> None:
        super().__init__()
        self.transports = Transports()
        self.feed.carriers.append(self.transports.carry)

    @property
    def sockets(self) -> dict[str, Session]:
        """WebSocket sessions by id, ended ones too."""
        return self.transports.sockets

    @property
    def conduits(self) -> dict[str, Conduit]:
        return self.transports.conduits
