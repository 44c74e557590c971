"""The line played by a slow and obvious reference, and random histories of the whole ledger."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from bot.jobs import Delivery, Job, Requester
from bot.store.claims import Terms
from bot.store.ledger import MAX_CRASHES, Ledger
from bot.store.turns import LIVE_RUN
from generation.request import GenerationRequest
from tests.bot.conftest import HOME, Kit, a_clip, open_kit, person
from tests.clock import HandClock

T = TypeVar("T")

USERS = st.sampled_from([person(user, community=place) for place in "xyz" for user in "abc"])
COSTS = st.sampled_from([0.25, 1.0, 3.0])
WEIGHTS = st.sampled_from([1.0, 2.0])
STEPS = st.sampled_from([None, 4])
CLAIMS = st.integers(1, 4)
JUMPS = st.sampled_from([0.5, 10.0, 61.0, 3600.0, -30.0, -86_400.0])


class Reference:
    """Start-time fair queueing over lists, with nothing clever: the line as it ought to be."""

    def __init__(self) -> None:
        self.jobs: list[tuple[int, str, Requester, float, float]] = []
        self.clock = 0.0
        self.place_clock: dict[str, float] = {}
        self.place_pass: dict[str, float] = {}
        self.place_joined: dict[str, int] = {}
        self.user_pass: dict[Requester, float] = {}
        self.user_joined: dict[Requester, int] = {}

    def add(self, seq: int, job_id: str, who: Requester, cost: float, weight: float) -> None:
        place = who.community
        if not any(job[2].community == place for job in self.jobs):
            self.place_pass[place] = max(self.place_pass.get(place, 0.0), self.clock)
            self.place_joined[place] = seq
        if not any(job[2] == who for job in self.jobs):
            now = self.place_clock.get(place, 0.0)
            self.user_pass[who] = max(self.user_pass.get(who, 0.0), now)
            self.user_joined[who] = seq
        self.jobs.append((seq, job_id, who, cost, weight))

    def take(self) -> str | None:
        if not self.jobs:
            return None
        place = min(
            {job[2].community for job in self.jobs},
            key=lambda p: (self.place_pass[p], self.place_joined[p]),
        )
        who = min(
            {job[2] for job in self.jobs if job[2].community == place},
            key=lambda w: (self.user_pass[w], self.user_joined[w]),
        )
        job = min(job for job in self.jobs if job[2] == who)
        self.jobs.remove(job)
        self.clock = max(self.clock, self.place_pass[place])
        self.place_clock[place] = max(self.place_clock.get(place, 0.0), self.user_pass[who])
        self.place_pass[place] += job[3]
        self.user_pass[who] += job[3] / job[4]
        return job[1]


class World(RuleBasedStateMachine):
    """A ledger on a real SQLite file, and a loop that the rules run in one at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = HandClock()
        self.runner = asyncio.Runner()
        self.kit: Kit = self.run(open_kit(Path(self.folder.name) / "r.sqlite3", self.clock))
        self.numbers = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return self.run(self.kit.database.read(work))

    def add(self, who: Requester, steps: int | None, terms: Terms) -> str:
        self.numbers += 1
        request = GenerationRequest(f"riff {self.numbers}", seed=self.numbers, steps=steps)
        return self.run(
            self.kit.database.write(lambda tx: self.kit.ledger.add(tx, who, request, [HOME], terms))
        )

    def states(self) -> dict[str, str]:
        return self.read(
            lambda db: {row["id"]: row["state"] for row in db.execute("SELECT * FROM jobs")}
        )

    def teardown(self) -> None:
        self.run(self.kit.database.close())
        self.runner.close()
        self.folder.cleanup()


