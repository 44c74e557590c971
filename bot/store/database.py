"""The one opener of the database: WAL, numbered migrations, one transaction at a time.

What a power loss can cost: nothing that was acknowledged. The journal is in WAL mode with
`synchronous = FULL`, so a commit returns after the log reached the disk; a few milliseconds per
riff are a fair price for "queued" being a promise. (With NORMAL the last transactions before a
power cut could be rolled back.) A crash of the process alone costs nothing in either mode.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import resources
from pathlib import Path

import aiosqlite

_MIGRATION = re.compile(r"(\d{4})_\w+\.sql\Z")
_BUSY_TIMEOUT_MS = 5000


class StoreError(Exception):
    """The database cannot be used; `str(error)` tells the operator what to do."""


class Database:
    """A connection whose statements run one transaction at a time.

    SQLite has one writer anyway; taking turns on a lock in the event loop means that no statement
    of another task can slip into a transaction, and that a read never sees half of one.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> Database:
        """Open the database at `path`, making it or bringing it up to date as needed.

        Raises:
            StoreError: not a database, not writable, or written by a newer version.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = await aiosqlite.connect(path, isolation_level=None)
        except (OSError, aiosqlite.Error) as error:
            raise StoreError(f"The database {path} cannot be opened: {error}.") from error
        try:
            connection.row_factory = aiosqlite.Row
            await connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
            await connection.execute("PRAGMA journal_mode = WAL")
            await connection.execute("PRAGMA synchronous = FULL")
            await connection.execute("PRAGMA foreign_keys = ON")
            database = cls(connection)
            await database._migrate(path)
        except aiosqlite.Error as error:
            await connection.close()
            raise StoreError(f"The database {path} cannot be used: {error}.") from error
        except BaseException:
            await connection.close()
            raise
        return database

    async def close(self) -> None:
        """Wait for the transaction under way, then close."""
        async with self._turn:
            await self._connection.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        async with self._turn:
            try:
                await self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
            except BaseException:
                # Also when cancelled while BEGIN was on its way to the connection's thread: that
                # thread runs statements in order, so this one comes right after it.
                with suppress(aiosqlite.OperationalError):
                    await self._connection.execute("ROLLBACK")
                raise
            await self._connection.execute("COMMIT")

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[aiosqlite.Connection]:
        """A turn on the connection for statements that change nothing."""
        async with self._turn:
            yield self._connection

    async def _migrate(self, path: Path) -> None:
        scripts = _migrations()
        async with self._connection.execute("PRAGMA user_version") as cursor:
            row = await cursor.fetchone()
        version = int(row[0]) if row else 0
        newest = max(scripts)
        if version > newest:
            raise StoreError(
                f"{path} was written by a newer version of Riffbot (schema {version}, this one "
                f"knows {newest}): start that version, or name another data folder."
            )
        for number in range(version + 1, newest + 1):
            # One script is one transaction, its version number included.
            await self._connection.executescript(
                f"BEGIN IMMEDIATE;\n{scripts[number]}\nPRAGMA user_version = {number};\nCOMMIT;"
            )


def _migrations() -> dict[int, str]:
    """The numbered scripts that ship with this version."""
    folder = resources.files("bot.store") / "migrations"
    return {
        int(match[1]): script.read_text("utf-8")
        for script in folder.iterdir()
        if (match := _MIGRATION.match(script.name))
    }
