"""Batches through a real child process, with a stand-in engine: each job comes out for itself."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

from generation.errors import GenerationError, RiffCancelledError
from generation.request import GenerationRequest, Progress
from generation.worker import Order, Worker, WorkerDied, WorkerOptions
from generation.worker_main import PREVIEW_INTERVAL
from tests.generation.workers import DEADLINE, living, outcomes, stand_in

# A hundred steps that take as long as a test can wait, unless they are ended before.
LONG = {"steps": 100, "step_seconds": DEADLINE / 50}
BRISK = {"steps": 200, "step_seconds": 0.01}


async def test_each_job_of_a_batch_comes_out_for_itself(clips: Path) -> None:
    async with living(stand_in(), clips) as watched:
        await watched.ready()
        jobs = watched.batch(a="jazz", b="odd", c="jazz", d="bug")
        a, b, c, d = await outcomes(jobs)
        assert isinstance(a, list) and isinstance(c, list)
        for [clip], job_id in ((a, "a"), (c, "c")):
            assert {Path(path).name for path in clip.files.values()} == {
                f"{job_id}.mp3",
                f"{job_id}.wav",
                f"{job_id}.png",
            }
            assert all(Path(path).is_file() for path in clip.files.values())
        assert isinstance(b, GenerationError) and "too odd" in str(b)
        assert isinstance(d, GenerationError) and "log has the details" in str(d)
        assert not list(clips.glob("[bd]*"))


async def test_an_order_of_another_format_is_refused_and_its_neighbour_made(clips: Path) -> None:
    class OfTomorrow(GenerationRequest):
        def to_json(self) -> dict[str, object]:
            return {**super().to_json(), "version": 999}

    async with living(stand_in(), clips) as watched:
        await watched.ready()
        odd = Order("odd", OfTomorrow("jazz", seed=1), clips, lambda progress: None)
        refused, made = await outcomes(watched.worker.make_batch([odd, watched.order("a")]))
        assert "format 999" in str(refused)
        assert isinstance(made, list)


async def test_an_order_that_cannot_be_read_at_all_fails_and_its_neighbour_is_made(
    clips: Path,
) -> None:
    class Damaged(GenerationRequest):
        def to_json(self) -> dict[str, object]:
            return {**super().to_json(), "length": {"metres": 3}}

    async with living(stand_in(), clips) as watched:
        pid = await watched.ready()
        odd = Order("odd", Damaged("jazz", seed=1), clips, lambda progress: None)
        refused, made = await outcomes(watched.worker.make_batch([odd, watched.order("a")]))
        assert isinstance(refused, GenerationError)
        assert isinstance(made, list)
        assert watched.worker.pid == pid


async def test_programs_of_the_child_neither_hear_nor_disturb_what_the_two_sides_say(
    clips: Path,
) -> None:
    async with living(stand_in(), clips) as watched:
        pid = await watched.ready()
        assert isinstance(await watched.make("chatty"), list)
        assert watched.worker.pid == pid


async def test_one_batch_at_a_time_and_each_job_once(clips: Path) -> None:
    async with living(stand_in(LONG), clips) as watched:
        await watched.ready()
        with pytest.raises(RuntimeError):
            watched.worker.make_batch([watched.order("a"), watched.order("a")])
        [job] = watched.batch(a="jazz")
        with pytest.raises(RuntimeError):
            watched.batch(b="jazz")
        job.cancel()
        assert watched.worker.make_batch([]) == []


async def test_what_comes_while_no_child_is_ready_has_not_begun(clips: Path) -> None:
    worker = Worker(WorkerOptions())
    [job] = worker.make_batch([Order("a", GenerationRequest("x", 1), clips, lambda progress: None)])
    with pytest.raises(WorkerDied) as died:
        await job
    assert not died.value.begun


async def test_cancelling_one_leaves_the_others_and_the_process(clips: Path) -> None:
    async with living(stand_in(BRISK), clips) as watched:
        pid = await watched.ready()
        jobs = await watched.begin(watched.order("a"), watched.order("b"), watched.order("c"))
        watched.worker.cancel("a job of yesterday")
        watched.worker.cancel("b")
        a, b, c = await outcomes(jobs)
        assert isinstance(b, RiffCancelledError)
        assert isinstance(a, list) and isinstance(c, list)
        assert not list(clips.glob("b*"))
        assert watched.worker.pid == pid


async def test_all_cancelled_ends_the_drawing_at_its_next_step(clips: Path) -> None:
    async with living(stand_in({"steps": 10_000, "step_seconds": 0.01}), clips) as watched:
        pid = await watched.ready()
        jobs = await watched.begin(watched.order("a"), watched.order("b"))
        for name in "ab":
            watched.worker.cancel(name)
        assert all(isinstance(end, RiffCancelledError) for end in await outcomes(jobs))
        assert isinstance(await watched.make("odd"), GenerationError)
        assert watched.worker.pid == pid


async def test_a_job_that_is_cancelled_before_it_begins_is_never_drawn(clips: Path) -> None:
    """The second half of a batch that does not fit waits for the first."""
    async with living(stand_in({"steps": 20, "step_seconds": 0.02}), clips) as watched:
        await watched.ready()
        steps: list[int] = []
        begun = asyncio.Event()

        def see(progress: Progress) -> None:
            if progress.done:
                begun.set()

        first = watched.order("a", "fits-1", see)
        second = watched.order("b", "fits-1", lambda progress: steps.append(progress.done))
        jobs = watched.worker.make_batch([first, second])
        async with asyncio.timeout(DEADLINE):
            await begun.wait()
        watched.worker.cancel("b")
        a, b = await outcomes(jobs)
        assert isinstance(a, list)
        assert isinstance(b, RiffCancelledError)
        assert set(steps) <= {0}


async def test_a_future_that_nobody_waits_for_gives_its_job_up(clips: Path) -> None:
    async with living(stand_in({"steps": 10_000, "step_seconds": 0.01}), clips) as watched:
        pid = await watched.ready()
        [job] = await watched.begin(watched.order("same"))
        job.cancel()
        # The late word on the job that was given up is not taken for one about its namesake.
        assert isinstance(await watched.make("odd", "same"), GenerationError)
        assert watched.worker.pid == pid


async def test_a_preview_is_drawn_only_for_who_watches_and_not_too_often(clips: Path) -> None:
    seen: dict[str, list[bytes]] = {"a": [], "b": []}
    async with living(stand_in({"steps": 300, "step_seconds": 0.004}), clips) as watched:
        await watched.ready()
        orders = [
            Order(
                name,
                GenerationRequest(name, seed=1),
                clips,
                lambda progress: None,
                wants_preview=name == "a",
                on_preview=seen[name].append,
            )
            for name in seen
        ]
        began = time.monotonic()
        await outcomes(watched.worker.make_batch(orders))
        most = (time.monotonic() - began) / PREVIEW_INTERVAL + 1
        assert 2 <= len(seen["a"]) <= most
        assert seen["b"] == []
        assert Image.open(io.BytesIO(seen["a"][0])).size == (16, 8)


async def test_watching_can_begin_and_end_while_it_draws(clips: Path) -> None:
    async with living(stand_in({"steps": 10_000, "step_seconds": 0.01}), clips) as watched:
        await watched.ready()
        seen: asyncio.Queue[bytes] = asyncio.Queue()
        request = GenerationRequest("jazz", seed=1)
        order = Order("a", request, clips, lambda progress: None, on_preview=seen.put_nowait)
        [job] = watched.worker.make_batch([order])
        watched.worker.watch("a", True)
        async with asyncio.timeout(DEADLINE):
            await seen.get()
            await seen.get()
        watched.worker.watch("a", False)
        watched.worker.cancel("a")
        [end] = await outcomes([job])
        assert isinstance(end, RiffCancelledError)
        assert seen.empty()


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param({"a": "needs-caches", "b": "x"}, id="free caches"),
        pytest.param(dict.fromkeys("abcde", "fits-1"), id="split"),
        pytest.param({"a": "needs-tiles", "b": "x"}, id="small tiles"),
    ],
)
async def test_a_batch_that_runs_out_of_memory_is_made_with_less(
    clips: Path, batch: dict[str, str]
) -> None:
    async with living(stand_in(), clips) as watched:
        pid = await watched.ready()
        made = await outcomes(watched.batch(**batch))
        assert all(isinstance(end, list) for end in made), made
        assert watched.worker.pid == pid


async def test_a_fresh_process_makes_what_the_old_one_had_no_memory_for(clips: Path) -> None:
    async with living(stand_in(deaths=1), clips) as watched:
        pid = await watched.ready()
        await watched.make("x")
        made = await outcomes(watched.batch(a="needs-fresh", b="x", c="odd"))
        assert isinstance(made[0], list) and isinstance(made[1], list)
        assert isinstance(made[2], GenerationError)
        assert await watched.ready() != pid
        assert "down" not in watched.states, "a restart that was asked for is no death"


async def test_what_never_fits_fails_alone_with_a_friendly_sentence(clips: Path) -> None:
    async with living(stand_in(deaths=1), clips) as watched:
        await watched.ready()
        never, other = await outcomes(watched.batch(a="never-fits", b="x"))
        assert isinstance(never, GenerationError) and "shorter" in str(never)
        assert isinstance(other, list)
        assert isinstance(await watched.make("x"), list)
        assert "down" not in watched.states


async def test_a_job_that_waits_for_a_fresh_process_can_be_cancelled(clips: Path) -> None:
    async with living(stand_in({"delay": 0.3}), clips) as watched:
        await watched.ready()
        jobs = watched.batch(a="never-fits")
        await watched.until_state("starting")
        watched.worker.cancel("a")
        [end] = await outcomes(jobs)
        assert isinstance(end, RiffCancelledError)
        await watched.ready()
        assert isinstance(await watched.make("x"), list)


async def test_only_what_is_being_drawn_is_blamed_for_a_crash(clips: Path) -> None:
    async with living(stand_in(), clips) as watched:
        await watched.ready()
        ends = await outcomes(watched.batch(a="x crash", b="x", c="odd"))
        assert [type(end) for end in ends[:2]] == [WorkerDied, WorkerDied]
        assert all(end.begun for end in ends[:2] if isinstance(end, WorkerDied))
        await watched.ready()
        ends = await outcomes(watched.batch(a="fits-1 crash", b="fits-1"))
        blamed = [end.begun for end in ends if isinstance(end, WorkerDied)]
        assert blamed == [True, False]


async def test_an_order_that_reaches_nobody_has_not_begun(clips: Path) -> None:
    """The child is frozen before the order comes, and killed without having read it."""
    if not hasattr(signal, "SIGSTOP"):
        pytest.skip("there is no SIGSTOP")
    async with living(stand_in(silence_timeout=2), clips) as watched:
        pid = await watched.ready()
        os.kill(pid, signal.SIGSTOP)
        [end] = await outcomes(watched.batch(a="x"))
        assert isinstance(end, WorkerDied) and not end.begun
        assert await watched.ready() != pid