class FairTurns(World):
    """Whatever is asked and cancelled, claims follow the reference, and positions foretell them."""

    def __init__(self) -> None:
        super().__init__()
        self.reference = Reference()

    @rule(who=USERS, cost=COSTS, weight=WEIGHTS)
    def ask(self, who: Requester, cost: float, weight: float) -> None:
        job_id = self.add(who, None, Terms(cost=cost, weight=weight))
        self.reference.add(self.numbers, job_id, who, cost, weight)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.reference.jobs:
            job = data.draw(st.sampled_from(self.reference.jobs))
            self.reference.jobs.remove(job)
            assert self.run(self.kit.ledger.cancel(job[1])) is not None

    @rule()
    def claim(self) -> None:
        waiting = self.run(self.kit.queue.waiting())
        first = min(waiting, key=lambda job_id: waiting[job_id].position, default=None)
        job = self.run(self.kit.ledger.claim("worker", 60))
        assert (None if job is None else job.id) == first == self.reference.take()
        if job is not None:
            self.run(self.kit.ledger.record_rendered(job, [a_clip()]))

    @rule()
    def restart(self) -> None:
        self.run(self.kit.database.close())
        self.kit = self.run(open_kit(self.kit.path, self.clock))

    @invariant()
    def positions_foretell_the_whole_order(self) -> None:
        waiting = self.run(self.kit.queue.waiting())
        assert sorted(place.position for place in waiting.values()) == list(
            range(1, len(waiting) + 1)
        )
        assert set(waiting) == {job[1] for job in self.reference.jobs}

    def teardown(self) -> None:
        """What was foretold, what the reference says, and what is claimed, down to the last."""
        waiting = self.run(self.kit.queue.waiting())
        foretold = sorted(waiting, key=lambda job_id: waiting[job_id].position)
        assert foretold == [self.reference.take() for _ in foretold]
        claimed = [self.run(self.kit.ledger.claim("worker", 60)) for _ in foretold]
        assert foretold == [job.id for job in claimed if job]
        super().teardown()


