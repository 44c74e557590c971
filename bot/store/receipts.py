"""Where answers were posted: what an adapter gave as a receipt leads to the riff, and back."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from bot.jobs import Address
from bot.store.database import Database


@dataclass(frozen=True, slots=True)
class Receipt:
    """One answer that is out.

    Attributes:
        id: of the delivery.
        address: where it was to go.
        text: what the adapter gave for it.
    """

    id: int
    job_id: str
    address: Address
    text: str


class Receipts:
    """Reads what `bot.store.deliveries` records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def job_of(self, platform: str, text: str) -> str | None:
        """The id of the riff that was answered with this receipt; None for what is no answer."""

        def work(db: sqlite3.Connection) -> str | None:
            row = db.execute(
                "SELECT job_id FROM deliveries WHERE platform = ? AND receipt = ?",
                (platform, text),
            ).fetchone()
            return None if row is None else str(row["job_id"])

        return await self._database.read(work)

    async def of_hidden(self, platform: str, limit: int = 50) -> list[Receipt]:
        """Answers that are out although their riff is not to be seen any more, latest first."""

        def work(db: sqlite3.Connection) -> list[Receipt]:
            rows = db.execute(
                "SELECT d.* FROM jobs j JOIN deliveries d ON d.job_id = j.id "
                "WHERE j.hidden IS NOT NULL AND d.platform = ? AND d.receipt IS NOT NULL "
                "ORDER BY d.id DESC LIMIT ?",
                (platform, limit),
            ).fetchall()
            return [_receipt(row) for row in rows]

        return await self._database.read(work)

    async def forget(self, receipt: Receipt) -> None:
        """The answer was taken back."""
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE deliveries SET receipt = NULL WHERE id = ?", (receipt.id,)
            )
        )


def _receipt(row: sqlite3.Row) -> Receipt:
    address = Address(row["platform"], json.loads(row["address"]))
    return Receipt(int(row["id"]), str(row["job_id"]), address, str(row["receipt"]))
