"""Signing in, from a browser and from a terminal; tokens stay where they belong."""

from __future__ import annotations

import json
import logging
import re
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot.config import Config, TwitchConfig
from bot.errors import Refusal
from cogs.twitch.login import sign_in
from cogs.twitch.scopes import BOT_SCOPES, CHANNEL_SCOPES, SCOPES
from cogs.twitch.tokens import FILE_NAME
from tests.cogs.twitch.house import House, open_house
from tests.peers.twitch import TwitchPeer, User


class Browser:
    """Goes through the pages as a person does."""

    def __init__(self, house: House, base: str) -> None:
        self.house, self.base = house, base
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def get(self, path: str) -> tuple[int, str]:
        async with self.http.get(self.base + path, allow_redirects=False) as response:
            return response.status, await response.text()

    async def agree(self, path: str, user: User) -> tuple[int, str]:
        """From the page that explains to Twitch and back."""
        status, page = await self.get(path)
        assert status == 200, page
        link = re.search(r'href="(http[^"]+authorize[^"]+)"', page)
        assert link is not None
        back = self.house.peer.identity.consent(unescape(link[1]), user)
        return await self.get(re.sub(r"^http://[^/]+", "", back))


@web.middleware
async def _refusals(request: web.Request, handler):  # type: ignore[no-untyped-def]
    try:
        return await handler(request)
    except Refusal as error:
        return web.Response(status=403, text=str(error))


@asynccontextmanager
async def browsing(house: House, *, owner: bool = True) -> AsyncIterator[Browser]:
    app = web.Application(middlewares=[_refusals])
    app.add_routes(house.adapter.pages(lambda request: owner))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    house.peer.world.app.redirects.add(f"http://localhost:{port}/twitch/callback")
    browser = Browser(house, f"http://127.0.0.1:{port}")
    try:
        yield browser
    finally:
        await browser.http.close()
        await runner.cleanup()


async def test_bot_and_broadcaster_sign_in_and_are_served(
    peer: TwitchPeer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_house(peer, tmp_path, signed_in=False, connect=False) as house:
        await house.adapter.start()
        async with browsing(house) as browser:
            status, page = await browser.get("/twitch/sign-in/channel")
            page = unescape(page)
            assert all(scope in page and reason in page for scope, reason in CHANNEL_SCOPES.items())
            assert status == 200 and not [one for one in BOT_SCOPES if one in page]
            assert (await browser.agree("/twitch/sign-in/bot", house.bot))[0] == 200
            assert (await browser.agree("/twitch/sign-in/channel", house.channel))[0] == 200
            _, overview = await browser.get("/twitch")
            assert "riffbot (bot): signed in" in overview and "mia (channel)" in overview
            assert re.search(r"/stage/[\w-]{10,}", overview)
        events = house.adapter.events
        assert events is not None
        await house.until(lambda: events.count > 10 and not events.missing)
        peer.world.say(house.channel, peer.world.add_user("Ana"), "!riff rain")
        await house.said("is ready")
        secrets = {t.access for t in peer.world.tokens.values()} | set(peer.world.refreshes)
        secrets.add(str(peer.world.app.secret))
        assert not [one for one in secrets if one in caplog.text or one in overview]
    file = tmp_path / FILE_NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    granted = {one["login"]: set(one["scopes"]) for one in json.loads(file.read_text())["accounts"]}
    assert granted == {"riffbot": set(SCOPES["bot"]), "mia": set(SCOPES["channel"])}


async def test_only_the_owner_may_and_who_was_invited(house: House) -> None:
    noa = house.peer.world.add_user("Noa")
    async with browsing(house, owner=False) as stranger:
        assert (await stranger.get("/twitch"))[0] == 403
        assert (await stranger.get("/twitch/sign-in/bot"))[0] == 403
        assert (await stranger.get("/twitch/invitation/guessed"))[0] == 403
    async with browsing(house) as browser:
        _, page = await browser.get("/twitch")
        invitation = re.search(r"/twitch/invitation/[\w-]+", page)
        assert invitation is not None
        assert (await browser.agree(invitation[0], noa))[0] == 200
        assert house.adapter.tokens.get(noa.id) is not None
        assert (await browser.get(invitation[0]))[0] == 403


async def test_a_sign_in_that_nobody_began_here_is_refused(house: House) -> None:
    noa = house.peer.world.add_user("Noa")
    async with browsing(house) as browser, browsing(house) as other:
        status, _ = await browser.get("/twitch/callback?code=x&state=made-up")
        assert status == 400
        _, page = await browser.get("/twitch/sign-in/channel")
        link = re.search(r'href="(http[^"]+authorize[^"]+)"', page)
        assert link is not None
        back = house.peer.identity.consent(unescape(link[1]), noa)
        # Somebody else's browser is sent to where the attacker's sign-in ends.
        status, _ = await other.get(re.sub(r"^http://[^/]+", "", back))
        assert status in (302, 400)
        status, page = await browser.get("/twitch/callback?error=access_denied&state=x")
        assert status == 400 and "nothing has changed" in page
    assert house.adapter.tokens.get(noa.id) is None


async def test_a_code_in_the_terminal_is_enough(
    peer: TwitchPeer, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    app = peer.world.add_app(public=True)
    mia = peer.world.add_user("Mia")
    peer.identity.device_interval = 0
    tell = print

    def entered(address: str, code: str) -> None:
        tell(address, code)
        peer.identity.activate(code, mia)

    monkeypatch.setattr("cogs.twitch.login._tell", entered)
    twitch = TwitchConfig(client_id=app.client_id, api_url=peer.api_url, id_url=peer.id_url)
    assert await sign_in(Config(data=tmp_path, twitch=twitch), "both") == 0
    shown = capsys.readouterr().out
    assert "mia is signed in" in shown and "user:write:chat" in shown
    assert not [one for one in peer.world.tokens if one in shown]
    kept = json.loads((tmp_path / FILE_NAME).read_text())["accounts"][0]
    assert kept["roles"] == ["bot", "channel"]
