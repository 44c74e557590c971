"""A riff on its way through the studio: who asked, where the answer goes, how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from generation.request import Clip, GenerationRequest, Progress

JobState = Literal["queued", "running", "rendered", "delivered", "cancelled", "failed", "expired"]
Lane = Literal["riffs", "live"]
FINISHED: frozenset[JobState] = frozenset({"delivered", "cancelled", "failed", "expired"})


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked. A Discord guild or a Twitch channel is a community; the local chat is one too.

    Attributes:
        platform: the adapter that speaks for this person, e.g. `local` or `discord`.
        community: the platform's id of the community; empty for direct messages.
        user: the platform's id of the person.
        name: how to call them; for display only.
        roles: what the adapter knows them to be there: `owner`, `admin`, `moderator`, `subscriber`,
            `follower` (see `bot.moderation.levels`) and the ids of their roles. Not kept in the
            ledger, like what follows.
        channel: where in the community they ask, where there are several places; settings may
            differ there.
        follows_days: for how many days they have followed the community, where that is known.
    """

    platform: str
    community: str
    user: str
    name: str
    roles: frozenset[str] = field(default=frozenset(), compare=False)
    channel: str = field(default="", compare=False)
    follows_days: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Address:
    """Where an answer goes: an adapter by platform, and what that adapter needs to find the place.

    `details` is plain JSON that only the adapter reads (a channel and message id, say); it must be
    enough to deliver after a restart.
    """

    platform: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the ledger. Times are Unix seconds.

    Attributes:
        attempts: times that it was claimed, and `crashes`: that its worker died under it.
        error: why it failed, in a sentence for its requester.
        deadline: when it becomes worthless, if it does.
        cost: in units of a default riff.
        pinned: its files are kept whatever the budget says.
        hidden: it is not to be shown any more: a moderator saw to that.
        claim: the number of the latest claim. A run may record its outcome only while its claim
            is the latest, so one that was given up cannot speak for the next.
    """

    id: str
    state: JobState
    lane: Lane
    requester: Requester
    request: GenerationRequest
    created_at: float
    attempts: int
    crashes: int
    clips: tuple[Clip, ...] = ()
    started_at: float | None = None
    rendered_at: float | None = None
    finished_at: float | None = None
    error: str | None = None
    deadline: float | None = None
    cost: float = 1.0
    pinned: bool = False
    claim: int | None = None
    hidden: bool = False

    @property
    def seconds_taken(self) -> float | None:
        """Seconds from the start of its last run to the finished clip, once there is one."""
        if self.started_at is None or self.rendered_at is None:
            return None
        return self.rendered_at - self.started_at


@dataclass(frozen=True, slots=True)
class Waiting:
    """Where a queued job stands, and why.

    Attributes:
        position: 1 is next.
        expected_seconds: until its clip is ready.
        people_ahead: other requesters with riffs before it, and `from_elsewhere`: how many of
            them ask in another community.
        own_ahead: riffs of the same requester before it.
        live_ahead: clips of the live session before it.
    """

    position: int
    expected_seconds: float
    people_ahead: int = 0
    from_elsewhere: int = 0
    own_ahead: int = 0
    live_ahead: int = 0

    @property
    def reason(self) -> str:
        """Why it is not being drawn yet: `2 people ahead, one from another server`."""
        parts = []
        if self.people_ahead:
            people = "1 person" if self.people_ahead == 1 else f"{self.people_ahead} people"
            parts.append(f"{people} ahead{self._from_elsewhere()}")
        if self.own_ahead:
            own = "one riff" if self.own_ahead == 1 else f"{self.own_ahead} riffs"
            parts.append(f"{own} of your own first")
        if self.live_ahead:
            parts.append("the live session needs its next clips")
        return "; ".join(parts) or "next in line"

    def _from_elsewhere(self) -> str:
        if not self.from_elsewhere:
            return ""
        if self.from_elsewhere == self.people_ahead:
            return ", from another server" if self.people_ahead == 1 else ", from other servers"
        some = "one" if self.from_elsewhere == 1 else str(self.from_elsewhere)
        return f", {some} from {'another server' if some == 'one' else 'other servers'}"


@dataclass(frozen=True, slots=True)
class JobView:
    """What may be shown of a job right now.

    Attributes:
        waiting: where it stands, while it is queued and that is known.
        progress: how far it is, while it runs.
        notice: what holds everything up, while it waits: `The studio is down; your riff is safe.`
    """

    job: Job
    waiting: Waiting | None = None
    progress: Progress | None = None
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An outcome that is owed to an address.

    The job is `rendered` (show its clips) or `failed` (say `job.error`). The same delivery may be
    handed to an adapter again after a crash, so adapters make posting idempotent as far as their
    platform allows; `job.id` is the natural nonce. `attempts` counts earlier tries, including one
    that a crash interrupted: where it is 0, nothing can have been posted yet.
    """

    id: int
    address: Address
    job: Job
    attempts: int
