"""Database rows ↔ the frozen dataclasses of `bot.jobs`."""

from __future__ import annotations

import json
from collections.abc import Iterable

import aiosqlite

from bot.jobs import Address, Delivery, Job, Requester
from generation.request import Clip, GenerationRequest


def job_from_row(row: aiosqlite.Row, clips: Iterable[Clip] = ()) -> Job:
    """A `jobs` row as a `Job`.

    Raises:
        BadRequestError: the request was written by a newer version of the program.
    """
    return Job(
        id=row["id"],
        state=row["state"],
        lane=row["lane"],
        requester=Requester(row["platform"], row["community"], row["user"], row["user_name"]),
        request=GenerationRequest.from_json(json.loads(row["request"])),
        created_at=row["created_at"],
        attempts=row["attempts"],
        crashes=row["crashes"],
        clips=tuple(clips),
        started_at=row["started_at"],
        rendered_at=row["rendered_at"],
        finished_at=row["finished_at"],
        error=row["error"],
    )


def clip_from_row(row: aiosqlite.Row) -> Clip:
    """A `clips` row as a `Clip`."""
    return Clip.from_json(json.loads(row["clip"]))


def delivery_from_row(row: aiosqlite.Row, job: Job) -> Delivery:
    """A `deliveries` row as a `Delivery`."""
    address = Address(row["platform"], json.loads(row["address"]))
    return Delivery(id=row["id"], address=address, job=job, attempts=row["attempts"])
