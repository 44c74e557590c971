"""One performance on a real clock, with studio, files and database around it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot.clock import Clock
from bot.errors import NotFoundRefusal, Refusal
from bot.jobs import Job, Requester
from bot.live.arrangement import Guest
from bot.live.ballot import Vote, Voter
from bot.live.grid import SAMPLE_RATE, samples
from bot.live.orders import Embed, Order, Orders
from bot.live.performance import Performance
from bot.live.radio import Radio
from bot.live.safe_loop import safe_take
from bot.live.snapshot import restore, snapshot
from bot.live.sounds import Sounds
from bot.live.store import LiveStore, Stored
from bot.live.timeline import Segment, Take
from bot.live.topics import Topic
from bot.live.view import stage_json
from bot.policy import Policy
from bot.store.database import DiskFullError
from bot.studio import Studio
from generation.errors import GenerationError
from generation.request import Length

log = logging.getLogger(__name__)

_TICK = 0.1
_KEEP_EVERY = 5.0
_SHOW_EVERY = 0.25
_LOOK_EVERY = 3.0
_COMPARED, _MOST_COMPARED = 8, 64
_LATER = (2.0, 5.0, 15.0, 60.0)
"""Seconds without new orders after one, two, three, four failures in a row."""
_FAILED = ("failed", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class Parts:
    """What every session of a bot works with."""

    studio: Studio
    policy: Policy
    store: LiveStore
    clock: Clock
    clips: Path
    embed: Embed | None = None


@dataclass(frozen=True, slots=True)
class _Expected:
    """A guest that is being drawn in the session's time; `source` is the riff itself."""

    title: str
    by: Voter
    source: str


class Watcher:
    """Somebody who looks on: gets the newest state, never a backlog."""

    def __init__(self) -> None:
        self._state: dict[str, Any] | None = None
        self._arrived = asyncio.Event()

    def show(self, state: dict[str, Any] | None) -> None:
        """The latest state; None at the end of the session."""
        self._state = state
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._state is None:
                return
            yield self._state


