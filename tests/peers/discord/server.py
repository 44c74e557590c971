"""REST and gateway together on one loopback port."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.peers.discord.cdn import Cdn
from tests.peers.discord.gateway import Gateway
from tests.peers.discord.rest import Rest
from tests.peers.discord.state import World
from tests.peers.discord.voice import Voice

MAX_BODY = 512 * 1024**2


class DiscordPeer:
    """`async with DiscordPeer() as peer:` serves a fresh world until the block ends."""

    def __init__(self) -> None:
        self.world = World()
        self.rest = Rest(self.world)
        self.gateway = Gateway(self.world)
        self.cdn = Cdn(self.world)
        self.voice = Voice(self.world, self.gateway)
        app = web.Application(client_max_size=MAX_BODY)
        self.rest.add_to(app)
        self.gateway.add_to(app)
        self.cdn.add_to(app)
        self.voice.add_to(app)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        self.api_url = ""

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self.world.clock.run())
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.world.cdn_url = f"http://127.0.0.1:{port}/cdn"
        await self.voice.start(f"127.0.0.1:{port}")
        self.api_url = f"http://127.0.0.1:{port}/api/v10"
        self.world.gateway_url = self.gateway.url = f"ws://127.0.0.1:{port}/gateway/"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for fault in self.rest.faults:
            fault.release.set()
        self._ticking.cancel()
        await self.gateway.close()
        self.voice.close()
        await self._runner.cleanup()
