"""A running worker for tests: its changes can be waited for, and its life ends with the test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from generation.request import Clip, GenerationRequest, Progress
from generation.worker import Order, Worker, WorkerOptions
from tests.standin_engine import STAND_IN

DEADLINE = 240.0

Job = asyncio.Future[list[Clip]]


class Watched:
    """A worker, and every state it was in."""

    def __init__(self, options: WorkerOptions, folder: Path) -> None:
        self._changed = asyncio.Event()
        self.folder = folder
        self.states: list[str] = []
        self.worker = Worker(options, self._note)

    def _note(self) -> None:
        self.states.append(self.worker.state)
        self._changed.set()

    async def until(self, wanted: Callable[[], object]) -> None:
        """Wait until something is so; asked again at every change of the worker."""
        async with asyncio.timeout(DEADLINE):
            while not wanted():
                self._changed.clear()
                await self._changed.wait()

    async def until_state(self, *states: str) -> None:
        await self.until(lambda: self.worker.state in states)

    async def until_other(self, pid: int) -> None:
        """Wait until this child is gone."""
        await self.until(lambda: self.worker.pid != pid)

    async def ready(self) -> int:
        """Wait until it can take jobs; the child's process id."""
        async with asyncio.timeout(DEADLINE):
            await self.worker.wait_ready()
        assert self.worker.pid is not None
        return self.worker.pid

    def order(
        self, job_id: str, prompt: str = "jazz", see: Callable[[Progress], None] | None = None
    ) -> Order:
        request = GenerationRequest(prompt, seed=7)
        return Order(job_id, request, self.folder, see or (lambda progress: None))

    def batch(self, **prompts: str) -> list[Job]:
        """One batch with a job for each prompt."""
        return self.worker.make_batch([self.order(name, text) for name, text in prompts.items()])

    async def make(self, prompt: str, job_id: str = "one") -> list[Clip] | BaseException:
        """What becomes of one job."""
        [outcome] = await outcomes(self.batch(**{job_id: prompt}))
        return outcome

    async def begin(self, *orders: Order) -> list[Job]:
        """A batch, once every job of it has made its first step."""
        drawing = {order.job_id: asyncio.Event() for order in orders}

        def noting(order: Order) -> Order:
            def see(progress: Progress) -> None:
                order.on_progress(progress)
                if progress.stage == "drawing" and progress.done:
                    drawing[order.job_id].set()

            return Order(order.job_id, order.request, order.folder, see)

        jobs = self.worker.make_batch([noting(order) for order in orders])
        async with asyncio.timeout(DEADLINE):
            for event in drawing.values():
                await event.wait()
        return jobs


async def outcomes(jobs: list[Job]) -> list[list[Clip] | BaseException]:
    """What became of each job, in order."""
    async with asyncio.timeout(DEADLINE):
        return await asyncio.gather(*jobs, return_exceptions=True)


@asynccontextmanager
async def living(options: WorkerOptions, folder: Path) -> AsyncIterator[Watched]:
    """A worker that runs until the end of the block; the folder need not be there."""
    watched = Watched(options, folder)
    life = asyncio.create_task(watched.worker.run())
    try:
        yield watched
    finally:
        life.cancel()
        await asyncio.wait([life])


def stand_in(settings: dict[str, Any] | None = None, **options: Any) -> WorkerOptions:
    """Options of a worker with the stand-in engine, quick to start again and to beat."""
    values = {"beat_interval": 0.05, "first_pause": 0.01, **options}
    return WorkerOptions(engine=STAND_IN, engine_settings=settings or {}, **values)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, of ours."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
