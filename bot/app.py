"""Wiring and lifecycle: makes every part, starts them in order, stops them in reverse."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bot.adapters import Adapter, AdapterError, HasPages, load_adapters
from bot.clock import Clock, SystemClock
from bot.config import Config
from bot.errors import BadInputRefusal
from bot.events import Events, QueueMoved, WorkerChanged
from bot.housekeeping import Housekeeping
from bot.live.orders import LIVE_ROLE
from bot.moderation.desk import Moderation, Rulebook, open_rulebook
from bot.outbox import Outbox
from bot.scheduler import Scheduler
from bot.services import Services, budget_of
from bot.store.clipfiles import ClipFiles
from bot.store.database import Database, StoreError
from bot.store.ledger import Ledger
from bot.store.queue import QueueView
from bot.store.sources import Sources
from bot.studio import Studio
from bot.web.identity import Identity
from bot.web.riffusion import ROLE
from bot.web.server import LocalWeb
from generation.version import version
from generation.worker import Worker, WorkerOptions

log = logging.getLogger(__name__)

STUDIO_DOWN = "The studio is down; your riff is safe and will be made when it is back."


class StartError(Exception):
    """The bot cannot start; `str(error)` tells the operator what to do."""


@dataclass(frozen=True, slots=True)
class App:
    """The running bot, as its starter sees it.

    None of `tasks` ends by itself; one that does has failed.
    """

    studio: Studio
    moderation: Moderation
    worker: Worker
    services: Services
    web: LocalWeb | None
    tasks: tuple[asyncio.Task[None], ...]


@asynccontextmanager
async def running(config: Config, clock: Clock | None = None) -> AsyncIterator[App]:
    """The whole bot, from the opened database to the last closed socket.

    Raises:
        StartError: the data folder, database or web port cannot be used.
    """
    clock = clock or SystemClock()
    data = config.data
    await asyncio.to_thread(_prepare_folder, data)
    async with AsyncExitStack() as stack:
        lock = _only_one(data)
        stack.callback(lock.release)
        try:
            database = await Database.open(data / "riffbot.sqlite3")
        except StoreError as error:
            raise StartError(str(error)) from error
        stack.push_async_callback(database.close)
        events = Events()
        worker = _worker(config, lambda: events.publish(WorkerChanged(), QueueMoved()))
        ledger = await Ledger.start(database, clock, version())
        files = _clip_files(config, database, clock)
        sources = _sources(config, database, clock)
        scheduler = Scheduler(ledger, worker, events, files, batch=_batch(config, worker))
        queue = QueueView(
            database,
            clock,
            model=lambda: worker.model.get("hash", ""),
            on_news=lambda: events.publish(QueueMoved()),
        )
        stack.push_async_callback(queue.close)
        rulebook = await _rulebook(config, database, clock)
        studio = Studio(
            policy=rulebook.policy,
            settings=rulebook.settings,
            database=database,
            ledger=ledger,
            queue=queue,
            events=events,
            clock=clock,
            wake_scheduler=scheduler.wake,
            cancel_running=scheduler.cancel,
            progress_of=scheduler.progress_of,
            notice=lambda: _notice(scheduler, worker),
            halt_notice=rulebook.halts.notice,
        )
        moderation = Moderation.over(
            rulebook,
            database=database,
            clock=clock,
            ledger=ledger,
            events=events,
            cancel_running=scheduler.cancel,
            wake_scheduler=scheduler.wake,
        )
        identity = await asyncio.to_thread(Identity.load, data / "secret")
        services = Services.over(
            config,
            studio=studio,
            moderation=moderation,
            database=database,
            clock=clock,
            events=events,
            files=files,
            sources=sources,
            embed=worker.embed,
        )
        web = _web(services, worker, scheduler, identity)
        housekeeping = Housekeeping(database, clock, files, sources, services.archives)
        await housekeeping.clean_up()
        await services.exports.clean_up()
        adapters = await _start_adapters(services, web, stack)
        outbox = Outbox(ledger, adapters, events, clock)
        tasks = [
            asyncio.create_task(part)
            for part in (
                worker.run(),
                outbox.run(),
                scheduler.run(),
                housekeeping.run(),
                services.live.run(),
            )
        ]
        for task in tasks:
            stack.push_async_callback(_cancel, task)
        yield App(studio, moderation, worker, services, web, tuple(tasks))
        log.info("stopping")


def _prepare_folder(data: Path) -> None:
    try:
        for name in ("clips", "work", "sources"):
            (data / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"The data folder {data} cannot be used: {error.strerror}.") from error


def _only_one(data: Path) -> FileLock:
    """A lock that ends with the process: two bots on one ledger would run each other's jobs."""
    lock = FileLock(data / "riffbot.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StartError(
            f"Another Riffbot already runs on the data folder {data}; stop it first, or name "
            "another folder with --data."
        ) from error
    return lock


