"""Answers that are owed: kept until an adapter delivered them, or gave up."""

from __future__ import annotations

import sqlite3

from bot.clock import Clock
from bot.jobs import Delivery
from bot.store.database import Database
from bot.store.rows import delivery_from_row, job_with_clips

# Owed, not in an adapter's hands, and the earliest at its address.
_NEXT = (
    "state = 'pending' AND owed_at IS NOT NULL AND platform = ? AND begun_at IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.platform = d.platform "
    "AND e.address = d.address AND e.state = 'pending' AND e.owed_at IS NOT NULL "
    "AND (e.owed_at, e.id) < (d.owed_at, d.id))"
)


class Deliveries:
    """What is owed to whom. To one address answers go in the order in which they became ready."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def due(self, platform: str, limit: int = 100) -> list[Delivery]:
        """What can be delivered now through this platform, ready longest first.

        Left out is what an adapter is at already, and what has to wait for an earlier answer to
        the same address.
        """

        def work(db: sqlite3.Connection) -> list[Delivery]:
            rows = db.execute(
                f"SELECT * FROM deliveries d WHERE {_NEXT} "  # noqa: S608
                "AND next_attempt_at <= ? ORDER BY owed_at, id LIMIT ?",
                (platform, self._clock.now(), limit),
            ).fetchall()
            return [_delivery(db, row) for row in rows]

        return await self._database.read(work)

    async def next_at(self, platform: str) -> float | None:
        """When the next answer is due (Unix seconds); None where there is nothing to wait for."""

        def work(db: sqlite3.Connection) -> float | None:
            row = db.execute(
                f"SELECT min(next_attempt_at) AS at FROM deliveries d WHERE {_NEXT}",  # noqa: S608
                (platform,),
            ).fetchone()
            return None if row["at"] is None else float(row["at"])

        return await self._database.read(work)

    async def begin(self, delivery: Delivery) -> bool:
        """An adapter is about to try; False if nothing is owed any more (it was cancelled).

        The attempt counts from here, so that after a crash it is known that there was one.
        """
        return await self._database.write(
            lambda tx: (
                tx.execute(
                    "UPDATE deliveries SET begun_at = ?, attempts = attempts + 1 "
                    "WHERE id = ? AND state = 'pending' AND begun_at IS NULL",
                    (self._clock.now(), delivery.id),
                ).rowcount
                > 0
            )
        )

    async def record_delivered(self, delivery: Delivery, receipt: str) -> None:
        """The answer is out; once nothing more is owed the job is `delivered`."""
        await self._finish(delivery, "delivered", receipt, None)

    async def abandon(self, delivery: Delivery, reason: str) -> None:
        """This answer can never get out; the clip stays in history."""
        await self._finish(delivery, "abandoned", None, reason)

    async def postpone(self, delivery: Delivery, until: float, reason: str) -> None:
        """Try this answer again at `until` (Unix seconds)."""
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE deliveries SET begun_at = NULL, next_attempt_at = ?, error = ? "
                "WHERE id = ? AND state = 'pending'",
                (until, reason, delivery.id),
            )
        )

    async def _finish(
        self, delivery: Delivery, state: str, receipt: str | None, error: str | None
    ) -> None:
        now = self._clock.now()

        def work(tx: sqlite3.Connection) -> None:
            tx.execute(
                "UPDATE deliveries SET state = ?, receipt = ?, error = ?, finished_at = ?, "
                "begun_at = NULL WHERE id = ? AND state = 'pending'",
                (state, receipt, error, now, delivery.id),
            )
            close_if_settled(tx, delivery.job.id, now)

        await self._database.write(work)


def close_if_settled(tx: sqlite3.Connection, job_id: str, now: float) -> None:
    """Close a rendered job that owes nothing: delivered, or expired if nobody was reached."""
    tx.execute(
        "UPDATE jobs SET finished_at = ?, state = CASE WHEN EXISTS (SELECT 1 FROM deliveries "
        "WHERE job_id = jobs.id AND state = 'abandoned') AND NOT EXISTS (SELECT 1 FROM "
        "deliveries WHERE job_id = jobs.id AND state = 'delivered') THEN 'expired' "
        "ELSE 'delivered' END WHERE id = ? AND state = 'rendered' AND NOT EXISTS "
        "(SELECT 1 FROM deliveries WHERE job_id = jobs.id AND state = 'pending')",
        (now, job_id),
    )


def _delivery(db: sqlite3.Connection, row: sqlite3.Row) -> Delivery:
    job = db.execute("SELECT * FROM jobs WHERE id = ?", (row["job_id"],)).fetchone()
    return delivery_from_row(row, job_with_clips(db, job))
