"""The supervised child process: real processes, real signals, the real checkpoint."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from generation.errors import GenerationError, RiffCancelledError
from generation.request import GenerationRequest, Length, Progress
from generation.worker import Worker, WorkerDied, WorkerOptions

DEADLINE = 180.0
LONG = GenerationRequest("lo-fi beat", seed=7, steps=100)
SHORT = GenerationRequest("lo-fi beat", seed=7, steps=1)


class Watched:
    """A running worker whose changes can be waited for."""

    def __init__(self, options: WorkerOptions) -> None:
        self._changed = asyncio.Event()
        self.worker = Worker(options, self._changed.set)

    async def until_state(self, *states: str) -> None:
        async def wait() -> None:
            while self.worker.state not in states:
                self._changed.clear()
                await self._changed.wait()

        await asyncio.wait_for(wait(), DEADLINE)


@asynccontextmanager
async def living(options: WorkerOptions) -> AsyncIterator[Watched]:
    watched = Watched(options)
    life = asyncio.create_task(watched.worker.run())
    try:
        yield watched
    finally:
        life.cancel()
        await asyncio.wait([life])


def ignore(progress: Progress) -> None:
    pass


async def drawing(worker: Worker, folder: Path) -> asyncio.Task[object]:
    """A job of a hundred steps that has made its first one."""
    begun = asyncio.Event()

    def see(progress: Progress) -> None:
        if progress.stage == "drawing" and progress.done:
            begun.set()

    task: asyncio.Task[object] = asyncio.create_task(worker.make("long", LONG, folder, see))
    await asyncio.wait_for(begun.wait(), DEADLINE)
    return task


async def test_it_makes_cancels_refuses_dies_and_comes_back(clips: Path) -> None:
    """One story in one test, because every start of the real engine takes seconds."""
    async with living(WorkerOptions()) as watched:
        worker = watched.worker
        await asyncio.wait_for(worker.wait_ready(), DEADLINE)
        assert worker.model["name"] == "starter"

        [clip] = await worker.make("short", SHORT, clips, ignore)
        assert all(Path(path).is_file() for path in clip.files.values())

        task = await drawing(worker, clips)
        worker.cancel("another job")
        worker.cancel("long")
        with pytest.raises(RiffCancelledError):
            await asyncio.wait_for(task, DEADLINE)

        odd = GenerationRequest("x", seed=1, length=Length(300))
        with pytest.raises(GenerationError, match="can last"):
            await worker.make("odd", odd, clips, ignore)

        task = await drawing(worker, clips)
        first = worker.pid
        assert first is not None
        os.kill(first, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        with pytest.raises(WorkerDied):
            await asyncio.wait_for(task, DEADLINE)
        await watched.until_state("ready")
        assert worker.pid != first
        [again] = await worker.make("again", SHORT, clips, ignore)
        assert Path(again.files["png"]).read_bytes() == Path(clip.files["png"]).read_bytes()
        assert not list(clips.glob("long*"))
    assert worker.state == "stopped"
    assert worker.pid is None


async def test_a_checkpoint_that_cannot_load_is_said_and_tried_again(tmp_path: Path) -> None:
    async with living(WorkerOptions(checkpoint=str(tmp_path))) as watched:
        await watched.until_state("broken")
        assert "model_index.json" in watched.worker.detail


async def test_a_hung_job_is_given_up(clips: Path) -> None:
    """A child that is stopped (not dead) makes no progress; its job must not wait for ever."""
    if os.name == "nt":
        pytest.skip("there is no SIGSTOP")
    async with living(WorkerOptions(stall_timeout=10)) as watched:
        await asyncio.wait_for(watched.worker.wait_ready(), DEADLINE)
        task = await drawing(watched.worker, clips)
        assert watched.worker.pid is not None
        os.kill(watched.worker.pid, signal.SIGSTOP)
        with pytest.raises(WorkerDied):
            await asyncio.wait_for(task, DEADLINE)


def test_it_is_gone_when_its_parent_is_gone() -> None:
    """Kill the parent with SIGKILL: the child sees the end of its input, at any moment."""
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import asyncio\n"
            "from generation.worker import Worker, WorkerOptions\n"
            "w = Worker(WorkerOptions(), lambda: w.pid and print(w.pid, flush=True))\n"
            "asyncio.run(w.run())",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    reader = os.pidfd_open(child) if hasattr(os, "pidfd_open") else None
    parent.kill()
    parent.wait(DEADLINE)
    if reader is None:
        pytest.skip("this platform cannot wait for a process that is not its child")
    readable, _, _ = select.select([reader], [], [], DEADLINE)
    os.close(reader)
    assert readable, "the worker outlived its parent"
