"""All live sessions of the bot: one at a time in a community, several at once."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from bot.errors import BadInputRefusal, BusyRefusal, ForbiddenRefusal, NotFoundRefusal, Refusal
from bot.events import Event, Events, HaltChanged, JobChanged, WordsWithdrawn
from bot.jobs import Job, Requester
from bot.live.ballot import Voter
from bot.live.export import ExportFormat, export, shown
from bot.live.personal import LivePersonalData
from bot.live.rules import LiveRules
from bot.live.session import LiveSession, Parts, voter_of
from bot.live.sounds import Sounds
from bot.live.timeline import Segment, Take
from bot.live.topics import Topic
from bot.moderation.desk import Rulebook
from bot.moderation.levels import FOLLOWER_ROLE, SUBSCRIBER_ROLE, Level
from bot.settings import AccessSettings, LiveSettings
from generation.errors import GenerationError
from generation.request import check_prompt

log = logging.getLogger(__name__)

LONGEST_PROMPT = 120
MOST_SESSIONS = 8
_KEPT_SEGMENTS = 900 * 44_100
_NOT_ON = "No live session is on here; a moderator starts one with !live start."

Where = tuple[str, str]


class LiveSessions:
    """Starts, finds and ends sessions, and tells them what happens elsewhere in the bot."""

    def __init__(self, parts: Parts, rules: Rulebook, events: Events) -> None:
        """Nothing plays before `run` or `start`."""
        self._parts, self._rules, self._events = parts, rules, events
        self._sessions: dict[Where, LiveSession] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._welcomed: dict[str, None] = {}
        self._keys: dict[str, Where] = {}
        self._starting = asyncio.Lock()
        self._resumed = False
        self._changed = asyncio.Event()
        self._exporting = asyncio.Lock()
        self._exported: tuple[str, Collection[str]] | None = None
        self.on_key_revoked: list[Callable[[str], None]] = []

    @property
    def all(self) -> list[LiveSession]:
        """Every session that is on."""
        return list(self._sessions.values())

    def at(self, where: Where) -> LiveSession | None:
        """The session of a community, if one is on."""
        return self._sessions.get(where)

    def of(self, requester: Requester) -> LiveSession:
        """The session of somebody's community.

        Raises:
            NotFoundRefusal: none is on.
        """
        session = self.at((requester.platform, requester.community))
        if session is None:
            raise NotFoundRefusal(_NOT_ON)
        return session

    async def changed(self, where: Where, session: LiveSession | None) -> None:
        """Return once a community has another session than this one, or none any more."""
        while self.at(where) is session:
            await self._changed.wait()

    # Moderators -----------------------------------------------------------------------------

    async def start(self, by: Requester, **choices: float) -> LiveSession:
        """Begin a session in somebody's community, by its settings and what they choose besides.

        Args:
            by: who starts it, a moderator.
            choices: fields of `LiveRules`.

        Raises:
            ForbiddenRefusal: they may not.
            BadInputRefusal: one is on already, too many are on elsewhere, or a choice is unusable.
        """
        self._rules.access.require(by, "live")
        where = (by.platform, by.community)
        async with self._starting:
            await self._resume()
            if where in self._sessions:
                raise BadInputRefusal("A live session is on here already; !live stop ends it.")
            if len(self._sessions) >= MOST_SESSIONS:
                raise BadInputRefusal(f"{MOST_SESSIONS} live sessions are on already elsewhere.")
            settings = await self._rules.settings.resolve(by)
            rules = _rules_of(settings.live, settings.default_steps, choices)
            seed = secrets.randbelow(2**32)
            stored = await self._parts.store.begin(where, by.channel, seed, rules)
            session = LiveSession(stored, self._parts)
            self._go(session)
        if self._rules.halts.of(*where) == "panic":
            await session.panic(settings.live.safe_loop)
        return session

    async def stop(self, by: Requester) -> LiveSession:
        """End the session of somebody's community.

        Raises:
            ForbiddenRefusal: they may not.
            NotFoundRefusal: none is on.
        """
        self._rules.access.require(by, "live")
        session = self.of(by)
        await self._end(session, ended=True)
        return session

    def set_mode(self, by: Requester, name: str, prompts: tuple[str, ...] = ()) -> None:
        """Change how the music is steered; `check` the prompts of a duel before.

        Raises:
            ForbiddenRefusal, NotFoundRefusal, BadInputRefusal: see `Performance.set_mode`.
        """
        self._rules.access.require(by, "live")
        self.of(by).set_mode(name, prompts)

    def skip(self, by: Requester) -> str:
        """End what leads; returns what it was.

        Raises:
            ForbiddenRefusal, NotFoundRefusal: see `Performance.skip`.
        """
        self._rules.access.require(by, "live")
        return self.of(by).skip()

    async def panic(self, by: Requester) -> None:
        """Fade the session of somebody's community to its safe loop, until `resume`.

        Raises:
            ForbiddenRefusal: they may not.
            NotFoundRefusal: none is on.
        """
        self._rules.access.require(by, "panic")
        session = self.of(by)
        settings = await self._rules.settings.resolve(by)
        await session.panic(settings.live.safe_loop)

    def resume(self, by: Requester) -> None:
        """Let the session go on.

        Raises:
            ForbiddenRefusal: they may not.
            NotFoundRefusal: none is on.
            BadInputRefusal: all riffs are stopped too.
        """
        self._rules.access.require(by, "resume")
        session = self.of(by)
        if self._rules.halts.of(*session.where) == "panic":
            raise BadInputRefusal("Everything is stopped here; !resume lets all of it go on.")
        session.calm()

    async def export(self, by: Requester, folder: Path, file_format: ExportFormat) -> Path:
        """The session that is on in somebody's community, or was last, as one archive.

        Raises:
            ForbiddenRefusal: they may not.
            NotFoundRefusal: there was none, or nothing of it is kept.
            BusyRefusal: another one is being written.
        """
        self._rules.access.require(by, "live")
        where = (by.platform, by.community)
        stored = await self._parts.store.latest(where)
        if stored is None:
            raise NotFoundRefusal(_NOT_ON)
        if self._exporting.locked():
            raise BusyRefusal("Another session is being written; please try again later.", 60.0)
        async with self._exporting:
            session = self.at(where)
            if session is not None:
                stored = await session.written()
            self._exported = stored.id, ()
            try:
                segments = shown(await self._parts.store.segments(stored.id), stored.state)
                self._exported = stored.id, files_of(one.take for one in segments)
                sounds = Sounds(self._parts.clips, most=4)
                return await asyncio.to_thread(
                    export, segments, stored.playhead, sounds, folder,
                    f"live-{stored.id}", file_format,
                )  # fmt: skip
            except GenerationError as error:
                raise NotFoundRefusal(str(error)) from error
            finally:
                self._exported = None

    async def needed(self) -> set[str]:
        """Files in the clips folder that sessions that are on, or an export, need just now."""
        needed = await self._parts.store.files_to_come(_KEPT_SEGMENTS)
        for session in self.all:
            needed |= files_of(session.performance.takes())
        return needed.union(self._exported[1] if self._exported else ())

    def being_exported(self) -> tuple[str, ...]:
        """Ids of sessions that are being written."""
        return (self._exported[0],) if self._exported else ()

    # Everybody ------------------------------------------------------------------------------

    async def vote(
        self, by: Requester, prompt: str, *, boost: float = 1.0, message: str = ""
    ) -> Topic:
        """Vote for a prompt.

        Args:
            by: whose vote it is; their last one no longer counts.
            prompt: what for; 1 or 2 in a duel.
            boost: what channel points or bits make of it.
            message: key of the message, so that the vote goes when it is deleted.

        Raises:
            ForbiddenRefusal: they may not steer, or not with these words.
            NotFoundRefusal: no session is on.
            BadRequestError, BadInputRefusal, BusyRefusal: the prompt cannot be voted for.
        """
        self._rules.access.require(by, "live-vote")
        session = self.of(by)
        await self.check(by, prompt)
        settings = await self._rules.settings.resolve(by)
        is_moderator = self._rules.access.level(by) >= Level.MODERATOR
        if not is_moderator:
            check_steer(by, settings.live, settings.access)
        weight = weight_of(by, settings.live) * boost
        if weight <= 0:
            raise ForbiddenRefusal("Votes do not count for your role here.")
        if self.at(session.where) is not session or self._rules.bans.of(by) is not None:
            raise NotFoundRefusal(_NOT_ON)  # it ended, or they were blocked, meanwhile
        return session.vote(voter_of(by), prompt, weight, message)

    async def check(self, by: Requester, *prompts: str) -> None:
        """Let words of somebody pass, or refuse.

        Raises:
            ForbiddenRefusal: policy says no.
            BadRequestError, BadInputRefusal: empty or too long.
        """
        for prompt in prompts:
            check_prompt(prompt)
            if len(prompt) > LONGEST_PROMPT or not prompt.isprintable():
                raise BadInputRefusal(
                    f"A vote is a line of at most {LONGEST_PROMPT} characters; a few words do best."
                )
        await self._parts.policy.check_texts(by, prompts)

    def heard(self, by: Requester, seconds_ago: float) -> tuple[LiveSession, Segment]:
        """What sounded in somebody's session so many seconds ago.

        Raises:
            ForbiddenRefusal, NotFoundRefusal: they are blocked, or there was nothing.
        """
        self._rules.access.require(by, "live-look")
        session = self.of(by)
        return session, session.heard(seconds_ago)

    async def keep(self, segment: Segment) -> None:
        """Keep the files of what sounded for good."""
        with suppress(Refusal):
            await self._parts.studio.pin(segment.take.id)

    # Stages ---------------------------------------------------------------------------------

    async def key(self, by: Requester, *, renew: bool = False) -> str:
        """The key of the stage of somebody's community; a new one ends the old one.

        Raises:
            ForbiddenRefusal: they may not.
        """
        self._rules.access.require(by, "live-key")
        where = (by.platform, by.community)
        key = await self._parts.store.key(where, renew=renew)
        for old in [one for one, place in self._keys.items() if place == where and one != key]:
            del self._keys[old]
            for tell in self.on_key_revoked:
                tell(old)
        self._keys[key] = where
        return key

    def place_of(self, key: str) -> Where | None:
        """The community whose stage has this key; None where it is wrong or revoked."""
        return self._keys.get(key)

    def personal_data(self) -> LivePersonalData:
        """For `!privacy`; to be made where the event loop runs."""
        loop = asyncio.get_running_loop()

        def forget(whom: Voter) -> None:
            loop.call_soon_threadsafe(self.forget, whom)

        return LivePersonalData(forget)

    def forget(self, whom: Voter) -> None:
        """Somebody wants nothing of theirs to be kept."""
        for session in self.all:
            session.silence(lambda vote: vote.voter.key == whom.key, whom)

    # Lifecycle ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Go on with the sessions of the last run, and listen, until cancelled."""
        with self._events.subscribe() as events:
            try:
                async with self._starting:
                    await self._resume()
                async for event in events:
                    try:
                        self._hear(event)
                    except Exception:
                        log.exception("a live session could not take that in")
            finally:
                await self._drop_errands()
                for session in self.all:
                    await self._end(session, ended=False)

    async def _resume(self) -> None:
        """Once: whoever comes first, a start or a command, finds what was on before."""
        if self._resumed:
            return
        self._resumed = True
        self._keys |= await self._parts.store.keys()
        for stored in await self._parts.store.running():
            try:
                since = stored.playhead - _KEPT_SEGMENTS
                segments = await self._parts.store.segments(stored.id, since)
                session = LiveSession(stored, self._parts, segments)
            except Exception:
                log.exception("the live session of %s:%s cannot go on", *stored.where)
                await self._parts.store.end(stored.id)
                continue
            self._go(session)
            if self._rules.halts.of(*stored.where) == "panic" and not session.performance.halted:
                await session.panic()

    def _go(self, session: LiveSession) -> None:
        self._sessions[session.where] = session
        self._tasks[session.id] = asyncio.create_task(session.run())
        self._tell()

    async def _end(self, session: LiveSession, *, ended: bool) -> None:
        self._sessions.pop(session.where, None)
        self._tell()
        task = self._tasks.pop(session.id, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await session.close(ended=ended)

    def _tell(self) -> None:
        """Wake who waits for a session to come or go."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # What happens elsewhere -----------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        if not self._sessions:
            return
        match event:
            case JobChanged():
                self._errand(self._on_job(event.job_id))
            case HaltChanged():
                self._on_halt(event)
            case WordsWithdrawn():
                self._on_withdrawn(event)

    async def _on_job(self, job_id: str) -> None:
        for session in self.all:
            if session.orders.of(job_id) is not None:
                await session.on_job(job_id)
                return
        with suppress(NotFoundRefusal):
            job = (await self._parts.studio.view(job_id)).job
            owner = job.requester
            session_there = self.at((owner.platform, owner.community))
            if session_there is not None and job.hidden:
                session_there.unwelcome(job_id)
            elif session_there is not None and self._is_guest(job, session_there):
                self._welcomed[job_id] = None
                if len(self._welcomed) > 1000:
                    self._welcomed.pop(next(iter(self._welcomed)))
                await session_there.welcome(job)

    def _is_guest(self, job: Job, session: LiveSession) -> bool:
        ready = job.state in ("rendered", "delivered") and bool(job.clips)
        ready &= job.lane == "riffs"
        fresh = job.created_at >= session.started_at
        return ready and fresh and not job.hidden and job.id not in self._welcomed

    def _on_halt(self, event: HaltChanged) -> None:
        for session in self.all:
            if event.where not in (session.where, ("", "")):
                continue
            if event.kind == "panic":
                self._errand(session.panic(event.safe_loop))
            elif self._rules.halts.of(*session.where) != "panic":
                session.calm()

    def _on_withdrawn(self, event: WordsWithdrawn) -> None:
        whom = (event.platform, event.user)
        for session in self.all:
            here = event.platform == session.where[0]
            if not here or event.community not in ("", session.where[1]):
                continue
            if event.key:
                session.silence(
                    lambda vote: (
                        vote.message == event.key and (not event.user or vote.voter.key == whom)
                    )
                )
            else:
                voter = Voter(event.platform, event.user, event.name)
                session.silence(lambda vote: vote.voter.key == whom, voter)

    def _errand(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            try:
                await work
            except Exception:
                log.exception("a live session could not take that in")

        task = asyncio.create_task(run())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _drop_errands(self) -> None:
        """At the end nobody plays what they bring; a session that goes on orders its music anew."""
        for task in self._errands:
            task.cancel()
        if self._errands:
            await asyncio.wait(self._errands)


def files_of(takes: Iterable[Take]) -> set[str]:
    """Relative paths of all their files."""
    return {path for take in takes for path in take.files.values()}


def check_steer(requester: Requester, live: LiveSettings, access: AccessSettings) -> None:
    """Let somebody who is no moderator steer, or refuse.

    Raises:
        ForbiddenRefusal: the settings say who may.
    """
    roles = requester.roles
    match live.steer:
        case "roles" if access.riff_roles.isdisjoint(roles):
            raise ForbiddenRefusal("People with certain roles steer the live session here.")
        case "subscribers" if SUBSCRIBER_ROLE not in roles:
            raise ForbiddenRefusal("Subscribers steer the live session here.")
        case "followers" if not {FOLLOWER_ROLE, SUBSCRIBER_ROLE} & set(roles):
            raise ForbiddenRefusal("Followers steer the live session here.")
        case "moderators":
            raise ForbiddenRefusal("Moderators steer the live session here.")


def weight_of(requester: Requester, live: LiveSettings) -> float:
    """What a vote of somebody counts: the most that any of their roles gives, else 1."""
    weights = [live.vote_weights[role] for role in requester.roles if role in live.vote_weights]
    return max(weights, default=1.0)


def _rules_of(live: LiveSettings, steps: int, choices: dict[str, float]) -> LiveRules:
    values: dict[str, float] = {
        "bpm": live.bpm,
        "half_life": live.half_life,
        "strongest": live.prompts,
        "speed": live.speed,
        "minimum_hold": live.minimum_hold,
        "guest_loops": live.guest_loops,
        "steps": steps,
        **choices,
    }
    return LiveRules.from_json(values)
