"""Sees that every outcome reaches its requester, through restarts and outages of the platform."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from bot.adapters import Adapter, DeliveryImpossible, DeliveryRetry
from bot.clock import Clock
from bot.events import Events, JobChanged
from bot.jobs import Delivery
from bot.store.database import DiskFullError
from bot.store.ledger import Ledger

log = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_RETRY = 2.0
_LONGEST_RETRY = 300.0
_GIVE_UP_AFTER = 24 * 3600.0
_AT_ONCE = 8
_ROOM_SECONDS = 5.0
# A clock that is set back makes what is due look far away.
_LONGEST_WAIT = 60.0


class Outbox:
    """Hands due deliveries to their adapters, at most eight at once to each.

    Adapters deliver side by side, so a slow one delays no other. Answers to one address go in the
    order in which they became ready. A delivery that fails is tried again after 2, 4, 8 … 300
    seconds (or when the platform said), for a day; then it is abandoned, and the clip stays in
    history.
    """

    def __init__(
        self,
        ledger: Ledger,
        adapters: Sequence[Adapter],
        events: Events,
        clock: Clock,
        at_once: int = _AT_ONCE,
    ) -> None:
        """`at_once` is how many deliveries one adapter works on at the same time."""
        self._deliveries = ledger.deliveries
        self._adapters = adapters
        self._events = events
        self._clock = clock
        self._at_once = at_once
        self._wakes = {adapter.platform: asyncio.Event() for adapter in adapters}

    async def run(self) -> None:
        """Deliver until cancelled."""
        with self._events.subscribe() as events:
            async with asyncio.TaskGroup() as group:
                for adapter in self._adapters:
                    group.create_task(self._serve(adapter))
                async for event in events:
                    if isinstance(event, JobChanged):
                        for wake in self._wakes.values():
                            wake.set()

    async def _serve(self, adapter: Adapter) -> None:
        wake = self._wakes[adapter.platform]
        under_way: set[asyncio.Task[None]] = set()

        def done(task: asyncio.Task[None]) -> None:
            under_way.discard(task)
            wake.set()

        async with asyncio.TaskGroup() as group:
            while True:
                wake.clear()
                room = self._at_once - len(under_way)
                due = await self._deliveries.due(adapter.platform, room) if room else []
                for delivery in due:
                    if await _with_room(partial(self._deliveries.begin, delivery)):
                        task = group.create_task(self._deliver(adapter, delivery))
                        under_way.add(task)
                        task.add_done_callback(done)
                await self._wait(adapter.platform, wake, full=len(under_way) >= self._at_once)

    async def _wait(self, platform: str, wake: asyncio.Event, *, full: bool) -> None:
        """Until something changed, or the next postponed delivery is due."""
        at = None if full else await self._deliveries.next_at(platform)
        timeout = None if at is None else min(max(0.0, at - self._clock.now()), _LONGEST_WAIT)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await wake.wait()

    async def _deliver(self, adapter: Adapter, delivery: Delivery) -> None:
        try:
            receipt = await adapter.deliver(delivery)
        except DeliveryImpossible as error:
            reason = str(error)
            log.warning("%s cannot be delivered: %s", delivery.job.id, reason)
            await _with_room(lambda: self._deliveries.abandon(delivery, reason))
        except DeliveryRetry as error:
            await self._postpone(delivery, str(error), error.retry_after)
        except Exception as error:
            # A fault of the adapter must not stop the others' answers, nor lose this one.
            log.exception("delivery of %s failed", delivery.job.id)
            await self._postpone(delivery, f"{type(error).__name__}: {error}", None)
        else:
            await _with_room(lambda: self._deliveries.record_delivered(delivery, receipt))
        self._events.publish(JobChanged(delivery.job.id))

    async def _postpone(self, delivery: Delivery, reason: str, after: float | None) -> None:
        job = delivery.job
        owed_since = job.rendered_at or job.finished_at or job.created_at
        if self._clock.now() - owed_since > _GIVE_UP_AFTER:
            await _with_room(lambda: self._deliveries.abandon(delivery, reason))
            return
        backoff = min(_FIRST_RETRY * 2 ** min(delivery.attempts, 30), _LONGEST_RETRY)
        until = self._clock.now() + (backoff if after is None else after)
        await _with_room(lambda: self._deliveries.postpone(delivery, until, reason))


async def _with_room(action: Callable[[], Awaitable[T]]) -> T:
    """Do it; while the disk is full, try again: what was posted must be noted, or it goes twice."""
    while True:
        try:
            return await action()
        except DiskFullError:
            await asyncio.sleep(_ROOM_SECONDS)
