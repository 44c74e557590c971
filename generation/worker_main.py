"""The engine in a child process: the child's side. Run as `python -m generation.worker_main`.

The main thread draws. A second one reads standard input, so that a cancellation is seen between
two steps and the end of the parent (end of input) ends this process at once. A third one beats:
it tells the parent that the process lives, how many steps it has made and how much memory it holds.
"""

from __future__ import annotations

import base64
import faulthandler
import importlib
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from generation.errors import GenerationError, RiffCancelledError
from generation.ladder import NeedsFreshProcess, climb, is_out_of_memory
from generation.request import GenerationRequest, Progress
from generation.resident import be_the_first_to_go, resident_bytes
from generation.task import BatchEngine, DrawPreview, Outcome, Task

log = logging.getLogger("generation.worker")

PREVIEW_INTERVAL = 0.5  # seconds between two previews of a job, at least

_HUNG = 70  # exit status
_CANCELLED = "This riff was cancelled."
_UNEXPECTED = (
    "Something went wrong inside the sound worker; its log has the details. "
    "A different wording or seed may work."
)


class _Channel:
    """Messages to the parent, on a private copy of standard output.

    Libraries like to print; what they print goes to standard error and cannot corrupt a message.
    """

    def __init__(self) -> None:
        self._out: BinaryIO = os.fdopen(os.dup(1), "wb")
        self._lock = threading.Lock()
        os.dup2(2, 1)

    def say(self, kind: str, **values: Any) -> None:
        line = json.dumps({"is": kind, **values}).encode() + b"\n"
        try:
            with self._lock:
                self._out.write(line)
                self._out.flush()
        except BrokenPipeError:
            os._exit(0)  # the parent is gone


class _Inbox:
    """What the parent asks for, from a private copy of standard input.

    Whatever else would read that, a program that a library starts for instance, finds it empty.
    """

    def __init__(self) -> None:
        stream: BinaryIO = os.fdopen(os.dup(0), "rb")
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        self.batches: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self._cancelled: set[int] = set()
        self._watched: set[int] = set()
        threading.Thread(target=self._read, args=(stream,), name="reader", daemon=True).start()

    def _read(self, stream: BinaryIO) -> None:
        try:
            for line in stream:
                self._take(json.loads(line))
        except Exception:
            log.exception("the parent cannot be heard any more")
        os._exit(0)

    def _take(self, message: Mapping[str, Any]) -> None:
        match message["do"]:
            case "embed":
                self.batches.put(message)
            case "make":
                self._watched.update(job["id"] for job in message["jobs"] if job["preview"])
                self.batches.put(message)
            case "cancel":
                self._cancelled.add(message["id"])
            case "watch":
                (self._watched.add if message["on"] else self._watched.discard)(message["id"])
            case "explain":
                faulthandler.dump_traceback()
                os._exit(_HUNG)

    def is_cancelled(self, number: int) -> bool:
        return number in self._cancelled

    def is_watched(self, number: int) -> bool:
        return number in self._watched

    def forget(self, number: int) -> None:
        self._cancelled.discard(number)
        self._watched.discard(number)


class _Heart:
    """Beats from a thread of its own, and counts what the drawing thread does."""

    def __init__(self, channel: _Channel, interval: float) -> None:
        self._channel = channel
        self._interval = interval
        self.steps = 0
        self.busy = False

    def start(self) -> None:
        threading.Thread(target=self._run, name="heart", daemon=True).start()

    def beat(self) -> None:
        self._channel.say("alive", busy=self.busy, steps=self.steps, memory=resident_bytes())

    def _run(self) -> None:
        while True:
            time.sleep(self._interval)
            self.beat()


@dataclass(slots=True)
class _Job:
    """A task of the batch with its number on the wire, and when it was last shown."""

    number: int
    task: Task
    shown_at: float = -PREVIEW_INTERVAL


