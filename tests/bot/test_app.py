"""The whole bot as its operator runs it: a real process, killed without warning."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path

import aiohttp
import pytest

from bot import app
from bot.config import Config, WebConfig
from tests.bot.house import Start, is_delivered, is_drawing


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
async def test_killed_at_any_moment_nothing_is_lost(tmp_path: Path, start: Start) -> None:
    bot = await start(tmp_path / "data")
    long = await bot.json("POST", "/api/riffs", {"prompt": "jazz", "steps": 56, "seed": 1})
    short = await bot.json("POST", "/api/riffs", {"prompt": "techno", "steps": 1, "seed": 2})
    await bot.until(long["id"], is_drawing)
    await bot.end(signal.SIGKILL)

    bot = await start(tmp_path / "data")
    # Both are still there, in order; the interrupted one begins anew.
    await bot.until(long["id"], is_drawing)
    assert (await bot.json("GET", f"/api/riffs/{short['id']}"))["position"] == 1
    # A graceful stop puts it back once more and says nothing is lost.
    assert await bot.end(signal.SIGTERM) == 0
    with sqlite3.connect(tmp_path / "data" / "riffbot.sqlite3") as database:
        rows = database.execute("SELECT state, attempts, crashes FROM jobs ORDER BY seq").fetchall()
    assert rows == [("queued", 1, 0), ("queued", 0, 0)]

    bot = await start(tmp_path / "data")
    async with aiohttp.ClientSession() as http, http.delete(f"{bot.url}/api/riffs/{long['id']}"):
        pass
    riff = await bot.until(short["id"], is_delivered)
    async with aiohttp.ClientSession() as http, http.get(bot.url + riff["links"]["wav"]) as answer:
        assert len(await answer.read()) > 2 * 225_792
    assert (await bot.json("GET", f"/api/riffs/{long['id']}"))["state"] == "cancelled"
    assert await bot.end(signal.SIGINT) == 0


async def test_two_bots_on_one_folder_are_refused(tmp_path: Path) -> None:
    config = Config(data=tmp_path, web=WebConfig(port=0), adapters=())
    async with app.running(config):
        with pytest.raises(app.StartError, match="Another Riffbot"):
            async with app.running(config):
                pass
    async with app.running(config) as running:
        assert running.web is not None


async def test_a_taken_port_is_said(tmp_path: Path) -> None:
    async with app.running(
        Config(data=tmp_path / "a", web=WebConfig(port=0), adapters=())
    ) as running:
        assert running.web is not None
        taken = Config(data=tmp_path / "b", web=WebConfig(port=running.web.port), adapters=())
        with pytest.raises(app.StartError, match="--port"):
            async with app.running(taken):
                pass


async def test_an_adapter_that_does_not_exist_is_said(tmp_path: Path) -> None:
    config = Config(data=tmp_path, web=WebConfig(port=0), adapters=("cogs.telegraph",))
    with pytest.raises(app.StartError, match=r"cogs\.telegraph"):
        async with app.running(config):
            pass


async def test_with_nothing_to_listen_on_it_does_not_start(tmp_path: Path) -> None:
    config = Config(data=tmp_path, web=WebConfig(enabled=False), adapters=())
    with pytest.raises(app.StartError, match="nothing to listen on"):
        async with app.running(config):
            pass


async def test_halves_of_files_are_cleared_away(tmp_path: Path) -> None:
    halves = [
        tmp_path / "clips" / "ab" / "abc.mp3.part",
        tmp_path / "clips" / "ab" / f"{'ab' * 32}.mp3",
        tmp_path / "work" / "abc.mp3",
        tmp_path / "sources" / "abc.part",
    ]
    for half in halves:
        half.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(b"x")
    async with app.running(Config(data=tmp_path, web=WebConfig(port=0), adapters=())):
        assert [half for half in halves if half.exists()] == []
