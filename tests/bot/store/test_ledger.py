from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.grammar import Ask
from bot.jobs import Address, Delivery, Job
from bot.store.ledger import CRASHED, EXPIRED, INTERRUPTED, MAX_ATTEMPTS, Ledger
from tests.bot.conftest import HOME, Kit, a_clip, open_kit, person
from tests.clock import HandClock


async def asked(kit: Kit, user: str, prompt: str = "jazz") -> str:
    return (await kit.studio.submit(person(user), Ask(prompt), HOME)).job.id


async def claim(kit: Kit) -> Job:
    job = await kit.ledger.claim("worker-1", 60)
    assert job is not None
    return job


async def claimed(kit: Kit) -> str | None:
    job = await kit.ledger.claim("worker-1", 60)
    return None if job is None else job.id


async def owed(kit: Kit, platform: str = "local") -> list[Delivery]:
    return await kit.ledger.deliveries.due(platform)


async def state(kit: Kit, job_id: str) -> str:
    job = await kit.ledger.job(job_id)
    assert job is not None
    return job.state


async def test_the_straight_way(kit: Kit) -> None:
    job_id = await asked(kit, "ann")
    assert await state(kit, job_id) == "queued"
    claim_of_it = await claim(kit)
    assert claim_of_it.id == job_id
    assert await state(kit, job_id) == "running"
    kit.clock.time += 3
    assert await kit.ledger.record_rendered(claim_of_it, [a_clip()])
    job = await kit.ledger.job(job_id)
    assert job is not None
    assert (job.state, job.clips, job.seconds_taken) == ("rendered", (a_clip(),), 3.0)
    [delivery] = await owed(kit)
    assert delivery.job == job
    await kit.ledger.deliveries.record_delivered(delivery, "m1")
    assert await state(kit, job_id) == "delivered"
    assert await owed(kit) == []


async def test_requesters_take_turns(kit: Kit) -> None:
    ann = [await asked(kit, "ann") for _ in range(4)]
    bob = [await asked(kit, "bob") for _ in range(2)]
    order = [await claimed(kit) for _ in range(6)]
    assert order == [ann[0], bob[0], ann[1], bob[1], ann[2], ann[3]]
    assert await claimed(kit) is None


async def test_positions_foretell_the_order(kit: Kit) -> None:
    for user in ("ann", "ann", "ann", "bob", "cid", "bob"):
        await asked(kit, user)
    await claimed(kit)
    for _ in range(5):
        waiting = await kit.queue.waiting()
        foretold = sorted(waiting, key=lambda job_id: waiting[job_id].position)
        assert await claimed(kit) == foretold[0]
    assert await kit.queue.waiting() == {}


async def test_two_workers_never_claim_the_same_job(kit: Kit) -> None:
    expected = {await asked(kit, user) for user in "abcdefgh"}
    found = await asyncio.gather(*(claimed(kit) for _ in range(12)))
    assert [job for job in found if job is not None] != []
    assert sorted(filter(None, found)) == sorted(expected)


async def test_a_restart_requeues_what_ran_and_keeps_the_order(
    tmp_path: Path, clock: HandClock
) -> None:
    path = tmp_path / "r.sqlite3"
    kit = await open_kit(path, clock)
    first, second, third = [await asked(kit, user) for user in ("ann", "bob", "cid")]
    rendered = await claim(kit)
    assert rendered.id == first
    await kit.ledger.record_rendered(rendered, [a_clip()])
    assert await claimed(kit) == second
    await kit.database.close()

    kit = await open_kit(path, clock)
    assert [await state(kit, job) for job in (first, second, third)] == [
        "rendered",
        "queued",
        "queued",
    ]
    [delivery] = await owed(kit)
    assert delivery.job.id == first
    assert {await claimed(kit), await claimed(kit)} == {second, third}
    job = await kit.ledger.job(second)
    assert job is not None
    assert job.attempts == 2
    await kit.database.close()


