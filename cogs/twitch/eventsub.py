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

from twitchio.http import Route

from cogs.twitch.conduit import AGAIN_SECONDS, AT_ONCE, ConduitLines, is_hopeless
from cogs.twitch.http import TROUBLE, TwitchError, TwitchHttp
from cogs.twitch.line import Json, Line
from cogs.twitch.wanted import Wanted

log = logging.getLogger(__name__)

PER_SOCKET = 300
_SOCKETS_OF_ONE = 3
_PER_SHARD = 3000
_REMEMBERED = 20_000


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
                async with asyncio.timeout(AGAIN_SECONDS if missing else None):
                    await self._changed.wait()

    async def _adjust(self) -> None:
        for unwanted in self.made.keys() - self.wanted:
            subscription_id = self.made.pop(unwanted)
            with suppress(*TROUBLE):
                await self._hub.unsubscribe(subscription_id, self.owner)
        missing = [one for one in self.wanted if one not in self.made and one not in self.refused]
        missing.sort(key=lambda one: (one.kind != "channel.chat.message", one.kind))
        room = asyncio.Semaphore(AT_ONCE)

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
        except TROUBLE as error:
            log.warning("not told of %s on %s: %s", wanted.kind, wanted.channel, error)
            if is_hopeless(error):
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
