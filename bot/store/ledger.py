"""The ledger: every job, its state and what is owed for it. Each transition is one transaction.

    queued ──claim──► running ──render──► rendered ──deliver──► delivered
       │                │  ▲                  └─ nobody could be told ─► expired
       └─ cancelled ◄───┤  └─ release, crash (queued again)
                        └──► failed (its requester is owed the reason)

A running job is held under a lease by one boot of the bot. Leases of an earlier boot are void,
because a boot owns its worker process and that process ends with it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence

import aiosqlite

from bot.clock import Clock
from bot.ids import new_id
from bot.jobs import Address, Delivery, Job, Lane, Requester
from bot.store.database import Database
from bot.store.rows import clip_from_row, delivery_from_row, job_from_row
from generation.request import Clip, GenerationRequest

log = logging.getLogger(__name__)

MAX_CRASHES = 2
CRASHED = (
    "Sorry, this riff made the sound worker crash twice, so I stopped trying; "
    "a different wording or seed may work."
)


class Ledger:
    """Jobs and deliveries in the database."""

    def __init__(self, database: Database, clock: Clock, boot_id: str) -> None:
        self._database = database
        self._clock = clock
        self.boot_id = boot_id

    @classmethod
    async def start(cls, database: Database, clock: Clock, version: str) -> Ledger:
        """Begin a boot: note it, and put back in the queue what an earlier boot left running."""
        ledger = cls(database, clock, new_id())
        async with database.transaction() as tx:
            await tx.execute(
                "INSERT INTO boots (id, version, started_at) VALUES (?, ?, ?)",
                (ledger.boot_id, version, clock.now()),
            )
            cursor = await tx.execute(
                "UPDATE jobs SET state = 'queued', boot_id = NULL, worker = NULL, "
                "lease_until = NULL WHERE state = 'running'"
            )
        if cursor.rowcount > 0:
            log.info("%d interrupted riffs are back in the queue", cursor.rowcount)
        return ledger

    # Arrival --------------------------------------------------------------------------------

    async def add(
        self,
        tx: aiosqlite.Connection,
        requester: Requester,
        request: GenerationRequest,
        addresses: Sequence[Address],
        *,
        lane: Lane = "riffs",
        cost: float = 1.0,
        deadline: float | None = None,
    ) -> str:
        """Write a new job and what is owed for it, inside the caller's transaction.

        The caller's transaction also charges the rate limit, so a job is never taken without
        being charged nor charged without being taken.

        Returns:
            The new job's id.
        """
        job_id = new_id()
        await tx.execute(
            "INSERT INTO jobs (id, lane, deadline, platform, community, user, user_name, request, "
            "request_version, cost, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                job_id,
                lane,
                deadline,
                requester.platform,
                requester.community,
                requester.user,
                requester.name,
                json.dumps(request.to_json()),
                request.version,
                cost,
                self._clock.now(),
            ),
        )
        await tx.executemany(
            "INSERT INTO deliveries (job_id, platform, address) VALUES (?, ?, ?)",
            [(job_id, place.platform, json.dumps(dict(place.details))) for place in addresses],
        )
        return job_id

    async def waiting_counts(
        self, tx: aiosqlite.Connection, requester: Requester
    ) -> tuple[int, int]:
        """How many jobs wait or run: this requester's, and everybody's."""
        async with tx.execute(
            "SELECT count(*) AS everybody, "
            "coalesce(sum(platform = ? AND user = ?), 0) AS own "
            "FROM jobs WHERE state IN ('queued', 'running')",
            (requester.platform, requester.user),
        ) as cursor:
            row = await cursor.fetchone()
        return (int(row["own"]), int(row["everybody"])) if row else (0, 0)

    # Running --------------------------------------------------------------------------------

    async def claim(self, worker: str, lease_seconds: float) -> Job | None:
        """Take the next job, or None when nothing waits.

        Requesters take turns: the one served longest ago goes first, and only then the order of
        arrival counts, so fifty jobs of one user delay a newcomer by no more than the job that is
        already running. The live lane goes before the others.
        """
        now = self._clock.now()
        async with self._database.transaction() as tx:
            async with tx.execute(
                "SELECT j.* FROM jobs j LEFT JOIN turns t USING (platform, community, user) "
                "WHERE j.state = 'queued' "
                "ORDER BY j.lane = 'live' DESC, coalesce(t.served, 0), j.seq LIMIT 1"
            ) as cursor:
                row = await cursor.fetchone()
            if row is None:
                return None
            await tx.execute(
                "UPDATE jobs SET state = 'running', attempts = attempts + 1, boot_id = ?, "
                "worker = ?, lease_until = ?, started_at = ? WHERE seq = ?",
                (self.boot_id, worker, now + lease_seconds, now, row["seq"]),
            )
            await tx.execute(
                "INSERT INTO turns (platform, community, user, served) "
                "VALUES (?, ?, ?, (SELECT coalesce(max(served), 0) + 1 FROM turns)) "
                "ON CONFLICT DO UPDATE SET served = excluded.served",
                (row["platform"], row["community"], row["user"]),
            )
        return await self.job(row["id"])

    async def extend_lease(self, job_id: str, lease_seconds: float) -> bool:
        """Keep a running job; False if it is no longer ours (cancelled, say)."""
        return await self._transition(
            "UPDATE jobs SET lease_until = ? WHERE id = ? AND state = 'running' AND boot_id = ?",
            (self._clock.now() + lease_seconds, job_id, self.boot_id),
        )

    async def release(self, job_id: str) -> bool:
        """Put a running job back unharmed, as at a graceful stop; the attempt does not count."""
        return await self._transition(
            "UPDATE jobs SET state = 'queued', attempts = attempts - 1, boot_id = NULL, "
            "worker = NULL, lease_until = NULL WHERE id = ? AND state = 'running' AND boot_id = ?",
            (job_id, self.boot_id),
        )

    async def record_crash(self, job_id: str) -> bool:
        """The worker died under this job: queue it again, or fail it after the second time.

        Returns:
            True if it failed for good.
        """
        async with self._database.transaction() as tx:
            await tx.execute(
                "UPDATE jobs SET crashes = crashes + 1, boot_id = NULL, worker = NULL, "
                "lease_until = NULL, state = CASE WHEN crashes + 1 >= ? THEN 'failed' "
                "ELSE 'queued' END, error = CASE WHEN crashes + 1 >= ? THEN ? END, "
                "finished_at = CASE WHEN crashes + 1 >= ? THEN ? END "
                "WHERE id = ? AND state = 'running' AND boot_id = ?",
                (
                    MAX_CRASHES,
                    MAX_CRASHES,
                    CRASHED,
                    MAX_CRASHES,
                    self._clock.now(),
                    job_id,
                    self.boot_id,
                ),
            )
        job = await self.job(job_id)
        return job is not None and job.state == "failed"

    async def record_rendered(self, job_id: str, clips: Iterable[Clip]) -> bool:
        """The clips are on disk; False if the job was cancelled meanwhile (keep none then)."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            cursor = await tx.execute(
                "UPDATE jobs SET state = 'rendered', rendered_at = ?, worker = NULL, "
                "lease_until = NULL WHERE id = ? AND state = 'running' AND boot_id = ?",
                (now, job_id, self.boot_id),
            )
            if cursor.rowcount == 0:
                return False
            await tx.executemany(
                "INSERT OR REPLACE INTO clips (job_id, position, clip, created_at) "
                "VALUES (?, ?, ?, ?)",
                [(job_id, clip.index, json.dumps(clip.to_json()), now) for clip in clips],
            )
            await self._settle(tx, job_id)
        return True

    async def record_failed(self, job_id: str, sentence: str) -> bool:
        """This job cannot be made; its requester is owed `sentence`."""
        return await self._transition(
            "UPDATE jobs SET state = 'failed', error = ?, finished_at = ?, worker = NULL, "
            "lease_until = NULL WHERE id = ? AND state = 'running' AND boot_id = ?",
            (sentence, self._clock.now(), job_id, self.boot_id),
        )

    async def cancel(self, tx: aiosqlite.Connection, job_id: str) -> Job | None:
        """Cancel a job that waits or runs, and owe nothing for it any more.

        Returns:
            The job as it was before, or None if it was neither waiting nor running.
        """
        async with tx.execute(
            "SELECT * FROM jobs WHERE id = ? AND state IN ('queued', 'running')", (job_id,)
        ) as cursor:
            row = await cursor.fetchone()
        if row is None:
            return None
        now = self._clock.now()
        await tx.execute(
            "UPDATE jobs SET state = 'cancelled', finished_at = ?, lease_until = NULL WHERE id = ?",
            (now, job_id),
        )
        await tx.execute(
            "UPDATE deliveries SET state = 'abandoned', error = 'cancelled', finished_at = ? "
            "WHERE job_id = ? AND state = 'pending'",
            (now, job_id),
        )
        return job_from_row(row)

    # Delivery -------------------------------------------------------------------------------

    async def due_deliveries(self, platforms: Sequence[str]) -> list[Delivery]:
        """What can be delivered now through these platforms, oldest first."""
        marks = ", ".join("?" * len(platforms))
        async with (
            self._database.reading() as db,
            db.execute(
                "SELECT d.* FROM deliveries d JOIN jobs j ON j.id = d.job_id "  # noqa: S608
                "WHERE d.state = 'pending' AND j.state IN ('rendered', 'failed') "
                f"AND d.next_attempt_at <= ? AND d.platform IN ({marks}) ORDER BY d.id",
                (self._clock.now(), *platforms),
            ) as cursor,
        ):
            rows = await cursor.fetchall()
        found = []
        for row in rows:
            job = await self.job(row["job_id"])
            if job is not None:
                found.append(delivery_from_row(row, job))
        return found

    async def next_delivery_at(self, platforms: Sequence[str]) -> float | None:
        """When the earliest postponed delivery is due (Unix seconds), or None."""
        marks = ", ".join("?" * len(platforms))
        async with (
            self._database.reading() as db,
            db.execute(
                "SELECT min(d.next_attempt_at) AS at FROM deliveries d "  # noqa: S608
                "JOIN jobs j ON j.id = d.job_id WHERE d.state = 'pending' "
                f"AND j.state IN ('rendered', 'failed') AND d.platform IN ({marks})",
                tuple(platforms),
            ) as cursor,
        ):
            row = await cursor.fetchone()
        return None if row is None else row["at"]

    async def record_delivered(self, delivery: Delivery, receipt: str) -> None:
        """The answer is out; once nothing more is owed the job is `delivered`."""
        await self._finish_delivery(delivery, "delivered", receipt, None)

    async def abandon_delivery(self, delivery: Delivery, reason: str) -> None:
        """This answer can never get out; the clip stays in history."""
        await self._finish_delivery(delivery, "abandoned", None, reason)

    async def postpone_delivery(self, delivery: Delivery, until: float, reason: str) -> None:
        """Try this answer again at `until` (Unix seconds)."""
        await self._transition(
            "UPDATE deliveries SET attempts = attempts + 1, next_attempt_at = ?, error = ? "
            "WHERE id = ? AND state = 'pending'",
            (until, reason, delivery.id),
        )

    async def _finish_delivery(
        self, delivery: Delivery, state: str, receipt: str | None, error: str | None
    ) -> None:
        async with self._database.transaction() as tx:
            await tx.execute(
                "UPDATE deliveries SET state = ?, attempts = attempts + 1, receipt = ?, error = ?, "
                "finished_at = ? WHERE id = ? AND state = 'pending'",
                (state, receipt, error, self._clock.now(), delivery.id),
            )
            await self._settle(tx, delivery.job.id)

    async def _settle(self, tx: aiosqlite.Connection, job_id: str) -> None:
        """Close a rendered job that owes nothing: delivered, or expired if nobody was reached."""
        await tx.execute(
            "UPDATE jobs SET finished_at = ?, state = CASE WHEN EXISTS (SELECT 1 FROM deliveries "
            "WHERE job_id = jobs.id AND state = 'abandoned') AND NOT EXISTS (SELECT 1 FROM "
            "deliveries WHERE job_id = jobs.id AND state = 'delivered') THEN 'expired' "
            "ELSE 'delivered' END WHERE id = ? AND state = 'rendered' AND NOT EXISTS "
            "(SELECT 1 FROM deliveries WHERE job_id = jobs.id AND state = 'pending')",
            (self._clock.now(), job_id),
        )

    # Reading --------------------------------------------------------------------------------

    async def job(self, job_id: str) -> Job | None:
        """One job with its clips, or None."""
        async with self._database.reading() as db:
            async with db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)) as cursor:
                row = await cursor.fetchone()
            return None if row is None else await _with_clips(db, row)

    async def recent(self, platform: str, community: str, limit: int) -> list[Job]:
        """The latest jobs of a community, oldest first."""
        async with self._database.reading() as db:
            async with db.execute(
                "SELECT * FROM jobs WHERE platform = ? AND community = ? ORDER BY seq DESC LIMIT ?",
                (platform, community, limit),
            ) as cursor:
                rows = list(await cursor.fetchall())
            return [await _with_clips(db, row) for row in reversed(rows)]

    async def _transition(self, statement: str, values: tuple[object, ...]) -> bool:
        async with self._database.transaction() as tx:
            cursor = await tx.execute(statement, values)
        return cursor.rowcount > 0


async def _with_clips(db: aiosqlite.Connection, row: aiosqlite.Row) -> Job:
    async with db.execute(
        "SELECT clip FROM clips WHERE job_id = ? ORDER BY position", (row["id"],)
    ) as cursor:
        clips = [clip_from_row(clip) for clip in await cursor.fetchall()]
    return job_from_row(row, clips)
