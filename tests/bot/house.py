"""`riffbot run` as its operator runs it: a real child process, driven through its HTTP API."""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.waiting import DEADLINE, soon


class Running:
    """A running bot."""

    def __init__(self, process: Process, url: str) -> None:
        self.process, self.url = process, url

    async def json(self, method: str, path: str, data: Any = None) -> Any:
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, self.url + path, json=data) as response,
        ):
            return await response.json()

    async def until(
        self, riff_id: str, wanted: Callable[[Any], bool], deadline: float = DEADLINE
    ) -> Any:
        """The riff, as soon as the socket shows it as wanted."""

        async def watch() -> Any:
            async with (
                aiohttp.ClientSession() as http,
                http.ws_connect(self.url + "/api/socket") as socket,
            ):
                await socket.send_json({"watch": [riff_id]})
                while True:
                    riff = (await socket.receive_json()).get("riff")
                    if riff and wanted(riff):
                        return riff

        return await soon(watch(), deadline)

    async def end(self, number: int) -> int:
        """Send a signal and wait for the process to end; its exit status."""
        self.process.send_signal(number)
        return await soon(self.process.wait())


Start = Callable[..., Awaitable[Running]]


@asynccontextmanager
async def house() -> AsyncIterator[Start]:
    """A `start` whose bots end with the block at the latest, also when the test fails."""
    started: list[Running] = []

    async def start(data: Path, *options: str) -> Running:
        started.append(await _start(data, *options))
        return started[-1]

    try:
        yield start
    finally:
        for running in started:
            if running.process.returncode is None:
                running.process.kill()
                await running.process.wait()


async def _start(data: Path, *options: str) -> Running:
    """Start a bot on a data folder, on a free port; returns once it listens."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.cli", "run", "--no-open", "--port", "0"),
        *("--data", str(data), *options),
        stdout=PIPE,
    )
    assert process.stdout is not None
    line = (await soon(process.stdout.readline())).decode()
    match = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert match, line
    return Running(process, match[0])


def is_drawing(riff: Any) -> bool:
    """Whether at least one step of it is done."""
    progress = riff["progress"]
    return bool(progress and progress["stage"] == "drawing" and progress["done"])


def is_delivered(riff: Any) -> bool:
    """Whether its clips are there for good."""
    return bool(riff["state"] == "delivered")
