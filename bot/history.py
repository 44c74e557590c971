"""What somebody asked for before: their riffs that wait, their past ones, and their prompts."""

from __future__ import annotations

import sqlite3

from bot.jobs import Job, Requester
from bot.store.database import Database
from bot.store.rows import job_with_clips

_OF = "platform = ? AND community = ? AND user = ?"
_OPEN = "state IN ('queued', 'running', 'rendered')"
_LOOKED_AT = 500
_MOST = 100


class History:
    """Reads the ledger for one requester. What a moderator took away is not shown."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_riffs(self, requester: Requester) -> list[Job]:
        """Their riffs here that are not finished, oldest first: the numbers of `!cancel`."""

        def work(db: sqlite3.Connection) -> list[Job]:
            rows = db.execute(
                f"SELECT * FROM jobs WHERE {_OF} AND {_OPEN} AND lane = 'riffs' "  # noqa: S608
                "AND hidden IS NULL ORDER BY seq LIMIT ?",
                (*_key(requester), _MOST),
            ).fetchall()
            return [job_with_clips(db, row) for row in rows]

        return await self._database.read(work)

    async def past_riffs(self, requester: Requester, limit: int = 10) -> list[Job]:
        """Their latest riffs here that came to something, newest first."""

        def work(db: sqlite3.Connection) -> list[Job]:
            rows = db.execute(
                f"SELECT * FROM jobs WHERE {_OF} AND hidden IS NULL "  # noqa: S608
                "AND rendered_at IS NOT NULL AND state <> 'cancelled' ORDER BY seq DESC LIMIT ?",
                (*_key(requester), min(limit, _MOST)),
            ).fetchall()
            return [job_with_clips(db, row) for row in rows]

        return await self._database.read(work)

    async def parent(self, job: Job) -> Job | None:
        """The riff whose clip this one was built on, where it is known and of the same place.

        A source is named by its content, and so are the files of clips.
        """
        names = [
            f"{source.sha256[:2]}/{source.sha256}.{kind}"
            for source in job.request.sources
            if source.role == "init"
            for kind in ("png", "wav")
        ]
        where = job.requester

        def work(db: sqlite3.Connection) -> Job | None:
            for name in names:
                row = db.execute(
                    "SELECT j.* FROM clip_files c JOIN jobs j ON j.id = c.job_id "
                    "WHERE c.path = ? AND j.platform = ? AND j.community = ? "
                    "AND (? <> '' OR j.user = ?) AND j.hidden IS NULL AND j.id <> ? "
                    "ORDER BY j.seq LIMIT 1",
                    (name, where.platform, where.community, where.community, where.user, job.id),
                ).fetchone()
                if row is not None:
                    return job_with_clips(db, row)
            return None

        return await self._database.read(work) if names else None

    async def prompts(self, requester: Requester, typed: str = "", limit: int = 25) -> list[str]:
        """Prompts that they asked for here, for completing what they type.

        Those that begin with `typed` come first, then those that hold it anywhere; among equals
        the latest. Each is there once, whatever its case.

        Args:
            requester: only their own words are offered to anybody.
            typed: what stands in the field so far; empty gives the latest.
            limit: the most to give, at most 100.
        """

        def work(db: sqlite3.Connection) -> list[str]:
            rows = db.execute(
                "SELECT coalesce(json_extract(request, '$.prompt'), '') AS prompt "  # noqa: S608
                f"FROM jobs WHERE {_OF} AND hidden IS NULL AND lane = 'riffs' "
                "AND json_valid(request) ORDER BY seq DESC LIMIT ?",
                (*_key(requester), _LOOKED_AT),
            )
            return [str(row["prompt"]) for row in rows]

        wanted = typed.strip().casefold()
        once: dict[str, str] = {}
        for prompt in await self._database.read(work):
            once.setdefault(prompt.casefold(), prompt)
        found = [text for key, text in once.items() if text.strip() and wanted in key]
        # The sort is stable: among equals the latest stays first.
        found.sort(key=lambda prompt: not prompt.casefold().startswith(wanted))
        return found[: min(limit, _MOST)]


def _key(requester: Requester) -> tuple[str, str, str]:
    return requester.platform, requester.community, requester.user
