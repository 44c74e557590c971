"""The engine in a child process, supervised: the parent's side. Imports neither torch nor numba.

The two sides speak JSON, one object a line, over the child's standard input and output:

    parent → child   {"do": "make", "id", "request", "folder"} · {"do": "cancel", "id"}
    child → parent   {"is": "ready", "model"} · {"is": "broken", "sentence"} ·
                     {"is": "progress", "id", "stage", "done", "total"} ·
                     {"is": "made", "id", "clips"} · {"is": "failed", "id", "sentence"} ·
                     {"is": "cancelled", "id"}

Sounds and pictures are files and never travel. The child ends when its standard input does, so it
cannot outlive its parent, however that one dies; pipes do this on every platform. It may be killed
at any instant: files appear under their names only when they are whole.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from generation.errors import GenerationError, RiffCancelledError
from generation.request import Clip, GenerationRequest, Progress

log = logging.getLogger(__name__)

WorkerState = Literal["starting", "ready", "broken", "stopped"]

_LINE_LIMIT = 4 * 2**20
_LONGEST_BACKOFF = 30.0
_STARTING = "The sound worker is starting; the first loop will be ready in a moment."
_RESTARTING = "The sound worker stopped unexpectedly and is starting again."


class WorkerDied(Exception):  # noqa: N818 - an event, not a message for people
    """The worker process ended while it was making a clip."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What to run and how long to wait for it.

    Attributes:
        checkpoint, device, threads, inversion: see `generation.engine.EngineOptions`.
        start_timeout: seconds from spawn to ready.
        stall_timeout: seconds without any progress after which a job counts as hung.
    """

    checkpoint: str = "starter"
    device: str = "auto"
    threads: int = 0
    inversion: str = "standard"
    start_timeout: float = 300.0
    stall_timeout: float = 180.0


@dataclass(slots=True)
class _Task:
    """The job the child is on, and when (by the loop's clock) it was last heard of."""

    job_id: str
    result: asyncio.Future[list[Clip]]
    on_progress: Callable[[Progress], None]
    heard_at: float


class Worker:
    """Keeps one child process alive and gives it one job at a time."""

    def __init__(self, options: WorkerOptions, on_state: Callable[[], None] = lambda: None) -> None:
        """`on_state` is called when `state`, `detail` or `pid` changed."""
        self._options = options
        self._on_state = on_state
        self._process: Process | None = None
        self._task: _Task | None = None
        self._ready = asyncio.Event()
        self.state: WorkerState = "stopped"
        self.detail = _STARTING
        self.model: Mapping[str, str] = {}

    @property
    def pid(self) -> int | None:
        """Process id of the child, while there is one."""
        return self._process.pid if self._process else None

    @property
    def name(self) -> str:
        """For the ledger: which worker has a job."""
        return f"worker-{self.pid}"

    async def wait_ready(self) -> None:
        """Return once the worker can take a job."""
        await self._ready.wait()

    async def run(self) -> None:
        """Keep a child alive until cancelled, then stop it.

        A child that dies after it was ready is replaced at once; one that cannot even start is
        tried again after ever longer pauses, at most 30 seconds.
        """
        failures = 0
        detail = _STARTING
        try:
            while True:
                self._set_state("broken" if failures else "starting", detail)
                was_ready = await self._live()
                failures = 0 if was_ready else failures + 1
                detail = _RESTARTING if was_ready else self.detail
                if failures:
                    await asyncio.sleep(min(2.0**failures, _LONGEST_BACKOFF))
        finally:
            self._set_state("stopped", "Riffbot is stopping.")

    async def make(
        self,
        job_id: str,
        request: GenerationRequest,
        folder: Path,
        on_progress: Callable[[Progress], None],
    ) -> list[Clip]:
        """Have a request made into files `folder/job_id.*`; `folder` is absolute.

        Raises:
            WorkerDied: the child ended meanwhile.
            RiffCancelledError: `cancel` was called for this job.
            GenerationError: it cannot be made; the sentence is for the requester.
        """
        if self._task is not None:
            raise RuntimeError("the worker makes one job at a time")
        future: asyncio.Future[list[Clip]] = asyncio.get_running_loop().create_future()
        self._task = _Task(job_id, future, on_progress, _now())
        try:
            self._send(
                {
                    "do": "make",
                    "id": job_id,
                    "request": request.to_json(),
                    "folder": str(folder),
                }
            )
            return await future
        finally:
            self._task = None

    def cancel(self, job_id: str) -> None:
        """Ask the child to stop drawing this job at its next step."""
        if self._task is not None and self._task.job_id == job_id:
            with suppress(WorkerDied):
                self._send({"do": "cancel", "id": job_id})

    def _send(self, message: Mapping[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing():
            raise WorkerDied
        process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _live(self) -> bool:
        """One life of a child, from spawn to end; True if it became ready."""
        options = {
            name: value
            for name, value in asdict(self._options).items()
            if not name.endswith("timeout")
        }
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "generation.worker_main",
            json.dumps(options),
            stdin=PIPE,
            stdout=PIPE,
            limit=_LINE_LIMIT,
        )
        self._on_state()
        try:
            return await self._listen(process)
        finally:
            self._ready.clear()
            if process.returncode is None:
                process.kill()
            await process.wait()
            self._process = None
            if self._task is not None and not self._task.result.done():
                self._task.result.set_exception(WorkerDied())

    async def _listen(self, process: Process) -> bool:
        was_ready = False
        while True:
            patience = self._options.stall_timeout if was_ready else self._options.start_timeout
            try:
                # Not wait_for: before Python 3.12 it forgets a cancellation that comes together
                # with the line (python/cpython#86296).
                async with asyncio.timeout(patience):
                    line = await self._next_line(process)
            except TimeoutError:
                # An idle child has nothing to say, and one that just got a job gets its full time.
                if was_ready and (self._task is None or _now() - self._task.heard_at < patience):
                    continue
                log.error("the worker has been silent for %g s and is replaced", patience)
                self.detail = "The sound worker hung while it was starting."
                return was_ready
            if not line:
                if not was_ready and self.state != "broken":
                    self.detail = (
                        "The sound worker stopped while it was starting; its log says why."
                    )
                return was_ready
            message = json.loads(line)
            if message["is"] == "ready":
                was_ready = True
                self.model = message["model"]
                self._ready.set()
                self._set_state("ready", "Ready.")
            elif message["is"] == "broken":
                self._set_state("broken", message["sentence"])
            else:
                self._hear(message)

    async def _next_line(self, process: Process) -> bytes:
        assert process.stdout is not None
        return await process.stdout.readline()

    def _hear(self, message: Mapping[str, Any]) -> None:
        """A message about a job. One about a job given up meanwhile is dropped."""
        task = self._task
        if task is None or task.job_id != message["id"] or task.result.done():
            return
        task.heard_at = _now()
        match message["is"]:
            case "progress":
                task.on_progress(Progress(message["stage"], message["done"], message["total"]))
            case "made":
                task.result.set_result([Clip.from_json(clip) for clip in message["clips"]])
            case "failed":
                task.result.set_exception(GenerationError(message["sentence"]))
            case "cancelled":
                task.result.set_exception(RiffCancelledError("This riff was cancelled."))

    def _set_state(self, state: WorkerState, detail: str) -> None:
        self.state, self.detail = state, detail
        self._on_state()


def _now() -> float:
    return asyncio.get_running_loop().time()
