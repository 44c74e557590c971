from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bot.adapters import DeliveryImpossible, DeliveryRetry
from bot.events import JobChanged
from bot.grammar import Ask
from bot.jobs import Delivery
from bot.outbox import Outbox
from tests.bot.conftest import HOME, Kit, a_clip, person
from tests.waiting import soon, until


class Mailbox:
    """An adapter that answers as the test says."""

    platform = "local"

    def __init__(self, answer: Callable[[Delivery], str]) -> None:
        self.got: list[Delivery] = []
        self.tried = asyncio.Event()
        self._answer = answer

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def deliver(self, delivery: Delivery) -> str:
        self.got.append(delivery)
        self.tried.set()
        return self._answer(delivery)


@asynccontextmanager
async def delivering(kit: Kit, mailbox: Mailbox) -> AsyncIterator[None]:
    task = asyncio.create_task(Outbox(kit.ledger, [mailbox], kit.events, kit.clock).run())
    yield
    task.cancel()
    await asyncio.wait([task])


async def rendered(kit: Kit) -> str:
    job_id = (await kit.studio.submit(person("ann"), Ask("jazz"), HOME)).job.id
    job = await kit.ledger.claim("worker-1", 60)
    assert job is not None
    await kit.ledger.record_rendered(job, [a_clip()])
    kit.events.publish(JobChanged(job_id))
    return job_id


async def test_what_was_rendered_before_the_start_is_delivered(kit: Kit) -> None:
    job_id = await rendered(kit)
    mailbox = Mailbox(lambda delivery: "m1")
    async with delivering(kit, mailbox):
        await until(kit.studio, job_id, lambda view: view.job.state == "delivered")
    assert [delivery.job.id for delivery in mailbox.got] == [job_id]


async def test_what_is_rendered_later_is_delivered_once(kit: Kit) -> None:
    mailbox = Mailbox(lambda delivery: "m1")
    async with delivering(kit, mailbox):
        for _ in range(3):
            job_id = await rendered(kit)
            await until(kit.studio, job_id, lambda view: view.job.state == "delivered")
    assert len(mailbox.got) == 3


async def test_a_failed_job_is_answered_too(kit: Kit) -> None:
    mailbox = Mailbox(lambda delivery: "m1")
    await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
    job = await kit.ledger.claim("worker-1", 60)
    assert job is not None
    await kit.ledger.record_failed(job, "Sorry.")
    async with delivering(kit, mailbox):
        await soon(mailbox.tried.wait())
    assert mailbox.got[0].job.error == "Sorry."


async def test_a_refused_delivery_is_tried_again_when_the_platform_said(kit: Kit) -> None:
    def answer(delivery: Delivery) -> str:
        if delivery.attempts == 0:
            raise DeliveryRetry("429", retry_after=0.0)
        return "m1"

    mailbox = Mailbox(answer)
    job_id = await rendered(kit)
    async with delivering(kit, mailbox):
        await until(kit.studio, job_id, lambda view: view.job.state == "delivered")
    assert [delivery.attempts for delivery in mailbox.got] == [0, 1]


async def test_a_fault_in_an_adapter_postpones_and_loses_nothing(kit: Kit) -> None:
    def answer(delivery: Delivery) -> str:
        raise ZeroDivisionError

    mailbox = Mailbox(answer)
    job_id = await rendered(kit)
    async with delivering(kit, mailbox):
        await soon(mailbox.tried.wait())
        with kit.studio.subscribe() as events:
            async for _ in events:
                break
    assert (await kit.studio.view(job_id)).job.state == "rendered"
    at = await kit.ledger.deliveries.next_at("local")
    assert at is not None
    assert at > kit.clock.now()


async def test_what_cannot_be_delivered_for_a_day_is_given_up(kit: Kit) -> None:
    def answer(delivery: Delivery) -> str:
        raise DeliveryRetry("503")

    job_id = await rendered(kit)
    kit.clock.time += 25 * 3600
    async with delivering(kit, Mailbox(answer)):
        await until(kit.studio, job_id, lambda view: view.job.state == "expired")


async def test_the_impossible_is_not_tried_again(kit: Kit) -> None:
    def answer(delivery: Delivery) -> str:
        raise DeliveryImpossible("the channel is gone")

    mailbox = Mailbox(answer)
    job_id = await rendered(kit)
    async with delivering(kit, mailbox):
        await until(kit.studio, job_id, lambda view: view.job.state == "expired")
    assert len(mailbox.got) == 1