async def test_an_earlier_boot_cannot_finish_a_job(kit: Kit, clock: HandClock) -> None:
    await asked(kit, "ann")
    old = await claim(kit)
    newer = await Ledger.start(kit.database, clock, "test")
    assert not await kit.ledger.record_rendered(old, [a_clip()])
    new = await newer.claim("worker-2", 60)
    assert new is not None
    assert (await kit.ledger.tend([old], 60)).lost == (old.id,)
    assert (await newer.tend([new], 60)).lost == ()


async def test_an_earlier_claim_cannot_finish_a_job(kit: Kit) -> None:
    """Its lease lapsed (the computer slept, say) and it was claimed again."""
    job_id = await asked(kit, "ann")
    first = await claim(kit)
    kit.clock.time += 61
    assert (await kit.ledger.tend([], 60)).changed == (job_id,)
    second = await claim(kit)
    assert not await kit.ledger.record_rendered(first, [a_clip()])
    assert not await kit.ledger.record_crash(first)
    assert not await kit.ledger.release(first)
    assert (await kit.ledger.tend([first, second], 60)).lost == (job_id,)
    assert await kit.ledger.record_rendered(second, [a_clip()])


async def test_a_lease_is_kept_while_it_is_tended(kit: Kit) -> None:
    job_id = await asked(kit, "ann")
    job = await claim(kit)
    for _ in range(10):
        kit.clock.time += 45
        assert (await kit.ledger.tend([job], 60)).changed == ()
    assert await state(kit, job_id) == "running"


async def test_a_job_that_kills_its_worker_twice_fails_with_a_sentence(kit: Kit) -> None:
    job_id = await asked(kit, "ann")
    assert not await kit.ledger.record_crash(await claim(kit))
    assert await state(kit, job_id) == "queued"
    assert await kit.ledger.record_crash(await claim(kit))
    [delivery] = await owed(kit)
    assert (delivery.job.state, delivery.job.error) == ("failed", CRASHED)


async def test_a_job_that_stops_the_whole_bot_is_not_tried_forever(kit: Kit) -> None:
    """Out of memory may kill the bot together with its worker."""
    job_id = await asked(kit, "ann")
    ledger = kit.ledger
    for _ in range(MAX_ATTEMPTS):
        assert await ledger.claim("worker-1", 60) is not None
        ledger = await Ledger.start(kit.database, kit.clock, "test")
    [delivery] = await owed(kit)
    assert (delivery.job.id, delivery.job.error) == (job_id, INTERRUPTED)


async def test_a_released_job_is_as_if_never_begun(kit: Kit) -> None:
    job_id = await asked(kit, "ann")
    assert await kit.ledger.release(await claim(kit))
    job = await kit.ledger.job(job_id)
    assert job is not None
    assert (job.state, job.attempts) == ("queued", 0)


async def test_a_released_job_is_next_again(kit: Kit) -> None:
    await asked(kit, "ann")
    await asked(kit, "bob")
    first = await claim(kit)
    await kit.ledger.release(first)
    assert await claimed(kit) == first.id


async def test_a_cancelled_job_is_not_rendered_nor_delivered(kit: Kit) -> None:
    job_id = await asked(kit, "ann")
    job = await claim(kit)
    assert await kit.ledger.cancel(job_id) is not None
    assert await kit.ledger.cancel(job_id) is None
    assert not await kit.ledger.record_rendered(job, [a_clip()])
    assert not await kit.ledger.record_failed(job, "x")
    assert await state(kit, job_id) == "cancelled"
    assert await owed(kit) == []


