"""The WebSocket side of the loopback Twitch (EventSub): welcome, keepalive, reconnect, trouble.

    eventsub.drop()                      cut every connection, as a dead network would
    eventsub.ask_to_reconnect()          session_reconnect; the session goes on over reconnect_url
    await eventsub.close_with(4000)      close codes
    eventsub.repeat(3)                   the next three notifications come twice, with the same id
    eventsub.keeps_alive = False         silence: no keepalives, as on a hung connection
    eventsub.keepalive_seconds = 0.1     instead of what clients ask for, for new connections
    eventsub.takes_connections = False   new connections get a 503
    eventsub.keeps_session_id = False    a reconnected session gets a fresh id

Events go over the old connection until the new one has been welcomed, so a client that stops
reading the old one on `session_reconnect` loses some. A connection must subscribe to something
within 10 s (4003), a client that sends anything is closed with 4001 (a violation), one that does
not follow a `session_reconnect` in time with 4004, a bad reconnect with 4007.
"""

from __future__ import annotations

import asyncio
import json
import secrets

from aiohttp import WSCloseCode, WSMsgType, web

from tests.peers.twitch.models import Json, moment
from tests.peers.twitch.state import World
from tests.peers.twitch.transports import Session

SENT_SOMETHING, UNUSED, NOT_RECONNECTED, INVALID_RECONNECT = 4001, 4003, 4004, 4007
SUBSCRIBE_WITHIN, RECONNECT_WITHIN = 10.0, 30.0
LEAST_KEEPALIVE, MOST_KEEPALIVE = 10, 600


