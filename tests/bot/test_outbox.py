from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bot.adapters import DeliveryImpossible, DeliveryRetry
from bot.events import JobChanged
from bot.grammar import Ask
from bot.jobs import Address, Delivery
from bot.outbox import Outbox
from bot.store.ledger import Ledger
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


class Slow(Mailbox):
    """An adapter that answers when the test lets it."""

    def __init__(self, platform: str = "local") -> None:
        super().__init__(lambda delivery: "m1")
        self.platform = platform
        self.under_way: asyncio.Queue[tuple[Delivery, asyncio.Event]] = asyncio.Queue()

    async def deliver(self, delivery: Delivery) -> str:
        let_go = asyncio.Event()
        self.under_way.put_nowait((delivery, let_go))
        await let_go.wait()
        return await super().deliver(delivery)


async def owed_at(kit: Kit, place: Address) -> str:
    job_id = (await kit.studio.submit(person("ann"), Ask("jazz", steps=1), place)).job.id
    job = await kit.ledger.claim("worker-1", 60)
    assert job is not None
    await kit.ledger.record_rendered(job, [a_clip()])
    kit.events.publish(JobChanged(job_id))
    kit.clock.time += 1
    return job_id


def at(room: int, platform: str = "local") -> Address:
    return Address(platform, {"room": room})


async def test_a_slow_answer_delays_no_other_but_those_to_the_same_address(kit: Kit) -> None:
    mailbox, other = Slow(), Slow("other")
    first = await owed_at(kit, at(1))
    second = await owed_at(kit, at(1))
    elsewhere = await owed_at(kit, at(2))
    another = await owed_at(kit, at(1, "other"))
    outbox = Outbox(kit.ledger, [mailbox, other], kit.events, kit.clock)
    task = asyncio.create_task(outbox.run())
    begun = [await soon(mailbox.under_way.get()) for _ in range(2)]
    assert [delivery.job.id for delivery, _ in begun] == [first, elsewhere]
    delivery, let_go = await soon(other.under_way.get())
    assert delivery.job.id == another
    let_go.set()
    await until(kit.studio, another, lambda view: view.job.state == "delivered")
    assert mailbox.under_way.empty()
    begun[0][1].set()
    delivery, let_go = await soon(mailbox.under_way.get())
    assert delivery.job.id == second
    let_go.set()
    await until(kit.studio, second, lambda view: view.job.state == "delivered")
    task.cancel()
    await asyncio.wait([task])


async def test_an_answer_that_is_postponed_keeps_its_place(kit: Kit) -> None:
    def answer(delivery: Delivery) -> str:
        if delivery.job.id == first and not delivery.attempts:
            raise DeliveryRetry("429", retry_after=30)
        return "m1"

    first = await owed_at(kit, at(1))
    second = await owed_at(kit, at(1))
    mailbox = Mailbox(answer)
    async with delivering(kit, mailbox):
        await soon(mailbox.tried.wait())
        kit.clock.time += 31
        kit.events.publish(JobChanged(first))
        await until(kit.studio, second, lambda view: view.job.state == "delivered")
    assert [delivery.job.id for delivery in mailbox.got] == [first, first, second]


async def test_only_so_many_at_once(kit: Kit) -> None:
    mailbox = Slow()
    for room in range(4):
        await owed_at(kit, at(room))
    outbox = Outbox(kit.ledger, [mailbox], kit.events, kit.clock, at_once=2)
    task = asyncio.create_task(outbox.run())
    begun = [await soon(mailbox.under_way.get()) for _ in range(2)]
    begun[0][1].set()
    await soon(mailbox.under_way.get())
    assert len(mailbox.got) == 1
    assert mailbox.under_way.empty()
    task.cancel()
    await asyncio.wait([task])


async def test_after_a_crash_an_adapter_is_told_that_there_was_a_try(kit: Kit) -> None:
    mailbox = Slow()
    job_id = await rendered(kit)
    task = asyncio.create_task(Outbox(kit.ledger, [mailbox], kit.events, kit.clock).run())
    await soon(mailbox.under_way.get())
    task.cancel()
    await asyncio.wait([task])
    await Ledger.start(kit.database, kit.clock, "test")
    again = Mailbox(lambda delivery: "m1")
    async with delivering(kit, again):
        await until(kit.studio, job_id, lambda view: view.job.state == "delivered")
    assert [delivery.attempts for delivery in again.got] == [1]


async def test_what_was_cancelled_meanwhile_is_not_posted(kit: Kit) -> None:
    job_id = await rendered(kit)
    [owed] = await kit.ledger.deliveries.due("local")
    await kit.studio.cancel(job_id, person("ann"), may_cancel_any=False)
    assert not await kit.ledger.deliveries.begin(owed)
    mailbox = Mailbox(lambda delivery: "m1")
    async with delivering(kit, mailbox):
        other = await rendered(kit)
        await until(kit.studio, other, lambda view: view.job.state == "delivered")
    assert [delivery.job.id for delivery in mailbox.got] == [other]
