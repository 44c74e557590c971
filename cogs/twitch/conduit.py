"""Subscriptions of the application itself, over a conduit whose shards are lines of ours.

A conduit outlives lost connections and restarts. Twitch answers a change of shards with 202 and a
list of errors, one for each that it did not take; those are asked for again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from twitchio.http import Route

from cogs.twitch.http import TROUBLE, SignInLostError, TwitchError, TwitchHttp
from cogs.twitch.line import Line
from cogs.twitch.wanted import Wanted

if TYPE_CHECKING:
    from cogs.twitch.eventsub import EventSub

log = logging.getLogger(__name__)

AT_ONCE = 8
AGAIN_SECONDS = 10.0
_SHARD_SECONDS = 1.0
# Asking again does not help until somebody signs in anew or changes a role.
_HOPELESS = (400, 401, 403)


def is_hopeless(error: Exception) -> bool:
    """Whether a subscription that was refused like this is not worth asking for again."""
    if isinstance(error, TwitchError):
        return error.status in _HOPELESS
    return isinstance(error, SignInLostError)


class ConduitLines:
    """One conduit with its subscriptions."""

    def __init__(self, hub: EventSub, http: TwitchHttp, shards: int) -> None:
        """Connects `shards` lines at once."""
        self.wanted: set[Wanted] = set()
        self.made: dict[Wanted, str] = {}
        self.refused: set[Wanted] = set()
        self._hub, self._http, self._shards = hub, http, shards
        self._sessions: dict[int, str] = {}
        self._attached: set[int] = set()
        self._reported: dict[int, str] = {}
        self._moved, self._changed = asyncio.Event(), asyncio.Event()
        self._id = ""
        self._stock_taken = False
        self._found = asyncio.Event()
        works = (self._run(), self._keep_attached())
        self._tasks = [asyncio.create_task(work, name="twitch:conduit") for work in works]
        for number in range(shards):
            line = Line(hub.url, hub.hear, self._listener(number))
            self._tasks.append(asyncio.create_task(line.run(), name=f"twitch:shard:{number}"))

    @property
    def detached(self) -> int:
        """How many shards are not connected yet."""
        return self._shards - len(self._attached)

    def want(self, wanted: set[Wanted]) -> None:
        """Carry these from now on."""
        self.wanted = wanted
        self._changed.set()

    def revoked(self, subscription_id: str) -> None:
        """Twitch ended one."""
        for wanted, made in list(self.made.items()):
            if made == subscription_id:
                del self.made[wanted]
                self.refused.add(wanted)

    async def close(self) -> None:
        """Hang up; the conduit stays, for the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    # Shards ---------------------------------------------------------------------------------

    def _listener(self, number: int) -> Callable[[str], Awaitable[None]]:
        async def on_session(session_id: str) -> None:
            self._sessions[number] = session_id
            self._attached.discard(number)
            self._moved.set()

        return on_session

    async def _keep_attached(self) -> None:
        """Make every line a shard, again whenever it has a new session."""
        while True:
            await self._found.wait()
            self._moved.clear()
            loose = {n: one for n, one in self._sessions.items() if n not in self._attached}
            if loose:
                try:
                    await self._attach(loose)
                except TROUBLE as error:
                    log.warning("%d shards are not attached yet: %s", len(loose), error)
                    self._on_trouble(error)
            left = self._sessions.keys() - self._attached
            with suppress(TimeoutError):
                async with asyncio.timeout(_SHARD_SECONDS if left else None):
                    await self._moved.wait()

    async def _attach(self, sessions: dict[int, str]) -> None:
        shards = [
            {"id": str(number), "transport": {"method": "websocket", "session_id": session}}
            for number, session in sessions.items()
        ]
        body = {"conduit_id": self._id, "shards": shards}
        answer = await self._http.request(Route("PATCH", "eventsub/conduits/shards", json=body))
        refused = {str(one.get("id")): one for one in answer.get("errors") or ()}
        for number, session in sessions.items():
            error = refused.get(str(number))
            if error is None:
                self._reported.pop(number, None)
                if self._sessions.get(number) == session:
                    self._attached.add(number)
                continue
            sentence = f"{error.get('message')} ({error.get('code')})"
            if self._reported.get(number) != sentence:
                self._reported[number] = sentence
                log.warning("shard %d is not attached yet: %s", number, sentence)

    # Subscriptions --------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                if not self._id:
                    self._id = await self._find()
                    self._found.set()
                if not self._stock_taken:
                    await self._take_stock()
                    self._stock_taken = True
                self._changed.clear()
                await self._adjust()
            except TROUBLE as error:
                log.warning("the conduit is not ready yet: %s", error)
                self._on_trouble(error)
                await asyncio.sleep(2.0)
                continue
            missing = self.wanted - self.made.keys() - self.refused
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS if missing else None):
                    await self._changed.wait()

    def _on_trouble(self, error: Exception) -> None:
        """A conduit that Twitch does not know any more took its subscriptions with it."""
        if isinstance(error, TwitchError) and error.status == 404 and self._id:
            self._id, self._stock_taken = "", False
            self._found.clear()
            self._attached.clear()
            self.made.clear()
            self._changed.set()

    async def _find(self) -> str:
        """The application's conduit, with as many shards as there are lines."""
        known = (await self._http.request(Route("GET", "eventsub/conduits")))["data"]
        if not known:
            body = {"shard_count": self._shards}
            made = await self._http.request(Route("POST", "eventsub/conduits", json=body))
            return str(made["data"][0]["id"])
        conduit = known[0]
        if conduit["shard_count"] != self._shards:
            body = {"id": conduit["id"], "shard_count": self._shards}
            await self._http.request(Route("PATCH", "eventsub/conduits", json=body))
        return str(conduit["id"])

    async def _take_stock(self) -> None:
        """What the conduit carries from an earlier run."""
        cursor = ""
        by_key = {(one.kind, tuple(sorted(one.condition))): one for one in self.wanted}
        while True:
            params = {"conduit_id": self._id, "after": cursor or None}
            route = Route("GET", "eventsub/subscriptions", params=params)
            answer = await self._http.request(route)
            for one in answer["data"]:
                filled = tuple(sorted((k, v) for k, v in one["condition"].items() if v))
                wanted = by_key.get((one["type"], filled))
                if wanted is not None and one["status"] == "enabled":
                    self.made[wanted] = str(one["id"])
                else:
                    with suppress(*TROUBLE):
                        await self._hub.unsubscribe(str(one["id"]), "")
            cursor = (answer.get("pagination") or {}).get("cursor", "")
            if not cursor:
                return

    async def _adjust(self) -> None:
        for unwanted in self.made.keys() - self.wanted:
            with suppress(*TROUBLE):
                await self._hub.unsubscribe(self.made.pop(unwanted), "")
        room = asyncio.Semaphore(AT_ONCE)
        transport = {"method": "conduit", "conduit_id": self._id}

        async def make(one: Wanted) -> None:
            async with room:
                try:
                    self.made[one] = await self._hub.subscribe(one, transport, "")
                except TROUBLE as error:
                    log.warning("not told of %s on %s: %s", one.kind, one.channel, error)
                    if is_hopeless(error):
                        self.refused.add(one)
                    elif transport["conduit_id"] == self._id:
                        self._on_trouble(error)
                else:
                    self._hub.on_made()

        async with asyncio.TaskGroup() as group:
            for one in self.wanted - self.made.keys() - self.refused:
                group.create_task(make(one))
