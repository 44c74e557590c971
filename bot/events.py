"""Who is told when a job changes: a small in-process publish and subscribe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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
class QueueMoved:
    """Positions in the queue changed."""


@dataclass(frozen=True, slots=True)
class WorkerChanged:
    """The sound worker became ready, or stopped being so."""


Event = JobChanged | JobProgressed | QueueMoved | WorkerChanged


class Subscription:
    """What has happened since the last look. Progress is merged, so a slow reader never falls
    behind without bound: per job there is at most one change and one progress waiting."""

    def __init__(self) -> None:
        self._pending: dict[object, Event] = {}
        self._arrived = asyncio.Event()

    def put(self, event: Event) -> None:
        """Add an event, replacing an unread one about the same thing."""
        key = (type(event), getattr(event, "job_id", None))
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
    """The hub."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Everything published while the block runs."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def publish(self, *events: Event) -> None:
        """Tell every subscriber; never waits."""
        for subscription in self._subscriptions:
            for event in events:
                subscription.put(event)
