"""Measure the studio: how fast it takes, orders and hands out riffs, how fairly, and at what cost.

    python benchmarks/studio.py                  # all of it, some minutes
    python benchmarks/studio.py --only line      # one part: line, work, memory or lag

Everything is the program's own (SQLite file with every commit flushed, scheduler, outbox), but for
the engine, which is a stand-in where time is not what is measured.

- line: 10,000 riffs of 2,000 users in 20 communities wait. Each is submitted through
  `Studio.submit`, one after the other; then riffs are claimed while as many arrive as are taken,
  with 1,000, 10,000 and 100,000 waiting. Jain's index (Jain, Chiu and Hawe, 1984) is over what each
  user got when three fifths of the riffs are done, where everybody's five riffs came in a row (by
  arrival the index would be 0.6): 1 is perfectly fair, 1/2000 is all to one.
- work: a real worker process that takes 50 ms for every batch; what the studio adds.
- memory: resident memory with 10,000 waiting, and while 100,000 riffs pass through.
- lag: how late the event loop's timers are while the starter draws, with 10,000 waiting and
  twenty new ones a second.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bot.ask import Ask
from bot.clock import SystemClock
from bot.events import Events, QueueMoved
from bot.jobs import Address, Delivery, Requester
from bot.limits import RateLimit
from bot.outbox import Outbox
from bot.policy import OpenPolicy
from bot.scheduler import Scheduler
from bot.settings import FixedSettings, RiffSettings
from bot.store.clipfiles import Budget, ClipFiles
from bot.store.database import Database
from bot.store.ledger import Ledger
from bot.store.queue import QueueView
from bot.studio import Studio
from generation.request import Clip, GenerationRequest
from generation.resident import resident_bytes
from generation.worker import Order, Worker, WorkerOptions

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.standin_engine import STAND_IN

# Where temporary files are on a disk; /tmp is memory on many machines.
FOLDER = "/var/tmp" if Path("/var/tmp").is_dir() else None
USERS, COMMUNITIES = 2_000, 20
FREE = RateLimit(burst=1e9, period=1e-9)
HOME = Address("bench", {})
REQUEST = GenerationRequest("lo-fi beat", seed=1)


class Nowhere:
    """An adapter that delivers at once, and counts."""

    platform = "bench"

    def __init__(self) -> None:
        self.count = 0

    async def start(self) -> None:
        """Nothing to do."""

    async def deliver(self, delivery: Delivery) -> str:
        """Done."""
        self.count += 1
        return "there"

    async def stop(self) -> None:
        """Nothing to do."""


@dataclass
class House:
    """The studio without its platforms."""

    database: Database
    ledger: Ledger
    queue: QueueView
    events: Events
    studio: Studio
    clock: SystemClock
    folder: Path
    nowhere: Nowhere

    async def fill(self, count: int, first: int = 0) -> None:
        """Put riffs in line in bulk, of everybody in turn."""

        def work(tx: sqlite3.Connection) -> None:
            for number in range(first, first + count):
                self.ledger.add(tx, person(number), REQUEST, [Address("bench", {"n": number})])

        await self.database.write(work)


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    """A new one, in a temporary folder on the disk."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        clock, events = SystemClock(), Events()
        database = await Database.open(Path(name) / "riffbot.sqlite3")
        ledger = await Ledger.start(database, clock, "bench")
        queue = QueueView(database, clock, on_news=lambda: events.publish(QueueMoved()))
        studio = Studio(
            database=database,
            ledger=ledger,
            queue=queue,
            events=events,
            policy=OpenPolicy(),
            settings=FixedSettings(RiffSettings(FREE, 10**9, 10**9)),
            clock=clock,
            wake_scheduler=lambda: None,
            cancel_running=lambda job_id: None,
            progress_of=lambda job_id: None,
        )
        yield House(database, ledger, queue, events, studio, clock, Path(name), Nowhere())
        await queue.close()
        await database.close()


def person(number: int) -> Requester:
    """One of the users; neighbours are in different communities."""
    user = number % USERS
    return Requester("bench", f"c{user % COMMUNITIES}", f"u{user}", "Ann")


async def timed(times: list[float], work: Any) -> Any:
    """Await it and note the milliseconds."""
    began = time.perf_counter()
    result = await work
    times.append(1000 * (time.perf_counter() - began))
    return result


