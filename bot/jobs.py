"""A riff on its way through the studio: who asked, where the answer goes, how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    """

    platform: str
    community: str
    user: str
    name: str


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
    """One row of the ledger."""

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

    @property
    def seconds_taken(self) -> float | None:
        """Seconds from the start of its last run to the finished clip, once there is one."""
        if self.started_at is None or self.rendered_at is None:
            return None
        return self.rendered_at - self.started_at


@dataclass(frozen=True, slots=True)
class Waiting:
    """Where a queued job stands: 1 is next; `expected_seconds` until its clip is ready."""

    position: int
    expected_seconds: float


@dataclass(frozen=True, slots=True)
class JobView:
    """What may be shown of a job right now."""

    job: Job
    waiting: Waiting | None = None
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An outcome that is owed to an address.

    The job is `rendered` (show its clips) or `failed` (say `job.error`). The same delivery may be
    handed to an adapter again after a crash, so adapters make posting idempotent as far as their
    platform allows; `job.id` is the natural nonce.
    """

    id: int
    address: Address
    job: Job
    attempts: int
