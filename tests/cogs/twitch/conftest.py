from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cogs.twitch.house import House, open_house
from tests.peers.twitch import TwitchPeer


@pytest.fixture
async def peer() -> AsyncIterator[TwitchPeer]:
    """A loopback Twitch; it fails on breached limits."""
    async with TwitchPeer() as peer:
        yield peer
        assert peer.world.violations == []


@pytest.fixture
async def house(peer: TwitchPeer, tmp_path: Path) -> AsyncIterator[House]:
    """Mia, an affiliate, has signed in, and so has the bot."""
    async with open_house(peer, tmp_path) as house:
        yield house


@pytest.fixture
async def open_to_all(peer: TwitchPeer, tmp_path: Path) -> AsyncIterator[House]:
    """The same with a public address."""
    async with open_house(peer, tmp_path, public_url="https://riffs.example.org") as house:
        yield house
