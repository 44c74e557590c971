from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.peers.discord import Channel, DiscordPeer, Guild, User
from tests.peers.discord.client import point_at
from tests.peers.twitch import TwitchPeer
from tests.peers.twitch import client as twitch_client
from tests.peers.twitch import models as twitch_models


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


@pytest.fixture
async def twitch(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TwitchPeer]:
    """A loopback Twitch for twitchio. Tests look at its violations themselves."""
    async with TwitchPeer() as peer:
        twitch_client.point_at(peer, monkeypatch)
        yield peer


@pytest.fixture
def streamer(twitch: TwitchPeer) -> twitch_models.User:
    """A broadcaster who may have channel points."""
    return twitch.world.add_user("Mia", "affiliate")


@pytest.fixture
def viewer(twitch: TwitchPeer) -> twitch_models.User:
    return twitch.world.add_user("Ana")


@pytest.fixture
def riffbot(twitch: TwitchPeer) -> twitch_models.User:
    """The bot's account."""
    return twitch.world.add_user("Riffbot")
