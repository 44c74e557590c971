"""Hears what happens on all channels: subscriptions over sockets, or over a conduit where they
are more than a socket carries.

Over WebSockets every account listens with its own token, on lines of its own. A conduit belongs to
the application: its shards share everything, and it outlives a lost connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress

import aiohttp
from twitchio.http import Route

from cogs.twitch.http import SignInLostError, TwitchError, TwitchHttp
from cogs.twitch.line import Json, Line
from cogs.twitch.wanted import Wanted

log = logging.getLogger(__name__)

PER_SOCKET = 300
_SOCKETS_OF_ONE = 3
_PER_SHARD = 3000
_AT_ONCE = 8
_REMEMBERED = 20_000
_AGAIN_SECONDS = 10.0
_TROUBLE = (TwitchError, SignInLostError, aiohttp.ClientError, OSError)
# Asking again does not help until somebody signs in anew or changes a role.
_HOPELESS = (400, 401, 403)


class _Carrier:
    """A line with what it is to carry, and the ids of what it carries."""

    def __init__(self, hub: EventSub, owner: str) -> None:
        self.owner = owner
        self.wanted: set[Wanted] = set()
        self.made: dict[Wanted, str] = {}
        self.refused: set[Wanted] = set()
        self.line = Line(hub.url, hub.hear, self._on_session)
        self._hub = hub
        self._task = asyncio.create_task(self.line.run(), name=f"twitch:line:{owner}")
        self._changed = asyncio.Event()
        self._connection = 0

    @property
    def ready(self) -> bool:
        """Whether the present connection is being subscribed over, or was."""
        return self.line.connected and self._connection == self.line.connections

    def want(self, wanted: set[Wanted]) -> None:
        """Carry these from now on."""
        if wanted != self.wanted:
            self.wanted = wanted
            self.refused &= wanted
            self._changed.set()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    def revoked(self, subscription_id: str) -> None:
        """Twitch ended one; it is asked for again only after the next sign-in or restart."""
        for wanted, made in list(self.made.items()):
            if made == subscription_id:
                del self.made[wanted]
                self.refused.add(wanted)

    async def _on_session(self, session_id: str) -> None:
        """Subscribe, now and whenever something else is wanted. A new session carries nothing."""
        self.made.clear()
        self.refused.clear()
        self._connection = self.line.connections
        while True:
            self._changed.clear()
            await self._adjust()
            missing = self.wanted - self.made.keys() - self.refused
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_SECONDS if missing else None):
                    await self._changed.wait()

    async def _adjust(self) -> None:
        for unwanted in self.made.keys() - self.wanted:
            subscription_id = self.made.pop(unwanted)
            with suppress(*_TROUBLE):
                await self._hub.unsubscribe(subscription_id, self.owner)
        missing = [one for one in self.wanted if one not in self.made and one not in self.refused]
        missing.sort(key=lambda one: (one.kind != "channel.chat.message", one.kind))
        room = asyncio.Semaphore(_AT_ONCE)

        async def make(one: Wanted) -> None:
            async with room:
                await self._make(one)

        async with asyncio.TaskGroup() as group:
            for one in missing:
                group.create_task(make(one))

    async def _make(self, wanted: Wanted) -> None:
        transport = {"method": "websocket", "session_id": self.line.session_id}
        try:
            made = await self._hub.subscribe(wanted, transport, self.owner)
        except _TROUBLE as error:
            log.warning("not told of %s on %s: %s", wanted.kind, wanted.channel, error)
            if isinstance(error, SignInLostError) or (
                isinstance(error, TwitchError) and error.status in _HOPELESS
            ):
                self.refused.add(wanted)
        else:
            self.made[wanted] = made
            self._hub.on_made()


class EventSub:
    """All of it. `on_event` gets the kind of every notification, once, with its event."""

    def __init__(
        self,
        http: TwitchHttp,
        url: str,
        on_event: Callable[[str, Json], None],
        on_revoked: Callable[[Json], None],
        *,
        per_socket: int = PER_SOCKET,
    ) -> None:
        """`per_socket` is what one socket may carry."""
        self.url = url
        self._http, self._on_event, self._on_revoked = http, on_event, on_revoked
        self._per_socket = per_socket
        self._carriers: dict[tuple[str, int], _Carrier] = {}
        self._conduit: ConduitLines | None = None
        self._seen: OrderedDict[str, None] = OrderedDict()
        self.on_made: Callable[[], None] = lambda: None
        self.duplicates = 0

    @property
    def count(self) -> int:
        """How many subscriptions there are."""
        if self._conduit is not None:
            return len(self._conduit.made)
        return sum(len(one.made) for one in self._carriers.values() if one.ready)

    @property
    def missing(self) -> int:
        """How many are still to be made; what Twitch refused is not counted."""
        if self._conduit is not None:
            conduit = self._conduit
            missing = len(conduit.wanted - conduit.made.keys() - conduit.refused)
            return missing + conduit.detached
        return sum(
            len(one.wanted - one.made.keys() - one.refused) if one.ready else 1
            for one in self._carriers.values()
        )

    async def want(self, wanted: Sequence[Wanted]) -> None:
        """Be told of these from now on, and of nothing else."""
        by_owner: dict[str, list[Wanted]] = defaultdict(list)
        for one in wanted:
            by_owner[one.owner].append(one)
        most = max(map(len, by_owner.values()), default=0)
        if most > self._per_socket and self._http.has_secret:
            await self._by_conduit(set(wanted))
            return
        if self._conduit is not None:
            await self._conduit.close()
            self._conduit = None
        if most > self._per_socket * _SOCKETS_OF_ONE:
            log.error(
                "That is more than Twitch lets an application without a secret hear; name the "
                "secret (twitch.client_secret_file), or join fewer channels."
            )
        await self._by_sockets(by_owner)

    async def close(self) -> None:
        """Hang up."""
        await self._by_sockets({})
        if self._conduit is not None:
            await self._conduit.close()

    def hear(self, frame: Json) -> None:
        """A frame of any line; Twitch may send one twice."""
        about = frame["metadata"]
        key = str(about["message_id"])
        if key in self._seen:
            self.duplicates += 1
            return
        self._seen[key] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        subscription = frame["payload"]["subscription"]
        if about["message_type"] == "revocation":
            log.warning(
                "Twitch ended the subscription to %s: %s",
                subscription["type"],
                subscription["status"],
            )
            for carrier in self._carriers.values():
                carrier.revoked(subscription["id"])
            if self._conduit is not None:
                self._conduit.revoked(subscription["id"])
            self._on_revoked(subscription)
        else:
            self._on_event(str(subscription["type"]), frame["payload"]["event"])

    async def subscribe(self, wanted: Wanted, transport: Json, owner: str) -> str:
        """Make one subscription; its id, or "" where there is one already.

        Raises:
            TwitchError, SignInLostError, aiohttp.ClientError, OSError: it was not made.
        """
        body = {
            "type": wanted.kind,
            "version": wanted.version,
            "condition": dict(wanted.condition),
            "transport": transport,
        }
        route = Route("POST", "eventsub/subscriptions", json=body, token_for=owner)
        try:
            answer = await self._http.request(route)
        except TwitchError as error:
            if error.status == 409:
                return ""
            raise
        return str(answer["data"][0]["id"])

    async def unsubscribe(self, subscription_id: str, owner: str) -> None:
        """End one.

        Raises:
            TwitchError, SignInLostError, aiohttp.ClientError, OSError: it was not ended.
        """
        if subscription_id:
            route = Route(
                "DELETE", "eventsub/subscriptions", params={"id": subscription_id}, token_for=owner
            )
            await self._http.request(route)

    async def _by_sockets(self, by_owner: dict[str, list[Wanted]]) -> None:
        parts: dict[tuple[str, int], set[Wanted]] = {}
        for owner, mine in by_owner.items():
            mine = mine[: self._per_socket * _SOCKETS_OF_ONE]
            for start in range(0, len(mine), self._per_socket):
                part = set(mine[start : start + self._per_socket])
                parts[owner, start // self._per_socket] = part
        for key in self._carriers.keys() - parts.keys():
            await self._carriers.pop(key).close()
        for key, part in parts.items():
            if key not in self._carriers:
                self._carriers[key] = _Carrier(self, key[0])
            self._carriers[key].want(part)

    async def _by_conduit(self, wanted: set[Wanted]) -> None:
        await self._by_sockets({})
        if self._conduit is None:
            self._conduit = ConduitLines(self, self._http, -(-len(wanted) // _PER_SHARD))
        self._conduit.want(wanted)


class ConduitLines:
    """One conduit whose shards are lines of ours."""

    def __init__(self, hub: EventSub, http: TwitchHttp, shards: int) -> None:
        self.wanted: set[Wanted] = set()
        self.made: dict[Wanted, str] = {}
        self.refused: set[Wanted] = set()
        self._hub, self._http, self._shards = hub, http, shards
        self._attached: set[int] = set()
        self._changed = asyncio.Event()
        self._id: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tasks = [asyncio.create_task(self._run(), name="twitch:conduit")]
        for number in range(shards):
            line = Line(hub.url, hub.hear, lambda session, n=number: self._attach(n, session))  # type: ignore[misc]
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

    async def _attach(self, number: int, session_id: str) -> None:
        """Make a line a shard."""
        self._attached.discard(number)
        transport = {"method": "websocket", "session_id": session_id}
        body = {
            "conduit_id": await self._id,
            "shards": [{"id": str(number), "transport": transport}],
        }
        while True:
            try:
                await self._http.request(Route("PATCH", "eventsub/conduits/shards", json=body))
                self._attached.add(number)
                return
            except _TROUBLE as error:
                log.warning("shard %d is not attached yet: %s", number, error)
                await asyncio.sleep(1.0)

    async def _run(self) -> None:
        while True:
            try:
                if not self._id.done():
                    self._id.set_result(await self._found())
                    await self._take_stock()
                self._changed.clear()
                await self._adjust()
            except _TROUBLE as error:
                log.warning("the conduit is not ready yet: %s", error)
                await asyncio.sleep(2.0)
                continue
            missing = self.wanted - self.made.keys() - self.refused
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_SECONDS if missing else None):
                    await self._changed.wait()

    async def _found(self) -> str:
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
        params = {"conduit_id": await self._id}
        cursor = ""
        by_key = {(one.kind, tuple(sorted(one.condition))): one for one in self.wanted}
        while True:
            route = Route(
                "GET", "eventsub/subscriptions", params={**params, "after": cursor or None}
            )
            answer = await self._http.request(route)
            for one in answer["data"]:
                filled = tuple(sorted((k, v) for k, v in one["condition"].items() if v))
                wanted = by_key.get((one["type"], filled))
                if wanted is not None and one["status"] == "enabled":
                    self.made[wanted] = str(one["id"])
                else:
                    with suppress(*_TROUBLE):
                        await self._hub.unsubscribe(str(one["id"]), "")
            cursor = (answer.get("pagination") or {}).get("cursor", "")
            if not cursor:
                return

    async def _adjust(self) -> None:
        for unwanted in self.made.keys() - self.wanted:
            with suppress(*_TROUBLE):
                await self._hub.unsubscribe(self.made.pop(unwanted), "")
        room = asyncio.Semaphore(_AT_ONCE)
        transport = {"method": "conduit", "conduit_id": await self._id}

        async def make(one: Wanted) -> None:
            async with room:
                try:
                    self.made[one] = await self._hub.subscribe(one, transport, "")
                except _TROUBLE as error:
                    log.warning("not told of %s on %s: %s", one.kind, one.channel, error)
                    if isinstance(error, TwitchError) and error.status in _HOPELESS:
                        self.refused.add(one)
                else:
                    self._hub.on_made()

        async with asyncio.TaskGroup() as group:
            for one in self.wanted - self.made.keys() - self.refused:
                group.create_task(make(one))
