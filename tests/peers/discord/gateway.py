"""The WebSocket side of the loopback Discord (gateway v10): sessions, events, resuming."""

from __future__ import annotations

import asyncio
import json
import secrets
import zlib
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from tests.peers.discord.models import Channel
from tests.peers.discord.state import World

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT = 0, 1, 2, 6, 7
INVALID_SESSION, HELLO, HEARTBEAT_ACK = 9, 10, 11
AUTHENTICATION_FAILED, DISALLOWED_INTENTS = 4004, 4014
GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1 << 0, 1 << 9, 1 << 12, 1 << 15
_OF_INTENT = {"MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE"}


@dataclass(slots=True)
class Session:
    """What Discord remembers of a client, so that it can resume."""

    id: str
    intents: int
    connection: Connection | None
    events: list[dict[str, Any]] = field(default_factory=list)

    def add(self, event: str, data: dict[str, Any]) -> dict[str, Any]:
        frame = {"op": DISPATCH, "t": event, "s": len(self.events) + 1, "d": data}
        self.events.append(frame)
        return frame


class Connection:
    """One WebSocket; compressed as a zlib stream where the client asked for it.

    Other compressions (zstd-stream) are answered in plain text frames, which clients read too.
    """

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._request = request
        self.socket = socket
        wanted = request.query.get("compress")
        self._frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._deflate = zlib.compressobj() if wanted == "zlib-stream" else None

    def send(self, frame: dict[str, Any]) -> None:
        """Queue a frame; frames arrive in the order in which they were queued."""
        self._frames.put_nowait(frame)

    async def write(self) -> None:
        """Send what is queued until cancelled."""
        while True:
            text = json.dumps(await self._frames.get())
            if self.socket.closed:
                return
            try:
                if self._deflate is None:
                    await self.socket.send_str(text)
                else:
                    data = self._deflate.compress(text.encode())
                    await self.socket.send_bytes(data + self._deflate.flush(zlib.Z_SYNC_FLUSH))
            except ConnectionError:
                return

    def cut(self) -> None:
        """End it as a dead network would: without a goodbye."""
        if self._request.transport is not None:
            self._request.transport.abort()


class Gateway:
    """All sessions. Events of the world go to those whose intents ask for them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.url = ""
        self.refuses_message_content = False
        self.sessions: dict[str, Session] = {}
        self.identified = 0
        self.resumed = 0
        self.heartbeats = 0
        world.listen(self._dispatch)

    def add_to(self, app: web.Application) -> None:
        """Serve under /gateway/ of `app`."""
        app.router.add_get("/gateway/", self._serve)

    @property
    def connected(self) -> list[Session]:
        """Sessions with a live connection."""
        return [session for session in self.sessions.values() if session.connection is not None]

    def drop(self) -> None:
        """Cut every connection; sessions stay, so clients can resume."""
        for session in self.connected:
            assert session.connection is not None
            session.connection.cut()
            session.connection = None

    def ask_for_heartbeat(self) -> None:
        """Clients answer at once, so by then they have read everything sent before."""
        for session in self.connected:
            assert session.connection is not None
            session.connection.send({"op": HEARTBEAT, "d": None})

    async def close_with(self, code: int) -> None:
        """End every connection with a close code."""
        for session in self.connected:
            assert session.connection is not None
            await session.connection.socket.close(code=code)

    async def close(self) -> None:
        """Discord goes down."""
        await self.close_with(WSCloseCode.GOING_AWAY)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(request, socket)
        writer = asyncio.create_task(connection.write())
        session: Session | None = None
        connection.send({"op": HELLO, "d": {"heartbeat_interval": 41250}})
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            frame = json.loads(message.data)
            if frame["op"] == HEARTBEAT:
                self.heartbeats += 1
                connection.send({"op": HEARTBEAT_ACK})
            elif frame["op"] == IDENTIFY:
                session = await self._identify(connection, frame["d"])
            elif frame["op"] == RESUME:
                session = self._resume(connection, frame["d"])
            self._world.notify()
        writer.cancel()
        if session is not None and session.connection is connection:
            session.connection = None
        self._world.notify()
        return socket

    async def _identify(self, connection: Connection, asked: dict[str, Any]) -> Session | None:
        if asked["token"] != self._world.token:
            await connection.socket.close(code=AUTHENTICATION_FAILED)
            return None
        intents = int(asked["intents"])
        if self.refuses_message_content and intents & MESSAGE_CONTENT:
            await connection.socket.close(code=DISALLOWED_INTENTS)
            return None
        self.identified += 1
        session = Session(secrets.token_hex(16), intents, connection)
        ready = {
            "v": 10,
            "user": self._world.bot.to_json(),
            "guilds": [{"id": str(id_), "unavailable": True} for id_ in self._world.guilds],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "shard": asked.get("shard", [0, 1]),
            "application": {
                "id": str(self._world.application_id),
                "flags": self._world.application_flags,
            },
        }
        connection.send(session.add("READY", ready))
        for guild in self._world.guilds.values():
            connection.send(session.add("GUILD_CREATE", guild.to_json(self._world.bot)))
        self.sessions[session.id] = session
        return session

    def _resume(self, connection: Connection, asked: dict[str, Any]) -> Session | None:
        session = self.sessions.get(asked["session_id"])
        if session is None or asked["token"] != self._world.token:
            connection.send({"op": INVALID_SESSION, "d": False})
            return None
        self.resumed += 1
        for frame in session.events[int(asked["seq"] or 0) :]:
            connection.send(frame)
        session.connection = connection
        connection.send(session.add("RESUMED", {}))
        return session

    def _dispatch(self, event: str, data: dict[str, Any], channel: Channel | None) -> bool:
        heard = False
        for session in self.sessions.values():
            if event in _OF_INTENT and channel is not None:
                wanted = GUILD_MESSAGES if channel.guild_id is not None else DIRECT_MESSAGES
                if not session.intents & wanted:
                    continue
            frame = session.add(event, self._visible(session, data, channel))
            if session.connection is not None:
                session.connection.send(frame)
                heard = True
        return heard

    def _visible(
        self, session: Session, data: dict[str, Any], channel: Channel | None
    ) -> dict[str, Any]:
        """Without the privileged intent, a guild's messages arrive without their text."""
        if (
            session.intents & MESSAGE_CONTENT
            or "content" not in data
            or channel is None
            or channel.guild_id is None
            or data["author"]["id"] == str(self._world.bot.id)
            or f"<@{self._world.bot.id}>" in data["content"]
        ):
            return data
        return {**data, "content": "", "attachments": [], "embeds": [], "components": []}
