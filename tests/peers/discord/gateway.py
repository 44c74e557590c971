"""The WebSocket side of the loopback Discord (gateway v10): sessions, events, resuming, trouble.

    gateway.drop()                   cut every connection; clients resume and get what they missed
    gateway.ask_to_reconnect()       op 7
    gateway.invalidate()             op 9; with resumable=True clients may resume
    await gateway.close_with(4000)   close codes
    gateway.acknowledges = False     heartbeats are swallowed, as on a dead connection
    gateway.heartbeat_interval       in seconds, for connections made from then on
    gateway.refuses_message_content  the privileged intent is off in the portal: 4014

What a client does against the documentation (unknown opcodes, too large or too many messages,
wrong intents or shards) closes its connection with the documented code and is a violation.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import zlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from tests.peers.discord.models import Channel
from tests.peers.discord.permissions import Permission
from tests.peers.discord.state import MEMBERS, MESSAGE_CONTENT, PRESENCES, World

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT = 0, 1, 2, 3, 4, 6, 7
REQUEST_MEMBERS, INVALID_SESSION, HELLO, HEARTBEAT_ACK, REQUEST_SOUNDS = 8, 9, 10, 11, 31
UNKNOWN_OPCODE, DECODE_ERROR, NOT_AUTHENTICATED, AUTHENTICATION_FAILED = 4001, 4002, 4003, 4004
ALREADY_AUTHENTICATED, INVALID_SEQUENCE, RATE_LIMITED, TIMED_OUT = 4005, 4007, 4008, 4009
INVALID_SHARD, INVALID_INTENTS, DISALLOWED_INTENTS = 4010, 4013, 4014
GUILDS, MODERATION, EXPRESSIONS = 1 << 0, 1 << 2, 1 << 3
GUILD_VOICE_STATES = 1 << 7
GUILD_MESSAGES, DIRECT_MESSAGES = 1 << 9, 1 << 12
MAX_PAYLOAD, MAX_SENT, SENT_PER = 4096, 120, 60.0
SESSIONS_LIVE = 5 * 60.0  # a client that stays away "a few minutes" cannot resume
_KNOWN_INTENTS = sum(1 << bit for bit in (*range(17), 20, 21, 24, 25))
_PRIVILEGED = PRESENCES | MEMBERS | MESSAGE_CONTENT
_INTENT_OF = {
    **dict.fromkeys(("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE"), GUILDS),
    **dict.fromkeys(("GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE", "GUILD_ROLE_DELETE"), GUILDS),
    **dict.fromkeys(("CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE"), GUILDS),
    **dict.fromkeys(("GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE"), MEMBERS),
    **dict.fromkeys(("GUILD_BAN_ADD", "GUILD_BAN_REMOVE"), MODERATION),
    "GUILD_AUDIT_LOG_ENTRY_CREATE": MODERATION,
    "VOICE_STATE_UPDATE": GUILD_VOICE_STATES,
    **dict.fromkeys(
        ("GUILD_SOUNDBOARD_SOUND_CREATE", "GUILD_SOUNDBOARD_SOUND_DELETE"), EXPRESSIONS
    ),
}


@dataclass(slots=True)
class Session:
    """What Discord remembers of a client, so that it can resume."""

    id: str
    intents: int
    shard: tuple[int, int]
    connection: Connection | None
    left_at: float = 0.0
    events: list[dict[str, Any]] = field(default_factory=list)

    def add(self, event: str, data: dict[str, Any]) -> dict[str, Any]:
        frame = {"op": DISPATCH, "t": event, "s": len(self.events) + 1, "d": data}
        self.events.append(frame)
        return frame

    def is_for(self, guild_id: object) -> bool:
        """Whether a guild's events come to this shard; None for what belongs to no guild."""
        number, count = self.shard
        return number == (0 if guild_id is None else (int(str(guild_id)) >> 22) % count)


