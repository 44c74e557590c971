"""What the stage page and players of the endless stream read. Nothing here changes anything.

Every address holds the read-only key of a community's stage (`!live key`; `!live key new` ends the
old one, and closes what is open under it). A wrong or revoked key is 404, like no page at all.

    GET /stage/{key}?layout=…                  → the page; js/stage/options.js tells what may follow
    GET /stage/{key}/obs.html?layout=…         → a file to save: opened from the disk it shows that
                                                 page whenever the server is there
    GET /api/stage/{key}                       → {"on": false} or {"on": true, "state": State}
    GET /api/stage/{key}/takes/{take}/{kind}   → the file of a take: kind is wav, mp3 or png, one
                                                 of its segment's `files`; the bytes never change
    GET /api/stage/{key}/socket                → WebSocket
    GET /live.mp3?key={key}                    → MP3 without an end, 44.1 kHz stereo, 160 kbit/s

    socket, server → client   {"on": false}                 no session is on; says so again when
                                                            one ended
                              {"on": true, "state": State}  whenever something changed, at most a
                                                            few times a second, newest only
                              {"pong": n, "now": sample}    answer to a ping
            client → server   {"ping": n}                   n is a number of the page's own; the
                                                            playhead at the middle of the round
                                                            trip was `now`
    Closed with 4001: the key was revoked. 1001: the server stops; come back. 1008: too many
    messages (more than 20 a second).

`State` is documented in `bot.live.view`: samples at 44.1 kHz, counted from the session's beginning,
on the clock of the server. A page that plays it keeps `audioTime = offset + sample / 44100`, with
the offset settled from a few pings, and a second of its own behind the playhead, so that what is
settled late can still be fetched and decoded: a segment is told of at least 0.35 s before it
begins. Segments that are not begun may be taken back: what a newer state does not list is not to
be played. Takes of `kind: safe` have a WAV file and no picture.
"""

from __future__ import annotations

import asyncio
import html
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import WSMsgType, web

from bot.errors import BusyRefusal, NotFoundRefusal
from bot.live.radio import MOST_LISTENERS
from bot.live.session import LiveSession
from bot.live.sessions import LiveSessions, Where
from bot.web.security import policy

_LOCAL_FILES = ("file:", "http://absolute")
"""Who may frame the page: files on the streamer's own disk. OBS opens them as `file:`, and since it
has Chromium 96 by a made-up host of its own."""
_OPTIONS = ("layout", "corner", "background", "sound", "volume", "scale", "fps", "motion", "hide")
_MOST_SOCKETS = 256
_MOST_OF_ONE_KEY = 64
_MOST_MESSAGES = 20
_MAX_MESSAGE = 1024
_HEARTBEAT_SECONDS = 25.0
_MOST_STUCK = 10.0
_REVOKED = 4001
_MEDIA = {"wav": "audio/wav", "mp3": "audio/mpeg", "png": "image/png"}
_FOR_GOOD = "private, max-age=604800, immutable"
_NO_STAGE = "There is no such stage; ask a moderator for its present address."
_FULL = "Too many look on already; please try again in a minute."


