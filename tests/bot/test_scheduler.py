from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from bot.grammar import Ask
from bot.scheduler import Scheduler
from generation.errors import GenerationError, RiffCancelledError
from generation.request import Clip, GenerationRequest, Progress
from generation.worker import Worker, WorkerDied
from tests.bot.conftest import HOME, Kit, person
from tests.waiting import soon, until


class Hand:
    """Stands where the worker process does, so that a test decides how each job ends."""

    name = "worker-1"

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.ready.set()
        self.begun: asyncio.Queue[tuple[str, asyncio.Future[list[Clip]]]] = asyncio.Queue()
        self.cancelled: list[str] = []
        self.report: Callable[[Progress], None] = lambda progress: None

    async def wait_ready(self) -> None:
        await self.ready.wait()

    async def make(
        self,
        job_id: str,
        request: GenerationRequest,
        folder: Path,
        on_progress: Callable[[Progress], None],
    ) -> list[Clip]:
        future: asyncio.Future[list[Clip]] = asyncio.get_running_loop().create_future()
        self.report = on_progress
        self.begun.put_nowait((job_id, future))
        clips = await future
        return [
            Clip(
                clip.index,
                {kind: str(folder / f"{job_id}.{kind}") for kind in clip.files},
                clip.seconds,
                clip.sample_rate,
                clip.samples,
                clip.recipe,
            )
            for clip in clips
        ]

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)


CLIPS = [Clip(0, {"mp3": "", "wav": "", "png": ""}, 5.12, 44100, 225_792, {})]


@asynccontextmanager
async def scheduling(kit: Kit, hand: Hand) -> AsyncIterator[Scheduler]:
    clips = (kit.path.parent / "clips").absolute()
    scheduler = Scheduler(kit.ledger, cast(Worker, hand), kit.events, clips)
    task = asyncio.create_task(scheduler.run())
    yield scheduler
    task.cancel()
    await asyncio.wait([task])


async def ask(kit: Kit, scheduler: Scheduler, user: str = "ann") -> str:
    view = await kit.studio.submit(person(user), Ask("jazz"), HOME)
    scheduler.wake()
    return view.job.id


async def test_a_job_is_made_and_its_files_are_named_from_the_clips_folder(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        begun, future = await soon(hand.begun.get())
        assert begun == job_id
        hand.report(Progress("drawing", 3, 12))
        assert scheduler.progress_of(job_id) == Progress("drawing", 3, 12)
        future.set_result(CLIPS)
        view = await until(kit.studio, job_id, lambda view: view.job.state == "rendered")
    assert view.job.clips[0].files["mp3"] == f"{job_id[:2]}/{job_id}.mp3"
    assert scheduler.progress_of(job_id) is None


async def test_a_dead_worker_gets_the_job_again_once(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        (await soon(hand.begun.get()))[1].set_exception(WorkerDied())
        again, future = await soon(hand.begun.get())
        assert again == job_id
        future.set_result(CLIPS)
        await until(kit.studio, job_id, lambda view: view.job.state == "rendered")


async def test_a_job_that_kills_twice_fails_and_the_next_is_served(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        for _ in range(2):
            (await soon(hand.begun.get()))[1].set_exception(WorkerDied())
        await until(kit.studio, job_id, lambda view: view.job.state == "failed")
        other = await ask(kit, scheduler, "bob")
        assert (await soon(hand.begun.get()))[0] == other


async def test_what_cannot_be_made_fails_with_its_sentence(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        (await soon(hand.begun.get()))[1].set_exception(GenerationError("Too odd."))
        view = await until(kit.studio, job_id, lambda view: view.job.state == "failed")
    assert view.job.error == "Too odd."


async def test_a_cancelled_job_stays_cancelled_and_the_next_is_served(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        _, future = await soon(hand.begun.get())
        await kit.studio.cancel(job_id, person("ann"), may_cancel_any=False)
        assert kit.stopped == [job_id]
        future.set_exception(RiffCancelledError("x"))
        other = await ask(kit, scheduler, "bob")
        assert (await soon(hand.begun.get()))[0] == other
    assert (await kit.studio.view(job_id)).job.state == "cancelled"


async def test_stopping_puts_the_running_job_back(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        await soon(hand.begun.get())
    view = await kit.studio.view(job_id)
    assert (view.job.state, view.job.attempts) == ("queued", 0)
    assert hand.cancelled == [job_id]


async def test_nothing_is_claimed_while_no_worker_is_ready(kit: Kit) -> None:
    hand = Hand()
    hand.ready.clear()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        assert (await kit.studio.view(job_id)).job.state == "queued"
        hand.ready.set()
        assert (await soon(hand.begun.get()))[0] == job_id
