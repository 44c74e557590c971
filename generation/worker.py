"""The engine in a child process, supervised: the parent's side. Imports neither torch nor numba.

The two sides speak JSON, one object a line, over the child's standard input and output. Jobs have
numbers on the wire, so that a late word about one that was given up is not taken for another:

    parent → child   {"do": "make", "fresh", "jobs": [{"id", "stem", "request", "folder",
                     "preview"}]} · {"do": "cancel", "id"} · {"do": "watch", "id", "on"} ·
                     {"do": "embed", "id", "texts"} · {"do": "explain"}
    child → parent   {"is": "ready", "model", "memory"} · {"is": "broken", "sentence"} ·
                     {"is": "alive", "busy", "steps", "memory"}, every second ·
                     {"is": "begun", "id"} · {"is": "waiting", "id"} ·
                     {"is": "progress", "id", "stage", "done", "total"} ·
                     {"is": "preview", "id", "png"} and in the end one of
                     {"is": "made", "id", "clips"} · {"is": "failed", "id", "sentence"} ·
                     {"is": "cancelled", "id"} · {"is": "exhausted", "id"};
                     {"is": "embedded", "id", "vectors"}, or null where it cannot

Sounds and pictures are files and never travel, apart from small previews. The child ends when its
standard input does, so it cannot outlive its parent, however that one dies; pipes do this on every
platform. It may be killed at any instant: files appear under their names only when they are whole.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from generation.orders import Desk, Order, WorkerDied
from generation.questions import Questions
from generation.request import Clip, GenerationRequest, Progress
from generation.supervision import Backoff, Breaker, Pulse, describe_exit
from generation.worker_process import WorkerProcess

__all__ = ["Order", "Worker", "WorkerDied", "WorkerOptions", "WorkerState"]

log = logging.getLogger(__name__)

WorkerState = Literal["starting", "ready", "broken", "down", "stopped"]

ENGINE = "generation.engine_loader:load"

_STARTING = "The sound worker is starting; the first loop will be ready in a moment."
_RESTARTING = "The sound worker stopped unexpectedly and is starting again."
_REFRESHING = "The sound worker is making room in memory and will be back in a moment."
_SILENT_START = "The sound worker stopped while it was starting; its log says why."
_HUNG_START = "The sound worker hung while it was starting."
_DOWN = "The studio is down; your riff is safe and will be made when it is back."
_STOPPED = "Riffbot is stopping."

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What to run, how long to wait for it, and when to give it up. Times are in seconds.

    Attributes:
        checkpoint, device, threads, inversion, sources: see `generation.engine.EngineOptions`.
        start_timeout: from spawn to ready.
        stall_timeout: without any progress of the drawing, after which it counts as hung.
        silence_timeout: without any sign of life of the process.
        beat_interval: between two signs of life.
        memory_limit: bytes past which the process is replaced when it has nothing to do; 0 chooses
            twice what it held when it was ready, and 2 GiB.
        memory_hard_limit: bytes past which it is replaced at once; 0 chooses twice `memory_limit`.
        first_pause, longest_pause: between starts that fail.
        deaths, window: so many deaths within so long mean that the studio is down.
        cooldown, longest_cooldown: until the next try while it is down, doubled each time.
        engine: `module:function` that the child calls for its engine, a `BatchEngine`.
        engine_settings: what to call it with, if not with the first five.
    """

    checkpoint: str = "starter"
    device: str = "auto"
    threads: int = 0
    inversion: str = "standard"
    sources: str = ""
    start_timeout: float = 300.0
    stall_timeout: float = 180.0
    silence_timeout: float = 30.0
    beat_interval: float = 1.0
    memory_limit: int = 0
    memory_hard_limit: int = 0
    first_pause: float = 1.0
    longest_pause: float = 60.0
    deaths: int = 5
    window: float = 600.0
    cooldown: float = 30.0
    longest_cooldown: float = 600.0
    engine: str = ENGINE
    engine_settings: Mapping[str, Any] | None = None

    def for_child(self) -> Mapping[str, Any]:
        """What the child has to know, as plain JSON types."""
        settings = self.engine_settings
        if settings is None:
            settings = {
                "checkpoint": self.checkpoint,
                "device": self.device,
                "threads": self.threads,
                "inversion": self.inversion,
                **({"sources": self.sources} if self.sources else {}),
            }
        return {
            "engine": self.engine,
            "settings": dict(settings),
            "beat_interval": self.beat_interval,
        }


Ending = Literal["planned", "died", "broken", "unready"]
"""How a life ended: as we wished, after it was ready, before that with a sentence, or without."""


