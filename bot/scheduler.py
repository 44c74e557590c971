"""Gives the next jobs to the worker, a batch at a time, and writes down what became of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from bot.events import Events, JobChanged, JobPreviewed, JobProgressed, QueueMoved, WorkerChanged
from bot.jobs import Job
from bot.store.claims import Claimed
from bot.store.clipfiles import ClipFiles
from bot.store.database import DiskFullError
from bot.store.ledger import Ledger
from generation.errors import GenerationError, RiffCancelledError
from generation.request import Clip, Progress
from generation.worker import Order, Worker, WorkerDied

log = logging.getLogger(__name__)

T = TypeVar("T")

LEASE_SECONDS = 60.0
OUT_OF_SPACE = (
    "The studio is out of disk space; your riff is safe and will be made once there is room."
)
UNSTORABLE = "Sorry, this riff was made but could not be stored; please ask for it again."
_TEND_SECONDS = 1.0
_ROOM_SECONDS = 5.0


class Scheduler:
    """The loop between ledger and worker."""

    def __init__(
        self,
        ledger: Ledger,
        worker: Worker,
        events: Events,
        files: ClipFiles,
        *,
        batch: Callable[[], int] = lambda: 1,
        room_pause: float = _ROOM_SECONDS,
    ) -> None:
        """Nothing runs before `run`.

        Args:
            files: where finished clips go.
            batch: how many compatible jobs may be drawn together at present.
            room_pause: seconds between two looks at a disk that is full.
        """
        self._ledger = ledger
        self._worker = worker
        self._events = events
        self._files = files
        self._batch = batch
        self._room_pause = room_pause
        self._wake = asyncio.Event()
        self._progress: dict[str, Progress] = {}
        self._running: dict[str, Job] = {}
        self.trouble: str | None = None
        events.on_watch = self._watch

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def cancel(self, job_id: str) -> None:
        """Stop the worker's hand at the next step, if it is drawing this job."""
        self._worker.cancel(job_id)

    def progress_of(self, job_id: str) -> Progress | None:
        """How far a running job is."""
        return self._progress.get(job_id)

    async def run(self) -> None:
        """Serve jobs until cancelled; what is running then goes back to the queue."""
        tending = asyncio.create_task(self._tend())
        serving = asyncio.create_task(self._serve_forever())
        try:
            done, _ = await asyncio.wait((tending, serving), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (tending, serving):
                task.cancel()
            await asyncio.gather(tending, serving, return_exceptions=True)
            for job_id in self._running:
                self._worker.cancel(job_id)
            await self._ledger.release_all()

    async def _serve_forever(self) -> None:
        while True:
            await self._worker.wait_ready()
            if not await self._files.has_room():
                await self._make_room()
            self._wake.clear()
            claimed = await self._with_room(self._claim)
            if claimed.jobs or claimed.changed:
                changed = (*claimed.changed, *(job.id for job in claimed.jobs))
                self._events.publish(*map(JobChanged, changed), QueueMoved())
            if claimed.jobs:
                await self._serve(claimed.jobs)
            else:
                await self._wake.wait()

    def _claim(self) -> Awaitable[Claimed]:
        return self._ledger.claim_batch(self._worker.name, LEASE_SECONDS, max(1, self._batch()))

    async def _serve(self, jobs: Sequence[Job]) -> None:
        self._running = {job.id: job for job in jobs}
        futures = self._worker.make_batch([self._order(job) for job in jobs])
        await asyncio.gather(
            *(
                self._finish(job, future, len(jobs))
                for job, future in zip(jobs, futures, strict=True)
            )
        )

    def _order(self, job: Job) -> Order:
        return Order(
            job_id=job.id,
            request=job.request,
            folder=self._files.work,
            on_progress=lambda progress: self._note_progress(job.id, progress),
            wants_preview=self._events.is_watched(job.id),
            on_preview=lambda png: self._events.publish(JobPreviewed(job.id, png)),
        )

    async def _finish(self, job: Job, future: asyncio.Future[list[Clip]], batch: int) -> None:
        """Write down how one job of a batch came out."""
        try:
            clips = await future
        except WorkerDied as death:
            if death.begun:
                log.warning("the worker died while it drew %s (crash %d)", job.id, job.crashes + 1)
                await self._with_room(lambda: self._ledger.record_crash(job))
            else:
                await self._with_room(lambda: self._ledger.release(job))
        except RiffCancelledError:
            log.info("%s was cancelled", job.id)
        except GenerationError as error:
            log.info("%s cannot be made: %s", job.id, error)
            sentence = str(error)
            await self._with_room(lambda: self._ledger.record_failed(job, sentence))
        else:
            await self._store(job, clips, batch)
        del self._running[job.id]
        self._progress.pop(job.id, None)
        self._events.publish(JobChanged(job.id), QueueMoved())

    async def _store(self, job: Job, clips: Sequence[Clip], batch: int) -> None:
        model = self._worker.model.get("hash", "")

        async def store() -> None:
            async with self._files.adopted(clips) as (adopted, files):
                await self._ledger.record_rendered(job, adopted, files, model=model, batch=batch)

        try:
            await self._with_room(store)
        except OSError:
            log.exception("the files of %s cannot be stored", job.id)
            await self._with_room(lambda: self._ledger.record_failed(job, UNSTORABLE))

    def _note_progress(self, job_id: str, progress: Progress) -> None:
        self._progress[job_id] = progress
        self._events.publish(JobProgressed(job_id, progress))

    def _watch(self, job_id: str, on: bool) -> None:
        if job_id in self._running:
            self._worker.watch(job_id, on)

    # Leases and deadlines -------------------------------------------------------------------

    async def _tend(self) -> None:
        """Keep the leases of what runs, and see to what waits too long or runs for nobody."""
        while True:
            await asyncio.sleep(_TEND_SECONDS)
            try:
                tended = await self._ledger.tend(tuple(self._running.values()), LEASE_SECONDS)
            except DiskFullError:
                continue  # nothing else can write either, so nobody takes the jobs away
            for job_id in tended.lost:
                self._worker.cancel(job_id)
            if tended.changed:
                self._events.publish(*map(JobChanged, tended.changed), QueueMoved())
                self._wake.set()

    # Room on the disk -----------------------------------------------------------------------

    async def _with_room(self, action: Callable[[], Awaitable[T]]) -> T:
        """Do it; while the disk is full, wait and try again. Nothing is lost meanwhile."""
        while True:
            try:
                return await action()
            except DiskFullError:
                await self._make_room()

    async def _make_room(self) -> None:
        log.error("the disk is full; nothing is drawn until there is room")
        self._set_trouble(OUT_OF_SPACE)
        try:
            while True:
                try:
                    await self._files.prune()
                except DiskFullError:
                    log.debug("there is not even room to forget old clips")
                if await self._files.has_room():
                    break
                await asyncio.sleep(self._room_pause)
            # Where only the database finds no room (a quota, say), this keeps the pace down.
            await asyncio.sleep(min(self._room_pause, 1.0))
        finally:
            self._set_trouble(None)

    def _set_trouble(self, trouble: str | None) -> None:
        self.trouble = trouble
        self._events.publish(WorkerChanged(), QueueMoved())
