"""The studio's front desk: the one path by which every platform asks for a riff.

ask ─► policy ─► settings ─► rate limit + ledger (one transaction) ─► scheduler
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import aiosqlite

from bot.clock import Clock
from bot.errors import BusyRefusal, ForbiddenRefusal, NotFoundRefusal
from bot.events import Events, JobChanged, QueueMoved, Subscription
from bot.grammar import Ask
from bot.jobs import Address, Job, JobView, Requester
from bot.limits import RateLimit, give_back, take
from bot.policy import Policy
from bot.settings import RiffSettings, Settings
from bot.store.database import Database
from bot.store.ledger import Ledger
from bot.store.queue import QueueView
from generation.request import GenerationRequest, Progress


class Studio:
    """Takes riffs, shows how far they are, cancels them.

    Adapters know only this class: `submit`, `view`, `recent`, `cancel` and `subscribe`.
    """

    def __init__(
        self,
        *,
        database: Database,
        ledger: Ledger,
        queue: QueueView,
        events: Events,
        policy: Policy,
        settings: Settings,
        clock: Clock,
        wake_scheduler: Callable[[], None],
        cancel_running: Callable[[str], None],
        progress_of: Callable[[str], Progress | None],
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._queue = queue
        self._events = events
        self._policy = policy
        self._settings = settings
        self._clock = clock
        self._wake_scheduler = wake_scheduler
        self._cancel_running = cancel_running
        self._progress_of = progress_of

    async def submit(
        self, requester: Requester, ask: Ask, addresses: Address | Sequence[Address]
    ) -> JobView:
        """Take a riff: when this returns, the job is on disk and will be answered.

        Args:
            requester: who asks; limits and turns go by this.
            ask: what `bot.grammar` read.
            addresses: where the clip goes.

        Raises:
            ForbiddenRefusal: policy says no.
            BusyRefusal: over the rate limit, or too much is waiting already.
            BadRequestError: the request is out of range.
        """
        await self._policy.check(requester, ask)
        settings = await self._settings.resolve(requester)
        request = _request(ask, settings)
        places = [addresses] if isinstance(addresses, Address) else list(addresses)
        async with self._database.transaction() as tx:
            await self._check_room(tx, requester, settings)
            await self._charge(tx, requester, settings.rate)
            job_id = await self._ledger.add(tx, requester, request, places)
        self._events.publish(JobChanged(job_id), QueueMoved())
        self._wake_scheduler()
        return await self.view(job_id)

    async def view(self, job_id: str) -> JobView:
        """What may be shown of a job now.

        Raises:
            NotFoundRefusal: no such job.
        """
        view = await self._view_once(job_id)
        if view.job.state == "queued" and view.waiting is None:
            view = await self._view_once(job_id)  # it was claimed between two looks
        return view

    async def recent(self, platform: str, community: str, limit: int = 50) -> list[JobView]:
        """The latest riffs of a community, oldest first."""
        return await self._views(await self._ledger.recent(platform, community, limit))

    async def cancel(self, job_id: str, requester: Requester, *, may_cancel_any: bool) -> None:
        """Cancel a waiting or running riff. If it had not begun, it does not count as asked.

        Raises:
            NotFoundRefusal: no such riff, or it is finished already.
            ForbiddenRefusal: somebody else's riff.
        """
        found = await self._ledger.job(job_id)
        if found is None:
            raise NotFoundRefusal("There is no riff with this id.")
        owner = found.requester
        if not may_cancel_any and (owner.platform, owner.user) != (
            requester.platform,
            requester.user,
        ):
            raise ForbiddenRefusal("Only the one who asked for a riff can cancel it.")
        settings = await self._settings.resolve(owner)
        async with self._database.transaction() as tx:
            before = await self._ledger.cancel(tx, job_id)
            if before is not None and before.state == "queued":
                await give_back(tx, _limit_key(owner), settings.rate)
        if before is None:
            raise NotFoundRefusal("That riff is finished already.")
        if before.state == "running":
            self._cancel_running(job_id)
        self._events.publish(JobChanged(job_id), QueueMoved())

    def subscribe(self) -> AbstractContextManager[Subscription]:
        """`with studio.subscribe() as events: async for event in events: …`."""
        return self._events.subscribe()

    async def _view_once(self, job_id: str) -> JobView:
        job = await self._ledger.job(job_id)
        if job is None:
            raise NotFoundRefusal("There is no riff with this id.")
        return (await self._views([job]))[0]

    async def _views(self, jobs: Sequence[Job]) -> list[JobView]:
        waiting = await self._queue.waiting() if any(job.state == "queued" for job in jobs) else {}
        return [
            JobView(
                job,
                waiting.get(job.id) if job.state == "queued" else None,
                self._progress_of(job.id) if job.state == "running" else None,
            )
            for job in jobs
        ]

    async def _check_room(
        self, tx: aiosqlite.Connection, requester: Requester, settings: RiffSettings
    ) -> None:
        own, everybody = await self._ledger.waiting_counts(tx, requester)
        if own >= settings.queued_per_user:
            raise BusyRefusal(
                f"You already have {own} riffs waiting; let one of them finish first.",
                retry_after=settings.rate.period,
            )
        if everybody >= settings.queued_in_all:
            raise BusyRefusal(
                "The queue is full right now; please try again in a minute.", retry_after=60.0
            )

    async def _charge(
        self, tx: aiosqlite.Connection, requester: Requester, rate: RateLimit
    ) -> None:
        verdict = await take(tx, _limit_key(requester), rate, self._clock.now())
        if not verdict.allowed:
            raise BusyRefusal(
                f"That is a lot of riffs at once! Try again in {in_words(verdict.retry_after)}.",
                retry_after=verdict.retry_after,
            )


def in_words(seconds: float) -> str:
    """A waiting time as people say it, rounded up: `12 seconds`, `3 minutes`."""
    whole = max(1, int(-(-seconds // 1)))
    if whole < 100:
        return f"{whole} second{'s' if whole > 1 else ''}"
    return f"{-(-whole // 60)} minutes"


def _limit_key(requester: Requester) -> str:
    """Limits follow the person, wherever on the platform they ask."""
    return f"user:{requester.platform}:{requester.user}"


def _request(ask: Ask, settings: RiffSettings) -> GenerationRequest:
    """Settle what the ask left open. The seed is drawn here, so that a retry repeats it."""
    return GenerationRequest(
        prompt=ask.prompt,
        # Seeds people can read out to each other; the whole range stays available by --seed.
        seed=secrets.randbelow(1_000_000) if ask.seed is None else ask.seed,
        negative=ask.negative,
        steps=settings.steps if ask.steps is None else ask.steps,
        guidance_scale=(
            settings.guidance_scale if ask.guidance_scale is None else ask.guidance_scale
        ),
    )
