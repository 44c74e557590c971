from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from bot.events import JobPreviewed, JobProgressed
from bot.grammar import Ask
from bot.scheduler import UNSTORABLE, Scheduler
from bot.store.clipfiles import Budget, ClipFiles
from generation.errors import GenerationError, RiffCancelledError
from generation.request import Clip, Progress
from generation.worker import Order, Worker, WorkerDied
from tests.bot.conftest import HOME, Kit, person
from tests.waiting import soon, until


@dataclass
class Begun:
    """An order that the worker has, and how it will end."""

    order: Order
    future: asyncio.Future[list[Clip]]

    def finish(self, content: bytes = b"") -> None:
        """Make its files and say so."""
        folder = self.order.folder
        folder.mkdir(parents=True, exist_ok=True)
        files = {}
        for kind in ("mp3", "wav", "png"):
            path = folder / f"{self.order.job_id}.{kind}"
            path.write_bytes((content or self.order.job_id.encode()) + kind.encode())
            files[kind] = str(path)
        self.future.set_result([Clip(0, files, 5.12, 44100, 225_792, {})])


class Hand:
    """Stands where the worker process does, so that a test decides how each job ends."""

    name = "worker-1"
    model: Mapping[str, str] = {"hash": "abc"}

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.ready.set()
        self.begun: asyncio.Queue[Begun] = asyncio.Queue()
        self.batches: list[int] = []
        self.cancelled: list[str] = []
        self.watched: list[tuple[str, bool]] = []

    async def wait_ready(self) -> None:
        await self.ready.wait()

    def make_batch(self, orders: Sequence[Order]) -> list[asyncio.Future[list[Clip]]]:
        self.batches.append(len(orders))
        loop = asyncio.get_running_loop()
        batch = [Begun(order, loop.create_future()) for order in orders]
        for begun in batch:
            self.begun.put_nowait(begun)
        return [begun.future for begun in batch]

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)

    def watch(self, job_id: str, on: bool) -> None:
        self.watched.append((job_id, on))


class Disk:
    """How much room there is, as the test says."""

    def __init__(self) -> None:
        self.free = 10**12

    def __call__(self, path: Path) -> int:
        return self.free


@asynccontextmanager
async def scheduling(
    kit: Kit, hand: Hand, *, batch: int = 1, disk: Disk | None = None
) -> AsyncIterator[Scheduler]:
    home = kit.path.parent.absolute()
    files = ClipFiles(
        home / "clips",
        home / "work",
        kit.database,
        kit.clock,
        Budget(bytes=10**9, seconds=None, reserve=10**6),
        disk or Disk(),
    )
    (home / "clips").mkdir(exist_ok=True)
    scheduler = Scheduler(
        kit.ledger, cast(Worker, hand), kit.events, files, batch=lambda: batch, room_pause=0.01
    )
    task = asyncio.create_task(scheduler.run())
    yield scheduler
    task.cancel()
    await asyncio.wait([task])


async def ask(kit: Kit, scheduler: Scheduler, user: str = "ann") -> str:
    view = await kit.studio.submit(person(user), Ask("jazz"), HOME)
    scheduler.wake()
    return view.job.id