def figures(times: Sequence[float]) -> str:
    """Median, 99th percentile and maximum."""
    ranked = sorted(times)
    p50, p99 = (ranked[int(share * (len(ranked) - 1))] for share in (0.5, 0.99))
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {ranked[-1]:.1f} ms ({len(ranked)} times)"


def jain(shares: Sequence[float]) -> float:
    """Jain's fairness index."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


# line ---------------------------------------------------------------------------------------


async def line() -> None:
    """Submit, claim and fairness."""
    async with house() as one:
        times: list[float] = []
        for number in range(10_000):
            await timed(times, one.studio.submit(person(number), Ask("lo-fi beat"), HOME))
        print("submit, 0 to 10,000 waiting:", figures(times))
        times.clear()
        for number in range(2_000):
            await timed(times, one.studio.submit(person(number), Ask("lo-fi beat"), HOME))
        print("submit, 10,000 waiting:", figures(times))
    for count in (1_000, 10_000, 100_000):
        async with house() as one:
            await one.fill(count)
            await claims(one, count)
    async with house() as one:
        await one.database.write(lambda tx: one_after_the_other(one, tx))
        await fairness(one)


def one_after_the_other(one: House, tx: sqlite3.Connection) -> None:
    """Five riffs of the first user, then five of the second …: by arrival it would be unfair."""
    for number in range(5 * USERS):
        one.ledger.add(tx, person(number // 5), REQUEST, [HOME])


async def claims(one: House, count: int) -> None:
    """Claim latency with so many waiting, and how long the whole line takes to play forward."""
    times: list[float] = []
    for number in range(2_000):
        await timed(times, one.ledger.claim("bench", 60))
        await one.fill(1, number)
    print(f"claim, {count:,} waiting:", figures(times))
    batches: list[float] = []
    for number in range(300):
        await timed(batches, one.ledger.claim_batch("bench", 60, 8))
        await one.fill(8, number * 8)
    print(f"claim of a batch of 8, {count:,} waiting:", figures(batches))
    began = time.perf_counter()
    waiting = await one.queue.waiting()
    print(f"positions of all {len(waiting):,}: {1000 * (time.perf_counter() - began):.0f} ms")


async def fairness(one: House) -> None:
    """Jain's index over users, when three riffs of five are done; then with one greedy user."""
    served: Counter[str] = Counter()
    for _ in range(3 * USERS):
        job = await one.ledger.claim("bench", 60)
        assert job is not None
        served[job.requester.user] += 1
    shares = [served[f"u{user}"] for user in range(USERS)]
    print(f"Jain's index over {USERS:,} users: {jain(shares):.4f}")
    greedy = Requester("bench", "c0", "greedy", "Ann")

    def flood(tx: sqlite3.Connection) -> None:
        for _ in range(5_000):
            one.ledger.add(tx, greedy, REQUEST, [HOME])

    await one.database.write(flood)
    served.clear()
    for _ in range(2 * USERS):
        job = await one.ledger.claim("bench", 60)
        assert job is not None
        served[job.requester.user] += 1
    others = [served[f"u{user}"] for user in range(USERS)]
    print(
        f"with one more user who asks for 5,000: {jain(others):.4f}; of the next 4,000 riffs that "
        f"user gets {served['greedy']}, the others {min(others)} to {max(others)} each"
    )


# work ---------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(one: House, worker: Worker, batch: int) -> AsyncIterator[Scheduler]:
    """Scheduler and outbox at work, with an adapter that has nothing to do."""
    files = ClipFiles(
        one.folder / "clips", one.folder / "work", one.database, one.clock, Budget(10**12, None)
    )
    await files.clean_up()
    scheduler = Scheduler(one.ledger, worker, one.events, files, batch=lambda: batch)
    outbox = Outbox(one.ledger, [one.nowhere], one.events, one.clock)
    tasks = [asyncio.create_task(part) for part in (scheduler.run(), outbox.run())]
    yield scheduler
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def finished(one: House, count: int) -> None:
    """Wait until so many riffs are delivered."""
    with one.events.subscribe() as events:
        while one.nowhere.count < count:
            await anext(aiter(events))


