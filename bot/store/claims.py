"""What goes into the ledger with a job, and what comes out of it with a claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.jobs import Job, Lane

TurnPolicy = Literal["fair", "first-come"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a look at the line came to: jobs to run now, and others whose state changed."""

    jobs: tuple[Job, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tended:
    """Jobs whose state changed, and jobs that are no longer the caller's (cancelled, say)."""

    changed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a clip: its path in the clips folder, and its size."""

    path: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a job is taken.

    Attributes:
        lane: `live` jobs go by deadline, before others.
        cost: in units of a default riff; `weight`: its requester's share of turns.
        deadline: Unix seconds after which it is not worth making.
        ask_key: the same requester with the same key asks for the same job.
        charges: seconds by which each rate limit was charged, to be given back if it fails.
    """

    lane: Lane = "riffs"
    cost: float = 1.0
    weight: float = 1.0
    deadline: float | None = None
    ask_key: str | None = None
    charges: Mapping[str, float] | None = None
