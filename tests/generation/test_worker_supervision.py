"""A real child process that is killed, crashes, hangs, freezes and leaks, and is replaced."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from generation.request import Progress
from generation.worker import WorkerDied
from tests.generation.workers import DEADLINE, is_alive, living, outcomes, stand_in

ROUNDS = 10
MIB = 2**20
KILL = signal.SIGTERM if os.name == "nt" else signal.SIGKILL


async def test_killed_at_random_moments_it_leaves_whole_files_and_comes_back(clips: Path) -> None:
    chance = random.Random(20)
    ends = {list: 0, WorkerDied: 0}
    settings = {"steps": 6, "step_seconds": 0.005}
    async with living(stand_in(settings, deaths=10 * ROUNDS), clips) as watched:
        for number in range(ROUNDS):
            pid = await watched.ready()
            left = chance.randrange(25)

            def see(progress: Progress, pid: int = pid) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    os.kill(pid, KILL)

            orders = [watched.order(f"{number}-{name}", "jazz", see) for name in "abc"]
            for end in await outcomes(watched.worker.make_batch(orders)):
                ends[type(end)] += 1
                if isinstance(end, list):
                    assert all(Path(path).is_file() for path in end[0].files.values())
            if left > 0:  # it finished before
                os.kill(pid, KILL)
            await watched.until_other(pid)
    assert sum(ends.values()) == 3 * ROUNDS
    assert ends[WorkerDied] > 0
    for picture in clips.glob("*.png"):
        with Image.open(picture) as image:
            image.load()


async def test_a_segmentation_fault_costs_one_child(clips: Path) -> None:
    async with living(stand_in(), clips) as watched:
        pid = await watched.ready()
        end = await watched.make("crash-at-3")
        assert isinstance(end, WorkerDied) and end.begun
        assert await watched.ready() != pid
        assert isinstance(await watched.make("jazz"), list)


async def test_a_drawing_thread_that_hangs_is_given_up_though_the_process_beats(
    clips: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with living(stand_in(stall_timeout=1), clips) as watched:
        pid = await watched.ready()
        end = await watched.make("hang")
        assert isinstance(end, WorkerDied) and end.begun
        assert await watched.ready() != pid
    assert "_step" in capfd.readouterr().err, "its log says where it hung"


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="there is no SIGSTOP")
async def test_a_process_that_freezes_is_given_up(clips: Path) -> None:
    async with living(stand_in(silence_timeout=2), clips) as watched:
        pid = await watched.ready()
        end = await watched.make("stop")
        assert isinstance(end, WorkerDied) and end.begun
        assert await watched.ready() != pid
        os.kill(await watched.ready(), signal.SIGSTOP)  # an idle one is noticed as well
        await watched.until_state("starting")
        await watched.ready()


async def test_a_start_that_takes_too_long_is_tried_again(clips: Path) -> None:
    async with living(stand_in({"delay": 3600}, start_timeout=1), clips) as watched:
        await watched.until_state("broken")
        assert "hung while it was starting" in watched.worker.detail


async def test_a_child_that_grew_is_replaced_between_two_jobs(clips: Path) -> None:
    async with living(stand_in(memory_limit=160 * MIB, deaths=1), clips) as watched:
        pid = await watched.ready()
        assert isinstance(await watched.make("jazz"), list)
        assert await watched.ready() == pid
        assert isinstance(await watched.make("leak-200"), list)
        assert await watched.ready() != pid
        assert isinstance(await watched.make("jazz"), list)
        assert "down" not in watched.states, "a planned end is no death"


async def test_a_child_that_grew_far_too_much_is_replaced_at_once(clips: Path) -> None:
    options = stand_in(memory_limit=100 * MIB, memory_hard_limit=200 * MIB)
    async with living(options, clips) as watched:
        pid = await watched.ready()
        end = await watched.make("leak-300 hang")
        assert isinstance(end, WorkerDied) and end.begun
        assert await watched.ready() != pid


async def test_the_studio_is_down_after_too_many_deaths_and_comes_back_by_itself(
    clips: Path, tmp_path: Path
) -> None:
    switch = tmp_path / "crash"
    options = stand_in({"crash_while": str(switch)}, deaths=3, cooldown=0.05, longest_cooldown=0.2)
    async with living(options, clips) as watched:
        pid = await watched.ready()
        switch.touch()
        os.kill(pid, KILL)
        await watched.until_state("down")
        sentence = "The studio is down; your riff is safe and will be made when it is back."
        assert watched.worker.detail == sentence
        end = await watched.make("jazz")
        assert isinstance(end, WorkerDied) and not end.begun
        waiting = asyncio.create_task(watched.worker.wait_ready())
        switch.unlink()
        async with asyncio.timeout(DEADLINE):
            await waiting
        assert isinstance(await watched.make("jazz"), list)
        seen = len(watched.states)
        await watched.make("crash")
        await watched.ready()
        assert "down" not in watched.states[seen:], "one death after good work is forgiven"


async def test_a_probe_that_dies_takes_the_studio_down_again(clips: Path) -> None:
    options = stand_in(deaths=2, cooldown=0.05, longest_cooldown=0.1)
    async with living(options, clips) as watched:
        for _ in range(2):
            await watched.ready()
            await watched.make("crash")
        await watched.until_state("down")
        await watched.ready()
        seen = len(watched.states)
        await watched.make("crash")
        await watched.ready()
        assert "down" in watched.states[seen:]


async def test_one_that_says_why_it_cannot_start_is_broken_until_that_is_mended(
    clips: Path, tmp_path: Path
) -> None:
    switch = tmp_path / "broken"
    switch.touch()
    async with living(stand_in({"broken_while": str(switch)}, deaths=2), clips) as watched:
        tries: set[int | None] = set()

        def several() -> bool:
            tries.add(watched.worker.pid)
            return len(tries - {None}) > 3

        await watched.until(several)
        assert "down" not in watched.states, "what it says helps more than that it is down"
        await watched.until_state("broken")
        assert watched.worker.detail == "The stand-in was told not to start."
        switch.unlink()
        await watched.ready()
        assert watched.worker.detail == "Ready."


async def test_stopping_ends_the_child_and_settles_its_jobs(clips: Path) -> None:
    async with living(stand_in({"steps": 10_000}), clips) as watched:
        pid = await watched.ready()
        jobs = await watched.begin(watched.order("a"), watched.order("b"))
    for end in await outcomes(jobs):
        assert isinstance(end, WorkerDied)
    assert (watched.worker.state, watched.worker.pid) == ("stopped", None)
    assert not is_alive(pid)


PARENT = """
import asyncio
from pathlib import Path
from tests.generation.workers import living, stand_in

async def main():
    async with living(stand_in(), Path({folder!r})) as watched:
        pid = await watched.ready()
        await watched.begin(watched.order("a", {prompt!r}))
        print(pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs to wait for a grandchild")
@pytest.mark.parametrize("prompt", ["jazz", "hang-at-2"])
def test_it_is_gone_when_its_parent_is_gone(clips: Path, prompt: str) -> None:
    """Kill the parent with SIGKILL: the child sees the end of its input, even if it hangs."""
    code = PARENT.format(folder=str(clips), prompt=prompt)
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    line = parent.stdout.readline()
    reader = os.pidfd_open(int(line))
    parent.kill()
    parent.wait(DEADLINE)
    readable, _, _ = select.select([reader], [], [], DEADLINE)
    os.close(reader)
    assert readable, "the worker outlived its parent"
