"""The stage's feed over a real web server: what pages and players get, and what they cannot do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.web.identity import Identity
from bot.web.server import LocalWeb
from tests.bot.conftest import Kit
from tests.bot.live.house import ADMIN, MODERATOR, House, open_house, someone
from tests.waiting import soon

ANN, TROLL = someone("ann"), someone("troll")


@dataclass
class Theatre:
    """A house with its web server, and the key of its stage."""

    house: House
    http: aiohttp.ClientSession
    key: str

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(path) as response:
            return response.status, await response.json()

    async def renew(self) -> None:
        await self.house.services.live.key(ADMIN, renew=True)


@pytest.fixture
async def theatre(kit: Kit, tmp_path: Path) -> AsyncIterator[Theatre]:
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(kit, tmp_path, port=0))
        web = LocalWeb(house.services, Identity(b"s" * 32), lambda: {"state": "ready"})
        await web.start()
        stack.push_async_callback(web.stop)
        http = await stack.enter_async_context(aiohttp.ClientSession(web.url))
        yield Theatre(house, http, await house.services.live.key(ADMIN))


async def hear(socket: aiohttp.ClientWebSocketResponse, *names: str) -> Any:
    """The next message that has one of these."""
    while True:
        message = await soon(socket.receive_json())
        if any(name in message for name in names):
            return message


async def test_a_page_follows_a_session_from_beginning_to_end(theatre: Theatre) -> None:
    house, path = theatre.house, f"/api/stage/{theatre.key}"
    assert await theatre.get(path) == (200, {"on": False})
    async with theatre.http.ws_connect(f"{path}/socket") as socket:
        assert await hear(socket, "on") == {"on": False}
        await house.says(MODERATOR, "!live start")
        state = (await hear(socket, "state"))["state"]
        assert state["rate"] == 44_100
        assert [one["kind"] for one in state["segments"]] == ["safe"]
        await house.says(ANN, "!vote techno synth")
        await house.until(lambda: house.heard() == {"techno synth": 1.0})
        while not any(one["kind"] == "mix" for one in state["segments"]):
            state = (await hear(socket, "state"))["state"]
        segment = next(one for one in state["segments"] if one["kind"] == "mix")
        assert segment["shares"] == [{"prompt": "techno synth", "share": 1.0, "by": ["Ann"]}]
        file = f"{path}/takes/{segment['take']}/{segment['files'][0]}"
        async with theatre.http.get(file) as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "audio/wav"
            assert (await response.read())[:4] == b"RIFF"
        await socket.send_json({"ping": 7})
        answer = await hear(socket, "pong")
        assert answer["pong"] == 7
        assert abs(answer["now"] - house.session().playhead) < 44_100
        await house.says(MODERATOR, "!live stop")
        message = await hear(socket, "on")
        while message["on"]:
            message = await hear(socket, "on")


async def test_wrong_keys_and_names_are_nothing(theatre: Theatre) -> None:
    await theatre.house.says(MODERATOR, "!live start")
    for path in (
        "/api/stage/wrong",
        "/api/stage/wrong/takes/a/wav",
        "/live.mp3",
        "/live.mp3?key=wrong",
        f"/api/stage/{theatre.key}/takes/nothing/wav",
        f"/api/stage/{theatre.key}/takes/safe-120-8/exe",
        f"/api/stage/{theatre.key}/takes/..%2F..%2Friffbot.sqlite3/wav",
    ):
        assert (await theatre.get(path))[0] == 404, path
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await theatre.http.ws_connect("/api/stage/wrong/socket")
    assert refused.value.status == 404


async def test_a_file_for_obs_holds_the_address_and_nothing_else(theatre: Theatre) -> None:
    path = f"/stage/{theatre.key}/obs.html?layout=bar&scale=2%22%3E%3Cscript%3E&evil=1"
    async with theatre.http.get(path) as response:
        assert response.status == 200
        assert response.headers["Content-Disposition"].startswith("attachment")
        text = await response.text()
    host = response.url.host, response.url.port
    address = (
        f"http://{host[0]}:{host[1]}/stage/{theatre.key}?layout=bar&amp;scale=2%22%3E%3Cscript"
    )
    assert address in text and "evil" not in text
    assert (await theatre.get("/stage/wrong/obs.html"))[0] == 404


async def test_the_page_may_be_framed_by_local_files_only(theatre: Theatre) -> None:
    for path, ancestors in (
        (f"/stage/{theatre.key}", "frame-ancestors file: http://absolute"),
        (f"/stage/{theatre.key}/obs.html", "frame-ancestors 'none'"),
        (f"/api/stage/{theatre.key}", "frame-ancestors 'none'"),
        ("/", "frame-ancestors 'none'"),
        ("/settings", "frame-ancestors 'none'"),
    ):
        async with theatre.http.get(path) as response:
            assert response.headers["Content-Security-Policy"].endswith(ancestors), path


async def test_a_revoked_key_closes_what_is_open_under_it(theatre: Theatre) -> None:
    house = theatre.house
    await house.says(MODERATOR, "!live start")
    path = f"/api/stage/{theatre.key}"
    async with theatre.http.ws_connect(f"{path}/socket") as socket:
        await hear(socket, "state")
        await theatre.renew()

        async def until_closed() -> None:
            async for _ in socket:
                pass

        await soon(until_closed())
        assert socket.close_code == 4001
    assert (await theatre.get(path))[0] == 404
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await theatre.http.ws_connect(f"{path}/socket")
    assert refused.value.status == 404


async def test_a_blocked_viewers_words_leave_the_page_at_once(theatre: Theatre) -> None:
    house = theatre.house
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote rain")
    await house.says(TROLL, "!vote rude noise")
    await house.until(lambda: "rude noise" in house.heard())
    async with theatre.http.ws_connect(f"/api/stage/{theatre.key}/socket") as socket:
        state = await hear(socket, "state")
        assert "rude noise" in str(state) and "Troll" in str(state)
        # No time passes for the session from here on: the words may not wait for a join.
        await house.services.moderation.people.block(MODERATOR, TROLL, "rude")
        while "rude noise" in str(state) or "Troll" in str(state):
            state = await hear(socket, "state")
        assert "rain" in str(state)


@pytest.mark.parametrize("kind", ["text", "binary"])
async def test_a_page_that_floods_is_shown_out(theatre: Theatre, kind: str) -> None:
    async with theatre.http.ws_connect(f"/api/stage/{theatre.key}/socket") as socket:
        await hear(socket, "on")
        for number in range(200):
            if socket.closed:
                break
            text = f'{{"ping": {number}}}'
            await (socket.send_str(text) if kind == "text" else socket.send_bytes(text.encode()))

        async def until_closed() -> None:
            async for _ in socket:
                pass

        await soon(until_closed())
        assert socket.close_code == 1008


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", '{"ping": true}', '{"ping": "x"}', '{"ping": 1e99}', "{" * 900]
)
async def test_nonsense_is_passed_over(theatre: Theatre, text: str) -> None:
    await theatre.house.says(MODERATOR, "!live start")
    async with theatre.http.ws_connect(f"/api/stage/{theatre.key}/socket") as socket:
        await hear(socket, "on")
        await socket.send_str(text)
        await socket.send_json({"ping": 3})
        assert (await hear(socket, "pong"))["pong"] == 3


async def test_a_thousand_pages_are_too_many_and_leave_nothing_behind(theatre: Theatre) -> None:
    path = f"/api/stage/{theatre.key}/socket"
    async with AsyncExitStack() as stack:
        refused = 0
        for _ in range(1000):
            try:
                await stack.enter_async_context(theatre.http.ws_connect(path))
            except aiohttp.WSServerHandshakeError as error:
                assert error.status == 429
                refused += 1
        assert refused == 936
    async with theatre.http.ws_connect(path) as socket:
        await hear(socket, "on")


@pytest.mark.parametrize("ending", ["session", "key"])
async def test_the_stream_is_mp3_until_the_session_or_its_key_ends(
    theatre: Theatre, ending: str
) -> None:
    house, kit = theatre.house, theatre.house.kit
    await house.says(MODERATOR, "!live start")

    async def go_on() -> None:
        while True:
            kit.clock.time += 0.25
            await asyncio.sleep(0.02)

    clock = asyncio.create_task(go_on())
    async with theatre.http.get(f"/live.mp3?key={theatre.key}") as response:
        assert response.headers["Content-Type"] == "audio/mpeg"
        data = await soon(response.content.readexactly(40_000))
        assert data[:2] == b"\xff\xfb"
        await (theatre.renew() if ending == "key" else house.says(MODERATOR, "!live stop"))
        await soon(response.content.read())
    clock.cancel()
    assert (await theatre.get(f"/live.mp3?key={theatre.key}"))[0] == 404
