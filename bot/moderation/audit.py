"""What anybody in charge did: who, when, where, before and after."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from bot.clock import Clock
from bot.jobs import Requester
from bot.store.database import Database

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done.

    Attributes:
        at: Unix seconds.
        platform, community: where it holds; both empty is everywhere.
        by: who did it.
        action: such as `set`, `block` or `queue-skip`.
        target: what it was done to: a setting, a person, a riff.
        before, after: plain JSON, where there is something to compare.
    """

    at: float
    platform: str
    community: str
    by: Requester
    action: str
    target: str
    before: Any = None
    after: Any = None


class Audit:
    """Writes the log and reads it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def note(
        self,
        tx: sqlite3.Connection,
        by: Requester,
        where: tuple[str, str],
        action: str,
        target: str = "",
        before: Any = None,
        after: Any = None,
    ) -> None:
        """Write an entry inside the transaction that does the thing, so neither is without the
        other. `where` is (platform, community)."""
        tx.execute(
            "INSERT INTO audit (at, platform, community, by_platform, by_user, by_name, action, "
            "target, before, after) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._clock.now(),
                *where,
                *(by.platform, by.user, by.name),
                *(action, target),
                *(None if value is None else json.dumps(value) for value in (before, after)),
            ),
        )

    async def latest(self, platform: str, community: str, limit: int = 20) -> list[Entry]:
        """The latest of a community and of what was done everywhere, newest first."""

        def work(db: sqlite3.Connection) -> list[Entry]:
            rows = db.execute(
                "SELECT * FROM audit WHERE (platform = ? AND community = ?) "
                "OR (platform = '' AND community = '') ORDER BY id DESC LIMIT ?",
                (platform, community, min(limit, _MOST)),
            )
            return [_entry(row, community) for row in rows]

        return await self._database.read(work)


def _entry(row: sqlite3.Row, community: str) -> Entry:
    by = Requester(row["by_platform"], community, row["by_user"], row["by_name"])
    before, after = (
        None if row[name] is None else json.loads(row[name]) for name in ("before", "after")
    )
    return Entry(
        row["at"],
        row["platform"],
        row["community"],
        by,
        row["action"],
        row["target"],
        before,
        after,
    )
