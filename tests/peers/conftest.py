from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.peers.discord import Channel, DiscordPeer, Guild, User
from tests.peers.discord.client import point_at


@pytest.fixture
async def peer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DiscordPeer]:
    """A loopback Discord for discord.py. Tests look at its violations themselves."""
    async with DiscordPeer() as peer:
        point_at(peer, monkeypatch)
        yield peer


@pytest.fixture
def mia(peer: DiscordPeer) -> User:
    """She owns the guild."""
    return peer.world.add_user("Mia")


@pytest.fixture
def guild(peer: DiscordPeer, mia: User) -> Guild:
    return peer.world.add_guild(mia)


@pytest.fixture
def channel(peer: DiscordPeer, guild: Guild) -> Channel:
    return peer.world.add_channel(guild)
