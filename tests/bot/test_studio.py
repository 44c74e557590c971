from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import BadInputRefusal, BusyRefusal, ForbiddenRefusal, NotFoundRefusal
from bot.events import JobChanged
from bot.grammar import Ask
from bot.ids import new_id
from bot.jobs import Requester, Waiting
from bot.limits import RateLimit
from bot.store import queue
from bot.studio import in_words
from generation.errors import BadRequestError
from generation.request import GenerationRequest, Progress
from tests.bot.conftest import HOME, SETTINGS, Kit, a_clip, open_kit, person
from tests.clock import HandClock
from tests.waiting import soon


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


TIGHT = replace(
    SETTINGS,
    rate=RateLimit(burst=5, period=30),
    community_rate=RateLimit(burst=6, period=10),
    global_rate=RateLimit(burst=8, period=1),
    queued_per_community=7,
)


@pytest.fixture
async def tight(tmp_path: Path, clock: HandClock) -> AsyncIterator[Kit]:
    kit = await open_kit(tmp_path / "tight.sqlite3", clock, TIGHT)
    yield kit
    await kit.database.close()


async def test_a_community_and_everybody_together_have_limits_too(tight: Kit) -> None:
    async def ask(user: str, community: str) -> None:
        await tight.studio.submit(person(user, community=community), Ask("jazz"), HOME)

    for number in range(6):
        await ask(f"u{number}", "a")
    with pytest.raises(BusyRefusal, match=r"Many people .* 10 seconds"):
        await ask("u6", "a")
    await ask("u6", "b")
    await ask("u7", "b")
    with pytest.raises(BusyRefusal, match="1 second"):
        await ask("u8", "b")
    # A refusal costs nothing, at none of the limits.
    tight.clock.time += 10
    await ask("u8", "a")


async def test_a_community_may_not_fill_the_queue(tight: Kit) -> None:
    for number in range(7):
        await tight.studio.submit(person(f"u{number}"), Ask("jazz"), HOME)
        tight.clock.time += 60
    with pytest.raises(BusyRefusal, match="7 riffs of this community"):
        await tight.studio.submit(person("late"), Ask("jazz"), HOME)
    await tight.studio.submit(person("late", community="b"), Ask("jazz"), HOME)


async def test_more_work_costs_more(kit: Kit) -> None:
    await kit.studio.submit(person("ann"), Ask("jazz", steps=48), HOME)
    await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
    with pytest.raises(BusyRefusal, match="30 seconds"):
        await kit.studio.submit(person("ann"), Ask("jazz"), HOME)


async def test_what_is_too_much_for_anybody_is_said(kit: Kit) -> None:
    long = GenerationRequest("jazz", seed=1, steps=100, clips=16)
    with pytest.raises(BadInputRefusal, match="as much work as 133 riffs, and 20"):
        await kit.studio.submit_request(person("ann"), long, HOME)


async def test_roles_may_have_more_or_no_limits(tmp_path: Path, clock: HandClock) -> None:
    kit = await open_kit(
        tmp_path / "r.sqlite3", clock, SETTINGS, {"moderator": 2.0, "owner": math.inf}
    )
    for role, allowed in (("moderator", 10), ("owner", 12), ("guest", 5)):
        who = Requester("local", role, role, role, frozenset({role, "member"}))
        taken = 0
        for _ in range(12):
            try:
                view = await kit.studio.submit(who, Ask("jazz"), HOME)
            except BusyRefusal:
                break
            taken += 1
            await kit.ledger.claim("worker", 60)
            await kit.ledger.cancel(view.job.id)
        assert (role, taken) == (role, allowed)
    await kit.database.close()


async def test_a_riff_that_fails_gives_its_tokens_back(kit: Kit) -> None:
    for _ in range(20):
        await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
        job = await kit.ledger.claim("worker", 60)
        assert job is not None
        await kit.ledger.record_failed(job, "Sorry.")


async def test_limits_survive_a_restart(tmp_path: Path, clock: HandClock) -> None:
    kit = await open_kit(tmp_path / "r.sqlite3", clock)
    for _ in range(5):
        await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
    await kit.database.close()
    kit = await open_kit(tmp_path / "r.sqlite3", clock)
    with pytest.raises(BusyRefusal, match="30 seconds"):
        await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
    await kit.database.close()


