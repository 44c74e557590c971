from __future__ import annotations

import asyncio
import sqlite3

import pytest

from bot.errors import BusyRefusal, ForbiddenRefusal, NotFoundRefusal
from bot.events import JobChanged
from bot.grammar import Ask
from bot.ids import new_id
from bot.jobs import Requester
from bot.studio import in_words
from generation.errors import BadRequestError
from generation.request import Progress
from tests.bot.conftest import HOME, Kit, person


async def test_a_job_is_on_disk_before_anyone_is_told(kit: Kit) -> None:
    view = await kit.studio.submit(person("ann"), Ask("jazz", seed=7), HOME)
    assert (view.job.state, view.job.request.seed) == ("queued", 7)
    assert view.waiting is not None
    assert view.waiting.position == 1
    assert kit.woken == [None]
    # Another connection sees only what is committed.
    with sqlite3.connect(kit.path) as other:
        rows = other.execute("SELECT id, state FROM jobs").fetchall()
    assert rows == [(view.job.id, "queued")]


async def test_a_seed_is_chosen_once_and_kept(kit: Kit) -> None:
    view = await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
    again = await kit.studio.view(view.job.id)
    assert again.job.request.seed == view.job.request.seed


async def test_a_newcomer_may_ask_five_times_at_once(kit: Kit) -> None:
    for _ in range(5):
        await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
    with pytest.raises(BusyRefusal, match="30 seconds") as caught:
        await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
    await kit.studio.submit(person("bob"), Ask("jazz"), HOME)
    kit.clock.time += caught.value.retry_after
    await kit.studio.submit(person("ann"), Ask("jazz"), HOME)


async def test_a_limit_follows_the_person_across_communities(kit: Kit) -> None:
    for community in "abcde":
        await kit.studio.submit(person("ann", community=community), Ask("jazz"), HOME)
    with pytest.raises(BusyRefusal):
        await kit.studio.submit(person("ann", community="f"), Ask("jazz"), HOME)
    await kit.studio.submit(person("ann", platform="discord"), Ask("jazz"), HOME)


async def test_a_full_queue_is_said_and_not_charged(kit: Kit) -> None:
    for number in range(20):
        await kit.studio.submit(person(f"u{number}"), Ask("jazz"), HOME)
    with pytest.raises(BusyRefusal, match="queue is full"):
        await kit.studio.submit(person("late"), Ask("jazz"), HOME)
    rows = await kit.database.read(
        lambda db: db.execute("SELECT * FROM rate_limits WHERE key LIKE '%late'").fetchall()
    )
    assert rows == []


async def test_at_once_from_many_tabs_nobody_gets_more_than_the_burst(kit: Kit) -> None:
    results = await asyncio.gather(
        *(kit.studio.submit(person("ann"), Ask("jazz"), HOME) for _ in range(12)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, BusyRefusal) for result in results) == 7


async def test_a_bad_request_is_neither_charged_nor_queued(kit: Kit) -> None:
    with pytest.raises(BadRequestError):
        await kit.studio.submit(person("ann"), Ask("jazz", steps=0), HOME)
    assert await kit.studio.recent("local", "chat") == []


async def test_cancelling_before_it_began_costs_nothing(kit: Kit) -> None:
    ids = [(await kit.studio.submit(person("ann"), Ask("jazz"), HOME)).job.id for _ in range(5)]
    await kit.studio.cancel(ids[0], person("ann"), may_cancel_any=False)
    assert (await kit.studio.view(ids[0])).job.state == "cancelled"
    await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
    with pytest.raises(BusyRefusal):
        await kit.studio.submit(person("ann"), Ask("jazz"), HOME)


async def test_cancelling_what_runs_stops_the_worker(kit: Kit) -> None:
    job_id = (await kit.studio.submit(person("ann"), Ask("jazz"), HOME)).job.id
    await kit.ledger.claim("worker-1", 60)
    await kit.studio.cancel(job_id, person("ann"), may_cancel_any=False)
    assert kit.stopped == [job_id]


@pytest.mark.parametrize("other", [person("bob"), person("ann", platform="discord")])
async def test_only_its_requester_or_the_owner_cancels(kit: Kit, other: Requester) -> None:
    job_id = (await kit.studio.submit(person("ann"), Ask("jazz"), HOME)).job.id
    with pytest.raises(ForbiddenRefusal):
        await kit.studio.cancel(job_id, other, may_cancel_any=False)
    await kit.studio.cancel(job_id, other, may_cancel_any=True)
    with pytest.raises(NotFoundRefusal, match="finished"):
        await kit.studio.cancel(job_id, person("ann"), may_cancel_any=False)


async def test_an_unknown_id_is_not_found(kit: Kit) -> None:
    with pytest.raises(NotFoundRefusal):
        await kit.studio.view(new_id())


async def test_a_running_job_shows_its_progress(kit: Kit) -> None:
    job_id = (await kit.studio.submit(person("ann"), Ask("jazz"), HOME)).job.id
    await kit.ledger.claim("worker-1", 60)
    kit.progress[job_id] = Progress("drawing", 3, 12)
    view = await kit.studio.view(job_id)
    assert (view.waiting, view.progress) == (None, Progress("drawing", 3, 12))


async def test_subscribers_hear_of_a_new_job(kit: Kit) -> None:
    with kit.studio.subscribe() as events:
        view = await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
        async for event in events:
            assert event == JobChanged(view.job.id)
            break


def test_ids_are_discord_nonces() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(job_id) <= 25 and job_id.isalnum() for job_id in ids)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (29.4, "30 seconds"), (99, "99 seconds"), (150, "3 minutes")],
)
def test_waiting_times_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
