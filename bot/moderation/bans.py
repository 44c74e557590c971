"""Who may not ask for anything: until a time, or for good."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from bot.clock import Clock
from bot.jobs import Requester
from bot.store.database import Database

EVERYWHERE = ""
"""As the community of a ban: all communities of the platform."""


@dataclass(frozen=True, slots=True)
class Ban:
    """Somebody who may not ask.

    Attributes:
        platform, community, user: whom; an empty community means all of the platform.
        name: how to call them.
        reason: in a moderator's words; may be empty.
        until: Unix seconds; None is for good.
        by_platform: it was the platform that banned them or timed them out.
    """

    platform: str
    community: str
    user: str
    name: str
    reason: str
    until: float | None
    by_platform: bool
    created_at: float

    def holds(self, now: float) -> bool:
        """Whether it is not over."""
        return self.until is None or now < self.until


class Bans:
    """All bans, held in memory too: everything that somebody does asks for theirs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Nothing is known before `load`."""
        self._database = database
        self._clock = clock
        self._known: dict[tuple[str, str, str], Ban] = {}

    async def load(self) -> None:
        """Read what is stored, and forget what is over."""

        def work(tx: sqlite3.Connection) -> list[Ban]:
            tx.execute("DELETE FROM bans WHERE until <= ?", (self._clock.now(),))
            return [_ban(row) for row in tx.execute("SELECT * FROM bans")]

        bans = await self._database.write(work)
        self._known = {(ban.platform, ban.community, ban.user): ban for ban in bans}

    def of(self, requester: Requester) -> Ban | None:
        """The ban that somebody is under where they are, if any."""
        for community in (requester.community, EVERYWHERE):
            ban = self._known.get((requester.platform, community, requester.user))
            if ban is not None and ban.holds(self._clock.now()):
                return ban
        return None

    def those_in(self, platform: str, community: str) -> list[Ban]:
        """Who is under a ban in a community, the latest first."""
        now = self._clock.now()
        found = [
            ban
            for ban in self._known.values()
            if ban.platform == platform
            and ban.community in (community, EVERYWHERE)
            and ban.holds(now)
        ]
        return sorted(found, key=lambda ban: ban.created_at, reverse=True)

    def holds(self, tx: sqlite3.Connection, requester: Requester) -> bool:
        """Whether somebody is under a ban, as of this very transaction."""
        return (
            tx.execute(
                "SELECT 1 FROM bans WHERE platform = ? AND community IN (?, ?) AND user = ? "
                "AND (until IS NULL OR until > ?)",
                (
                    requester.platform,
                    requester.community,
                    EVERYWHERE,
                    requester.user,
                    self._clock.now(),
                ),
            ).fetchone()
            is not None
        )

    @staticmethod
    def store(tx: sqlite3.Connection, ban: Ban) -> None:
        """Write a ban, in place of an earlier one; `remember` it after the commit."""
        tx.execute(
            "INSERT OR REPLACE INTO bans (platform, community, user, name, reason, until, "
            "by_platform, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(ban.platform, ban.community, ban.user, ban.name, ban.reason, ban.until),
                *(int(ban.by_platform), ban.created_at),
            ),
        )

    @staticmethod
    def remove(tx: sqlite3.Connection, ban: Ban) -> None:
        """Delete a ban; `forget` it after the commit."""
        tx.execute(
            "DELETE FROM bans WHERE platform = ? AND community = ? AND user = ?",
            (ban.platform, ban.community, ban.user),
        )

    def remember(self, ban: Ban) -> None:
        """It is committed, so it holds."""
        self._known[ban.platform, ban.community, ban.user] = ban

    def forget_name(self, platform: str, user: str, name: str) -> None:
        """Somebody is called `name` from now on, and no reason is known any more."""
        for key, ban in self._known.items():
            if (ban.platform, ban.user) == (platform, user):
                self._known[key] = replace(ban, name=name, reason="")

    def forget(self, ban: Ban) -> None:
        """It is over."""
        self._known.pop((ban.platform, ban.community, ban.user), None)


def _ban(row: sqlite3.Row) -> Ban:
    return Ban(
        row["platform"],
        row["community"],
        row["user"],
        row["name"],
        row["reason"],
        row["until"],
        bool(row["by_platform"]),
        row["created_at"],
    )