async def test_the_same_key_is_the_same_riff_and_costs_nothing(kit: Kit) -> None:
    views = await asyncio.gather(
        *(kit.studio.submit(person("ann"), Ask("jazz"), HOME, key="m1") for _ in range(12))
    )
    assert len({view.job.id for view in views}) == 1
    other = await kit.studio.submit(person("bob"), Ask("jazz"), HOME, key="m1")
    assert other.job.id != views[0].job.id
    for _ in range(4):
        await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
    with pytest.raises(BusyRefusal):
        await kit.studio.submit(person("ann"), Ask("jazz"), HOME)


async def test_who_waits_is_told_why(kit: Kit) -> None:
    asked = [
        (await kit.studio.submit(person(user, community=place), Ask("jazz"), HOME)).job.id
        for user, place in (("ann", "x"), ("bob", "y"), ("cid", "x"), ("ann", "x"))
    ]
    views = [await kit.studio.view(job_id) for job_id in asked]
    reasons = [view.waiting.reason for view in views if view.waiting]
    assert reasons == [
        "next in line",
        "1 person ahead, from another server",
        "2 people ahead, one from another server",
        "2 people ahead, one from another server; one riff of your own first",
    ]
    await kit.studio.submit(
        person("radio"), Ask("jazz"), HOME, lane="live", deadline=kit.clock.now() + 60
    )
    first = (await kit.studio.view(asked[0])).waiting
    assert first is not None
    assert (first.position, first.reason) == (2, "the live session needs its next clips")


async def test_times_are_foretold_from_what_was_measured(kit: Kit) -> None:
    for seconds in (4, 6):
        await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
        job = await kit.ledger.claim("worker", 60)
        assert job is not None
        kit.clock.time += seconds
        await kit.ledger.record_rendered(job, [a_clip()])
    running = (await kit.studio.submit(person("ann"), Ask("jazz"), HOME)).job.id
    await kit.ledger.claim("worker", 60)
    kit.clock.time += 2
    one = await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
    two = await kit.studio.submit(person("bob"), Ask("jazz"), HOME)
    assert (await kit.studio.view(running)).waiting is None
    assert one.waiting is not None
    assert two.waiting is not None
    assert one.waiting.expected_seconds == pytest.approx(3 + 5)
    # Bob was not served yet, and takes the next turn.
    view = await kit.studio.view(one.job.id)
    assert view.waiting is not None
    assert (two.waiting.position, view.waiting.position) == (1, 2)
    assert view.waiting.expected_seconds == pytest.approx(3 + 5 + 5)


async def test_a_full_disk_refuses_and_keeps_what_is_there(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
    pages = await kit.database.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await kit.database._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(BusyRefusal, match="out of disk space"):
        for number in range(500):
            who = person(f"u{number}", community=str(number))
            await kit.studio.submit(who, Ask("x" * 500), HOME)
            job = await kit.ledger.claim("worker", 60)
            assert job is not None
    assert (await kit.studio.view(kept.job.id)).job.id == kept.job.id


async def test_a_long_line_is_played_forward_once_for_all_who_ask(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(tx: sqlite3.Connection) -> str:
        ids = [
            kit.ledger.add(tx, person(f"u{number}"), GenerationRequest("x", seed=1), [])
            for number in range(1000)
        ]
        return ids[-1]

    last = await kit.database.write(fill)
    play, played = queue._play, []

    def counted(db: sqlite3.Connection, model: str, now: float) -> dict[str, Waiting]:
        played.append(now)
        return play(db, model, now)

    monkeypatch.setattr(queue, "_play", counted)
    with kit.studio.subscribe() as events:
        # Nobody has to wait for it; when it is known, everybody is told.
        assert await asyncio.gather(*(kit.queue.waiting() for _ in range(300))) == [{}] * 300
        await soon(anext(aiter(events)))
    places = await asyncio.gather(*(kit.queue.waiting() for _ in range(300)))
    assert all(place[last].position == 1000 for place in places)
    assert len(played) == 1
    await kit.queue.close()
