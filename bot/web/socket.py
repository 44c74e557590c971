"""The WebSocket: what changes in the local chat, as it changes.

client → server   {"session": token, "room": true}      once, first: the whole room
                  {"watch": [id, …]}                    or some riffs only (scripts)
                  {"previews": true}                    and pictures while they are drawn; or false
server → client   {"studio": {"state", "detail"}}       after the first message, and when it changes
                  {"riff": Riff}                        as it is when watched, and at every change
                  {"preview": {"id", "png"}}            a small picture in base64, twice a second
                                                        at most
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

from bot.errors import NotFoundRefusal
from bot.events import (
    HaltChanged,
    JobProgressed,
    QueueMoved,
    Subscription,
    WordsWithdrawn,
    WorkerChanged,
)
from bot.jobs import FINISHED, JobView
from bot.studio import Studio
from bot.web.api import Health
from bot.web.identity import COMMUNITY, PLATFORM, Identity
from bot.web.previews import Previews
from bot.web.views import riff_json

_HEARTBEAT_SECONDS = 25.0
_MAX_MESSAGE = 64 * 1024
_MAX_WATCHED = 200


class Socket:
    """Serves the WebSocket route."""

    def __init__(self, studio: Studio, identity: Identity, health: Health) -> None:
        self._studio = studio
        self._identity = identity
        self._health = health
        self._open: set[web.WebSocketResponse] = set()

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, from upgrade to close."""
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_SECONDS, max_msg_size=_MAX_MESSAGE)
        await socket.prepare(request)
        self._open.add(socket)
        listener = _Listener(Previews(self._studio.watch, socket.send_json))
        with self._studio.subscribe() as events:
            talker = asyncio.create_task(self._talk(socket, listener, events))
            try:
                async for message in socket:
                    if message.type is WSMsgType.TEXT:
                        # What is newly watched is shown as it is: it may never change again.
                        for job_id in listener.read(message.data, self._identity):
                            with suppress(ConnectionError):
                                await self._send(socket, listener, job_id)
            finally:
                talker.cancel()
                listener.previews.close()
                self._open.discard(socket)
        return socket

    async def close_all(self) -> None:
        """Say goodbye to everybody; pages come back by themselves."""
        for socket in tuple(self._open):
            await socket.close(code=1001, message=b"Riffbot is stopping")

    async def _talk(
        self, socket: web.WebSocketResponse, listener: _Listener, events: Subscription
    ) -> None:
        try:
            # Once this is sent nothing is missed any more: a page may now read the room.
            await listener.joined.wait()
            await socket.send_json({"studio": self._health()})
            async for event in events:
                match event:
                    case WorkerChanged():
                        await socket.send_json({"studio": self._health()})
                    case QueueMoved():
                        # One look for all of them, however many sockets there are.
                        for view in await self._studio.views(listener.waiting()):
                            await self._show(socket, listener, view)
                    case HaltChanged() | WordsWithdrawn():
                        continue  # what it changes is told of by itself
                    case _:
                        known_only = isinstance(event, JobProgressed)
                        await self._send(socket, listener, event.job_id, known_only=known_only)
        except ConnectionError:
            return  # the page is gone; `handle` notices too

    async def _send(
        self,
        socket: web.WebSocketResponse,
        listener: _Listener,
        job_id: str,
        *,
        known_only: bool = False,
    ) -> None:
        if known_only and not listener.wants(job_id):
            return
        try:
            view = await self._studio.view(job_id)
        except NotFoundRefusal:
            return
        await self._show(socket, listener, view)

    async def _show(
        self, socket: web.WebSocketResponse, listener: _Listener, view: JobView
    ) -> None:
        job_id, where = view.job.id, view.job.requester
        in_room = (where.platform, where.community) == (PLATFORM, COMMUNITY)
        in_room &= view.job.lane == "riffs"
        if not (listener.wants(job_id) or (listener.room and in_room)):
            return
        listener.note(job_id, waiting=view.job.state not in FINISHED)
        listener.previews.note(job_id, drawn=view.job.state == "running")
        await socket.send_json({"riff": riff_json(view, listener.user)})


class _Listener:
    """What one connection wants to hear of."""

    def __init__(self, previews: Previews) -> None:
        self.previews = previews
        self.joined = asyncio.Event()
        self.room = False
        self.user: str | None = None
        self._watched: set[str] = set()
        self._unfinished: set[str] = set()

    def read(self, text: str, identity: Identity) -> list[str]:
        """Take a message of the page, ignoring what is not documented; returns new ids watched."""
        try:
            data: Any = json.loads(text)
        except ValueError:
            return []
        if not isinstance(data, dict):
            return []
        self.joined.set()
        session = data.get("session")
        if isinstance(session, str):
            self.user = identity.user_of(session)
            self.room = data.get("room") is True and self.user is not None
        if isinstance(data.get("previews"), bool):
            self.previews.switch(on=data["previews"])
        watch = data.get("watch")
        ids = watch if isinstance(watch, list) else []
        room = _MAX_WATCHED - len(self._watched)
        new = [job_id for job_id in ids if isinstance(job_id, str)][:room]
        self._watched.update(new)
        return new

    def wants(self, job_id: str) -> bool:
        return job_id in self._watched or job_id in self._unfinished

    def note(self, job_id: str, *, waiting: bool) -> None:
        if waiting:
            self._unfinished.add(job_id)
        else:
            self._unfinished.discard(job_id)

    def waiting(self) -> tuple[str, ...]:
        return tuple(self._unfinished)