class Histories(World):
    """Random interleavings of everything that can happen to jobs, up to crashes and clock jumps."""

    claims = Bundle("claims")
    tries = Bundle("tries")

    def __init__(self) -> None:
        super().__init__()
        self.accepted: list[str] = []
        self.posted: Counter[str] = Counter()
        self.live_run = 0

    @initialize()
    def begin(self) -> None:
        assert self.states() == {}

    @rule(who=USERS, cost=COSTS, steps=STEPS, live=st.booleans(), hurry=st.booleans())
    def ask(self, who: Requester, cost: float, steps: int | None, live: bool, hurry: bool) -> None:
        deadline = self.clock.now() + 20 if hurry or live else None
        lane = "live" if live else "riffs"
        terms = Terms(lane=lane, cost=cost, deadline=deadline)  # type: ignore[arg-type]
        self.accepted.append(self.add(who, steps, terms))

    @rule(target=claims, limit=CLAIMS)
    def claim(self, limit: int) -> list[Job]:
        before = self.states()
        found = self.run(self.kit.ledger.claim_batch("worker", 60, limit))
        jobs = list(found.jobs)
        assert all(before[job.id] == "queued" for job in jobs)
        assert len({job.request.batch_key for job in jobs}) <= 1
        assert len({job.lane for job in jobs}) <= 1
        assert len(jobs) <= limit
        assert all(job.crashes == 0 for job in jobs) or len(jobs) == 1
        after = self.states()
        if not jobs:
            assert "queued" not in after.values()
        elif jobs[0].lane == "live":
            riffs_wait = self.waits("riffs")
            assert self.live_run < LIVE_RUN or not riffs_wait
            self.live_run = self.live_run + len(jobs) if riffs_wait else self.live_run
        else:
            assert not self.waits("live") or self.live_run >= LIVE_RUN
            self.live_run = 0
        return jobs

    def waits(self, lane: str) -> bool:
        return self.read(
            lambda db: (
                db.execute(
                    "SELECT 1 FROM jobs WHERE state = 'queued' AND lane = ?", (lane,)
                ).fetchone()
                is not None
            )
        )

    @rule(jobs=claims, end=st.sampled_from(["rendered", "failed", "crash", "release"]))
    def end(self, jobs: list[Job], end: str) -> None:
        """A worker's word about a job, perhaps long after its claim was given up."""
        before = self.states()
        for job in jobs:
            ledger = self.kit.ledger
            now = self.run(ledger.job(job.id))
            assert now is not None
            if end == "rendered":
                held = self.run(ledger.record_rendered(job, [a_clip()]))
            elif end == "failed":
                held = self.run(ledger.record_failed(job, "Sorry."))
            elif end == "release":
                held = self.run(ledger.release(job))
            else:
                held = self.run(ledger.record_crash(job))
                assert not held or job.crashes + 1 == MAX_CRASHES
            if held:
                assert before[job.id] == "running"
                assert job.claim == now.claim, "a run spoke for a later one"

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.accepted:
            job_id = data.draw(st.sampled_from(self.accepted))
            before = self.states()[job_id]
            if self.run(self.kit.ledger.cancel(job_id)) is not None:
                assert before in ("queued", "running", "rendered")
                assert not self.posted[job_id]
            else:
                assert before not in ("queued", "running")

    @rule(target=tries)
    def try_to_deliver(self) -> list[Delivery]:
        due = self.run(self.kit.ledger.deliveries.due("local", 2))
        assert len(due) <= 1  # all are for one address
        return [owed for owed in due if self.run(self.kit.ledger.deliveries.begin(owed))]

    @rule(begun=tries, outcome=st.sampled_from(["posted", "refused", "impossible"]))
    def conclude(self, begun: list[Delivery], outcome: str) -> None:
        """An adapter's word; after a restart, one of the earlier boot never comes."""
        for delivery in begun:
            if not self.is_begun(delivery):
                continue
            if outcome == "posted":
                self.posted[delivery.job.id] += 1
                self.run(self.kit.ledger.deliveries.record_delivered(delivery, "m"))
            elif outcome == "refused":
                later = self.clock.now() + 5
                self.run(self.kit.ledger.deliveries.postpone(delivery, later, "503"))
            else:
                self.run(self.kit.ledger.deliveries.abandon(delivery, "gone"))

    def is_begun(self, delivery: Delivery) -> bool:
        return self.read(
            lambda db: (
                db.execute(
                    "SELECT begun_at FROM deliveries WHERE id = ?", (delivery.id,)
                ).fetchone()["begun_at"]
                is not None
            )
        )

    @rule(seconds=JUMPS)
    def time_passes_or_jumps(self, seconds: float) -> None:
        self.clock.time += seconds

    @rule()
    def tend(self) -> None:
        self.run(self.kit.ledger.tend([], 60))

    @rule()
    def restart(self) -> None:
        """Killed without warning: nothing is closed in order but the file."""
        self.run(self.kit.database.close())
        self.kit = self.run(open_kit(self.kit.path, self.clock))
        assert "running" not in self.states().values()

    @rule()
    def second_thoughts_of_an_old_boot(self) -> None:
        old = self.kit.ledger
        self.kit.ledger = self.run(Ledger.start(self.kit.database, self.clock, "test"))
        self.run(old.release_all())

    @invariant()
    def nothing_is_lost_and_nothing_posted_twice(self) -> None:
        states = self.states()
        assert set(states) == set(self.accepted)
        assert all(count == 1 for count in self.posted.values())
        for job_id, count in self.posted.items():
            assert count == 0 or states[job_id] in ("delivered", "failed")

    @invariant()
    def the_counts_of_the_line_are_those_of_the_jobs(self) -> None:
        def look(db: sqlite3.Connection) -> list[tuple[int, ...]]:
            return [
                tuple(db.execute(query).fetchone())
                for query in (
                    "SELECT (SELECT waiting FROM queue), "
                    "(SELECT coalesce(sum(waiting), 0) FROM communities), "
                    "(SELECT coalesce(sum(waiting), 0) FROM requesters), "
                    "(SELECT count(*) FROM jobs WHERE state = 'queued' AND lane = 'riffs')",
                )
            ]

        assert all(len(set(row)) == 1 for row in self.read(look))

    @invariant()
    def positions_are_those_of_who_waits(self) -> None:
        waiting = self.run(self.kit.queue.waiting())
        queued = {job_id for job_id, state in self.states().items() if state == "queued"}
        assert set(waiting) == queued

    def teardown(self) -> None:
        """Left to run on, every job comes to an end that its requester knows."""
        self.restart()
        for _ in range(len(self.accepted) * 4):
            found = self.run(self.kit.ledger.claim_batch("worker", 60, 3))
            for job in found.jobs:
                self.run(self.kit.ledger.record_rendered(job, [a_clip()]))
            for delivery in self.try_to_deliver():
                self.posted[delivery.job.id] += 1
                self.run(self.kit.ledger.deliveries.record_delivered(delivery, "m"))
            self.clock.time += 10
        assert not set(self.states().values()) & {"queued", "running", "rendered"}
        self.nothing_is_lost_and_nothing_posted_twice()
        super().teardown()


