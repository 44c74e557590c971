"""Sounds and pictures that riffs build on, named by the SHA-256 of their bytes.

An upload, or a clip that is remixed, is put here first; a request then names it by its hash, and
the worker reads `ab/abcdef…` from this folder. What a job that is not finished names is kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.clock import Clock
from bot.ids import new_id
from bot.store.clipfiles import Budget, hash_file, is_full, place
from bot.store.database import Database, DiskFullError

GRACE = 3600.0  # seconds between putting a source and asking for what builds on it
_NEEDED = (
    "EXISTS (SELECT 1 FROM job_sources s JOIN jobs j ON j.id = s.job_id "
    "WHERE s.sha256 = sources.sha256 "
    "AND (j.pinned OR j.state IN ('queued', 'running', 'rendered')))"
)


class Sources:
    """The sources folder."""

    def __init__(self, root: Path, database: Database, clock: Clock, budget: Budget) -> None:
        self.root = root
        self._database = database
        self._clock = clock
        self._budget = budget
        self._turn = asyncio.Lock()

    async def put(self, data: bytes) -> str:
        """Keep these bytes and return their hash. Hashing and writing do not hold up the loop.

        Raises:
            DiskFullError: there is no room.
        """
        return await self._put(lambda part: _write(part, data))

    async def put_file(self, path: Path) -> str:
        """Keep a copy of a file and return its hash.

        Raises:
            DiskFullError: there is no room.
            OSError: the file cannot be read.
        """
        return await self._put(lambda part: _copy(path, part))

    def path(self, sha256: str) -> Path:
        """Where the source of this hash is, if it is there."""
        return self.root / sha256[:2] / sha256

    async def prune(self) -> int:
        """Remove what nothing needs and is too old or beyond the budget; returns bytes removed."""
        async with self._turn:
            victims = await self._database.write(self._give_up)
            for sha256, _ in victims:
                await asyncio.to_thread(self.path(sha256).unlink, missing_ok=True)
        return sum(size for _, size in victims)

    async def remove_unreferenced(self, hashes: Sequence[str]) -> int:
        """Remove those of these sources that no job names (any more); returns how many."""

        def work(tx: sqlite3.Connection) -> list[str]:
            named = "SELECT 1 FROM job_sources WHERE sha256 = ?"
            gone = [
                sha256
                for sha256 in dict.fromkeys(hashes)
                if tx.execute(named, (sha256,)).fetchone() is None
            ]
            tx.executemany("DELETE FROM sources WHERE sha256 = ?", [(one,) for one in gone])
            return gone

        async with self._turn:
            gone = await self._database.write(work)
            for sha256 in gone:
                await asyncio.to_thread(self.path(sha256).unlink, missing_ok=True)
        return len(gone)

    async def clean_up(self) -> None:
        """After a start: remove halves of files."""
        await asyncio.to_thread(_clear_parts, self.root)

    async def _put(self, write: Callable[[Path], str]) -> str:
        part = self.root / f"{new_id()}.part"
        async with self._turn:
            try:
                sha256, size = await asyncio.to_thread(self._place, part, write)
            except OSError as error:
                if is_full(error):
                    raise DiskFullError(str(error)) from error
                raise
            now = self._clock.now()
            await self._database.write(
                lambda tx: tx.execute(
                    "INSERT INTO sources (sha256, bytes, created_at) VALUES (?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET created_at = excluded.created_at",
                    (sha256, size, now),
                )
            )
        return sha256

    def _place(self, part: Path, write: Callable[[Path], str]) -> tuple[str, int]:
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            sha256 = write(part)
            size = part.stat().st_size
            if not self.path(sha256).exists():
                place(part, self.path(sha256))
        finally:
            part.unlink(missing_ok=True)
        return sha256, size

    def _give_up(self, tx: sqlite3.Connection) -> list[tuple[str, int]]:
        now = self._clock.now()
        excess = tx.execute("SELECT coalesce(sum(bytes), 0) FROM sources").fetchone()[0]
        excess -= self._budget.bytes
        since = -1e300 if self._budget.seconds is None else now - self._budget.seconds
        victims: list[tuple[str, int]] = []
        for sha256, size, created_at in tx.execute(
            "SELECT sha256, bytes, created_at FROM sources WHERE created_at < ? "  # noqa: S608
            f"AND NOT {_NEEDED} ORDER BY created_at, sha256",
            (now - GRACE,),
        ):
            if created_at >= since and excess <= 0:
                break
            excess -= size
            victims.append((sha256, size))
        for sha256, _ in victims:
            tx.execute("DELETE FROM sources WHERE sha256 = ?", (sha256,))
        return victims


def _write(part: Path, data: bytes) -> str:
    part.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _copy(path: Path, part: Path) -> str:
    shutil.copyfile(path, part)
    return hash_file(part)


def _clear_parts(root: Path) -> None:
    for part in root.glob("*.part"):
        part.unlink()
