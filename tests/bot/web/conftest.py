from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.config import Config, WebConfig
from bot.services import Services
from bot.store.clipfiles import Budget
from bot.store.sources import Sources
from bot.web.identity import Identity
from bot.web.server import LocalWeb
from tests.bot.conftest import Kit, moderation_of
from tests.bot.desk import files_of
from tests.bot.web.site import Site


@pytest.fixture
async def site(kit: Kit, tmp_path: Path) -> AsyncIterator[Site]:
    health = {"state": "starting", "detail": "Loading."}
    sources = Sources(tmp_path / "sources", kit.database, kit.clock, Budget(10**9, None))
    services = Services.over(
        Config(data=tmp_path, web=WebConfig(port=0)),
        studio=kit.studio,
        moderation=await moderation_of(kit),
        database=kit.database,
        clock=kit.clock,
        events=kit.events,
        files=files_of(kit, tmp_path),
        sources=sources,
    )
    web = LocalWeb(services, Identity(b"s" * 32), lambda: health)
    await web.start()
    async with aiohttp.ClientSession(web.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield Site(kit, web, http, tmp_path / "clips", sources)
    await web.stop()
