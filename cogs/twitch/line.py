"""One EventSub WebSocket: stays connected, and loses nothing when Twitch asks it to move.

twitchio's own socket stops reading the old connection as soon as it is asked to move, and drops
what arrives there until the new one is welcome; here both are read until the old one falls silent.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp

log = logging.getLogger(__name__)

EVENTSUB_URL = "wss://eventsub.wss.twitch.tv/ws"
Json = dict[str, Any]
_KEEPALIVE_SECONDS = 30
_WELCOME_PATIENCE = 11.0
_LAST_WORDS = 3.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 60.0


class LineError(Exception):
    """The connection did not behave as it should; it is made anew."""


class Line:
    """Calls `on_frame` with every notification and revocation, in the order of arrival."""

    def __init__(
        self,
        url: str,
        on_frame: Callable[[Json], None],
        on_session: Callable[[str], Awaitable[None]],
    ) -> None:
        """`on_session` subscribes; it gets the id of each new session, and of one that moved to a
        new id. The url is without parameters; empty is Twitch's."""
        self._url = f"{url or EVENTSUB_URL}?keepalive_timeout_seconds={_KEEPALIVE_SECONDS}"
        self._on_frame, self._on_session = on_frame, on_session
        self.session_id = ""
        self.connections = 0

    @property
    def connected(self) -> bool:
        """Whether there is a session."""
        return bool(self.session_id)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            try:
                async with aiohttp.ClientSession() as http:
                    await self._serve(http)
            except (aiohttp.ClientError, OSError, LineError, ValueError, KeyError) as error:
                log.warning("the connection to Twitch's events ended: %s", error)
            except Exception:
                log.exception("the connection to Twitch's events ended unexpectedly")
            if self.session_id:
                pause = _FIRST_PAUSE
            self.session_id = ""
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _serve(self, http: aiohttp.ClientSession) -> None:
        socket, session = await _welcomed(http, self._url)
        self.session_id = str(session["id"])
        self.connections += 1
        tasks = {asyncio.create_task(self._subscribe(self.session_id))}
        try:
            while True:
                patience = float(session.get("keepalive_timeout_seconds") or 10) * 1.5 + 1.0
                move = await self._read(socket, patience)
                if move is None:
                    raise LineError(f"it was closed ({socket.close_code})")
                # Until the new connection is welcome, the old one is the one that speaks.
                reading = asyncio.create_task(self._read(socket, patience))
                tasks.add(asyncio.create_task(_hear_out(socket, reading)))
                socket, session = await _welcomed(http, move)
                self.session_id = str(session["id"])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await _close(socket)

    async def _subscribe(self, session_id: str) -> None:
        try:
            await self._on_session(session_id)
        except Exception:
            log.exception("subscribing to Twitch's events failed")

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, patience: float) -> str | None:
        """Hand frames on until the connection ends (None) or is to move (where to).

        Raises:
            LineError: silence for longer than Twitch promised.
        """
        while True:
            try:
                message = await socket.receive(timeout=patience)
            except TimeoutError:
                await _close(socket)
                raise LineError("nothing came for too long") from None
            if message.type is not aiohttp.WSMsgType.TEXT:
                if socket.closed or message.type is aiohttp.WSMsgType.ERROR:
                    return None
                continue
            frame: Json = json.loads(message.data)
            match frame["metadata"]["message_type"]:
                case "notification" | "revocation":
                    self._on_frame(frame)
                case "session_reconnect":
                    return str(frame["payload"]["session"]["reconnect_url"])


async def _welcomed(
    http: aiohttp.ClientSession, url: str
) -> tuple[aiohttp.ClientWebSocketResponse, Json]:
    """A new connection and its session."""
    try:
        async with asyncio.timeout(_WELCOME_PATIENCE):
            socket = await http.ws_connect(url, max_msg_size=2**20)
            frame = await socket.receive_json()
    except (TimeoutError, TypeError) as error:
        raise LineError("there was no welcome") from error
    if frame["metadata"]["message_type"] != "session_welcome":
        raise LineError("the first message was no welcome")
    session: Json = frame["payload"]["session"]
    return socket, session


async def _hear_out(
    old: aiohttp.ClientWebSocketResponse, reading: asyncio.Task[str | None]
) -> None:
    """What the old connection still has to say; Twitch closes it once the new one is welcome."""
    try:
        await asyncio.wait([reading], timeout=_WELCOME_PATIENCE + _LAST_WORDS)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await _close(old)


async def _close(socket: aiohttp.ClientWebSocketResponse) -> None:
    with suppress(Exception):
        async with asyncio.timeout(2.0):
            await socket.close()
