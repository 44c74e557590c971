"""One life of the child process, seen from its parent: start it, speak, listen, end it."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

_LINE_LIMIT = 4 * 2**20
_LAST_WORDS = 1.0  # seconds


class WorkerProcess:
    """A running `generation.worker_main`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._has_ended = False

    @classmethod
    async def start(cls, options: Mapping[str, Any]) -> WorkerProcess:
        """Start a child with these options, as `generation.worker_main` reads them."""
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "generation.worker_main",
                json.dumps(options),
                stdin=PIPE,
                stdout=PIPE,
                limit=_LINE_LIMIT,
            )
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, message: Mapping[str, Any]) -> bool:
        """Send a message; False if there is nobody to hear it any more."""
        stdin = self._process.stdin
        if stdin is None or stdin.is_closing():
            return False
        stdin.write(json.dumps(message).encode() + b"\n")
        return True

    async def hear(self, patience: float) -> Mapping[str, Any] | None:
        """The next message, or None if there was none for so many seconds.

        Raises:
            EOFError: the child has ended, and there is nothing more from it.
        """
        assert self._process.stdout is not None
        try:
            # Not wait_for: before Python 3.12 it forgets a cancellation that comes together
            # with the line (python/cpython#86296).
            async with asyncio.timeout(patience):
                line = await self._process.stdout.readline()
        except TimeoutError:
            return None
        # A line without an end is what a child was saying when it was killed.
        if not line.endswith(b"\n"):
            self._has_ended = True
            raise EOFError
        message: Mapping[str, Any] = json.loads(line)
        return message

    async def explain(self) -> None:
        """Have a child that hangs write into the log where it does, and end, if it still can."""
        if self.send({"do": "explain"}):
            await self._wait_a_moment()

    async def end(self) -> int:
        """Kill it if it still runs; its exit status, negative for a signal's number."""
        if self._has_ended:
            # Popen.kill would take the status of a child that is just ending, and asyncio would
            # then not know how it ended (python/cpython#127049).
            await self._wait_a_moment()
        if self._process.returncode is None:
            self._process.kill()
        return await self._process.wait()

    async def _wait_a_moment(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await self._process.wait()
