"""The studio's front desk: the one path by which every platform asks for a riff.

ask ─► policy ─► settings ─► rate limits + ledger (one transaction) ─► scheduler
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from bot.ask import Ask
from bot.clock import Clock
from bot.errors import BadInputRefusal, BusyRefusal, ForbiddenRefusal, NotFoundRefusal
from bot.events import Events, JobChanged, QueueMoved, Subscription
from bot.jobs import Address, Job, JobView, Lane, Requester
from bot.limits import Charge, take
from bot.policy import Policy
from bot.settings import RiffSettings, Settings
from bot.store.claims import Terms, TurnPolicy
from bot.store.database import Database, DiskFullError
from bot.store.ledger import Ledger
from bot.store.queue import QueueView
from bot.work import cost_of
from generation.request import GenerationRequest, Progress

OUT_OF_SPACE = "The studio is out of disk space and can take no new riffs; please try again later."
REMOVED, REMOVED_NAME = "(removed)", "Somebody"
_TRY_LATER = 60.0
_LONGEST_KEY = 200


class Studio:
    """Takes riffs, shows how far they are, cancels them.

    Adapters know only this class: `submit`, `view`, `recent`, `cancel`, `subscribe` and `watch`.
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
        notice: Callable[[], str | None] = lambda: None,
        halt_notice: Callable[[str, str], str | None] = lambda platform, community: None,
    ) -> None:
        """Nothing happens before somebody asks.

        Args:
            notice: says what holds everything up at present, if anything does.
            halt_notice: says why the riffs of a community (platform, community) wait, if they do.
        """
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
        self._notice = notice
        self._halt_notice = halt_notice

    async def submit(
        self,
        requester: Requester,
        ask: Ask,
        addresses: Address | Sequence[Address],
        *,
        key: str | None = None,
        lane: Lane = "riffs",
        deadline: float | None = None,
    ) -> JobView:
        """Take a riff: when this returns, the job is on disk and will be answered.

        Args:
            requester: who asks; limits and turns go by this.
            ask: what `bot.grammar` read.
            addresses: where the clip goes.
            key: asking again with the same key (a platform that repeats a message after a lost
                connection) gives the job of the first time, and costs nothing.
            lane: `live` for the live session, whose jobs go by deadline.
            deadline: Unix seconds after which it is not worth making any more.

        Raises:
            ForbiddenRefusal: policy says no.
            BusyRefusal: over a rate limit, too much is waiting already, or the disk is full.
            BadInputRefusal: more than one riff may cost.
            BadRequestError: the request is out of range.
        """
        request = ask.to_request(await self._settings.resolve(requester))
        return await self.submit_request(
            requester, request, addresses, key=key, lane=lane, deadline=deadline
        )

    async def submit_request(
        self,
        requester: Requester,
        request: GenerationRequest,
        addresses: Address | Sequence[Address],
        *,
        key: str | None = None,
        lane: Lane = "riffs",
        deadline: float | None = None,
    ) -> JobView:
        """Take a request that is settled already. Every riff comes through here, and no request
        passes that policy has not seen.

        Raises:
            ForbiddenRefusal, BusyRefusal, BadInputRefusal: as `submit` does.
        """
        _check_text(request)
        await self._policy.check(requester, request)
        settings = await self._settings.resolve(requester)
        places = [addresses] if isinstance(addresses, Address) else list(addresses)
        cost = cost_of(request, settings.default_steps)
        _check_size(cost, settings)
        if key is not None and len(key) > _LONGEST_KEY:
            raise BadInputRefusal(f"A key has at most {_LONGEST_KEY} characters.")

        def work(tx: sqlite3.Connection) -> tuple[Job, bool]:
            known = None if key is None else self._ledger.find_by_key(tx, requester, key)
            if known is not None:
                return known, False
            self._policy.admit(tx, requester)
            if lane != "live":  # that lane has no line of people
                self._check_room(tx, requester, settings)
            charges = self._charge(tx, requester, settings, cost)
            terms = Terms(
                lane=lane,
                cost=cost,
                weight=settings.weight,
                deadline=deadline,
                ask_key=key,
                charges={charge.key: charge.cost * charge.limit.period for charge in charges},
            )
            job_id = self._ledger.add(tx, requester, request, places, terms)
            if settings.turns is not None:
                self._ledger.keep_turns(tx, requester, settings.turns)
            return self._ledger.look_up(tx, [job_id])[0], True

        try:
            job, is_new = await self._database.write(work)
        except DiskFullError as error:
            raise BusyRefusal(OUT_OF_SPACE, retry_after=_TRY_LATER) from error
        if is_new:
            self._events.publish(JobChanged(job.id), QueueMoved())
            self._wake_scheduler()
        return (await self._views([job]))[0]

    async def view(self, job_id: str) -> JobView:
        """What may be shown of a job now.

        Raises:
            NotFoundRefusal: no such job.
        """
        views = await self.views([job_id])
        if not views:
            raise NotFoundRefusal("There is no riff with this id.")
        return views[0]

    async def views(self, job_ids: Sequence[str]) -> list[JobView]:
        """What may be shown of these jobs now, in this order; unknown ids are left out."""
        return await self._views(await self._ledger.jobs(job_ids))

    async def recent(self, platform: str, community: str, limit: int = 50) -> list[JobView]:
        """The latest riffs of a community, oldest first."""
        jobs = await self._ledger.recent(platform, community, limit)
        return await self._views([job for job in jobs if not job.hidden])

    async def cancel(self, job_id: str, requester: Requester, *, may_cancel_any: bool) -> None:
        """Cancel a riff that waits, runs, or is made but not posted.

        If it had not begun, it does not count as asked.

        Raises:
            NotFoundRefusal: no such riff, or it is finished or being posted already.
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
        before = await self._ledger.cancel(job_id)
        if before is None:
            raise NotFoundRefusal("That riff is finished already.")
        if before.state == "running":
            self._cancel_running(job_id)
        self._events.publish(JobChanged(job_id), QueueMoved())

    async def pin(self, job_id: str, *, pinned: bool = True) -> None:
        """Keep a riff's files for good, or no longer.

        Raises:
            NotFoundRefusal: no such riff.
        """
        if not await self._ledger.pin(job_id, pinned=pinned):
            raise NotFoundRefusal("There is no riff with this id.")

    async def set_turns(
        self, platform: str, community: str, policy: TurnPolicy, weight: float = 1.0
    ) -> None:
        """Choose how a community takes turns (`fair`, or `first-come`), and its share of all."""
        await self._ledger.set_turns(platform, community, policy, weight)
        self._events.publish(QueueMoved())

    def subscribe(self) -> AbstractContextManager[Subscription]:
        """`with studio.subscribe() as events: async for event in events: …`."""
        return self._events.subscribe()

    def watch(self, job_id: str) -> AbstractContextManager[Subscription]:
        """The events of one job, with previews of its picture (`JobPreviewed`) while it is drawn.

        Previews are drawn only while somebody watches.
        """
        return self._events.watch(job_id)

    async def _views(self, jobs: Sequence[Job]) -> list[JobView]:
        waits = any(job.state == "queued" for job in jobs)
        waiting = await self._queue.waiting() if waits else {}
        notice = self._notice() if waits else None
        return [
            JobView(
                _without_words(job) if job.hidden else job,
                waiting.get(job.id) if job.state == "queued" else None,
                self._progress_of(job.id) if job.state == "running" else None,
                (self._halt_notice(job.requester.platform, job.requester.community) or notice)
                if job.state == "queued"
                else None,
            )
            for job in jobs
        ]

    def _check_room(
        self, tx: sqlite3.Connection, requester: Requester, settings: RiffSettings
    ) -> None:
        own, here, everybody = self._ledger.waiting_counts(tx, requester)
        if own >= settings.queued_per_user * max(1.0, settings.allowance):
            raise BusyRefusal(
                f"You already have {own} riffs waiting; let one of them finish first.",
                retry_after=settings.rate.period,
            )
        if here >= settings.queued_per_community and not math.isinf(settings.allowance):
            raise BusyRefusal(
                f"{here} riffs of this community are waiting already; "
                "please try again in a minute.",
                retry_after=_TRY_LATER,
            )
        if everybody >= settings.queued_in_all:
            raise BusyRefusal(
                "The queue is full right now; please try again in a minute.",
                retry_after=_TRY_LATER,
            )

    def _charge(
        self, tx: sqlite3.Connection, requester: Requester, settings: RiffSettings, cost: float
    ) -> list[Charge]:
        """What the request costs at each limit, charged; nothing for who is exempt."""
        if math.isinf(settings.allowance):
            return []
        where = f"{requester.platform}:{requester.community}"
        # The user's limit follows the person, wherever on the platform they ask.
        charges = [
            Charge(
                f"user:{requester.platform}:{requester.user}",
                settings.rate,
                cost / settings.allowance,
            ),
            Charge(f"community:{where}", settings.community_rate, cost),
            Charge("everybody", settings.global_rate, cost),
        ]
        own = take(tx, charges[:1], self._clock.now())
        if not own.allowed:
            raise BusyRefusal(
                f"That is a lot of riffs at once! Try again in {in_words(own.retry_after)}.",
                retry_after=own.retry_after,
            )
        others = take(tx, charges[1:], self._clock.now())
        if not others.allowed:
            raise BusyRefusal(
                "Many people are asking for riffs right now! Try again in "
                f"{in_words(others.retry_after)}.",
                retry_after=others.retry_after,
            )
        return charges


def in_words(seconds: float) -> str:
    """A time as people say it, short ones rounded up: `12 seconds`, `3 minutes`, `5 hours`."""
    whole = max(1, int(-(-seconds // 1)))
    if whole < 100:
        return f"{whole} second{'s' if whole > 1 else ''}"
    if whole < 7200:
        return f"{-(-whole // 60)} minutes"
    return f"{whole // 3600} hours" if whole < 172_800 else f"{whole // 86_400} days"


def _check_text(request: GenerationRequest) -> None:
    """Half of a surrogate pair can be written in JSON, but not in UTF-8, as files' tags are."""
    for text in (request.prompt, request.negative, *(point.prompt for point in request.points)):
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise BadInputRefusal(
                "That prompt holds half a character, which I cannot read; please type it again."
            )


def _without_words(job: Job) -> Job:
    """A job that is not to be seen any more, as everybody sees it: nothing to read, nothing to
    hear, nothing to build on."""
    requester = replace(job.requester, name=REMOVED_NAME)
    request = GenerationRequest(prompt=REMOVED, seed=0)
    return replace(job, requester=requester, request=request, clips=(), error=None)


def _check_size(cost: float, settings: RiffSettings) -> None:
    if cost > settings.largest * max(1.0, settings.allowance):
        raise BadInputRefusal(
            f"That would be as much work as {cost:.0f} riffs, and {settings.largest:.0f} is the "
            "most I take at once; ask for fewer clips, fewer steps or a shorter one."
        )
