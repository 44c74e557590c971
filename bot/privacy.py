"""What is kept about somebody: to be shown to them, and to be deleted when they say so.

Only they themselves can ask for either, on the platform where they are known. A block outlives the
deletion (or deleting would lift it), without name or reason; so do the rate limits, for minutes.
"""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.clock import Clock
from bot.events import Events, JobChanged, QueueMoved
from bot.exports import Exports
from bot.jobs import Requester
from bot.moderation.commands import ReplyFile
from bot.moderation.desk import Rulebook
from bot.moderation.keys import KEYS
from bot.moderation.removal import Removal
from bot.store.clipfiles import ClipFiles
from bot.store.database import Database
from bot.store.sources import Sources

ABOUT = (
    "I keep what you asked for: prompts, options, the loops and pictures that came of it, the "
    "sounds you gave me, your name and id here, your settings, and what moderators did about you. "
    "Old files go by themselves. !privacy export sends you all of it; !privacy delete removes it."
)
SURE = (
    "This deletes your riffs, loops, sounds, prompts, settings and your name from everything I "
    "keep ({count}), for good, and cancels what you have waiting. If you are sure: "
    "!privacy delete yes"
)
DELETED_NAME = "Somebody"
_NOBODY = ""
_OPEN = "state IN ('queued', 'running', 'rendered')"
_PLAIN = json.dumps({"prompt": "(deleted)", "seed": 0, "version": 1})
_OF = "platform = ? AND user = ?"
_JOB_COLUMNS = (
    "id, state, community, user_name, request, error, created_at, started_at, rendered_at, "
    "finished_at, ask_key, hidden"
)
_ANNOUNCED = 500


class PersonalData(Protocol):
    """A further part that keeps something about people."""

    name: str

    def read(self, db: sqlite3.Connection, platform: str, user: str) -> Any:
        """All of it as plain JSON types."""

    def delete(self, tx: sqlite3.Connection, platform: str, user: str) -> None:
        """Delete it, in the transaction that deletes everything else."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted: how many riffs, and how many files."""

    riffs: int
    files: int