class Connection:
    """One WebSocket; compressed as a zlib stream where the client asked for it.

    Other compressions (zstd-stream) are answered in plain text frames, which clients read too.
    """

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._request = request
        self.socket = socket
        self.session: Session | None = None
        self.sent: deque[float] = deque(maxlen=MAX_SENT + 1)
        self.watch: asyncio.TimerHandle | None = None
        self._frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.compressed = request.query.get("compress") == "zlib-stream"
        self._deflate = zlib.compressobj() if self.compressed else None

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
    """All sessions. Events of the world go to those whose intents and shard ask for them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.url = ""
        self.heartbeat_interval = 41.25
        self.acknowledges = True
        self.sessions: dict[str, Session] = {}
        self.identified = 0
        self.resumed = 0
        self.heartbeats = 0
        self.on_voice_asked: Callable[[str, dict[str, Any]], Awaitable[None]] | None = None
        world.listen(self._dispatch)

    def add_to(self, app: web.Application) -> None:
        """Serve under /gateway/ of `app`."""
        app.router.add_get("/gateway/", self._serve)

    @property
    def refuses_message_content(self) -> bool:
        return not self._world.privileged & MESSAGE_CONTENT

    @refuses_message_content.setter
    def refuses_message_content(self, refuses: bool) -> None:
        kept = self._world.privileged & ~MESSAGE_CONTENT
        self._world.privileged = kept if refuses else kept | MESSAGE_CONTENT

    @property
    def connected(self) -> list[Session]:
        """Sessions with a live connection."""
        return [session for session in self.sessions.values() if session.connection is not None]

    def drop(self) -> None:
        """Cut every connection; sessions stay, so clients can resume."""
        for session in self.connected:
            assert session.connection is not None
            session.connection.cut()
            self._part(session)

    def ask_for_heartbeat(self) -> None:
        """Clients answer at once, so by then they have read everything sent before."""
        self._send_all({"op": HEARTBEAT, "d": None})

    def ask_to_reconnect(self) -> None:
        """Op 7, as before Discord restarts a server."""
        self._send_all({"op": RECONNECT, "d": None})

    def invalidate(self, *, resumable: bool = False) -> None:
        """Op 9: the sessions ended; clients identify anew, or resume where they may."""
        self._send_all({"op": INVALID_SESSION, "d": resumable})
        if not resumable:
            self.sessions.clear()

    async def close_with(self, code: int) -> None:
        """End every connection with a close code."""
        for session in self.connected:
            assert session.connection is not None
            await session.connection.socket.close(code=code)

    async def close(self) -> None:
        """Discord goes down."""
        await self.close_with(WSCloseCode.GOING_AWAY)

    def _send_all(self, frame: dict[str, Any]) -> None:
        for session in self.connected:
            assert session.connection is not None
            session.connection.send(frame)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(request, socket)
        if request.query.get("v") != "10" or request.query.get("encoding") != "json":
            self._world.violations.append(f"a gateway connection to {request.query_string!r}")
        writer = asyncio.create_task(connection.write())
        interval = round(self.heartbeat_interval * 1000)
        connection.send({"op": HELLO, "d": {"heartbeat_interval": interval}})
        self._expect_heartbeat(connection)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._receive(connection, message.data)
                    self._world.notify()
        finally:
            writer.cancel()
            if connection.watch is not None:
                connection.watch.cancel()
            session = connection.session
            if session is not None and session.connection is connection:
                self._part(session)
                if socket.close_code in (WSCloseCode.OK, WSCloseCode.GOING_AWAY):
                    self.sessions.pop(session.id, None)
            self._world.notify()
        return socket

    async def _receive(self, connection: Connection, text: str) -> None:
        now = self._world.clock.time
        connection.sent.append(now)
        if len(connection.sent) > MAX_SENT and now - connection.sent[0] < SENT_PER:
            await self._refuse(connection, RATE_LIMITED, "more than 120 messages in a minute")
            return
        if len(text.encode()) > MAX_PAYLOAD:
            await self._refuse(connection, DECODE_ERROR, f"a message of {len(text)} bytes")
            return
        frame = json.loads(text)
        op = frame["op"]
        if op == HEARTBEAT:
            self.heartbeats += 1
            if self.acknowledges:
                self._expect_heartbeat(connection)
                connection.send({"op": HEARTBEAT_ACK})
        elif op in (IDENTIFY, RESUME):
            if connection.session is not None:
                await self._refuse(connection, ALREADY_AUTHENTICATED, "identified twice")
            elif op == IDENTIFY:
                await self._identify(connection, frame["d"])
            else:
                await self._resume(connection, frame["d"])
        elif op not in (PRESENCE, VOICE, REQUEST_MEMBERS, REQUEST_SOUNDS):
            await self._refuse(connection, UNKNOWN_OPCODE, f"opcode {op}")
        elif connection.session is None:
            await self._refuse(connection, NOT_AUTHENTICATED, f"opcode {op} before identifying")
        elif op == VOICE and self.on_voice_asked is not None:
            await self.on_voice_asked(connection.session.id, frame["d"])

    def _expect_heartbeat(self, connection: Connection) -> None:
        """Without one in time the connection ends, resumably."""
        if connection.watch is not None:
            connection.watch.cancel()
        patience = max(self.heartbeat_interval * 1.5, 5.0)
        loop = asyncio.get_running_loop()
        connection.watch = loop.call_later(patience, connection.cut)

    async def _refuse(self, connection: Connection, code: int, what: str) -> None:
        self._world.violations.append(f"gateway: {what}")
        await connection.socket.close(code=code)

    async def _identify(self, connection: Connection, asked: dict[str, Any]) -> None:
        world = self._world
        if asked["token"] != world.token:
            await connection.socket.close(code=AUTHENTICATION_FAILED)
            return
        intents = int(asked["intents"])
        number, count = asked.get("shard", [0, 1])
        if intents & ~_KNOWN_INTENTS:
            await self._refuse(connection, INVALID_INTENTS, f"intents {intents:#x}")
            return
        if not 0 <= number < count:
            await self._refuse(connection, INVALID_SHARD, f"shard {number} of {count}")
            return
        if intents & _PRIVILEGED & ~world.privileged:
            await connection.socket.close(code=DISALLOWED_INTENTS)
            return
        self.identified += 1
        session = Session(secrets.token_hex(16), intents, (number, count), connection)
        connection.session = self.sessions[session.id] = session
        mine = [g for g in world.guilds.values() if g.has_bot and session.is_for(g.id)]
        ready = {
            "v": 10,
            "user": world.bot.to_json(),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in mine],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "shard": [number, count],
            "application": {"id": str(world.application_id), "flags": world.application_flags},
        }
        connection.send(session.add("READY", ready))
        if intents & GUILDS:
            for guild in mine:
                connection.send(session.add("GUILD_CREATE", guild.to_json(world.bot)))

    async def _resume(self, connection: Connection, asked: dict[str, Any]) -> None:
        if asked["token"] != self._world.token:
            await connection.socket.close(code=AUTHENTICATION_FAILED)
            return
        session = self.sessions.get(asked["session_id"])
        away = 0.0 if session is None else self._world.clock.time - session.left_at
        if session is None or (session.connection is None and away > SESSIONS_LIVE):
            connection.send({"op": INVALID_SESSION, "d": False})
            return
        sequence = int(asked["seq"] or 0)
        if sequence > len(session.events):
            await self._refuse(connection, INVALID_SEQUENCE, f"a resume from {sequence}")
            return
        self.resumed += 1
        for frame in session.events[sequence:]:
            connection.send(frame)
        session.connection, connection.session = connection, session
        connection.send(session.add("RESUMED", {}))

    def _part(self, session: Session) -> None:
        session.connection = None
        session.left_at = self._world.clock.time

    def _dispatch(self, event: str, data: dict[str, Any], channel: Channel | None) -> bool:
        heard = False
        guild_id = _guild_of(event, data)
        for session in list(self.sessions.values()):
            if not session.is_for(guild_id) or not self._is_told(session, event, data, channel):
                continue
            hidden = not session.intents & MESSAGE_CONTENT and event.startswith("MESSAGE_")
            shown = self._world.without_content(data, channel) if hidden else data
            frame = session.add(event, shown)
            if session.connection is not None:
                session.connection.send(frame)
                heard = True
        return heard

    def _is_told(
        self, session: Session, event: str, data: dict[str, Any], channel: Channel | None
    ) -> bool:
        """Whether intents, membership and permissions let a session have an event."""
        world = self._world
        if event == "INTERACTION_CREATE":
            return True
        guild_id = _guild_of(event, data)
        guild = world.guilds.get(int(guild_id)) if guild_id else None
        if guild is not None and not guild.has_bot:
            return False
        if channel is not None and channel.between:
            return False
        if event.startswith("MESSAGE_"):
            if guild is None:
                return bool(session.intents & DIRECT_MESSAGES)
            assert channel is not None
            seen = world.permissions(world.bot, channel) & Permission.VIEW_CHANNEL
            return bool(session.intents & GUILD_MESSAGES and seen)
        if event == "GUILD_AUDIT_LOG_ENTRY_CREATE" and guild is not None:
            may = world.guild_permissions(world.bot, guild)
            return bool(session.intents & MODERATION and may & Permission.VIEW_AUDIT_LOG)
        own = data.get("user", data.get("member", {}).get("user", {})).get("id")
        if event in ("GUILD_MEMBER_UPDATE", "VOICE_STATE_UPDATE") and own == str(world.bot.id):
            return True
        wanted = _INTENT_OF.get(event)
        return wanted is None or bool(session.intents & wanted)


def _guild_of(event: str, data: dict[str, Any]) -> str | None:
    """The id of the guild that an event belongs to, if it does to one."""
    if event in ("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE"):
        return str(data["id"])
    return data.get("guild_id")
