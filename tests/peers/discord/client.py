"""The real discord.py, connected to the loopback Discord, for tests of the peer itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import discord
import pytest
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import HTTPClient, Route

from tests.peers.discord.server import DiscordPeer

Setup = Callable[["PlainClient"], Awaitable[None]]


class PlainClient(discord.AutoShardedClient):
    """A client with a command tree that keeps what it hears.

    `errors` are what went wrong in its handlers; discord.py would only log them.
    """

    def __init__(self, peer: DiscordPeer, intents: discord.Intents, **options: Any) -> None:
        options = {"guild_ready_timeout": 0.05, "max_ratelimit_timeout": 30.0, **options}
        super().__init__(intents=intents, **options)
        self.peer = peer
        self.tree = app_commands.CommandTree(self)
        self.heard: list[tuple[str, tuple[Any, ...]]] = []
        self.setup: Setup | None = None

    async def setup_hook(self) -> None:
        if self.setup is not None:
            await self.setup(self)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """discord.py would wait for 5 s, as Discord wants of those who identify again."""

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        self.heard.append((event, args))
        super().dispatch(event, *args, **kwargs)
        self.peer.world.notify()

    def events(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of every event of that name so far."""
        return [args for event, args in self.heard if event == name]


def point_at(peer: DiscordPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make discord.py take the peer for Discord."""
    monkeypatch.setattr(Route, "BASE", peer.api_url)
    # Used only when a session could not be resumed; at first the client asks REST.
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(peer.gateway.url))
    connect = HTTPClient.ws_connect

    async def without_tls(client: HTTPClient, url: str, *, compress: int = 0) -> Any:
        # discord.py goes to voice servers by TLS only, and we have no certificate.
        return await connect(client, url.replace("wss://", "ws://"), compress=compress)

    monkeypatch.setattr(HTTPClient, "ws_connect", without_tls)


@asynccontextmanager
async def connected(
    peer: DiscordPeer,
    *,
    intents: discord.Intents | None = None,
    setup: Setup | None = None,
    **options: Any,
) -> AsyncIterator[PlainClient]:
    """A client that is ready; `setup` runs before it connects, for commands and views."""
    client = PlainClient(peer, intents or discord.Intents.none(), **options)
    client.setup = setup
    await client.login(peer.world.token)
    task = asyncio.create_task(client.connect())
    task.add_done_callback(lambda _: peer.world.notify())
    try:
        await peer.world.until(lambda: client.events("ready") or task.done())
        if task.done():
            task.result()
        yield client
    finally:
        await client.close()
        await asyncio.gather(task, return_exceptions=True)