class Stage:
    """Serves the routes."""

    def __init__(self, live: LiveSessions, clips: Path, static: Path, public_url: str) -> None:
        """`clips` is the folder that files of takes are in, `static` that of the web's own files.
        `public_url`: where the server is reached from outside, or empty."""
        self._live = live
        self._clips = clips
        self._static = static
        self._public_url = public_url
        self._sockets: dict[web.WebSocketResponse, str] = {}
        self._listeners: Counter[str] = Counter()
        live.on_key_revoked.append(self._close_key)
        self._farewells: set[asyncio.Task[Any]] = set()

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        return [
            web.get("/stage/{key}", self.page),
            web.get("/stage/{key}/obs.html", self.local_file),
            web.get("/api/stage/{key}", self.state),
            web.get("/api/stage/{key}/takes/{take}/{kind}", self.take),
            web.get("/api/stage/{key}/socket", self.socket),
            web.get("/live.mp3", self.stream),
        ]

    async def page(self, request: web.Request) -> web.FileResponse:
        """The page. It says kindly by itself that a key is wrong, and waits for a better moment."""
        headers = {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": policy(frame_ancestors=_LOCAL_FILES),
        }
        return web.FileResponse(self._static / "stage.html", headers=headers)

    async def local_file(self, request: web.Request) -> web.Response:
        """The page's address wrapped in a file for the streamer's disk."""
        key = request.match_info["key"]
        self._where(key)
        template = await asyncio.to_thread((self._static / "obs.html").read_text, "utf-8")
        options = urlencode({name: value for name, value in request.query.items()
                             if name in _OPTIONS})  # fmt: skip
        address = f"{self._origin_of(request)}/stage/{key}{'?' if options else ''}{options}"
        return web.Response(
            text=template.replace("@STAGE@", html.escape(address)),
            content_type="text/html",
            headers={
                "Content-Disposition": 'attachment; filename="riffbot-stage.html"',
                "Cache-Control": "no-store",
            },
        )

    def _origin_of(self, request: web.Request) -> str:
        """As the streamer reaches the server; a proxy may end TLS before it."""
        if urlsplit(self._public_url).hostname == urlsplit(f"//{request.host}").hostname:
            return self._public_url
        return f"http://{request.host}"

    async def state(self, request: web.Request) -> web.Response:
        """How the session stands."""
        session = self._live.at(self._where(request.match_info["key"]))
        return web.json_response(_message(session))

    async def take(self, request: web.Request) -> web.FileResponse:
        """A file of something that is on the timeline."""
        session = self._live.at(self._where(request.match_info["key"]))
        name, kind = request.match_info["take"], request.match_info["kind"]
        if session is not None and kind in _MEDIA:
            for segment in session.performance.timeline:
                if segment.take.id == name and kind in segment.take.files:
                    path = self._clips / segment.take.files[kind]
                    if await asyncio.to_thread(path.is_file):
                        headers = {"Content-Type": _MEDIA[kind], "Cache-Control": _FOR_GOOD}
                        return web.FileResponse(path, headers=headers)
        raise NotFoundRefusal("There is no such sound on this stage.")

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """One page that looks on."""
        key = request.match_info["key"]
        where = self._where(key)
        same = sum(other == key for other in self._sockets.values())
        if len(self._sockets) >= _MOST_SOCKETS or same >= _MOST_OF_ONE_KEY:
            raise BusyRefusal(_FULL, retry_after=60.0)
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_SECONDS, max_msg_size=_MAX_MESSAGE)
        self._sockets[socket] = key
        try:
            await socket.prepare(request)
            talker = asyncio.create_task(self._talk(socket, where))
            try:
                await self._listen(socket, where)
            finally:
                talker.cancel()
                await asyncio.gather(talker, return_exceptions=True)
        finally:
            self._sockets.pop(socket, None)
        return socket

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """The endless stream, for as long as the session and the listener are there."""
        key = request.query.get("key", "")
        session = self._live.at(self._where(key))
        if session is None:
            raise NotFoundRefusal("No live session is on; the stream begins with the next one.")
        if session.radio.listeners >= MOST_LISTENERS or self._listeners[key] >= MOST_LISTENERS:
            raise BusyRefusal(_FULL, retry_after=60.0)
        response = web.StreamResponse(
            headers={"Content-Type": "audio/mpeg", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        with session.radio.listening() as listener, self._counted(key), suppress(ConnectionError):
            async for data in listener:
                try:
                    async with asyncio.timeout(_MOST_STUCK):
                        await response.write(data)
                except TimeoutError:
                    # Whoever takes nothing would hold a place for as long as the line is up.
                    if request.transport is not None:
                        request.transport.abort()
                    break
                if self._live.place_of(key) is None:
                    break
        return response

    async def close_all(self) -> None:
        """Say goodbye to every page; they come back by themselves."""
        for socket in tuple(self._sockets):
            with suppress(ConnectionError):
                await socket.close(code=1001, message=b"Riffbot is stopping")

    def _where(self, key: str) -> Where:
        where = self._live.place_of(key)
        if where is None:
            raise NotFoundRefusal(_NO_STAGE)
        return where

    async def _talk(self, socket: web.WebSocketResponse, where: Where) -> None:
        """Tell of one session after another."""
        with suppress(ConnectionError):
            while not socket.closed:
                session = self._live.at(where)
                if session is None:
                    await socket.send_json({"on": False})
                    await self._live.changed(where, session)
                    continue
                with session.watching() as watcher:
                    async for state in watcher:
                        await socket.send_json({"on": True, "state": state})
                await self._live.changed(where, session)

    async def _listen(self, socket: web.WebSocketResponse, where: Where) -> None:
        since, count = time.monotonic(), 0
        async for message in socket:
            now = time.monotonic()
            if now - since >= 1.0:
                since, count = now, 0
            count += 1
            if count > _MOST_MESSAGES:
                await socket.close(code=1008, message=b"Too many messages")
                return
            number = _ping(message.data) if message.type is WSMsgType.TEXT else None
            session = self._live.at(where)
            if number is not None and session is not None:
                with suppress(ConnectionError):
                    await socket.send_json({"pong": number, "now": session.playhead})

    @contextmanager
    def _counted(self, key: str) -> Iterator[None]:
        self._listeners[key] += 1
        try:
            yield
        finally:
            self._listeners[key] -= 1
            if not self._listeners[key]:
                del self._listeners[key]

    def _close_key(self, key: str) -> None:
        for socket, its in tuple(self._sockets.items()):
            if its == key:
                task = asyncio.create_task(
                    socket.close(code=_REVOKED, message=b"This address is no longer valid")
                )
                self._farewells.add(task)
                task.add_done_callback(self._farewells.discard)


def _message(session: LiveSession | None) -> dict[str, Any]:
    return {"on": False} if session is None else {"on": True, "state": session.state()}


def _ping(text: str) -> float | None:
    try:
        data: Any = json.loads(text)
    except ValueError:
        return None
    number = data.get("ping") if isinstance(data, dict) else None
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return number if abs(number) < 1e15 else None
