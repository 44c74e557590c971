"""Where everybody stands in line, for how long and why, as the scheduler will serve them.

The order is found by playing `bot.store.turns` forward over a snapshot, in the reader's thread. It
is done once for every change of the line, however many ask. In a long line it takes a while, so it
is then done only every so often, and asking gives what was known last.
"""

from __future__ import annotations

import asyncio
import heapq
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bot.clock import Clock
from bot.jobs import Waiting
from bot.store.database import Database
from bot.store.durations import Forecast, forecast
from bot.store.turns import NOT_HALTED, next_lane

# Positions are recomputed at most for this share of the time.
_SHARE = 0.05
# So few are looked at at once, before anybody is answered.
_SHORT_LINE = 500
# In a long line, other threads are let in after so many jobs. Without that, each of their turns
# would have to wait for the interpreter's switch interval, 5 ms.
_BREATHE_EVERY = 100
_BREATH_SECONDS = 0.0001
# A running job that takes longer than foretold is said to need a little more, not less than none.
_LEAST_REMAINING = 0.1

_Who = tuple[str, str, str]


@dataclass(slots=True)
class _Requester:
    who: _Who
    start: float
    joined: int
    jobs: deque[sqlite3.Row] = field(default_factory=deque)


@dataclass(slots=True)
class _Community:
    """One community's line, played forward: `take` gives its jobs in turn."""

    policy: str
    weight: float
    start: float
    joined: int
    requesters: list[_Requester] = field(default_factory=list)
    heap: list[tuple[float, int, int]] = field(default_factory=list)
    ahead: deque[sqlite3.Row] = field(default_factory=deque)

    @property
    def waits(self) -> bool:
        return bool(self.ahead or self.heap)

    def line_up(self) -> None:
        self._move_ahead()
        if self.policy == "first-come":
            order = sorted(
                (job["seq"], index)
                for index, requester in enumerate(self.requesters)
                for job in requester.jobs
            )
            self.heap = [(float(seq), 0, index) for seq, index in order]
        else:
            self.heap = [
                (requester.start, requester.joined, index)
                for index, requester in enumerate(self.requesters)
                if requester.jobs
            ]
            heapq.heapify(self.heap)

    def _move_ahead(self) -> None:
        """What a moderator moved goes first, and counts as its requester's turn all the same."""
        moved: list[sqlite3.Row] = []
        for requester in self.requesters:
            own = [job for job in requester.jobs if job["ahead"] is not None]
            if own:
                moved += own
                requester.jobs = deque(job for job in requester.jobs if job["ahead"] is None)
                requester.start += sum(job["cost"] / job["weight"] for job in own)
        self.ahead = deque(sorted(moved, key=lambda job: (job["ahead"], job["seq"])))

    def take(self) -> sqlite3.Row:
        if self.ahead:
            return self.ahead.popleft()
        _, _, index = heapq.heappop(self.heap)
        requester = self.requesters[index]
        job = requester.jobs.popleft()
        if self.policy == "fair" and requester.jobs:
            requester.start += job["cost"] / job["weight"]
            heapq.heappush(self.heap, (requester.start, requester.joined, index))
        return job


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found, and about which state of the line."""

    version: int = -1
    model: str = ""
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    took: float = 0.0
    at: float = -1e300


class QueueView:
    """Reads positions, expected times and reasons out of the database."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        model: Callable[[], str] = lambda: "",
        on_news: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is read before somebody asks.

        Args:
            model: names what draws now: times are foretold from what it took before.
            on_news: called when there are newer positions than `waiting` could give.
        """
        self._database = database
        self._clock = clock
        self._model = model
        self._on_news = on_news
        self._known = _Known()
        self._one_at_a_time = asyncio.Lock()
        self._later: asyncio.Task[None] | None = None

    async def waiting(self) -> Mapping[str, Waiting]:
        """Where every queued job stands, by job id.

        In a long line this is what was known a moment ago, and the newest jobs may be missing;
        `on_news` is called once it is known better.
        """
        is_short = not self._is_busy and len(self._known.waiting) <= _SHORT_LINE
        if not (is_short and await self._look(_SHORT_LINE)) and not self._is_busy:
            self._later = asyncio.create_task(self._look_later())
        return self._known.waiting

    @property
    def _is_busy(self) -> bool:
        """Whether a long look is under way or about to be."""
        return self._later is not None and not self._later.done()

    async def close(self) -> None:
        """Stop looking."""
        if self._later is not None:
            self._later.cancel()
            await asyncio.wait([self._later])

    async def _look_later(self) -> None:
        known = self._known
        since = self._clock.monotonic() - known.at
        await asyncio.sleep(max(0.0, known.took / _SHARE - since))
        await self._look()
        if self._known is not known:
            self._on_news()

    async def _look(self, longest: int | None = None) -> bool:
        """Find out how things stand; False if that is left because more than `longest` wait."""
        async with self._one_at_a_time:
            known, model = self._known, self._model()
            began = self._clock.monotonic()

            def work(db: sqlite3.Connection) -> _Known | None:
                version, count = db.execute("SELECT version, waiting FROM queue").fetchone()
                if (version, model) == (known.version, known.model):
                    return known
                if longest is not None and count > longest:
                    return None
                return _Known(version, model, _play(db, model, self._clock.now()))

            # A short look goes with the other reads; a long one would hold them up.
            read = self._database.study if longest is None else self._database.read
            found = await read(work)
            if found is not None and found is not known:
                now = self._clock.monotonic()
                self._known = replace(found, took=now - began, at=now)
            return found is not None


def _play(db: sqlite3.Connection, model: str, now: float) -> dict[str, Waiting]:
    times = forecast(db, model)
    ahead = _Ahead(_seconds_running(db, times, now))
    found: dict[str, Waiting] = {}
    for job in _breathing(_in_order(db)):
        found[job["id"]] = ahead.place(job, times.seconds(job["steps"], job["seconds"]))
    return found


def _breathing(jobs: Iterable[sqlite3.Row]) -> Iterator[sqlite3.Row]:
    for count, job in enumerate(jobs, start=1):
        yield job
        if count % _BREATHE_EVERY == 0:
            time.sleep(_BREATH_SECONDS)


def _seconds_running(db: sqlite3.Connection, times: Forecast, now: float) -> float:
    """Seconds until what runs now is done, as far as can be told."""
    rest = 0.0
    for row in db.execute("SELECT steps, seconds, started_at FROM jobs WHERE state = 'running'"):
        whole = times.seconds(row["steps"], row["seconds"])
        rest += max(whole - max(now - row["started_at"], 0.0), _LEAST_REMAINING * whole)
    return rest


class _Ahead:
    """Who and what stands before the next job, counted as the line is walked along."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._position = self._live = 0
        self._jobs_of: dict[_Who, int] = {}
        self._people_in: dict[tuple[str, str], int] = {}

    def place(self, job: sqlite3.Row, seconds: float) -> Waiting:
        self._seconds += seconds
        self._position += 1
        who = (job["platform"], job["community"], job["user"])
        own = self._jobs_of.get(who, 0)
        known = 1 if own else 0
        here = self._people_in.get(who[:2], 0)
        people = len(self._jobs_of) - known
        waiting = Waiting(
            position=self._position,
            expected_seconds=self._seconds,
            people_ahead=people,
            from_elsewhere=people - (here - known),
            own_ahead=own,
            live_ahead=self._live,
        )
        if job["lane"] == "live":
            self._live += 1
        else:
            self._jobs_of[who] = own + 1
            if not known:
                self._people_in[who[:2]] = here + 1
        return waiting


