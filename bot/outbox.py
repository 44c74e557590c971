"""Sees that every outcome reaches its requester, through restarts and outages of the platform."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from bot.adapters import Adapter, DeliveryImpossible, DeliveryRetry
from bot.clock import Clock
from bot.events import Events, JobChanged
from bot.jobs import Delivery
from bot.store.ledger import Ledger

log = logging.getLogger(__name__)

_FIRST_RETRY = 2.0
_LONGEST_RETRY = 300.0
_GIVE_UP_AFTER = 24 * 3600.0


class Outbox:
    """Hands due deliveries to their adapters. Adapters deliver side by side; each one's in order.

    A delivery that fails is tried again after 2, 4, 8 … 300 seconds (or when the platform said),
    for a day; then it is abandoned, and the clip stays in history.
    """

    def __init__(
        self, ledger: Ledger, adapters: Sequence[Adapter], events: Events, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._adapters = adapters
        self._events = events
        self._clock = clock
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
        platforms = [adapter.platform]
        while True:
            wake.clear()
            for delivery in await self._ledger.due_deliveries(platforms):
                await self._deliver(adapter, delivery)
            at = await self._ledger.next_delivery_at(platforms)
            timeout = None if at is None else max(0.0, at - self._clock.now())
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await wake.wait()

    async def _deliver(self, adapter: Adapter, delivery: Delivery) -> None:
        try:
            receipt = await adapter.deliver(delivery)
        except DeliveryImpossible as error:
            log.warning("%s cannot be delivered: %s", delivery.job.id, error)
            await self._ledger.abandon_delivery(delivery, str(error))
        except DeliveryRetry as error:
            await self._postpone(delivery, str(error), error.retry_after)
        except Exception as error:
            # A fault of the adapter must not stop the others' answers, nor lose this one.
            log.exception("delivery of %s failed", delivery.job.id)
            await self._postpone(delivery, f"{type(error).__name__}: {error}", None)
        else:
            await self._ledger.record_delivered(delivery, receipt)
        self._events.publish(JobChanged(delivery.job.id))

    async def _postpone(self, delivery: Delivery, reason: str, after: float | None) -> None:
        job = delivery.job
        owed_since = job.rendered_at or job.finished_at or job.created_at
        if self._clock.now() - owed_since > _GIVE_UP_AFTER:
            await self._ledger.abandon_delivery(delivery, reason)
            return
        backoff = min(_FIRST_RETRY * 2 ** min(delivery.attempts, 30), _LONGEST_RETRY)
        until = self._clock.now() + (backoff if after is None else after)
        await self._ledger.postpone_delivery(delivery, until, reason)
