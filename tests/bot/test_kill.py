"""SIGKILL at random instants, to the worker and to the bot, under load: what was accepted ends
delivered exactly once, or failed with a reason."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.bot.killable import posts
from tests.waiting import soon

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL")

ASKS = 8
KILLS_PER_BOOT = 3


@dataclass
class Count:
    """What happened, for the record."""

    kills: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    crashes: int = 0
    restarts: int = 0

    def __str__(self) -> str:
        return (
            f"{sum(self.kills.values())} kills ({dict(self.kills)}), {self.restarts} boots: "
            f"{sum(self.states.values())} riffs accepted, {dict(self.states)}, "
            f"{self.crashes} of them survived a crash of their worker"
        )


async def boot(data: Path, asks: int, engine: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from tests.bot.killable import main; main()"),
        *(str(data), str(asks), engine),
        stdout=PIPE,
    )


async def word(process: Process, wanted: str) -> str:
    """The rest of the next line that begins with this word."""
    assert process.stdout is not None
    while True:
        line = (await soon(process.stdout.readline(), 300)).decode().split()
        assert line, "the bot ended by itself"
        if line[0] == wanted:
            return " ".join(line[1:])


async def kill_again_and_again(
    data: Path, rounds: int, engine: str = "stand-in", longest: float = 0.4
) -> Count:
    """Rounds of SIGKILL; then a last boot in peace."""
    chance = random.Random(rounds)
    count = Count()
    data.mkdir()
    while sum(count.kills.values()) < rounds:
        bot = await boot(data, ASKS, engine)
        count.restarts += 1
        try:
            for _ in range(KILLS_PER_BOOT):
                worker = int(await word(bot, "ready"))
                await asyncio.sleep(chance.uniform(0, longest))  # a random instant, not a wait
                victim = chance.choice(["worker", "worker", "bot"])
                if sum(count.kills.values()) >= rounds:
                    break
                count.kills[victim] += 1
                if victim == "bot":
                    break
                os.kill(worker, signal.SIGKILL)
        finally:
            bot.kill()  # also at the end of a boot: it counts when it was drawn
            await bot.wait()
    bot = await boot(data, 0, engine)
    try:
        await word(bot, "idle")
        bot.send_signal(signal.SIGTERM)
        assert await soon(bot.wait()) == 0
    finally:
        if bot.returncode is None:
            bot.kill()
    check(data, count)
    return count


def check(data: Path, count: Count) -> None:
    accepted = posts(data / "accepted.log")
    posted = Counter(posts(data / "posted.log"))
    with sqlite3.connect(data / "riffbot.sqlite3") as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        jobs = {row[0]: row[1:] for row in db.execute("SELECT id, state, error, crashes FROM jobs")}
        clips = dict(db.execute("SELECT job_id, clip FROM clips"))
        deliveries = Counter(row[0] for row in db.execute("SELECT state FROM deliveries"))
    assert len(set(accepted)) == len(accepted), "one key, one job"
    assert set(accepted) <= set(jobs)
    assert len(jobs) - len(accepted) <= count.restarts, "at most the last of a boot goes unnoted"
    assert posted == Counter(dict.fromkeys(jobs, 1)), "exactly once"
    assert deliveries == {"delivered": len(jobs)}
    for job_id, (state, error, crashes) in jobs.items():
        count.states[state] += 1
        count.crashes += bool(crashes and state == "delivered")
        assert state == "delivered" or (state == "failed" and error and crashes == 2)
        if state == "delivered":
            for kind, path in json.loads(clips[job_id])["files"].items():
                digest = hashlib.sha256((data / "clips" / path).read_bytes()).hexdigest()
                assert path == f"{digest[:2]}/{digest}.{kind}"
    assert not list((data / "work").iterdir())


async def test_killed_a_dozen_times(tmp_path: Path) -> None:
    count = await kill_again_and_again(tmp_path / "data", 12)
    assert sum(count.states.values()) >= 4 * ASKS
    print(count)


@pytest.mark.soak
async def test_killed_two_hundred_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = await kill_again_and_again(tmp_path / "data", 220)
    with capsys.disabled():
        print(f"\nstand-in engine: {count}")


@pytest.mark.soak
async def test_killed_ten_times_with_the_real_engine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count = await kill_again_and_again(tmp_path / "data", 10, "real", longest=8.0)
    with capsys.disabled():
        print(f"\nreal engine: {count}")
