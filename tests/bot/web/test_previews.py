"""Pictures over the socket while a riff is drawn, and why a riff waits."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.events import JobChanged, JobPreviewed, QueueMoved
from bot.web import previews
from tests.bot.conftest import Kit
from tests.bot.web.site import Site
from tests.waiting import soon

Message = dict[str, Any]


@pytest.fixture
def watched(kit: Kit) -> dict[str, bool]:
    """What the scheduler is told to preview."""
    told: dict[str, bool] = {}
    kit.events.on_watch = told.__setitem__
    return told


@asynccontextmanager
async def room(site: Site) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A page that has just joined."""
    _, session = await site.post("/api/session", {})
    async with site.http.ws_connect("/api/socket") as socket:
        await socket.send_json({"session": session["session"], "room": True})
        assert "studio" in await soon(socket.receive_json())
        yield socket


async def hear(socket: aiohttp.ClientWebSocketResponse, key: str) -> Message:
    """The next message of a kind."""
    while key not in (message := await soon(socket.receive_json())):
        pass
    return dict(message[key])


async def draw(site: Site, socket: aiohttp.ClientWebSocketResponse) -> str:
    """A riff that the page knows to be running."""
    _, riff = await site.post("/api/riffs", {"prompt": "jazz"})
    assert await site.kit.ledger.claim("worker-1", 60) is not None
    site.kit.events.publish(JobChanged(riff["id"]))
    while (await hear(socket, "riff"))["state"] != "running":
        pass
    return str(riff["id"])


async def settle(site: Site, socket: aiohttp.ClientWebSocketResponse) -> None:
    """Come back when the server has read everything that was sent to it."""
    _, riff = await site.post("/api/riffs", {"prompt": "a question"})
    await socket.send_json({"watch": [riff["id"]]})
    for _ in range(2):  # once as news of the room, once as the answer to watching
        while (await hear(socket, "riff"))["id"] != riff["id"]:
            pass


async def test_a_page_that_looks_sees_the_picture_grow(
    site: Site, watched: dict[str, bool]
) -> None:
    async with room(site) as socket:
        riff_id = await draw(site, socket)
        assert watched == {}
        await socket.send_json({"previews": True})
        await settle(site, socket)
        assert watched == {riff_id: True}
        site.kit.events.publish(JobPreviewed(riff_id, b"\x89PNG so far"))
        preview = await hear(socket, "preview")
        assert preview["id"] == riff_id
        assert base64.b64decode(preview["png"]) == b"\x89PNG so far"


async def test_nobody_is_shown_pictures_that_nobody_looks_at(
    site: Site, watched: dict[str, bool]
) -> None:
    async with room(site) as socket:
        await socket.send_json({"previews": True})
        riff_id = await draw(site, socket)
        await settle(site, socket)
        assert watched == {riff_id: True}
        await socket.send_json({"previews": False})
        await settle(site, socket)
        assert watched == {riff_id: False}
        await socket.send_json({"previews": "yes"})
        await settle(site, socket)
        assert watched == {riff_id: False}


async def test_a_finished_riff_is_not_watched_any_more(
    site: Site, watched: dict[str, bool]
) -> None:
    async with room(site) as socket:
        await socket.send_json({"previews": True})
        riff_id = await draw(site, socket)
        await site.kit.ledger.cancel(riff_id)
        site.kit.events.publish(JobChanged(riff_id))
        while (await hear(socket, "riff"))["state"] != "cancelled":
            pass
        await settle(site, socket)
        assert watched == {riff_id: False}


async def test_a_page_that_left_is_shown_nothing(site: Site, watched: dict[str, bool]) -> None:
    async with room(site) as socket:
        await socket.send_json({"previews": True})
        riff_id = await draw(site, socket)
        await settle(site, socket)
    await site.web.stop()
    assert watched == {riff_id: False}


async def test_pictures_that_come_too_fast_are_merged_to_the_latest(
    site: Site, watched: dict[str, bool]
) -> None:
    sent: list[bytes] = []

    async def send(message: Message) -> None:
        sent.append(base64.b64decode(message["preview"]["png"]))
        done.set()

    done = asyncio.Event()
    looking = previews.Previews(site.kit.studio.watch, send, interval=0.05)
    looking.switch(on=True)
    looking.note("a", drawn=True)
    await asyncio.sleep(0)  # lets the task subscribe
    site.kit.events.publish(JobPreviewed("a", b"1"))
    await soon(done.wait())
    done.clear()
    for picture in (b"2", b"3", b"4"):
        site.kit.events.publish(JobPreviewed("a", picture))
    await soon(done.wait())
    looking.close()
    assert sent == [b"1", b"4"]


async def test_a_riff_that_waits_says_why(site: Site) -> None:
    async with room(site) as socket:
        _, first = await site.post("/api/riffs", {"prompt": "jazz"})
        assert (first["position"], first["reason"]) == (1, "next in line")
        _, second = await site.post("/api/riffs", {"prompt": "rain"})
        site.kit.events.publish(QueueMoved())
        heard = await hear(socket, "riff")
        while heard["id"] != second["id"]:
            heard = await hear(socket, "riff")
        assert (heard["position"], heard["reason"]) == (2, "one riff of your own first")
        assert heard["notice"] is None