class _Hand:
    """Draws one batch and says what becomes of each job in it."""

    def __init__(self, engine: BatchEngine, inbox: _Inbox, channel: _Channel, heart: _Heart):
        self._engine = engine
        self._inbox = inbox
        self._channel = channel
        self._heart = heart
        self._jobs: dict[str, _Job] = {}
        self._begun: set[str] = set()

    def serve(self, message: Mapping[str, Any]) -> None:
        """Draw what a `make` message asks for."""
        self._jobs.clear()
        self._begun.clear()
        for order in message["jobs"]:
            self._accept(order)
        tasks = [job.task for job in self._jobs.values()]
        if not tasks:
            return
        for task, outcome in climb(
            self._attempt, self._engine.relieve, tasks, fresh=message["fresh"]
        ):
            self._tell(self._jobs[task.stem], outcome)

    def _accept(self, order: Mapping[str, Any]) -> None:
        number, stem = order["id"], order["stem"]
        try:
            request = GenerationRequest.from_json(order["request"])
        except GenerationError as error:
            self._channel.say("failed", id=number, sentence=str(error))
            return
        except Exception:
            log.exception("the request of %s cannot be read", stem)
            self._channel.say("failed", id=number, sentence=_UNEXPECTED)
            return
        task = Task(
            request,
            Path(order["folder"]),
            stem,
            lambda progress: self._report(self._jobs[stem], progress),
            lambda draw: self._show(self._jobs[stem], draw),
        )
        self._jobs[stem] = _Job(number, task)

    def _report(self, job: _Job, progress: Progress) -> None:
        self._heart.steps += 1
        if self._inbox.is_cancelled(job.number):
            raise RiffCancelledError(_CANCELLED)
        self._channel.say(
            "progress",
            id=job.number,
            stage=progress.stage,
            done=progress.done,
            total=progress.total,
        )

    def _show(self, job: _Job, draw: DrawPreview) -> None:
        now = time.monotonic()
        if not self._inbox.is_watched(job.number) or now - job.shown_at < PREVIEW_INTERVAL:
            return
        job.shown_at = now
        self._channel.say("preview", id=job.number, png=base64.b64encode(draw()).decode())

    def _attempt(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        """Draw these together, except those that were cancelled before."""
        outcomes: dict[str, Outcome] = {
            task.stem: RiffCancelledError(_CANCELLED)
            for task in tasks
            if self._inbox.is_cancelled(self._jobs[task.stem].number)
        }
        rest = [task for task in tasks if task.stem not in outcomes]
        if rest:
            self._mark_begun({task.stem for task in rest})
            made = self._draw(rest)
            outcomes.update(zip((task.stem for task in rest), made, strict=True))
        return [outcomes[task.stem] for task in tasks]

    def _mark_begun(self, stems: set[str]) -> None:
        """Tell the parent which jobs a crash from now on would be held against."""
        for stem in stems - self._begun:
            self._channel.say("begun", id=self._jobs[stem].number)
        for stem in self._begun - stems:
            self._channel.say("waiting", id=self._jobs[stem].number)
        self._begun = stems
        self._heart.steps += 1

    def _draw(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        """The engine's outcomes; an error of the whole batch is pinned on the one that causes it.

        Raises:
            MemoryError, torch.OutOfMemoryError, RuntimeError: memory ran out.
        """
        try:
            return self._engine.make_batch(tasks)
        except GenerationError as error:
            if len(tasks) == 1:
                return [error]
        except Exception as error:
            if is_out_of_memory(error):
                raise
            log.exception("a batch of %d failed: %s", len(tasks), [task.stem for task in tasks])
            if len(tasks) == 1:
                return [GenerationError(_UNEXPECTED)]
        finally:
            # Before the outcomes: the parent looks at the memory when it has the last of them.
            self._heart.beat()
        return [self._draw([task])[0] for task in tasks]

    def _tell(self, job: _Job, outcome: Outcome | NeedsFreshProcess) -> None:
        stem, number = job.task.stem, job.number
        self._begun.discard(stem)
        self._inbox.forget(number)
        match outcome:
            case NeedsFreshProcess():
                self._channel.say("exhausted", id=number)
            case RiffCancelledError():
                self._channel.say("cancelled", id=number)
            case GenerationError():
                self._channel.say("failed", id=number, sentence=str(outcome))
            case clips:
                self._channel.say("made", id=number, clips=[clip.to_json() for clip in clips])


def main() -> None:
    """Load, warm up, then serve until the parent is gone."""
    # Ctrl-C reaches the whole process group; only the parent decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    be_the_first_to_go()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    channel = _Channel()
    inbox = _Inbox()
    options = json.loads(sys.argv[1])
    try:
        engine = _load(options["engine"], options["settings"])
    except GenerationError as error:
        channel.say("broken", sentence=str(error))
        sys.exit(1)
    except Exception as error:
        log.exception("the engine cannot start")
        channel.say("broken", sentence=f"The engine cannot start: {type(error).__name__}.")
        sys.exit(1)
    heart = _Heart(channel, options["beat_interval"])
    hand = _Hand(engine, inbox, channel, heart)
    channel.say("ready", model=dict(engine.model), memory=resident_bytes())
    heart.start()
    while True:
        message = inbox.batches.get()
        if message["do"] == "embed":
            channel.say("embedded", id=message["id"], vectors=_vectors(engine, message["texts"]))
            continue
        heart.busy = True
        hand.serve(message)
        heart.busy = False


def _vectors(engine: BatchEngine, texts: Sequence[str]) -> Sequence[Sequence[float]] | None:
    """Embeddings, or None from an engine that has none or stumbles over these texts."""
    embed = getattr(engine, "embed", None)
    if embed is None:
        return None
    try:
        vectors: Sequence[Sequence[float]] = embed(texts)
    except Exception:
        log.exception("texts cannot be embedded")
        return None
    return vectors


def _load(factory: str, settings: Mapping[str, Any]) -> BatchEngine:
    """Call `module:function`, which imports the heavy part, with its settings."""
    module, _, name = factory.partition(":")
    engine: BatchEngine = getattr(importlib.import_module(module), name)(settings)
    return engine


if __name__ == "__main__":
    main()