class Privacy:
    """Shows and deletes. `parts` is where other parts enter what they keep."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        events: Events,
        rules: Rulebook,
        removal: Removal,
        files: ClipFiles,
        sources: Sources,
        exports: Exports,
    ) -> None:
        self._database = database
        self._clock = clock
        self._events = events
        self._rules = rules
        self._removal = removal
        self._files = files
        self._sources = sources
        self._exports = exports
        self.parts: list[PersonalData] = []

    async def count(self, who: Requester) -> int:
        """How many riffs of theirs are kept."""
        return await self._database.read(lambda db: len(_ids(db, who)))

    async def export(self, who: Requester) -> ReplyFile:
        """Everything that is kept about them on their platform, as JSON in a ZIP file."""

        def work(db: sqlite3.Connection) -> dict[str, Any]:
            mine = (who.platform, who.user)
            return {
                "platform": who.platform,
                "user": who.user,
                "exported_at": self._clock.now(),
                "riffs": _riffs(db, mine),
                "settings": _rows(db, f"SELECT * FROM settings WHERE {_OF}", mine),  # noqa: S608
                "blocks": _rows(db, f"SELECT * FROM bans WHERE {_OF}", mine),  # noqa: S608
                "log": _rows(db, f"SELECT * FROM audit WHERE {_AUDITED}", (*mine, *mine)),  # noqa: S608
                **{part.name: part.read(db, *mine) for part in self.parts},
            }

        data = await self._database.study(work)
        packed = await asyncio.to_thread(_zipped, data)
        return ReplyFile("riffbot-export.zip", "application/zip", packed)

    async def delete(self, who: Requester) -> Deleted:
        """Delete all of it. What waits or runs is cancelled first.

        Of each riff an empty row remains until the next tidying, so that screens and posts that
        still show it learn that it is gone.
        """
        while True:
            open_ids = await self._database.read(lambda db: _ids(db, who, f"AND {_OPEN}"))
            await self._removal.end(open_ids)
            done = await self._database.write(lambda tx: self._delete(tx, who))
            if done is not None:
                break
        ids, paths, hashes = done
        await self._rules.settings.load()
        self._rules.bans.forget_name(who.platform, who.user, DELETED_NAME)
        await self._exports.forget(paths)
        removed = await self._files.remove_unreferenced(paths)
        removed += await self._sources.remove_unreferenced(hashes)
        self._events.publish(*map(JobChanged, ids[-_ANNOUNCED:]), QueueMoved())
        return Deleted(len(ids), removed)

    def _delete(
        self, tx: sqlite3.Connection, who: Requester
    ) -> tuple[list[str], list[str], list[str]] | None:
        """None where they asked for something more since what they had waiting was cancelled: it
        would be drawn without its words, for nobody."""
        if _ids(tx, who, "AND state IN ('queued', 'running')"):
            return None
        mine = (who.platform, who.user)
        ids = _ids(tx, who)
        paths = _of_jobs(tx, "SELECT path FROM clip_files WHERE job_id = ?", ids)
        hashes = _of_jobs(tx, "SELECT sha256 FROM job_sources WHERE job_id = ?", ids)
        for part in self.parts:
            part.delete(tx, *mine)
        for table in ("clips", "clip_files", "job_sources"):
            tx.executemany(f"DELETE FROM {table} WHERE job_id = ?", [(one,) for one in ids])  # noqa: S608
        # An adapter may name its user in an address; what finds the post is still needed.
        tx.executemany(
            "UPDATE deliveries SET error = NULL, address = json_replace(address, '$.user', '0') "
            "WHERE job_id = ?",
            [(one,) for one in ids],
        )
        tx.executemany(
            "UPDATE jobs SET user = ?, user_name = ?, request = ?, error = NULL, ask_key = NULL, "
            "hidden = 'message', pinned = 0, finished_at = ? WHERE id = ?",
            [(_NOBODY, DELETED_NAME, _PLAIN, self._clock.now(), one) for one in ids],
        )
        # What moderators set for somebody is a limit, and stays one.
        tx.executemany(
            f"DELETE FROM settings WHERE {_OF} AND key = ?",  # noqa: S608
            [(*mine, key.name) for key in KEYS.values() if key.own],
        )
        tx.execute(f"UPDATE bans SET name = ?, reason = '' WHERE {_OF}", (DELETED_NAME, *mine))  # noqa: S608
        tx.execute(
            "UPDATE audit SET by_name = ? WHERE by_platform = ? AND by_user = ?",
            (DELETED_NAME, *mine),
        )
        tx.execute(
            "UPDATE audit SET before = NULL, after = NULL WHERE platform = ? AND target = ?", mine
        )
        nobody = Requester(who.platform, who.community, _NOBODY, DELETED_NAME)
        where = (who.platform, who.community)
        self._rules.audit.note(tx, nobody, where, "privacy-delete", "", None, {"riffs": len(ids)})
        return ids, paths, hashes


_AUDITED = "(by_platform = ? AND by_user = ?) OR (platform = ? AND target = ?)"


def forget_deleted(tx: sqlite3.Connection, before: float) -> None:
    """Drop the empty rows of what was deleted before then (Unix seconds)."""
    tx.execute(
        "DELETE FROM jobs WHERE user = '' AND hidden = 'message' AND finished_at < ?", (before,)
    )


def _ids(db: sqlite3.Connection, who: Requester, more: str = "") -> list[str]:
    rows = db.execute(
        f"SELECT id FROM jobs WHERE {_OF} {more} ORDER BY seq",  # noqa: S608
        (who.platform, who.user),
    )
    return [row["id"] for row in rows]


def _of_jobs(db: sqlite3.Connection, statement: str, ids: Sequence[str]) -> list[str]:
    return [row[0] for one in ids for row in db.execute(statement, (one,))]


def _riffs(db: sqlite3.Connection, mine: tuple[str, str]) -> list[dict[str, Any]]:
    riffs = _rows(db, f"SELECT {_JOB_COLUMNS} FROM jobs WHERE {_OF} ORDER BY seq", mine)  # noqa: S608
    for riff in riffs:
        one = (riff["id"],)
        clips = db.execute("SELECT clip FROM clips WHERE job_id = ? ORDER BY position", one)
        riff["clips"] = [_read(row["clip"]) for row in clips]
        riff["sources"] = _of_jobs(db, "SELECT sha256 FROM job_sources WHERE job_id = ?", one)
        riff["answers"] = _rows(
            db, "SELECT platform, address, state, receipt FROM deliveries WHERE job_id = ?", one
        )
        for answer in riff["answers"]:
            # What a platform is answered with is a secret between the two, and of no use later.
            answer["address"].pop("token", None)
    return riffs


def _rows(db: sqlite3.Connection, statement: str, values: Sequence[object]) -> list[dict[str, Any]]:
    return [
        {key: _read(row[key]) if key in _JSON else row[key] for key in row.keys()}  # noqa: SIM118
        for row in db.execute(statement, tuple(values))
    ]


_JSON = frozenset({"request", "address", "value", "before", "after"})


def _read(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def _zipped(data: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        text = json.dumps(data, ensure_ascii=False, indent=2)
        archive.writestr("riffbot-export.json", text.encode("utf-8", "surrogatepass"))
    return buffer.getvalue()