def order_in(db: sqlite3.Connection, platform: str, community: str) -> list[str]:
    """The ids of the riffs that wait in a community in their order, whether it is halted or not."""
    here = (platform, community)
    return [
        job["id"]
        for job in _in_order(db, halted=True)
        if (job["platform"], job["community"]) == here and job["lane"] == "riffs"
    ]


def _in_order(db: sqlite3.Connection, *, halted: bool = False) -> Iterator[sqlite3.Row]:
    """Every queued job, in the order in which turns will serve them; `halted` ones if asked for."""
    columns = "id, seq, lane, platform, community, user, cost, weight, steps, seconds, ahead"
    live = deque(
        db.execute(
            f"SELECT {columns} FROM jobs WHERE state = 'queued' AND lane = 'live' "  # noqa: S608
            "ORDER BY coalesce(deadline, 1e300), seq"
        )
    )
    riffs = db.execute(
        f"SELECT {columns} FROM jobs WHERE state = 'queued' AND lane = 'riffs' "  # noqa: S608
        "ORDER BY platform, community, user, seq"
    )
    communities = _communities(db, riffs, "true" if halted else NOT_HALTED)
    heap = [(one.start, one.joined, index) for index, one in enumerate(communities)]
    heapq.heapify(heap)
    live_run = int(db.execute("SELECT live_run FROM queue").fetchone()["live_run"])
    while live or heap:
        if next_lane(bool(live), bool(heap), live_run) == "live":
            live_run += 1 if heap else 0
            yield live.popleft()
            continue
        live_run = 0
        _, _, index = heapq.heappop(heap)
        community = communities[index]
        job = community.take()
        if community.waits:
            community.start += job["cost"] / community.weight
            heapq.heappush(heap, (community.start, community.joined, index))
        yield job


def _communities(
    db: sqlite3.Connection, riffs: Iterable[sqlite3.Row], which: str
) -> list[_Community]:
    communities: dict[tuple[str, str], _Community] = {
        (row["platform"], row["community"]): _Community(
            row["policy"], row["weight"], row["pass"], row["joined"]
        )
        for row in db.execute(
            f"SELECT * FROM communities WHERE waiting > 0 AND {which}"  # noqa: S608
        )
    }
    requesters: dict[_Who, _Requester] = {}
    for row in db.execute("SELECT * FROM requesters WHERE waiting > 0"):
        who = (row["platform"], row["community"], row["user"])
        if who[:2] not in communities:
            continue
        requesters[who] = _Requester(who, row["pass"], row["joined"])
        communities[who[:2]].requesters.append(requesters[who])
    for job in _breathing(riffs):
        requester = requesters.get((job["platform"], job["community"], job["user"]))
        if requester is not None:
            requester.jobs.append(job)
    for community in communities.values():
        community.line_up()
    return list(communities.values())