def _worker(config: Config, on_state: Callable[[], None]) -> Worker:
    engine = config.engine
    return Worker(
        WorkerOptions(
            engine_settings=engine.for_worker(config.data / "sources"),
            start_timeout=engine.start_timeout,
            stall_timeout=engine.stall_timeout,
            memory_limit=int(engine.memory_gigabytes * 1e9),
        ),
        on_state,
    )


def _batch(config: Config, worker: Worker) -> Callable[[], int]:
    """How many jobs to draw together: as configured, or as the worker recommends."""
    configured = config.engine.batch
    if configured != "auto":
        return lambda: configured
    return lambda: int(worker.model.get("batch", "1"))


def _clip_files(config: Config, database: Database, clock: Clock) -> ClipFiles:
    budget = budget_of(config.retention, config.retention.clips_gigabytes)
    return ClipFiles(config.data / "clips", config.data / "work", database, clock, budget)


def _sources(config: Config, database: Database, clock: Clock) -> Sources:
    budget = budget_of(config.retention, config.retention.sources_gigabytes)
    return Sources(config.data / "sources", database, clock, budget)


async def _rulebook(config: Config, database: Database, clock: Clock) -> Rulebook:
    limits = config.limits
    configured = {
        "burst": limits.burst,
        "period": limits.period,
        "community-burst": limits.community_burst,
        "community-period": limits.community_period,
        "global-burst": limits.global_burst,
        "global-period": limits.global_period,
        "largest": limits.largest,
        "waiting": limits.queued_per_user,
        "community-waiting": limits.queued_per_community,
        "global-waiting": limits.queued_in_all,
        "allowances": limits.allowances,
        "retention-days": config.retention.days,
    }
    try:
        return await open_rulebook(
            database, clock, configured, {ROLE: math.inf, LIVE_ROLE: math.inf}
        )
    except BadInputRefusal as error:
        raise StartError(f"The configuration cannot be used: {error}") from error


def _notice(scheduler: Scheduler, worker: Worker) -> str | None:
    """What holds up everything that waits, in words for those who wait."""
    if scheduler.trouble is not None or worker.state == "ready":
        return scheduler.trouble
    return STUDIO_DOWN if worker.state in ("broken", "down") else worker.detail


def _web(
    services: Services, worker: Worker, scheduler: Scheduler, identity: Identity
) -> LocalWeb | None:
    if not services.config.web.enabled:
        return None

    def health() -> dict[str, Any]:
        full = scheduler.trouble
        return {
            "state": worker.state if full is None else "broken",
            "detail": worker.detail if full is None else full,
            "worker_pid": worker.pid,
            "model": dict(worker.model),
            "version": version(),
        }

    return LocalWeb(services, identity, health)


async def _start_adapters(
    services: Services, web: LocalWeb | None, stack: AsyncExitStack
) -> list[Adapter]:
    """Start the local web, which must work, and every other adapter, which may fail alone."""
    started: list[Adapter] = []
    try:
        adapters = load_adapters(services.config.adapters, services)
    except AdapterError as error:
        raise StartError(str(error)) from error
    if web is not None:
        stack.push_async_callback(web.stop)
        for adapter in adapters:
            if isinstance(adapter, HasPages):
                web.add_pages(adapter.pages(web.is_owner))
        try:
            await web.start()
        except AdapterError as error:
            raise StartError(str(error)) from error
        started.append(web)
    for adapter in adapters:
        stack.push_async_callback(adapter.stop)
        try:
            await adapter.start()
        except AdapterError as error:
            log.error("%s stays off: %s", adapter.platform, error)
        else:
            started.append(adapter)
    if not started:
        raise StartError(
            "There is nothing to listen on: turn web.enabled on, or configure an adapter."
        )
    return started


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