async def work() -> None:
    """What the studio adds to a worker of fixed latency, storing and delivering included."""
    options = WorkerOptions(engine=STAND_IN, engine_settings={"step_seconds": 0.0125, "steps": 4})
    for batch in (1, 8):
        async with house() as one:
            worker = Worker(options)
            life = asyncio.create_task(worker.run())
            await worker.wait_ready()
            await one.fill(400)
            began = time.perf_counter()
            async with serving(one, worker, batch):
                await finished(one, 400)
            seconds = time.perf_counter() - began
            life.cancel()
            await asyncio.wait([life])
        each = 1000 * seconds / 400
        print(f"batches of {batch}: {each:.1f} ms a riff where the engine takes {50 / batch:.1f}")


# memory -------------------------------------------------------------------------------------


class InProcess:
    """Stands where the worker does, and is done at once."""

    name = "bench"
    model: Mapping[str, str] = {"hash": "bench"}

    async def wait_ready(self) -> None:
        """Always."""

    def make_batch(self, orders: Sequence[Order]) -> list[asyncio.Future[list[Clip]]]:
        """Clips without files."""
        made = []
        for _ in orders:
            future: asyncio.Future[list[Clip]] = asyncio.get_running_loop().create_future()
            future.set_result([Clip(0, {}, 5.12, 44_100, 225_792, {"seed": "1"})])
            made.append(future)
        return made

    def cancel(self, job_id: str) -> None:
        """Nothing runs for long."""


async def memory(count: int) -> None:
    """Resident memory with 10,000 waiting, and over many riffs."""
    async with house() as one:
        await one.fill(100)
        await one.queue.waiting()
        gc.collect()
        before = resident_bytes()
        await one.fill(10_000)
        await one.queue.waiting()
        await asyncio.sleep(3)  # in a long line, positions come a moment later
        gc.collect()
        print(f"10,000 more waiting: {(resident_bytes() - before) / 2**20:.1f} MiB")
    async with house() as one, serving(one, cast(Worker, InProcess()), 8) as scheduler:
        part = max(1, count // 10)
        for done in range(part, count + 1, part):
            await one.fill(part, done)
            scheduler.wake()
            await finished(one, done)
            gc.collect()
            print(f"after {done:,} riffs: {resident_bytes() / 2**20:.1f} MiB", flush=True)


# lag ----------------------------------------------------------------------------------------


async def lag(seconds: float) -> None:
    """How late timers are: at rest, at work, and while the starter draws beside it."""
    async with house() as one:
        await one.fill(10_000)
        print("loop lag at rest:", figures(await lateness(seconds / 4)))
        worker = Worker(WorkerOptions())
        life = asyncio.create_task(worker.run())
        await worker.wait_ready()
        print("loop lag, worker loaded and idle:", figures(await lateness(seconds / 4)))
        async with serving(one, worker, 1):
            asking = asyncio.create_task(ask_on(one))
            print("loop lag while the starter draws:", figures(await lateness(seconds)))
            asking.cancel()
        drawn = await one.database.read(
            lambda db: db.execute("SELECT count(*) FROM clips").fetchone()[0]
        )
        print(f"meanwhile {drawn} riffs were drawn")
        life.cancel()
        await asyncio.wait([life])


async def lateness(seconds: float, interval: float = 0.005) -> list[float]:
    """Milliseconds by which a timer of 5 ms comes too late, again and again."""
    late: list[float] = []
    end = time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        await asyncio.sleep(interval)
        late.append(1000 * max(0.0, time.perf_counter() - now - interval))
    return late


async def ask_on(one: House) -> None:
    """Twenty riffs a second, and somebody who looks at the line after each."""
    while True:
        user = random.randrange(USERS)
        view = await one.studio.submit(person(user), Ask("lo-fi beat"), HOME)
        await one.studio.view(view.job.id)
        await asyncio.sleep(0.05)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=("line", "work", "memory", "lag"))
    parser.add_argument("--jobs", type=int, default=100_000, help="riffs that pass through")
    parser.add_argument("--seconds", type=float, default=60.0, help="of loop lag")
    options = parser.parse_args()
    parts: dict[str, Callable[[], Any]] = {
        "line": line,
        "work": work,
        "memory": lambda: memory(options.jobs),
        "lag": lambda: lag(options.seconds),
    }
    for name, part in parts.items():
        if options.only in (None, name):
            print(f"== {name}", flush=True)
            asyncio.run(part())


if __name__ == "__main__":
    main()
