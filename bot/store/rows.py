"""Database rows ↔ the frozen dataclasses of `bot.jobs`.

What an older or newer version wrote may not be readable any more. Looking at such a job must not
fail, or one row would stop the bot: it is shown with what can be read. Only running it is refused
(`read_request`).
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from bot.jobs import Address, Delivery, Job, Requester
from generation.errors import BadRequestError
from generation.request import MAX_PROMPT_CHARACTERS, Clip, GenerationRequest

log = logging.getLogger(__name__)

UNREADABLE = (
    "This riff was written down by another version of Riffbot, and this one cannot read it; "
    "please ask for it again."
)
_CLIP_FIELDS = {field.name for field in fields(Clip)}


def read_request(row: sqlite3.Row) -> GenerationRequest:
    """The request of a `jobs` row, to be carried out.

    Raises:
        BadRequestError: it cannot be read or is not allowed; the sentence is for its requester.
    """
    try:
        return GenerationRequest.from_json(json.loads(row["request"]))
    except BadRequestError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadRequestError(UNREADABLE) from error


def job_from_row(row: sqlite3.Row, clips: Iterable[Clip] = ()) -> Job:
    """A `jobs` row as a `Job`."""
    return Job(
        id=row["id"],
        state=row["state"],
        lane=row["lane"],
        requester=Requester(row["platform"], row["community"], row["user"], row["user_name"]),
        request=_shown_request(row),
        created_at=row["created_at"],
        attempts=row["attempts"],
        crashes=row["crashes"],
        clips=tuple(clips),
        started_at=row["started_at"],
        rendered_at=row["rendered_at"],
        finished_at=row["finished_at"],
        error=row["error"],
        deadline=row["deadline"],
        cost=row["cost"],
        pinned=bool(row["pinned"]),
        claim=row["claim"],
        hidden=row["hidden"] is not None,
    )


def job_with_clips(db: sqlite3.Connection, row: sqlite3.Row) -> Job:
    """A `jobs` row as a `Job` with its clips."""
    rows = db.execute("SELECT * FROM clips WHERE job_id = ? ORDER BY position", (row["id"],))
    return job_from_row(row, filter(None, map(clip_from_row, rows)))


def clip_from_row(row: sqlite3.Row) -> Clip | None:
    """A `clips` row as a `Clip`; None if it cannot be read."""
    try:
        data = json.loads(row["clip"])
        return Clip.from_json({key: data[key] for key in data if key in _CLIP_FIELDS})
    except (TypeError, ValueError):
        log.warning("a clip of %s cannot be read", row["job_id"])
        return None


def delivery_from_row(row: sqlite3.Row, job: Job) -> Delivery:
    """A `deliveries` row as a `Delivery`."""
    address = Address(row["platform"], json.loads(row["address"]))
    return Delivery(id=row["id"], address=address, job=job, attempts=row["attempts"])


def _shown_request(row: sqlite3.Row) -> GenerationRequest:
    try:
        return read_request(row)
    except BadRequestError:
        return GenerationRequest(prompt=_shown_prompt(row["request"]), seed=0)


def _shown_prompt(text: str) -> str:
    try:
        data: Any = json.loads(text)
    except ValueError:
        return "?"
    prompt = data.get("prompt") if isinstance(data, dict) else None
    shown = prompt[:MAX_PROMPT_CHARACTERS] if isinstance(prompt, str) else ""
    return shown if shown.strip() else "?"