class LiveSession:
    """A session that is on."""

    def __init__(self, stored: Stored, parts: Parts, segments: tuple[Segment, ...] = ()) -> None:
        """A new session, or one that goes on with the segments of an earlier run."""
        self.id, self.where, self.channel = stored.id, stored.where, stored.channel
        self.rules, self.started_at = stored.rules, stored.started_at
        self._parts = parts
        self.sounds = Sounds(parts.clips)
        safe = safe_take(self.rules.grid, parts.clips, self.rules.loudness)
        self._safe = safe
        self.performance = Performance(
            self.rules, safe, stored.seed, correlate=self.sounds.likeness, segments=segments
        )
        if stored.state:
            restore(self.performance, stored.state)
        self.radio = Radio(lambda: self.performance.timeline, self.sounds, lambda: self.playhead)
        self.orders = Orders(
            stored.id, stored.where, stored.channel, parts.studio, parts.policy, parts.clock
        )
        self._base = self._latest = stored.playhead
        self._began = parts.clock.monotonic()
        self._wake = asyncio.Event()
        self._watchers: set[Watcher] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._uncompared: list[Topic] = []
        self._comparing: asyncio.Task[None] | None = None
        self._kept_at = self._shown_at = self._looked_at = -1e9
        self._entered: list[Segment] = []
        self._retracted: list[int] = []
        self._guests: dict[str, _Expected] = {}
        self._shown: dict[str, Any] | None = None

    @property
    def playhead(self) -> int:
        """Samples since the session began; time in which the bot was off does not count."""
        passed = self._parts.clock.monotonic() - self._began
        # Whatever a clock does, the playhead does not go back.
        self._latest = max(self._latest, self._base + int(passed * SAMPLE_RATE))
        return self._latest

    # What people do -------------------------------------------------------------------------

    def vote(self, voter: Voter, prompt: str, weight: float, message: str = "") -> Topic:
        """See `Performance.vote`."""
        known = len(self.performance.topics)
        topic = self.performance.vote(self.playhead, voter, prompt, weight, message)
        if len(self.performance.topics) > known:
            self._compare_soon([topic])
        self._wake.set()
        return topic

    def set_mode(self, name: str, prompts: tuple[str, ...] = ()) -> None:
        """See `Performance.set_mode`."""
        self.performance.set_mode(name, prompts)
        self._wake.set()

    def skip(self) -> str:
        """See `Performance.skip`."""
        skipped = self.performance.skip(self.playhead)
        self._wake.set()
        return skipped

    async def panic(self, safe_loop: str = "") -> None:
        """Fade at once to the riff of this id, or to the loop that ships."""
        self.performance.panic(self.playhead)
        self._wake.set()
        take = await self._take_of_riff(safe_loop) if safe_loop else None
        if take is not None and self.performance.halted:
            self.performance.panic(self.playhead, take)
            self._wake.set()

    def calm(self) -> None:
        """Go on after a panic."""
        self.performance.calm()
        self._wake.set()

    def silence(self, unwanted: Callable[[Vote], bool], whom: Voter | None = None) -> None:
        """See `Performance.silence`; views change before this returns."""
        self.performance.silence(self.playhead, unwanted, whom)
        for job_id, guest in list(self._guests.items()):
            if whom is not None and guest.by.key == whom.key:
                del self._guests[job_id]
                self.orders.settled(job_id)
        self._show(self._parts.clock.monotonic(), at_once=True)
        self._wake.set()

    def heard(self, seconds_ago: float) -> Segment:
        """What sounded so many seconds ago.

        Raises:
            NotFoundRefusal: the session had not begun, or that is too long ago.
        """
        sample = self.playhead - samples(seconds_ago)
        first = next(iter(self.performance.timeline))
        if sample < first.start:
            raise NotFoundRefusal("I do not remember that far back; try fewer seconds.")
        return self.performance.timeline.at(sample)

    async def welcome(self, job: Job) -> None:
        """A riff of somebody in this community is ready: let it be heard for some loops."""
        if not self.rules.guest_loops or self.performance.halted or not job.clips:
            return
        by = Voter(job.requester.platform, job.requester.user, job.requester.name)
        clip, title = job.clips[0], " ".join(job.request.prompt.split())
        if clip.samples == self.performance.grid.loop:
            take = await asyncio.to_thread(self.sounds.take_of, job.id, clip, self.rules.loudness)
            self.performance.invite(Guest(take, title, by, job.id))
            self._wake.set()
            return
        # The same again in the session's time.
        request = replace(
            job.request,
            bpm=self.rules.bpm,
            length=Length(self.rules.beats, "beats"),
            clips=1,
            alphas=job.request.alphas[:1],
            loop=True,
        )
        with suppress(Refusal, GenerationError):
            job_id = await self.orders.submit(request, None, Order(None))
            self._guests[job_id] = _Expected(title, by, job.id)

    # What the studio does -------------------------------------------------------------------

    async def on_job(self, job_id: str) -> None:
        """One of this session's jobs changed."""
        order = self.orders.of(job_id)
        if order is None:
            return
        job = (await self.orders.view(job_id)).job
        if job.state == "running" and order.step is not None:
            self.performance.begun(self.playhead, order.step)
        elif self.orders.of(job_id) is not order:
            return  # somebody was quicker
        elif job.state in ("rendered", "delivered") and job.clips:
            self.orders.settled(job_id)
            await self._on_made(job, order)
        elif job.state in _FAILED:
            self.orders.settled(job_id)
            self._guests.pop(job_id, None)
            if order.step is not None:
                self._on_refused(order.step, slow=job.state == "failed")
        self._wake.set()

    async def _on_made(self, job: Job, order: Order) -> None:
        guest = self._guests.pop(job.id, None)
        try:
            take = await asyncio.to_thread(
                self.sounds.take_of, job.id, job.clips[0], self.rules.loudness
            )
        except (GenerationError, OSError) as error:
            log.warning("a live clip cannot be played: %s", error)
            if order.step is not None:
                self._on_refused(order.step)
            return
        self._failures = 0
        if order.step is not None:
            self.performance.made(order.step, take, self._seconds_of(order.step, job))
        elif guest is not None:
            self.performance.invite(Guest(take, guest.title, guest.by, guest.source))

    def _seconds_of(self, number: int, job: Job) -> float:
        """How long a step was drawn, by the clock that nobody sets where we saw it begin."""
        step = next((one for one in self.performance.steps if one.number == number), None)
        if step is not None and step.begun:
            return self.playhead / SAMPLE_RATE - step.begun
        return min(60.0, max(0.05, job.seconds_taken or 0.05))

    def _on_refused(self, step: int, *, slow: bool = True) -> None:
        """No clip for this step: wait a little before the next order, ever longer."""
        wanted = next((one for one in self.performance.steps if one.number == step), None)
        self.performance.lost(step)
        if slow:
            pause = _LATER[min(self._failures, len(_LATER) - 1)]
            self._failures += 1
            self.performance.rest_until = self.playhead + samples(pause)
            if wanted is not None:
                self._start(self._drop_unwelcome(list(wanted.mix)))
        self._wake.set()

    async def _drop_unwelcome(self, topics: list[str]) -> None:
        """Rules may have changed since the votes were cast: what they forbid is not asked again."""
        prompts = {self.performance.topics[one].prompt: one for one in topics
                   if one in self.performance.topics}  # fmt: skip
        for prompt in await self.orders.unwelcome(list(prompts)):
            topic = prompts[prompt]
            self.silence(lambda vote, gone=topic: vote.topic == gone)  # type: ignore[misc]

    def _compare_soon(self, topics: list[Topic]) -> None:
        """Ask the encoder whether topics are older ones in other words, some at a time."""
        if self._parts.embed is None:
            return
        # In a storm of new words the oldest are compared as words only.
        self._uncompared = [*self._uncompared, *topics][-_MOST_COMPARED:]
        if self._comparing is None or self._comparing.done():
            self._comparing = self._start(self._compare())

    async def _compare(self) -> None:
        embed = self._parts.embed
        while self._uncompared and embed is not None:
            batch, self._uncompared = self._uncompared[:_COMPARED], self._uncompared[_COMPARED:]
            try:
                vectors = await embed([topic.prompt for topic in batch])
            except (GenerationError, ValueError) as error:
                log.debug("no embeddings: %s", error)
                return
            for topic, vector in zip(batch, vectors, strict=True):
                same = self.performance.topics.learn(topic.id, vector)
                if same is not None:
                    self.performance.merge(topic.id, same)
                    self._wake.set()

    def unwelcome(self, job_id: str) -> None:
        """A riff is to be heard no longer: as a guest it goes at the next join."""
        self._guests = {key: one for key, one in self._guests.items() if one.source != job_id}
        self.performance.unwelcome(self.playhead, job_id)
        self._wake.set()

    async def _take_of_riff(self, job_id: str) -> Take | None:
        try:
            job = (await self._parts.studio.view(job_id)).job
            if job.hidden or not job.clips:
                return None
            return await asyncio.to_thread(
                self.sounds.take_of, job_id, job.clips[0], self.rules.loudness
            )
        except (Refusal, GenerationError, OSError) as error:
            log.warning("the safe loop %s cannot be played: %s", job_id, error)
            return None

    # Time -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Play until cancelled. What goes wrong is logged, and what plays plays on."""
        await asyncio.to_thread(self._warm_up)
        self._compare_soon(self.performance.topics.all())
        while True:
            try:
                await self._pass_time()
            except DiskFullError:
                log.error("the live session cannot be written down: the disk is full")
            except Exception:
                log.exception("the live session stumbled")
                await asyncio.sleep(1.0)
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._wake.wait()
            # However many votes come, not more than some ticks a second.
            await asyncio.sleep(_TICK / 4)

    async def close(self, *, ended: bool) -> None:
        """Stop; `ended` for good, else to go on after a restart."""
        for task in list(self._tasks):
            task.cancel()
        await self.orders.close()
        with suppress(DiskFullError):
            await self._keep()
            if ended:
                await self._parts.store.end(self.id)
        await self.radio.close()
        for watcher in tuple(self._watchers):
            watcher.show(None)

    @contextmanager
    def watching(self) -> Iterator[Watcher]:
        """Everything that changes while the block runs, beginning with how things stand."""
        watcher = Watcher()
        watcher.show(self.state())
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    async def written(self) -> Stored:
        """Write down where it is, and read that back."""
        await self._keep()
        stored = await self._parts.store.latest(self.where)
        assert stored is not None
        return stored

    def state(self) -> dict[str, Any]:
        """What a stage may know."""
        return stage_json(self.performance, self.playhead, self.id)

    async def _pass_time(self) -> None:
        now = self.playhead
        todo = self.performance.tick(now)
        for step in todo.drop:
            self.orders.drop(step)
        for step in todo.make:
            self.orders.place(self.performance, step, now, self._on_refused)
        # What was not written down is not to be taken back in the database either.
        gone = set(todo.retracted)
        self._entered = [one for one in self._entered if one.number not in gone] + todo.entered
        self._retracted += todo.retracted
        moment = self._parts.clock.monotonic()
        self._show(moment, at_once=bool(todo.entered or todo.retracted))
        if moment - self._looked_at >= _LOOK_EVERY:
            # News of a job may come before its order is noted, or be lost to a fault of ours.
            self._looked_at = moment
            for job_id in self.orders.open:
                await self.on_job(job_id)
        if self._entered or self._retracted or moment - self._kept_at >= _KEEP_EVERY:
            self._kept_at = moment
            await self._keep()

    async def _keep(self) -> None:
        entered, retracted = self._entered, self._retracted
        self._entered, self._retracted = [], []
        try:
            await self._parts.store.keep(
                self.id, snapshot(self.performance), self.playhead, entered, retracted
            )
        except DiskFullError:
            self._entered, self._retracted = entered + self._entered, retracted + self._retracted
            raise

    def _show(self, moment: float, *, at_once: bool) -> None:
        if not self._watchers or (not at_once and moment - self._shown_at < _SHOW_EVERY):
            return
        state = self.state()
        still = {**state, "now": 0}
        if still == self._shown:
            return
        self._shown, self._shown_at = still, moment
        for watcher in tuple(self._watchers):
            watcher.show(state)

    def _warm_up(self) -> None:
        """Have the sound of what plays at hand."""
        for take in (self._safe, self.performance.timeline.last.take):
            with suppress(GenerationError, OSError):
                self.sounds.of(take)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def voter_of(requester: Requester) -> Voter:
    """Somebody as a voter."""
    return Voter(requester.platform, requester.user, requester.name)
