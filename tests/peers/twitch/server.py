"""Sign-in, Helix and EventSub together on one loopback port."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.peers.twitch.eventsub import EventSub
from tests.peers.twitch.helix import Helix
from tests.peers.twitch.identity import Identity
from tests.peers.twitch.state import World


class TwitchPeer:
    """`async with TwitchPeer() as peer:` serves a fresh world until the block ends.

    Attributes:
        api_url, id_url, eventsub_url: what a bot must take for https://api.twitch.tv/helix,
            https://id.twitch.tv and wss://eventsub.wss.twitch.tv/ws. None ends in a slash.
    """

    def __init__(self) -> None:
        self.world = World()
        self.helix = Helix(self.world)
        self.identity = Identity(self.world)
        self.eventsub = EventSub(self.world)
        app = web.Application()
        for side in (self.helix, self.identity, self.eventsub):
            side.add_to(app)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        self.api_url = self.id_url = self.eventsub_url = ""

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self.world.clock.run())
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        at = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.api_url = f"http://{at}/helix"
        self.id_url = self.identity.url = f"http://{at}"
        self.eventsub_url = self.eventsub.url = f"ws://{at}/ws"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for fault in (*self.helix.faults, *self.identity.faults):
            fault.release.set()
        self._ticking.cancel()
        await self.eventsub.close()
        await self._runner.cleanup()
