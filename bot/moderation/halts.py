"""Whose queue stands still: paused (riffs wait), or in a panic (none are taken)."""

from __future__ import annotations

import sqlite3
from typing import Literal

from bot.clock import Clock
from bot.store.database import Database

HaltKind = Literal["paused", "panic"]

EVERYWHERE = ("", "")
PAUSED = "The queue is paused; your riff is safe and will be made when it goes on."
STOPPED = "Riffs are stopped here at present; please try again later."


class Halts:
    """All halts, held in memory too: every waiting riff that is shown asks for them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Nothing is known before `load`."""
        self._database = database
        self._clock = clock
        self._known: dict[tuple[str, str], HaltKind] = {}

    async def load(self) -> None:
        """Read what is stored: a panic outlives a restart."""
        rows = await self._database.read(lambda db: db.execute("SELECT * FROM halts").fetchall())
        self._known = {(row["platform"], row["community"]): row["kind"] for row in rows}

    def of(self, platform: str, community: str) -> HaltKind | None:
        """What holds up the riffs of a community; a panic outweighs a pause."""
        kinds = {self._known.get((platform, community)), self._known.get(EVERYWHERE)}
        if "panic" in kinds:
            return "panic"
        return "paused" if "paused" in kinds else None

    def at(self, where: tuple[str, str]) -> HaltKind | None:
        """The halt of exactly this community, or of everybody."""
        return self._known.get(where)

    def notice(self, platform: str, community: str) -> str | None:
        """What to tell those who wait."""
        kind = self.of(platform, community)
        return None if kind is None else PAUSED if kind == "paused" else STOPPED

    def panic_in(self, tx: sqlite3.Connection, platform: str, community: str) -> bool:
        """Whether no riffs are taken, as of this very transaction."""
        return (
            tx.execute(
                "SELECT 1 FROM halts WHERE kind = 'panic' AND "
                "((platform = ? AND community = ?) OR (platform = '' AND community = ''))",
                (platform, community),
            ).fetchone()
            is not None
        )

    def store(self, tx: sqlite3.Connection, where: tuple[str, str], kind: HaltKind) -> None:
        """Write a halt; `remember` it after the commit."""
        tx.execute(
            "INSERT OR REPLACE INTO halts VALUES (?, ?, ?, ?)", (*where, kind, self._clock.now())
        )

    @staticmethod
    def remove(tx: sqlite3.Connection, where: tuple[str, str]) -> None:
        """Delete a halt; `remember` None after the commit."""
        tx.execute("DELETE FROM halts WHERE platform = ? AND community = ?", where)

    def remember(self, where: tuple[str, str], kind: HaltKind | None) -> None:
        """It is committed, so it holds (or is over)."""
        if kind is None:
            self._known.pop(where, None)
        else:
            self._known[where] = kind