async def test_what_is_rendered_can_be_cancelled_until_it_is_being_posted(kit: Kit) -> None:
    for begun in (False, True):
        job_id = await asked(kit, "ann")
        await kit.ledger.record_rendered(await claim(kit), [a_clip()])
        [delivery] = await owed(kit)
        if begun:
            assert await kit.ledger.deliveries.begin(delivery)
        assert (await kit.ledger.cancel(job_id) is None) == begun
        assert await state(kit, job_id) == ("rendered" if begun else "cancelled")
        assert not await kit.ledger.deliveries.begin(delivery)


async def test_a_job_past_its_deadline_expires_and_is_not_run(kit: Kit) -> None:
    late = (
        await kit.studio.submit(person("ann"), Ask("x"), HOME, deadline=kit.clock.now() + 5)
    ).job.id
    other = await asked(kit, "bob")
    kit.clock.time += 6
    found = await kit.ledger.claim_batch("worker-1", 60, 1)
    assert ([job.id for job in found.jobs], found.changed) == ([other], (late,))
    job = await kit.ledger.job(late)
    assert job is not None
    assert (job.state, job.error) == ("expired", EXPIRED)
    assert await owed(kit) == []


@pytest.mark.parametrize(
    "damage", ['{"version": 99, "prompt": "jazz"}', "[]", "{", '{"version": 1}', '"x"', "null"]
)
async def test_what_cannot_be_read_fails_alone(kit: Kit, damage: str) -> None:
    """As after a downgrade: the row was written by a newer version."""
    odd = await asked(kit, "ann")
    good = await asked(kit, "bob")
    await kit.database.write(
        lambda tx: tx.execute("UPDATE jobs SET request = ? WHERE id = ?", (damage, odd))
    )
    found = await kit.ledger.claim_batch("worker-1", 60, 4)
    assert ([job.id for job in found.jobs], found.changed) == ([good], (odd,))
    [delivery] = await owed(kit)
    assert (delivery.job.id, delivery.job.state) == (odd, "failed")
    assert delivery.job.error is not None
    assert "ask for it again" in delivery.job.error
    assert {job.id for job in await kit.ledger.recent("local", "chat", 9)} == {odd, good}


async def test_clips_that_cannot_be_read_are_left_out(kit: Kit) -> None:
    job_id = await asked(kit, "ann")
    await kit.ledger.record_rendered(await claim(kit), [a_clip(), a_clip(1)])
    await kit.database.write(
        lambda tx: tx.execute("""UPDATE clips SET clip = '{"index": 0}' WHERE position = 0""")
    )
    [delivery] = await owed(kit)
    assert (delivery.job.id, delivery.job.clips) == (job_id, (a_clip(1),))


async def test_a_postponed_delivery_waits_and_an_impossible_one_ends(kit: Kit) -> None:
    job_id = await asked(kit, "ann")
    await kit.ledger.record_rendered(await claim(kit), [a_clip()])
    [delivery] = await owed(kit)
    until = kit.clock.now() + 10
    assert await kit.ledger.deliveries.begin(delivery)
    assert await owed(kit) == []
    await kit.ledger.deliveries.postpone(delivery, until, "503")
    assert await owed(kit) == []
    assert await kit.ledger.deliveries.next_at("local") == until
    kit.clock.time += 10
    [again] = await owed(kit)
    assert (delivery.attempts, again.attempts) == (0, 1)
    await kit.ledger.deliveries.abandon(again, "the channel is gone")
    assert await state(kit, job_id) == "expired"


async def test_a_job_owes_every_address(kit: Kit) -> None:
    view = await kit.studio.submit(
        person("ann"), Ask("jazz"), [HOME, Address("discord", {"channel": 5})]
    )
    await kit.ledger.record_rendered(await claim(kit), [a_clip()])
    [local] = await owed(kit)
    await kit.ledger.deliveries.record_delivered(local, "m1")
    assert await state(kit, view.job.id) == "rendered"
    [discord] = await owed(kit, "discord")
    assert discord.address.details == {"channel": 5}
    await kit.ledger.deliveries.abandon(discord, "gone")
    assert await state(kit, view.job.id) == "delivered"