def histories(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


TestFairTurns = FairTurns.TestCase
TestFairTurns.settings = histories(15, 30)
TestHistories = Histories.TestCase
TestHistories.settings = histories(20, 30)


@pytest.mark.soak
def test_many_long_histories() -> None:
    run_state_machine_as_test(FairTurns, settings=histories(300, 60))
    run_state_machine_as_test(Histories, settings=histories(500, 80))


async def test_fifty_riffs_of_one_user_delay_a_newcomer_by_what_is_under_way(kit: Kit) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        request = GenerationRequest("jazz", seed=1)
        for _ in range(50):
            kit.ledger.add(tx, person("busy"), request, [HOME])

    await kit.database.write(fill)
    for _ in range(20):
        await kit.ledger.claim("worker", 60)
    for newcomer in (person("new"), person("other", community="elsewhere")):
        added = await kit.database.write(
            lambda tx, who=newcomer: kit.ledger.add(  # type: ignore[misc]
                tx, who, GenerationRequest("jazz", seed=1), [HOME]
            )
        )
        job = await kit.ledger.claim("worker", 60)
        assert job is not None
        assert job.id == added


async def test_a_crowded_community_takes_turns_with_a_quiet_one(kit: Kit) -> None:
    crowd = [person(f"c{number}", community="crowd") for number in range(20)]
    quiet = [person("q", community="quiet")] * 5

    def fill(tx: sqlite3.Connection) -> None:
        for who in (*crowd, *quiet):
            kit.ledger.add(tx, who, GenerationRequest("jazz", seed=1), [HOME])

    await kit.database.write(fill)
    served = [await kit.ledger.claim("worker", 60) for _ in range(10)]
    assert [job.requester.community for job in served if job] == ["crowd", "quiet"] * 5


async def test_a_weight_is_a_share_of_turns(kit: Kit) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        for _ in range(20):
            for who, weight in ((person("a"), 1.0), (person("b"), 3.0)):
                request = GenerationRequest("jazz", seed=1)
                kit.ledger.add(tx, who, request, [HOME], Terms(weight=weight))

    await kit.database.write(fill)
    served = [await kit.ledger.claim("worker", 60) for _ in range(16)]
    assert Counter(job.requester.user for job in served if job) == {"a": 4, "b": 12}


async def test_work_counts_and_not_the_number_of_riffs(kit: Kit) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        for _ in range(30):
            for who, cost in ((person("long"), 4.0), (person("short"), 1.0)):
                request = GenerationRequest("jazz", seed=1)
                kit.ledger.add(tx, who, request, [HOME], Terms(cost=cost))

    await kit.database.write(fill)
    served = [await kit.ledger.claim("worker", 60) for _ in range(20)]
    assert Counter(job.requester.user for job in served if job) == {"long": 4, "short": 16}


async def test_a_community_may_choose_first_come(kit: Kit) -> None:
    await kit.studio.set_turns("local", "chat", "first-come")
    order = [person(user) for user in "aaabcb"]

    def fill(tx: sqlite3.Connection) -> list[str]:
        return [kit.ledger.add(tx, who, GenerationRequest("jazz", seed=1), [HOME]) for who in order]

    ids = await kit.database.write(fill)
    waiting = await kit.queue.waiting()
    assert sorted(ids, key=lambda job_id: waiting[job_id].position) == ids
    served = [await kit.ledger.claim("worker", 60) for _ in order]
    assert [job.id for job in served if job] == ids


async def test_neither_lane_starves_the_other(kit: Kit) -> None:
    far = kit.clock.now() + 1000

    def fill(tx: sqlite3.Connection) -> None:
        for number in range(12):
            request = GenerationRequest("jazz", seed=number)
            terms = Terms(lane="live", deadline=far - number)
            kit.ledger.add(tx, person("radio"), request, [], terms)
            kit.ledger.add(tx, person("ann"), request, [HOME])

    await kit.database.write(fill)
    served = [await kit.ledger.claim("worker", 60) for _ in range(16)]
    assert [job.lane for job in served if job] == (["live"] * 3 + ["riffs"]) * 4
    assert [job.request.seed for job in served if job and job.lane == "live"] == list(
        range(11, -1, -1)
    )


async def test_nobody_saves_up_turns_by_staying_away(kit: Kit) -> None:
    """Ann and her community were served twenty times before the others came."""

    def fill(tx: sqlite3.Connection, who: Requester, count: int) -> None:
        for _ in range(count):
            kit.ledger.add(tx, who, GenerationRequest("jazz", seed=1), [HOME])

    await kit.database.write(lambda tx: fill(tx, person("ann"), 30))
    for _ in range(20):
        await kit.ledger.claim("worker", 60)
    await kit.database.write(lambda tx: fill(tx, person("bob"), 5))
    served = [await kit.ledger.claim("worker", 60) for _ in range(6)]
    assert [job.requester.user for job in served if job] == ["bob", "ann"] * 3
    await kit.database.write(lambda tx: fill(tx, person("eve", community="new"), 5))
    served = [await kit.ledger.claim("worker", 60) for _ in range(6)]
    assert [job.requester.community for job in served if job] == ["new", "chat"] * 3
