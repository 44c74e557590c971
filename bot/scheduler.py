"""Gives the next job to the worker, one at a time, and writes down what became of it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

from bot.events import Events, JobChanged, JobProgressed, QueueMoved
from bot.jobs import Job
from bot.store.ledger import Ledger
from generation.errors import GenerationError, RiffCancelledError
from generation.request import Clip, Progress
from generation.worker import Worker, WorkerDied

log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0


class Scheduler:
    """The loop between ledger and worker."""

    def __init__(self, ledger: Ledger, worker: Worker, events: Events, clips: Path) -> None:
        self._ledger = ledger
        self._worker = worker
        self._events = events
        self._clips = clips
        self._wake = asyncio.Event()
        self._progress: dict[str, Progress] = {}

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
        """Serve jobs until cancelled; a job that is running then goes back to the queue."""
        while True:
            await self._worker.wait_ready()
            self._wake.clear()
            job = await self._ledger.claim(self._worker.name, LEASE_SECONDS)
            if job is None:
                await self._wake.wait()
                continue
            self._events.publish(JobChanged(job.id), QueueMoved())
            try:
                await self._serve(job)
            except asyncio.CancelledError:
                self._worker.cancel(job.id)
                await self._ledger.release(job.id)
                raise
            finally:
                self._progress.pop(job.id, None)
            self._events.publish(JobChanged(job.id), QueueMoved())

    async def _serve(self, job: Job) -> None:
        lease = asyncio.create_task(self._keep_lease(job.id))
        try:
            clips = await self._worker.make(
                job.id,
                job.request,
                self._clips / job.id[:2],
                lambda progress: self._note_progress(job.id, progress),
            )
        except WorkerDied:
            log.warning("the worker died while it drew %s (crash %d)", job.id, job.crashes + 1)
            await self._ledger.record_crash(job.id)
        except RiffCancelledError:
            log.info("%s was cancelled", job.id)
        except GenerationError as error:
            log.info("%s cannot be made: %s", job.id, error)
            await self._ledger.record_failed(job.id, str(error))
        else:
            stored = [self._from_clips_folder(clip) for clip in clips]
            await self._ledger.record_rendered(job.id, stored)
        finally:
            lease.cancel()

    async def _keep_lease(self, job_id: str) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            await self._ledger.extend_lease(job_id, LEASE_SECONDS)

    def _from_clips_folder(self, clip: Clip) -> Clip:
        """The clip with its paths as seen from the clips folder, so that the data can be moved."""
        files = {
            kind: Path(path).relative_to(self._clips).as_posix()
            for kind, path in clip.files.items()
        }
        return replace(clip, files=files)

    def _note_progress(self, job_id: str, progress: Progress) -> None:
        self._progress[job_id] = progress
        self._events.publish(JobProgressed(job_id, progress))
