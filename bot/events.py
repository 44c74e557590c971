"""Who is told when a job changes: a small in-process publish and subscribe."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from generation.request import Progress


@dataclass(frozen=True, slots=True)
class JobChanged:
    """A job's state changed; read the ledger for what it is now."""

    job_id: str


@dataclass(frozen=True, slots=True)
class JobProgressed:
    """A running job came further."""

    job_id: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class JobPreviewed:
    """What a running job's picture looks like so far: a small PNG. Only who watches it is told."""

    job_id: str
    png: bytes


@dataclass(frozen=True, slots=True)
class QueueMoved:
    """Positions in the queue changed."""


@dataclass(frozen=True, slots=True)
class WorkerChanged:
    """The sound worker became ready, or stopped being so."""


@dataclass(frozen=True, slots=True)
class HaltChanged:
    """A moderator stopped the riffs of a community, or let them go on.

    The live session of that community (of every community, where `where` is empty) answers a
    `panic` by fading to its safe loop, and takes votes again when `kind` is None.

    Attributes:
        where: platform and community; both empty is everywhere.
        kind: `panic`, `paused`, or None where they go on.
        safe_loop: id of the riff to fade to; empty for the one that ships.
    """

    where: tuple[str, str]
    kind: Literal["panic", "paused"] | None
    safe_loop: str = ""


@dataclass(frozen=True, slots=True)
class WordsWithdrawn:
    """Somebody's words are to be seen and heard no longer: they were blocked, or a message of
    theirs was deleted.

    Attributes:
        platform, user: whose; an empty user is whoever wrote the message.
        community: where; empty is everywhere on the platform.
        key: of the one message that is meant; empty means all that they said.
        name: how they were called.
    """

    platform: str
    community: str
    user: str
    key: str = ""
    name: str = ""


Event = (
    JobChanged
    | JobProgressed
    | JobPreviewed
    | QueueMoved
    | WorkerChanged
    | HaltChanged
    | WordsWithdrawn
)


class Subscription:
    """What has happened since the last look. Progress is merged, so a slow reader never falls
    behind without bound: per job there is at most one change and one progress waiting."""

    def __init__(self, job_id: str | None = None) -> None:
        """`job_id` limits it to one job, and adds its previews."""
        self._job_id = job_id
        self._pending: dict[object, Event] = {}
        self._arrived = asyncio.Event()

    def wants(self, event: Event) -> bool:
        """Whether this subscriber is told of it."""
        job_id = getattr(event, "job_id", None)
        if self._job_id is None:
            return not isinstance(event, JobPreviewed)
        return job_id is None or job_id == self._job_id

    def put(self, event: Event) -> None:
        """Add an event, replacing an unread one about the same thing."""
        match event:
            case HaltChanged():
                about: object = event.where
            case WordsWithdrawn():
                about = event
            case _:
                about = getattr(event, "job_id", None)
        key = (type(event), about)
        self._pending.pop(key, None)
        self._pending[key] = event
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            pending, self._pending = self._pending, {}
            for event in pending.values():
                yield event


class Events:
    """The hub. `on_watch` is called with a job's id when its first watcher comes (True) and its
    last one goes (False)."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._watched: Counter[str] = Counter()
        self.on_watch: Callable[[str, bool], None] = lambda job_id, on: None

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Everything published while the block runs, but for previews."""
        with self._added(Subscription()) as subscription:
            yield subscription

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Subscription]:
        """What is published about one job while the block runs, with previews of its picture."""
        self._watched[job_id] += 1
        if self._watched[job_id] == 1:
            self.on_watch(job_id, True)
        try:
            with self._added(Subscription(job_id)) as subscription:
                yield subscription
        finally:
            self._watched[job_id] -= 1
            if not self._watched[job_id]:
                del self._watched[job_id]
                self.on_watch(job_id, False)

    def is_watched(self, job_id: str) -> bool:
        """Whether anybody wants previews of this job."""
        return job_id in self._watched

    def publish(self, *events: Event) -> None:
        """Tell every subscriber; never waits."""
        for subscription in self._subscriptions:
            for event in events:
                if subscription.wants(event):
                    subscription.put(event)

    @contextmanager
    def _added(self, subscription: Subscription) -> Iterator[Subscription]:
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