class Connection:
    """One WebSocket; frames go out in the order in which they were queued."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._request = request
        self.socket = socket
        self._frames: asyncio.Queue[Json] = asyncio.Queue()

    def send(self, frame: Json) -> None:
        self._frames.put_nowait(frame)

    async def next_frame(self, seconds: float) -> Json | None:
        """The next frame to send, or None if there is none for some time."""
        try:
            return await asyncio.wait_for(self._frames.get(), seconds)
        except TimeoutError:
            return None

    def cut(self) -> None:
        """End it without a goodbye."""
        if self._request.transport is not None:
            self._request.transport.abort()


class EventSub:
    """All connections."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._connections: set[Connection] = set()
        self.url = ""
        self.keeps_alive = True
        self.keeps_session_id = True
        self.keepalive_seconds: float | None = None
        self.subscribe_within = SUBSCRIBE_WITHIN
        self.reconnect_within = RECONNECT_WITHIN
        self.takes_connections = True
        self.connected = 0
        self.reconnected = 0

    def add_to(self, app: web.Application) -> None:
        """Serve under /ws of `app`."""
        app.router.add_get("/ws", self._serve)

    @property
    def open(self) -> list[Session]:
        """Sessions that have a connection."""
        return [session for session in self._world.sockets.values() if session.open]

    @property
    def connections(self) -> int:
        """How many connections are open; during a reconnect two for one session."""
        return len(self._connections)

    def drop(self) -> None:
        """Cut every connection; what was subscribed over them is gone."""
        for connection in list(self._connections):
            connection.cut()

    def ask_to_reconnect(self) -> None:
        """As before Twitch restarts a server."""
        for session in self.open:
            session.challenge = secrets.token_hex(8)
            url = f"{self.url}?challenge={session.challenge}&id={session.id}"
            session.send(self._frame("session_reconnect", self._about(session, url)))
            line = session.line
            assert isinstance(line, Connection)
            asyncio.get_running_loop().call_later(self.reconnect_within, self._give_up, line)

    def repeat(self, times: int) -> None:
        self._world.transports.repeats = times

    async def close_with(self, code: int) -> None:
        """End every connection with a close code."""
        for connection in list(self._connections):
            await connection.socket.close(code=code)

    async def close(self) -> None:
        """Twitch goes down."""
        for session in self._world.sockets.values():
            session.used()
        await self.close_with(WSCloseCode.GOING_AWAY)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if not self.takes_connections:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(request, socket)
        session = self._take(request, connection)
        if session is None:
            await socket.close(code=INVALID_RECONNECT)
            return socket
        self._connections.add(connection)
        writer = asyncio.create_task(self._write(session, connection))
        self._world.notify()
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._world.violate("eventsub: a client sent something")
                    await socket.close(code=SENT_SOMETHING)
        finally:
            writer.cancel()
            self._connections.discard(connection)
            if session.line is connection:
                self._end(session)
            self._world.notify()
        return socket

    def _take(self, request: web.Request, connection: Connection) -> Session | None:
        """The session of a new connection, with its welcome queued; None for a bad reconnect."""
        known = request.query.keys() <= {"keepalive_timeout_seconds", "challenge", "id"}
        if not known:
            self._world.violate(f"eventsub: a connection to {request.query_string!r}")
        if "challenge" in request.query or "id" in request.query:
            return self._resume(request, connection)
        asked = request.query.get("keepalive_timeout_seconds", str(LEAST_KEEPALIVE))
        seconds = float(min(max(int(asked), LEAST_KEEPALIVE), MOST_KEEPALIVE))
        if self.keepalive_seconds is not None:
            seconds = self.keepalive_seconds
        session = Session(secrets.token_urlsafe(24), seconds, moment(self._world.now()), connection)
        self._world.sockets[session.id] = session
        loop = asyncio.get_running_loop()
        session.unused = loop.call_later(self.subscribe_within, self._unused, session)
        self.connected += 1
        session.send(self._frame("session_welcome", self._about(session, None)))
        return session

    def _resume(self, request: web.Request, connection: Connection) -> Session | None:
        session = self._world.sockets.get(request.query.get("id", ""))
        challenge = request.query.get("challenge")
        if session is None or session.challenge is None or session.challenge != challenge:
            self._world.violate("eventsub: a reconnect that nobody asked for")
            return None
        if session.line is None:
            self._world.violate("eventsub: the old connection was closed before the new welcome")
            return None
        self.reconnected += 1
        session.challenge = None
        if not self.keeps_session_id:
            self._rename(session)
        session.line = connection
        session.send(self._frame("session_welcome", self._about(session, None)))
        return session

    def _rename(self, session: Session) -> None:
        carried = self._world.feed.of_socket(session.id)
        del self._world.sockets[session.id]
        session.id = secrets.token_urlsafe(24)
        self._world.sockets[session.id] = session
        for each in carried:
            each.transport["session_id"] = session.id

    async def _write(self, session: Session, connection: Connection) -> None:
        """Send what is queued, and keepalives when nothing is, until cancelled."""
        while True:
            frame = await connection.next_frame(session.keepalive_seconds)
            if frame is None:
                if not self.keeps_alive:
                    continue
                frame = self._frame("session_keepalive", {})
            if connection.socket.closed:
                return
            try:
                await connection.socket.send_str(json.dumps(frame))
            except ConnectionError:
                return

    def _end(self, session: Session) -> None:
        session.line = None
        session.used()
        for each in self._world.feed.of_socket(session.id):
            each.status = "websocket_disconnected"

    def _unused(self, session: Session) -> None:
        if isinstance(session.line, Connection):
            self._world.violate("eventsub: a connection that subscribed to nothing for 10 s")
            self._hang_up(session.line, UNUSED)

    def _give_up(self, connection: Connection) -> None:
        if connection in self._connections:
            self._hang_up(connection, NOT_RECONNECTED)

    def _hang_up(self, connection: Connection, code: int) -> None:
        closing = asyncio.ensure_future(connection.socket.close(code=code))
        closing.add_done_callback(lambda _: self._world.notify())

    def _frame(self, message_type: str, payload: Json) -> Json:
        metadata = {
            "message_id": self._world.uuid(),
            "message_type": message_type,
            "message_timestamp": moment(self._world.now()),
        }
        return {"metadata": metadata, "payload": payload}

    def _about(self, session: Session, reconnect_url: str | None) -> Json:
        leaving = reconnect_url is not None
        about = {
            "id": session.id,
            "status": "reconnecting" if leaving else "connected",
            "connected_at": session.connected_at,
            "keepalive_timeout_seconds": None if leaving else round(session.keepalive_seconds),
            "reconnect_url": reconnect_url,
            "recovery_url": None,
        }
        return {"session": about}
