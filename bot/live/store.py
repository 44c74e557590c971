"""Live sessions in the database."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from bot.clock import Clock
from bot.ids import new_id
from bot.live.rules import LiveRules
from bot.live.timeline import Segment
from bot.store.database import Database

_KEY_BYTES = 18
_KEPT_STATE = ("hushed_topics", "hushed_names", "hushed_sources", "renamed")


@dataclass(frozen=True, slots=True)
class Stored:
    """A session as it is written down.

    Attributes:
        state: what `bot.live.snapshot` made.
        playhead: samples since it began.
        ended_at: None while it is on.
    """

    id: str
    platform: str
    community: str
    channel: str
    seed: int
    rules: LiveRules
    state: dict[str, Any]
    playhead: int
    started_at: float
    ended_at: float | None = None

    @property
    def where(self) -> tuple[str, str]:
        """Platform and community."""
        return self.platform, self.community


class LiveStore:
    """Reads and writes sessions, their segments, and the keys of stages."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(
        self, where: tuple[str, str], channel: str, seed: int, rules: LiveRules
    ) -> Stored:
        """Write down a new session; there is one at a time in a community."""
        stored = Stored(new_id(), *where, channel, seed, rules, {}, 0, self._clock.now())
        await self._database.write(
            lambda tx: tx.execute(
                "INSERT INTO live_sessions (id, platform, community, channel, seed, rules, "
                "started_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (stored.id, *where, channel, seed, json.dumps(rules.to_json()), stored.started_at),
            )
        )
        return stored

    async def keep(
        self,
        session_id: str,
        state: dict[str, Any],
        playhead: int,
        entered: Sequence[Segment] = (),
        retracted: Sequence[int] = (),
    ) -> None:
        """Write down where a session is, and what became of its timeline since the last time."""

        def work(tx: sqlite3.Connection) -> None:
            # Made into text here, in the database's thread.
            text = json.dumps(state)
            rows = [
                (session_id, one.number, one.start, json.dumps(one.to_json())) for one in entered
            ]
            tx.execute(
                "UPDATE live_sessions SET state = ?, playhead = ? WHERE id = ?",
                (text, playhead, session_id),
            )
            tx.executemany(
                "DELETE FROM live_segments WHERE session_id = ? AND number = ?",
                [(session_id, number) for number in retracted],
            )
            tx.executemany("INSERT OR REPLACE INTO live_segments VALUES (?, ?, ?, ?)", rows)

        await self._database.write(work)

    async def end(self, session_id: str) -> None:
        """It is over: of its state only what an export has to know is kept."""

        def work(tx: sqlite3.Connection) -> None:
            row = tx.execute("SELECT state FROM live_sessions WHERE id = ?", (session_id,))
            state = json.loads(row.fetchone()["state"])
            kept = {name: state[name] for name in _KEPT_STATE if name in state}
            tx.execute(
                "UPDATE live_sessions SET ended_at = ?, state = ? WHERE id = ?",
                (self._clock.now(), json.dumps(kept), session_id),
            )

        await self._database.write(work)

    async def running(self) -> list[Stored]:
        """Sessions that are on."""
        return await self._select("ended_at IS NULL ORDER BY started_at", ())

    async def latest(self, where: tuple[str, str]) -> Stored | None:
        """The session of a community that is on, or was last."""
        found = await self._select(
            "platform = ? AND community = ? ORDER BY started_at DESC LIMIT 1", where
        )
        return found[0] if found else None

    async def segments(self, session_id: str, since: int = 0) -> tuple[Segment, ...]:
        """What sounded from sample `since` on, with the segment before it."""

        def work(db: sqlite3.Connection) -> list[sqlite3.Row]:
            return db.execute(
                "SELECT segment FROM live_segments WHERE session_id = ? AND start >= "
                "coalesce((SELECT max(start) FROM live_segments WHERE session_id = ? "
                "AND start <= ?), 0) ORDER BY start",
                (session_id, session_id, since),
            ).fetchall()

        rows = await self._database.read(work)
        return tuple(Segment.from_json(json.loads(row["segment"])) for row in rows)

    async def files_to_come(self, before: int) -> set[str]:
        """Files of what sessions that are on may play or be asked for: what sounded in their last
        `before` samples, and what is settled to come. Paths are relative to the clips folder."""

        def work(db: sqlite3.Connection) -> set[str]:
            rows = db.execute(
                "SELECT g.segment FROM live_sessions s JOIN live_segments g ON g.session_id = s.id "
                "WHERE s.ended_at IS NULL AND g.start >= coalesce((SELECT max(start) "
                "FROM live_segments WHERE session_id = s.id AND start <= s.playhead - ?), 0)",
                (before,),
            )
            takes = (json.loads(row["segment"])["take"] for row in rows)
            return {path for take in takes for path in take["files"].values()}

        return await self._database.read(work)

    async def forget_ended(self, before: float, but: Collection[str] = ()) -> int:
        """Delete sessions that ended before a moment (Unix seconds), except those of these ids;
        returns how many."""

        def work(tx: sqlite3.Connection) -> int:
            ended = tx.execute("SELECT id FROM live_sessions WHERE ended_at < ?", (before,))
            gone = [(row["id"],) for row in ended.fetchall() if row["id"] not in but]
            tx.executemany("DELETE FROM live_segments WHERE session_id = ?", gone)
            tx.executemany("DELETE FROM live_sessions WHERE id = ?", gone)
            return len(gone)

        return await self._database.write(work)

    # Keys of stages -------------------------------------------------------------------------

    async def key(self, where: tuple[str, str], *, renew: bool = False) -> str:
        """The key of a community's stage, made if there is none. A new one ends the old one."""
        fresh = secrets.token_urlsafe(_KEY_BYTES)

        def work(tx: sqlite3.Connection) -> str:
            if renew:
                tx.execute("DELETE FROM live_keys WHERE platform = ? AND community = ?", where)
            tx.execute(
                "INSERT OR IGNORE INTO live_keys VALUES (?, ?, ?, ?)",
                (*where, fresh, self._clock.now()),
            )
            row = tx.execute(
                "SELECT key FROM live_keys WHERE platform = ? AND community = ?", where
            ).fetchone()
            return str(row["key"])

        return await self._database.write(work)

    async def keys(self) -> dict[str, tuple[str, str]]:
        """Every key, with the community that it belongs to."""
        rows = await self._database.read(
            lambda db: db.execute("SELECT * FROM live_keys").fetchall()
        )
        return {row["key"]: (row["platform"], row["community"]) for row in rows}

    async def _select(self, condition: str, values: Sequence[object]) -> list[Stored]:
        rows = await self._database.read(
            lambda db: db.execute(
                f"SELECT * FROM live_sessions WHERE {condition}",  # noqa: S608
                tuple(values),
            ).fetchall()
        )
        return [
            Stored(
                row["id"],
                row["platform"],
                row["community"],
                row["channel"],
                row["seed"],
                LiveRules.from_json(json.loads(row["rules"])),
                json.loads(row["state"]),
                row["playhead"],
                row["started_at"],
                row["ended_at"],
            )
            for row in rows
        ]
