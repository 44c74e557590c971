"""The supervised child process with the real engine: real signals, real allocations that fail.

What needs no real engine is in `test_worker_batches.py` and `test_worker_supervision.py`.
"""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generation.errors import GenerationError, RiffCancelledError
from generation.request import GenerationRequest, Length
from generation.worker import Order, WorkerDied, WorkerOptions
from tests.generation.workers import DEADLINE, Watched, living, outcomes

LONG = GenerationRequest("lo-fi beat", seed=7, steps=100)
SHORT = GenerationRequest("lo-fi beat", seed=7, steps=1)


def order(watched: Watched, job_id: str, request: GenerationRequest) -> Order:
    return replace(watched.order(job_id), request=request)


async def test_it_makes_cancels_refuses_dies_and_comes_back(clips: Path) -> None:
    """One story in one test, because every start of the real engine takes seconds."""
    async with living(WorkerOptions(), clips) as watched:
        first = await watched.ready()
        assert watched.worker.model["name"] == "starter"

        vectors = await watched.worker.embed(["lo-fi beat", "lofi beats", "church organ"])
        beat, beats, organ = (np.array(vector) / np.linalg.norm(vector) for vector in vectors)
        assert beat @ beats > 0.8 > beat @ organ

        previews: list[bytes] = []
        short = replace(order(watched, "short", SHORT), wants_preview=True)
        short = replace(short, on_preview=previews.append)
        odd = order(watched, "odd", replace(SHORT, length=Length(300)))
        made, refused = await outcomes(watched.worker.make_batch([short, odd]))
        assert isinstance(made, list)
        assert all(Path(path).is_file() for path in made[0].files.values())
        assert isinstance(refused, GenerationError) and "can last" in str(refused)
        assert Image.open(io.BytesIO(previews[0])).width > 1

        jobs = await watched.begin(order(watched, "a", LONG), order(watched, "b", LONG))
        watched.worker.cancel("a")
        watched.worker.cancel("b")
        assert [type(end) for end in await outcomes(jobs)] == [RiffCancelledError] * 2
        assert watched.worker.pid == first

        jobs = await watched.begin(order(watched, "long", LONG))
        os.kill(first, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        [end] = await outcomes(jobs)
        assert isinstance(end, WorkerDied) and end.begun

        await watched.until_other(first)
        await watched.ready()
        again = await watched.worker.make("again", SHORT, clips, lambda progress: None)
        pictures = [Path(clip.files["png"]).read_bytes() for clip in (*made, *again)]
        assert pictures[0] == pictures[1]
        assert {path.name.partition(".")[0] for path in clips.iterdir()} == {"short", "again"}
    assert watched.worker.state == "stopped"
    assert watched.worker.pid is None


@pytest.mark.soak
@pytest.mark.usefixtures("one_heap")
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit that allocations run into")
async def test_what_does_not_fit_at_all_fails_alone(
    clips: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Down the whole ladder, a fresh process included, with allocations that fail for real."""
    async with living(tight(100), clips) as watched:
        pid = await watched.ready()
        huge = order(watched, "huge", replace(SHORT, length=Length(20.48)))
        [end] = await outcomes(watched.worker.make_batch([huge]))
        assert isinstance(end, GenerationError) and "shorter" in str(end)
        assert await watched.ready() != pid
        assert "out of memory with 1 at once" in capfd.readouterr().err
        short = order(watched, "short", replace(SHORT, length=Length(2.56)))
        [made] = await outcomes(watched.worker.make_batch([short]))
        assert isinstance(made, list)


@pytest.fixture
def one_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    """No heaps for threads, of which glibc sets 64 MiB of addresses aside for each."""
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")


def tight(headroom: int) -> WorkerOptions:
    from tests.generation.tight_engine import TIGHT  # noqa: PLC0415 - not on Windows

    settings = {"device": "cpu", "threads": 2, "headroom": headroom}
    return WorkerOptions(engine=TIGHT, engine_settings=settings)


async def test_a_checkpoint_that_cannot_load_is_said_and_tried_again(tmp_path: Path) -> None:
    async with living(WorkerOptions(checkpoint=str(tmp_path)), tmp_path) as watched:
        await watched.until_state("broken")
        assert "model_index.json" in watched.worker.detail


def test_it_is_gone_when_its_parent_is_gone_even_while_it_loads() -> None:
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
