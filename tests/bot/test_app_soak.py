from __future__ import annotations

import os
import random
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.bot.house import Start, is_delivered

ROUNDS = 15
DEADLINE = 900.0


@pytest.mark.soak
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
async def test_killed_again_and_again_every_riff_is_delivered_once(
    tmp_path: Path, start: Start
) -> None:
    """SIGKILL after a random number of events, fifteen times over one ledger."""
    chance = random.Random(7)
    config = tmp_path / "soak.toml"
    config.write_text("[limits]\nburst = 1000\nqueued_per_user = 1000\nqueued_in_all = 1000\n")
    options = ("--config", str(config))
    asked: list[str] = []
    for _ in range(ROUNDS):
        bot = await start(tmp_path / "data", *options)
        for _ in range(2):
            steps = chance.choice([1, 3, 20])
            riff = await bot.json("POST", "/api/riffs", {"prompt": "jazz", "steps": steps})
            asked.append(riff["id"])
        left = chance.randrange(1, 40)

        def enough(riff: object) -> bool:
            nonlocal left
            left -= 1
            return left <= 0 or (isinstance(riff, dict) and riff["state"] == "delivered")

        await bot.until(chance.choice(asked), enough, DEADLINE)
        await bot.end(signal.SIGKILL)
    bot = await start(tmp_path / "data", *options)
    for riff_id in asked:
        riff = await bot.until(riff_id, is_delivered, DEADLINE)
        assert set(riff["links"]) == {"self", "mp3", "wav", "png"}
    assert await bot.end(signal.SIGTERM) == 0
    with sqlite3.connect(tmp_path / "data" / "riffbot.sqlite3") as database:
        states = database.execute(
            "SELECT j.state, d.state, count(*) FROM jobs j JOIN deliveries d ON d.job_id = j.id "
            "GROUP BY 1, 2"
        ).fetchall()
        clips = database.execute("SELECT count(*) FROM clips").fetchone()
    assert states == [("delivered", "delivered", len(asked))]
    assert clips == (len(asked),)