async def test_a_job_is_made_and_its_files_are_named_by_their_content(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        begun = await soon(hand.begun.get())
        assert begun.order.job_id == job_id
        begun.order.on_progress(Progress("drawing", 3, 12))
        assert scheduler.progress_of(job_id) == Progress("drawing", 3, 12)
        begun.finish()
        view = await until(kit.studio, job_id, lambda view: view.job.state == "rendered")
    clips = kit.path.parent / "clips"
    for kind, path in view.job.clips[0].files.items():
        content = (clips / path).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        assert content == job_id.encode() + kind.encode()
        assert path == f"{digest[:2]}/{digest}.{kind}"
    assert list((kit.path.parent / "work").iterdir()) == []
    assert scheduler.progress_of(job_id) is None


async def test_a_dead_worker_gets_the_job_again_once(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        (await soon(hand.begun.get())).future.set_exception(WorkerDied())
        again = await soon(hand.begun.get())
        assert again.order.job_id == job_id
        again.finish()
        await until(kit.studio, job_id, lambda view: view.job.state == "rendered")


async def test_a_job_that_kills_twice_fails_and_the_next_is_served(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        for _ in range(2):
            (await soon(hand.begun.get())).future.set_exception(WorkerDied())
        await until(kit.studio, job_id, lambda view: view.job.state == "failed")
        other = await ask(kit, scheduler, "bob")
        assert (await soon(hand.begun.get())).order.job_id == other


async def test_a_worker_that_died_before_it_began_is_not_the_jobs_fault(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        for _ in range(5):
            (await soon(hand.begun.get())).future.set_exception(WorkerDied(begun=False))
        (await soon(hand.begun.get())).finish()
        view = await until(kit.studio, job_id, lambda view: view.job.state == "rendered")
    assert (view.job.crashes, view.job.attempts) == (0, 1)


async def test_what_cannot_be_made_fails_with_its_sentence(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        (await soon(hand.begun.get())).future.set_exception(GenerationError("Too odd."))
        view = await until(kit.studio, job_id, lambda view: view.job.state == "failed")
    assert view.job.error == "Too odd."


async def test_a_cancelled_job_stays_cancelled_and_the_next_is_served(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        begun = await soon(hand.begun.get())
        await kit.studio.cancel(job_id, person("ann"), may_cancel_any=False)
        assert kit.stopped == [job_id]
        begun.future.set_exception(RiffCancelledError("x"))
        other = await ask(kit, scheduler, "bob")
        assert (await soon(hand.begun.get())).order.job_id == other
    assert (await kit.studio.view(job_id)).job.state == "cancelled"


async def test_what_is_made_after_it_was_cancelled_leaves_no_file(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        begun = await soon(hand.begun.get())
        await kit.studio.cancel(job_id, person("ann"), may_cancel_any=False)
        begun.finish()
        other = await ask(kit, scheduler, "bob")
        assert (await soon(hand.begun.get())).order.job_id == other
    files = [path for path in (kit.path.parent / "clips").rglob("*") if path.is_file()]
    assert files == []


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
        assert (await soon(hand.begun.get())).order.job_id == job_id


async def test_compatible_jobs_go_together_and_come_out_one_by_one(kit: Kit) -> None:
    hand = Hand()
    hand.ready.clear()
    async with scheduling(kit, hand, batch=3) as scheduler:
        asked = []
        for user, steps in (("ann", 5), ("ann", 7), ("bob", 5), ("cid", 5), ("dan", 5)):
            view = await kit.studio.submit(person(user), Ask("jazz", steps=steps), HOME)
            asked.append(view.job.id)
        scheduler.wake()
        hand.ready.set()
        first = [await soon(hand.begun.get()) for _ in range(3)]
        assert [begun.order.job_id for begun in first] == [asked[0], asked[2], asked[3]]
        first[1].finish()
        await until(kit.studio, asked[2], lambda view: view.job.state == "rendered")
        assert (await kit.studio.view(asked[0])).job.state == "running"
        first[0].future.set_exception(WorkerDied())
        first[2].future.set_exception(GenerationError("Too odd."))
        # Ann's riff comes back, alone: should it crash again, it is known who it was.
        for wanted in (asked[0], asked[4], asked[1]):
            begun = await soon(hand.begun.get())
            assert begun.order.job_id == wanted
            begun.finish()
            await until(kit.studio, wanted, lambda view: view.job.state == "rendered")
    assert hand.batches == [3, 1, 1, 1]


async def test_previews_are_drawn_while_somebody_watches(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        order = (await soon(hand.begun.get())).order
        assert not order.wants_preview
        with kit.studio.subscribe() as everything, kit.studio.watch(job_id) as events:
            with kit.studio.watch(job_id):
                pass
            assert hand.watched == [(job_id, True)]
            order.on_preview(b"png")
            order.on_progress(Progress("drawing", 1, 2))
            seen = [await soon(anext(aiter(events))) for _ in range(1)]
            assert seen == [JobPreviewed(job_id, b"png")]
            assert await soon(anext(aiter(everything))) == JobProgressed(
                job_id, Progress("drawing", 1, 2)
            )
        assert hand.watched[-1] == (job_id, False)


async def test_a_watched_job_wants_previews_from_the_start(kit: Kit) -> None:
    hand = Hand()
    hand.ready.clear()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        with kit.studio.watch(job_id):
            hand.ready.set()
            assert (await soon(hand.begun.get())).order.wants_preview


async def test_on_a_full_disk_everything_waits_and_nothing_is_lost(kit: Kit) -> None:
    hand, disk = Hand(), Disk()
    async with scheduling(kit, hand, disk=disk) as scheduler:
        disk.free = 10
        with kit.studio.subscribe() as events:
            job_id = await ask(kit, scheduler)
            async for _ in events:
                if scheduler.trouble is not None:
                    break
        assert "out of disk space; your riff is safe" in scheduler.trouble
        assert (await kit.studio.view(job_id)).job.state == "queued"
        disk.free = 10**12
        (await soon(hand.begun.get())).finish()
        await until(kit.studio, job_id, lambda view: view.job.state == "rendered")
    assert scheduler.trouble is None


async def test_a_disk_that_fills_up_while_a_clip_is_stored_spoils_nothing(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = os.fsync, [errno.ENOSPC, errno.EDQUOT]

    def fsync(handle: int) -> None:
        if failures:
            raise OSError(failures.pop(), "no room")
        real(handle)

    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        begun = await soon(hand.begun.get())
        monkeypatch.setattr(os, "fsync", fsync)
        begun.finish()
        view = await until(kit.studio, job_id, lambda view: view.job.state == "rendered")
    assert failures == []
    for kind, path in view.job.clips[0].files.items():
        content = (kit.path.parent / "clips" / path).read_bytes()
        assert content == job_id.encode() + kind.encode()
    assert len(hand.batches) == 1


async def test_files_that_are_gone_fail_their_job_only(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        begun = await soon(hand.begun.get())
        begun.future.set_result([Clip(0, {"mp3": "/nowhere/x.mp3"}, 5.12, 44100, 1, {})])
        view = await until(kit.studio, job_id, lambda view: view.job.state == "failed")
        other = await ask(kit, scheduler, "bob")
        assert (await soon(hand.begun.get())).order.job_id == other
    assert view.job.error == UNSTORABLE


async def test_a_job_whose_lease_was_lost_is_drawn_anew(kit: Kit) -> None:
    hand = Hand()
    async with scheduling(kit, hand) as scheduler:
        job_id = await ask(kit, scheduler)
        first = await soon(hand.begun.get())
        # Somebody else requeued it: the leases had lapsed while this process was stopped.
        kit.clock.time += 61
        await kit.ledger.tend([], 60)
        first.finish()
        second = await soon(hand.begun.get())
        assert second.order.job_id == job_id
        second.finish(b"second ")
        view = await until(kit.studio, job_id, lambda view: view.job.state == "rendered")
    assert view.job.attempts == 2
