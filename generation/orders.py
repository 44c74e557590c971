"""The jobs that the worker has in hand, and what the child says about each."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from generation.errors import GenerationError, RiffCancelledError
from generation.request import Clip, GenerationRequest, Progress

_CANCELLED = "This riff was cancelled."


class WorkerDied(Exception):  # noqa: N818 - an event, not a message for people
    """The worker process ended before a job was done.

    Attributes:
        begun: the job was being drawn when it happened, so that it may be the cause; False for
            one that was still waiting its turn, and is not to blame.
    """

    def __init__(self, *, begun: bool = True) -> None:
        super().__init__("the worker process ended")
        self.begun = begun


def _ignore(picture: bytes) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Order:
    """One job for the worker.

    Attributes:
        job_id: names the files, `folder/job_id.*`, and the job in `cancel` and `watch`.
        request: what to make.
        folder: absolute.
        on_progress: told after every step.
        wants_preview: somebody watches from the start.
        on_preview: gets small PNGs of the picture while it is drawn and watched, at most two a
            second.
    """

    job_id: str
    request: GenerationRequest
    folder: Path
    on_progress: Callable[[Progress], None]
    wants_preview: bool = False
    on_preview: Callable[[bytes], None] = _ignore


@dataclass(slots=True)
class _Entry:
    """An order, and what the child has said about it.

    `sent` is whether the living child has it; one that ran out of memory there waits for the next.
    """

    order: Order
    result: asyncio.Future[list[Clip]]
    watched: bool
    begun: bool = False
    cancelled: bool = False
    sent: bool = False

    def settle(self, outcome: list[Clip] | Exception) -> None:
        if self.result.done():  # given up by who asked
            return
        if isinstance(outcome, Exception):
            self.result.set_exception(outcome)
        else:
            self.result.set_result(outcome)


class Desk:
    """Orders on their way through the child; each gets a number on the wire."""

    def __init__(self, send: Callable[[Mapping[str, Any]], None]) -> None:
        """`send` takes a message to the child, or drops it if there is none."""
        self._send = send
        self._numbers = itertools.count(1)
        self._entries: dict[int, _Entry] = {}

    @property
    def is_empty(self) -> bool:
        """The child has nothing left to do."""
        return not self._entries

    @property
    def waits_for_fresh_child(self) -> bool:
        """Everything that is left ran out of memory in this child."""
        return bool(self._entries) and all(not entry.sent for entry in self._entries.values())

    def accept(self, orders: Sequence[Order], *, ready: bool) -> list[asyncio.Future[list[Clip]]]:
        """Take a batch of orders and send it; without a child that is ready, it dies unbegun.

        Raises:
            RuntimeError: the last batch is not done, or two orders are for one job.
        """
        if any(not entry.result.done() for entry in self._entries.values()):
            raise RuntimeError("the worker makes one batch at a time")
        if len({order.job_id for order in orders}) != len(orders):
            raise RuntimeError("a batch has each job once")
        loop = asyncio.get_running_loop()
        batch = {
            next(self._numbers): _Entry(order, loop.create_future(), order.wants_preview)
            for order in orders
        }
        if ready:
            self._entries.update(batch)
            self._send_jobs(batch, fresh=False)
        else:
            for entry in batch.values():
                entry.settle(WorkerDied(begun=False))
        for number, entry in batch.items():
            entry.result.add_done_callback(partial(self._let_go, number))
        return [entry.result for entry in batch.values()]

    def cancel(self, job_id: str) -> None:
        """Have this job stopped at its next step, or dropped if no child has it."""
        for number, entry in list(self._entries.items()):
            if entry.order.job_id == job_id and not entry.cancelled:
                self._cancel(number, entry)

    def watch(self, job_id: str, on: bool) -> None:
        """Turn previews of a job on or off."""
        for number, entry in self._entries.items():
            if entry.order.job_id == job_id:
                entry.watched = on
                if entry.sent:
                    self._send({"do": "watch", "id": number, "on": on})

    def send_again(self) -> None:
        """Give a new child what the last one had no memory for."""
        self._send_jobs(self._entries, fresh=True)

    def hear(self, message: Mapping[str, Any]) -> None:
        """A message about a job; one about a job that nobody waits for is dropped."""
        number = message["id"]
        entry = self._entries.get(number)
        if entry is None:
            return
        match message["is"]:
            case "begun":
                entry.begun = True
            case "waiting":
                entry.begun = False
            case "progress":
                if not entry.result.done():
                    stage, done, total = message["stage"], message["done"], message["total"]
                    entry.order.on_progress(Progress(stage, done, total))
            case "preview":
                if entry.watched and not entry.result.done():
                    entry.order.on_preview(base64.b64decode(message["png"]))
            case "exhausted" if not entry.cancelled:
                entry.begun, entry.sent = False, False
            case _:
                del self._entries[number]
                entry.settle(_outcome(message))

    def bury(self, *, planned: bool) -> None:
        """The child has ended: settle its jobs, unless it ended to make room in memory for them."""
        for number, entry in list(self._entries.items()):
            if planned and not entry.sent:
                continue
            del self._entries[number]
            if entry.cancelled:
                entry.settle(RiffCancelledError(_CANCELLED))
            else:
                entry.settle(WorkerDied(begun=entry.begun))

    def clear(self) -> None:
        """There will be no other child."""
        for entry in self._entries.values():
            entry.settle(WorkerDied(begun=False))
        self._entries.clear()

    def _let_go(self, number: int, result: asyncio.Future[list[Clip]]) -> None:
        """Who asked for a job no longer waits for it."""
        entry = self._entries.get(number)
        if result.cancelled() and entry is not None and not entry.cancelled:
            self._cancel(number, entry)

    def _cancel(self, number: int, entry: _Entry) -> None:
        entry.cancelled = True
        if entry.sent:
            self._send({"do": "cancel", "id": number})
        else:
            del self._entries[number]
            entry.settle(RiffCancelledError(_CANCELLED))

    def _send_jobs(self, entries: Mapping[int, _Entry], *, fresh: bool) -> None:
        jobs = []
        for number, entry in entries.items():
            entry.sent = True
            order = entry.order
            jobs.append(
                {
                    "id": number,
                    "stem": order.job_id,
                    "request": order.request.to_json(),
                    "folder": str(order.folder),
                    "preview": entry.watched,
                }
            )
        if jobs:
            self._send({"do": "make", "fresh": fresh, "jobs": jobs})


def _outcome(message: Mapping[str, Any]) -> list[Clip] | Exception:
    """What the child's last word on a job means."""
    match message["is"]:
        case "made":
            return [Clip.from_json(clip) for clip in message["clips"]]
        case "failed":
            return GenerationError(message["sentence"])
        case _:
            return RiffCancelledError(_CANCELLED)
