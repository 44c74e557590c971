"""A bot to be killed: the whole of `bot.app` in a process of its own, with its own small platform.

Its one adapter posts by appending a line to a file, which outlives the bot as a chat does. Like
Discord's it looks for its own earlier post where there may be one. At every start it asks for some
riffs, under keys, and notes what was accepted. It prints `ready PID` when its worker is ready, and
`idle` when everything accepted has come to its end.

    python -c "from tests.bot.killable import main; main()" DATA ASKS ENGINE
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

from bot import app
from bot.ask import Ask
from bot.config import Config, EngineConfig, LimitsConfig, WebConfig
from bot.events import WorkerChanged
from bot.jobs import Address, Delivery, Requester
from bot.services import Services
from bot.store.database import Database
from bot.studio import Studio
from generation.worker import Worker, WorkerOptions
from tests.standin_engine import STAND_IN

PLATFORM = "post"
BOXES = 5


class Postbox:
    """An adapter whose posts are lines of a file."""

    platform = PLATFORM

    def __init__(self, data: Path) -> None:
        self._path = data / "posted.log"
        self._chance = random.Random()

    async def start(self) -> None:
        """There is nothing to connect to."""

    async def stop(self) -> None:
        """Nor to disconnect from."""

    async def deliver(self, delivery: Delivery) -> str:
        """Post once: after a crash an earlier try may have got through, so look first."""
        job = delivery.job
        if not (delivery.attempts and job.id in posts(self._path)):
            await asyncio.sleep(self._chance.uniform(0, 0.02))  # the way there
            box = delivery.address.details["box"]
            append(self._path, f"{job.id} {job.state} {box}")
            await asyncio.sleep(self._chance.uniform(0, 0.02))  # and back
        return job.id


def create(services: Services) -> Postbox:
    """What `bot.adapters` calls."""
    return Postbox(services.config.data)


def append(path: Path, line: str) -> None:
    """Add a line in one write, which a kill cannot halve."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)


def posts(path: Path) -> list[str]:
    """The first word of every line."""
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


async def serve(data: Path, asks: int, engine: str) -> None:
    """Run until SIGTERM."""
    config = Config(
        data=data,
        web=WebConfig(enabled=False),
        adapters=("tests.bot.killable",),
        engine=EngineConfig(batch=3),
        limits=LimitsConfig(
            burst=1e6,
            community_burst=1e6,
            global_burst=1e6,
            queued_per_user=10**6,
            queued_per_community=10**6,
            queued_in_all=10**6,
        ),
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if engine == "stand-in":
        app._worker = stand_in
    async with app.running(config) as running:
        database = await Database.open(data / "riffbot.sqlite3")
        tasks = [
            asyncio.create_task(tell_ready(running.studio, running.worker)),
            asyncio.create_task(ask_and_wait(running.studio, database, data, asks)),
        ]
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({stopping, *running.tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, *tasks):
            task.cancel()
        await database.close()
        for task in running.tasks:
            if task.done():
                task.result()


def stand_in(config: Config, on_state: Callable[[], None]) -> Worker:
    """A worker of fixed latency that comes back at once however often it is killed."""
    settings = {"step_seconds": 0.01, "steps": 4}
    return Worker(WorkerOptions(engine=STAND_IN, engine_settings=settings, deaths=10**6), on_state)


async def tell_ready(studio: Studio, worker: Worker) -> None:
    """Print each worker's process id once."""
    told = None
    with studio.subscribe() as events:
        while True:
            if worker.state == "ready" and worker.pid != told:
                told = worker.pid
                print("ready", told, flush=True)
            async for event in events:
                if isinstance(event, WorkerChanged):
                    break


async def ask_and_wait(studio: Studio, database: Database, data: Path, asks: int) -> None:
    """Ask for riffs, each under the next key; then wait until nothing is left to do."""
    accepted = data / "accepted.log"
    first = len(posts(accepted))
    chance = random.Random(first)
    for number in range(first, first + asks):
        who = Requester(PLATFORM, f"c{number % 3}", f"u{number % 7}", "Ann")
        ask = Ask(f"riff {number}", seed=number, steps=chance.choice([1, 2]))
        address = Address(PLATFORM, {"box": number % BOXES})
        view = await studio.submit(who, ask, address, key=str(number))
        append(accepted, view.job.id)
        await asyncio.sleep(chance.uniform(0, 0.02))
    with studio.subscribe() as events:
        while await database.read(_unfinished):
            await anext(aiter(events))
    print("idle", flush=True)


def _unfinished(db: sqlite3.Connection) -> int:
    return int(
        db.execute(
            "SELECT count(*) FROM jobs j JOIN deliveries d ON d.job_id = j.id "
            "WHERE j.state IN ('queued', 'running', 'rendered') OR d.state = 'pending'"
        ).fetchone()[0]
    )


def main() -> None:
    """Run with the options of the command line."""
    data, asks, engine = sys.argv[1:]
    asyncio.run(serve(Path(data), int(asks), engine))
