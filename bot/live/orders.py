"""Steps of the plan as jobs of the studio, in the lane that goes by deadline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bot.ask import Ask
from bot.clock import Clock
from bot.errors import ForbiddenRefusal, Refusal
from bot.jobs import JobView, Requester
from bot.live.grid import SAMPLE_RATE
from bot.live.performance import Performance
from bot.live.planner import Step
from bot.moderation.levels import MODERATOR_ROLE
from bot.policy import Policy
from bot.studio import Studio
from generation.errors import BadRequestError
from generation.request import GenerationRequest, Length, Point

log = logging.getLogger(__name__)

LIVE_ROLE = "live-session"
"""What exempts them from the limits of people."""

_PATIENCE_LOOPS = 4
_LEAST_WEIGHT = 1e-3


def request_of(performance: Performance, step: Step) -> GenerationRequest:
    """The request for a step: every topic a point, with its own noise unless one seed is held.

    A noise that has walked lies between two seeds: its topic is then two points.
    """
    rules = performance.rules
    ordered = sorted(step.mix.items(), key=lambda item: -item[1])
    # Eight points are the most; where all are taken, noises stay on whole seeds.
    whole, part = divmod(step.walk, 1.0)
    halves = part > 0 and 2 * len(ordered) <= 8
    points = []
    for topic, share in ordered:
        prompt = performance.topics[topic].prompt
        base = performance.seed if step.one_seed else performance.topics[topic].seed
        seeds = [(int(whole), 1 - part), (int(whole) + 1, part)] if halves else [(int(whole), 1.0)]
        points += [
            Point(prompt, max(_LEAST_WEIGHT, share * weight), (base + offset) % 2**32)
            for offset, weight in seeds
        ]
    return GenerationRequest(
        prompt=performance.topics[ordered[0][0]].prompt,
        seed=points[0].seed or 0,
        kind="mix",
        points=tuple(points),
        steps=step.denoising,
        bpm=rules.bpm,
        length=Length(rules.beats, "beats"),
    )


@dataclass(frozen=True, slots=True)
class Order:
    """A job that a session waits for: of a step of its plan, or of a guest (None)."""

    step: int | None


class Orders:
    """What one session has asked the studio for."""

    def __init__(
        self, session_id: str, where: tuple[str, str], channel: str, studio: Studio,
        policy: Policy, clock: Clock,
    ) -> None:  # fmt: skip
        self._studio, self._policy, self._clock = studio, policy, clock
        # In the community and by its rules, in nobody's name.
        self._requester = Requester(
            *where,
            f"live-{session_id}",
            "Live session",
            frozenset({MODERATOR_ROLE, LIVE_ROLE}),
            channel=channel,
        )
        self._jobs: dict[str, Order] = {}
        self._unwanted: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def of(self, job_id: str) -> Order | None:
        """The order that a job is for."""
        return self._jobs.get(job_id)

    @property
    def open(self) -> list[str]:
        """Jobs that are waited for."""
        return list(self._jobs)

    def settled(self, job_id: str) -> None:
        """Nobody waits for this job any more."""
        self._jobs.pop(job_id, None)

    def place(
        self, performance: Performance, step: Step, now: int, on_refused: Callable[[int], None]
    ) -> None:
        """Order a step; `on_refused` is told its number where the studio does not take it."""
        request = request_of(performance, step)
        loops = _PATIENCE_LOOPS * performance.grid.loop
        deadline = self._clock.now() + (step.due - now + loops) / SAMPLE_RATE

        async def order() -> None:
            try:
                job_id = await self.submit(request, deadline, Order(step.number))
            except (Refusal, BadRequestError) as error:
                log.info("a live clip is not made: %s", error)
                on_refused(step.number)
                return
            if step.number in self._unwanted:
                self._unwanted.discard(step.number)
                await self._cancel(job_id)

        self._start(order())

    async def submit(self, request: GenerationRequest, deadline: float | None, order: Order) -> str:
        """Ask the studio; returns the job's id.

        Raises:
            Refusal, BadRequestError: it is not taken.
        """
        view = await self._studio.submit(
            self._requester, Ask.of(request), [], lane="live", deadline=deadline
        )
        self._jobs[view.job.id] = order
        return view.job.id

    async def unwelcome(self, prompts: list[str]) -> list[str]:
        """Those prompts that the community's rules do not let pass any more."""
        refused = []
        for prompt in prompts:
            try:
                await self._policy.check_texts(self._requester, [prompt])
            except ForbiddenRefusal:
                refused.append(prompt)
        return refused

    def drop(self, step: Step) -> None:
        """A step is not wanted any more."""
        for job_id, order in list(self._jobs.items()):
            if order.step == step.number:
                self._jobs.pop(job_id)
                self._start(self._cancel(job_id))
                return
        self._unwanted.add(step.number)

    async def view(self, job_id: str) -> JobView:
        """How a job stands."""
        return await self._studio.view(job_id)

    async def close(self) -> None:
        """Cancel everything."""
        for job_id in list(self._jobs):
            await self._cancel(job_id)
        self._jobs.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _cancel(self, job_id: str) -> None:
        try:
            await self._studio.cancel(job_id, self._requester, may_cancel_any=True)
        except Refusal:
            return  # it is finished already

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


Embed = Callable[[list[str]], Awaitable[list[list[float]]]]
"""Embeddings of texts by the checkpoint's own encoder; raises where there are none."""