@dataclass(slots=True)
class _Life:
    """What is known of one child, and `why` it is to be ended by us."""

    process: WorkerProcess
    pulse: Pulse
    ready: bool = False
    broken: bool = False
    worked: bool = False
    memory: int = 0
    memory_limit: int = 0
    memory_hard_limit: int = 0
    why: str = ""
    planned: bool = False

    @property
    def ending(self) -> Ending:
        if self.planned:
            return "planned"
        if self.ready:
            return "died"
        return "broken" if self.broken else "unready"


class Worker:
    """Keeps one child process alive and gives it one batch of jobs at a time."""

    def __init__(self, options: WorkerOptions, on_state: Callable[[], None] = lambda: None) -> None:
        """`on_state` is called when `state`, `detail` or `pid` changed."""
        self._options = options
        self._on_state = on_state
        self._life: _Life | None = None
        self._desk = Desk(self._send)
        self._questions = Questions(self._send)
        self._ready = asyncio.Event()
        self._renewing = False
        self._backoff = Backoff(options.first_pause, options.longest_pause)
        self._breaker = Breaker(
            deaths=options.deaths,
            window=options.window,
            cooldown=options.cooldown,
            longest=options.longest_cooldown,
        )
        self.state: WorkerState = "stopped"
        self.detail = _STARTING
        self.model: Mapping[str, str] = {}

    @property
    def pid(self) -> int | None:
        """Process id of the child, while there is one."""
        return self._life.process.pid if self._life else None

    @property
    def name(self) -> str:
        """For the ledger: which worker has a job."""
        return f"worker-{self.pid}"

    async def wait_ready(self) -> None:
        """Return once the worker can take jobs, however long the studio is down."""
        await self._ready.wait()

    # Orders ---------------------------------------------------------------------------------

    async def make(
        self,
        job_id: str,
        request: GenerationRequest,
        folder: Path,
        on_progress: Callable[[Progress], None],
    ) -> list[Clip]:
        """Have one request made: `make_batch` of one order, with the errors of its future."""
        return await self.make_batch([Order(job_id, request, folder, on_progress)])[0]

    def make_batch(self, orders: Sequence[Order]) -> list[asyncio.Future[list[Clip]]]:
        """Have requests drawn together; one batch at a time.

        Orders of equal `request.batch_key` share every denoising step. Cancelling a future cancels
        its job.

        Returns:
            A future for each order. Each resolves by itself, to the clips or one of these errors:
            GenerationError (it cannot be made; the sentence is for the requester),
            RiffCancelledError (`cancel` was called for it), WorkerDied (the child ended before).

        Raises:
            RuntimeError: the last batch is not done, or two orders are for one job.
        """
        return self._desk.accept(orders, ready=self._ready.is_set())

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, by the checkpoint's text encoder; at most 64 texts.

        Raises:
            GenerationError: there is no child that could say, or its engine cannot.
        """
        return await self._questions.ask(texts, ready=self._ready.is_set())

    def cancel(self, job_id: str) -> None:
        """Have the child stop drawing this job at its next step; others of its batch go on."""
        self._desk.cancel(job_id)

    def watch(self, job_id: str, on: bool) -> None:
        """Turn previews of a job on or off while it is drawn."""
        self._desk.watch(job_id, on)

    def renew(self) -> None:
        """Replace the child as soon as it has nothing to do: it looks anew at what it can use."""
        self._renewing = True

    def _send(self, message: Mapping[str, Any]) -> None:
        """To the child, if there is one; the end of one that is gone settles its jobs."""
        if self._life is not None:
            self._life.process.send(message)

    # Lives ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep a child alive until cancelled, then stop it.

        A child that dies after it was ready is replaced at once; one that cannot even start is
        tried again after ever longer pauses. After too many deaths the studio is down: nothing is
        started for a while, then one child is tried, and so on until one does its work.
        """
        self._set_state("starting", _STARTING)
        try:
            while True:
                self._account_for(await self._live())
                await asyncio.sleep(self._pause())
                self._breaker.probe()
        finally:
            self._desk.clear()
            self._set_state("stopped", _STOPPED)

    def _account_for(self, ending: Ending) -> None:
        """Draw the consequences of an end for the next start, and say how things stand."""
        match ending:
            case "planned":
                self._set_state("starting", _REFRESHING)
                return
            case "died":
                self._breaker.died(_now())
                self._set_state("starting", _RESTARTING)
            case "unready":
                self._backoff.failed()
                self._breaker.died(_now())
                self._set_state("broken", self.detail)
            case "broken":
                # It said what is wrong, and that tells an operator more than that it is down.
                self._backoff.failed()
        if self._breaker.state != "closed" and ending != "broken":
            self._set_state("down", _DOWN)

    def _pause(self) -> float:
        chance = random.random()  # noqa: S311 - spreads load, keeps no secret
        pause = max(self._backoff.pause(chance), self._breaker.pause())
        if pause:
            log.warning("the next worker starts in %.1f s", pause)
        return pause

    async def _live(self) -> Ending:
        """One life of a child, from start to end."""
        options = self._options
        try:
            process = await WorkerProcess.start(options.for_child())
        except OSError:
            log.exception("the worker cannot be started")
            self.detail = _SILENT_START
            return "unready"
        self._life = life = _Life(
            process,
            Pulse(
                start_timeout=options.start_timeout,
                silence_timeout=options.silence_timeout,
                stall_timeout=options.stall_timeout,
                interval=options.beat_interval,
                now=_now(),
            ),
        )
        self._on_state()
        try:
            await self._listen(life)
        finally:
            self._ready.clear()
            code = await process.end()
            self._life = None
            self._desk.bury(planned=life.planned)
            self._questions.bury()
        if life.why:
            log.log(logging.INFO if life.planned else logging.ERROR, "the worker %s", life.why)
        else:
            log.error("the worker %s", describe_exit(code))
        return life.ending

    async def _listen(self, life: _Life) -> None:
        """Hear the child until it ends, or until there is a reason to end it."""
        while not life.why:
            try:
                message = await life.process.hear(self._options.beat_interval)
            except EOFError:
                if not life.ready and not life.broken:
                    self.detail = _SILENT_START
                return
            if message is not None:
                self._hear(life, message)
            if complaint := life.pulse.complaint(_now()):
                self._end(life, complaint)
                if not life.ready:
                    self.detail = _HUNG_START
                await life.process.explain()

    def _end(self, life: _Life, why: str, *, planned: bool = False) -> None:
        """No more jobs for this child; `_listen` ends it."""
        if not life.why:
            life.why, life.planned = why, planned
        self._ready.clear()

    # Messages -------------------------------------------------------------------------------

    def _hear(self, life: _Life, message: Mapping[str, Any]) -> None:
        match message["is"]:
            case "ready":
                self._hear_ready(life, message)
            case "broken":
                life.broken = True
                self._set_state("broken", message["sentence"])
            case "alive":
                # A child that never read its order may believe that it is idle.
                busy = message["busy"] or not self._desk.is_empty
                life.pulse.beat(busy=busy, steps=message["steps"])
                self._check_memory(life, message["memory"])
            case "embedded":
                self._questions.hear(message)
            case _:
                self._hear_of_job(life, message)

    def _hear_ready(self, life: _Life, message: Mapping[str, Any]) -> None:
        life.ready = True
        life.pulse.ready()
        options = self._options
        life.memory_limit = options.memory_limit or 2 * message["memory"] + 2 * _GIB
        life.memory_hard_limit = options.memory_hard_limit or 2 * life.memory_limit
        self._backoff.succeeded()
        self._breaker.probing_since(_now())
        self.model = message["model"]
        self._desk.send_again()
        self._ready.set()
        self._set_state("ready", "Ready.")

    def _hear_of_job(self, life: _Life, message: Mapping[str, Any]) -> None:
        """A word about a job; after the last one of a batch there is time to replace the child."""
        life.pulse.heard()
        life.worked = True
        if message["is"] == "made":
            self._breaker.proved()
        self._desk.hear(message)
        if self._desk.waits_for_fresh_child:
            self._end(life, "ran out of memory and starts afresh", planned=True)
        self._check_memory(life, life.memory)

    def _check_memory(self, life: _Life, memory: int) -> None:
        life.memory = memory
        if self._renewing and life.ready and self._desk.is_empty:
            self._renewing = False
            self._end(life, "is replaced as was asked for", planned=True)
        if memory > life.memory_hard_limit:
            self._end(life, f"holds {memory / _GIB:.1f} GiB, which is far too much")
        elif memory > life.memory_limit and life.worked and self._desk.is_empty:
            why = f"holds {memory / _GIB:.1f} GiB after its last riff and starts afresh"
            self._end(life, why, planned=True)

    def _set_state(self, state: WorkerState, detail: str) -> None:
        self.state, self.detail = state, detail
        self._on_state()


def _now() -> float:
    return asyncio.get_running_loop().time()
