from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bot.grammar import Ask
from bot.jobs import Address
from bot.store.database import Database, StoreError
from bot.store.ledger import CRASHED, Ledger
from tests.bot.conftest import HOME, Kit, a_clip, open_kit, person
from tests.clock import HandClock


async def asked(kit: Kit, user: str, prompt: str = "jazz") -> str:
    return (await kit.studio.submit(person(user), Ask(prompt), HOME)).job.id


async def claimed(kit: Kit) -> str | None:
    job = await kit.ledger.claim("worker-1", 60)
    return None if job is None else job.id


async def state(kit: Kit, job_id: str) -> str:
    job = await kit.ledger.job(job_id)
    assert job is not None
    return job.state


async def test_the_straight_way(kit: Kit) -> None:
    job_id = await asked(kit, "ann")
    assert await state(kit, job_id) == "queued"
    assert await claimed(kit) == job_id
    assert await state(kit, job_id) == "running"
    kit.clock.time += 3
    assert await kit.ledger.record_rendered(job_id, [a_clip()])
    job = await kit.ledger.job(job_id)
    assert job is not None
    assert (job.state, job.clips, job.seconds_taken) == ("rendered", (a_clip(),), 3.0)
    [delivery] = await kit.ledger.due_deliveries(["local"])
    assert delivery.job == job
    await kit.ledger.record_delivered(delivery, "m1")
    assert await state(kit, job_id) == "delivered"
    assert await kit.ledger.due_deliveries(["local"]) == []


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
    rendered = await claimed(kit)
    assert rendered == first
    await kit.ledger.record_rendered(first, [a_clip()])
    assert await claimed(kit) == second
    await kit.database.close()

    kit = await open_kit(path, clock)
    assert [await state(kit, job) for job in (first, second, third)] == [
        "rendered",
        "queued",
        "queued",
    ]
    [delivery] = await kit.ledger.due_deliveries(["local"])
    assert delivery.job.id == first
    assert {await claimed(kit), await claimed(kit)} == {second, third}
    job = await kit.ledger.job(second)
    assert job is not None
    assert job.attempts == 2
    await kit.database.close()


async def test_an_earlier_boot_cannot_finish_a_job(kit: Kit, clock: HandClock) -> None:
    job_id = await asked(kit, "ann")
    await claimed(kit)
    newer = await Ledger.start(kit.database, clock, "test")
    assert not await kit.ledger.record_rendered(job_id, [a_clip()])
    assert await newer.claim("worker-2", 60) is not None
    assert not await kit.ledger.extend_lease(job_id, 60)
    assert await newer.extend_lease(job_id, 60)


async def test_a_job_that_kills_its_worker_twice_fails_with_a_sentence(kit: Kit) -> None:
    job_id = await asked(kit, "ann")
    await claimed(kit)
    assert not await kit.ledger.record_crash(job_id)
    assert await state(kit, job_id) == "queued"
    await claimed(kit)
    assert await kit.ledger.record_crash(job_id)
    [delivery] = await kit.ledger.due_deliveries(["local"])
    assert (delivery.job.state, delivery.job.error) == ("failed", CRASHED)


async def test_a_released_job_is_as_if_never_begun(kit: Kit) -> None:
    job_id = await asked(kit, "ann")
    await claimed(kit)
    assert await kit.ledger.release(job_id)
    job = await kit.ledger.job(job_id)
    assert job is not None
    assert (job.state, job.attempts) == ("queued", 0)


async def test_a_cancelled_job_is_not_rendered_nor_delivered(kit: Kit) -> None:
    job_id = await asked(kit, "ann")
    await claimed(kit)
    async with kit.database.transaction() as tx:
        assert await kit.ledger.cancel(tx, job_id) is not None
        assert await kit.ledger.cancel(tx, job_id) is None
    assert not await kit.ledger.record_rendered(job_id, [a_clip()])
    assert not await kit.ledger.record_failed(job_id, "x")
    assert await state(kit, job_id) == "cancelled"
    assert await kit.ledger.due_deliveries(["local"]) == []


async def test_a_postponed_delivery_waits_and_an_impossible_one_ends(kit: Kit) -> None:
    job_id = await asked(kit, "ann")
    await claimed(kit)
    await kit.ledger.record_rendered(job_id, [a_clip()])
    [delivery] = await kit.ledger.due_deliveries(["local"])
    until = kit.clock.now() + 10
    await kit.ledger.postpone_delivery(delivery, until, "503")
    assert await kit.ledger.due_deliveries(["local"]) == []
    assert await kit.ledger.next_delivery_at(["local"]) == until
    kit.clock.time += 10
    [again] = await kit.ledger.due_deliveries(["local"])
    assert again.attempts == 1
    await kit.ledger.abandon_delivery(again, "the channel is gone")
    assert await state(kit, job_id) == "expired"


async def test_a_job_owes_every_address(kit: Kit) -> None:
    view = await kit.studio.submit(
        person("ann"), Ask("jazz"), [HOME, Address("discord", {"channel": 5})]
    )
    await claimed(kit)
    await kit.ledger.record_rendered(view.job.id, [a_clip()])
    [local] = await kit.ledger.due_deliveries(["local"])
    await kit.ledger.record_delivered(local, "m1")
    assert await state(kit, view.job.id) == "rendered"
    [discord] = await kit.ledger.due_deliveries(["discord"])
    assert discord.address.details == {"channel": 5}
    await kit.ledger.abandon_delivery(discord, "gone")
    assert await state(kit, view.job.id) == "delivered"


async def test_a_failed_transaction_leaves_nothing(kit: Kit) -> None:
    with pytest.raises(RuntimeError):
        async with kit.database.transaction() as tx:
            await tx.execute("INSERT INTO rate_limits VALUES ('k', 1)")
            raise RuntimeError
    async with kit.database.reading() as db:
        rows = list(await (await db.execute("SELECT * FROM rate_limits")).fetchall())
    assert rows == []


async def test_a_transaction_cancelled_anywhere_leaves_the_database_usable(kit: Kit) -> None:
    async def write() -> None:
        async with kit.database.transaction() as tx:
            for number in range(50):
                await tx.execute("INSERT INTO rate_limits VALUES (?, 1)", (str(number),))

    for turns in range(12):
        task = asyncio.create_task(write())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        async with kit.database.transaction() as tx:
            row = await (await tx.execute("SELECT count(*) AS n FROM rate_limits")).fetchone()
            assert row is not None
            assert row["n"] in (0, 50)
            await tx.execute("DELETE FROM rate_limits")


async def test_a_newer_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9999")
    with pytest.raises(StoreError, match="newer version"):
        await Database.open(path)


async def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite3"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        await Database.open(path)


async def test_a_commit_is_on_disk_before_it_returns(kit: Kit) -> None:
    """What `synchronous = FULL` promises is up to SQLite; that it is on, is up to us."""
    async with kit.database.reading() as db:
        mode = await (await db.execute("PRAGMA synchronous")).fetchone()
        journal = await (await db.execute("PRAGMA journal_mode")).fetchone()
    assert mode is not None
    assert journal is not None
    assert (mode[0], journal[0]) == (2, "wal")
