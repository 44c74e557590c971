"""The one opener of the database: WAL, numbered migrations, one transaction at a time.

What a power loss can cost: nothing that was acknowledged. The journal is in WAL mode with
`synchronous = FULL`, so a commit returns after the log reached the disk; a few milliseconds per
riff are a fair price for "queued" being a promise. (With NORMAL the last transactions before a
power cut could be rolled back.) A crash of the process alone costs nothing in either mode.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_MIGRATION = re.compile(r"(\d{4})_\w+\.sql\Z")
_BUSY_TIMEOUT_MS = 5000
_CACHE_KIB = 8 * 1024
_CHECKPOINT_EVERY = 256  # transactions
_LONGEST_LOG = 20_000  # pages of 4 KiB
_ROWS_AT_ONCE = 64


class StoreError(Exception):
    """The database cannot be used; `str(error)` tells the operator what to do."""


class DiskFullError(Exception):
    """There is no room on the disk for what was to be written; nothing was changed."""


class _Connection(aiosqlite.Connection):
    """A connection with a thread of its own, in which whole functions run.

    aiosqlite hands each statement to its thread by itself, and between two statements of one
    transaction the event loop may do anything.
    """

    async def run(self, work: Work[T]) -> T:
        """Run `work` with the plain connection, in the connection's thread."""
        execute: Any = self._execute
        result: T = await execute(work, self._conn)
        return result


class Database:
    """Three connections with a thread each: one writes, one reads, one tidies up.

    A transaction is one ordinary function that is handed the connection. It runs from BEGIN to
    COMMIT in the writer's thread, in one go: nothing slips in between its statements, a task that
    is cancelled meanwhile leaves either all of it or nothing, and the event loop never waits. The
    reader sees what is committed, and however much it reads, no write waits for it (WAL). What the
    log has gathered is moved into the file by the third, so that no commit has to stop for that.
    """

    def __init__(self, writer: _Connection, reader: _Connection, tidier: _Connection) -> None:
        self._writer, self._reader, self._tidier = writer, reader, tidier
        self._writes = 0
        self._checkpoints: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, path: Path) -> Database:
        """Open the database at `path`, making it or bringing it up to date as needed.

        Raises:
            StoreError: not a database, not writable, or written by a newer version.
        """
        opened: list[_Connection] = []
        try:
            await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
            for _ in range(3):
                connection = _Connection(lambda: _connect(path), _ROWS_AT_ONCE)
                await connection
                opened.append(connection)
            writer, reader, tidier = opened
            await writer.run(lambda connection: _migrate(connection, path))
            await writer.execute("PRAGMA wal_autocheckpoint = 0")
            await reader.execute("PRAGMA query_only = ON")
        except BaseException as error:
            for one in opened:
                await one.close()
            if isinstance(error, OSError | sqlite3.Error):
                raise StoreError(f"The database {path} cannot be used: {error}.") from error
            raise
        return cls(writer, reader, tidier)

    async def close(self) -> None:
        """Wait for the transactions under way, then close."""
        await asyncio.gather(*self._checkpoints, return_exceptions=True)
        for connection in (self._tidier, self._reader, self._writer):
            await connection.close()

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction: committed when it returns, rolled back when it raises.

        Raises:
            DiskFullError: there is no room for it; nothing was changed.
        """
        result = await self._writer.run(lambda writer: _transact(writer, "IMMEDIATE", work))
        self._writes += 1
        if self._writes % _CHECKPOINT_EVERY == 0:
            task = asyncio.create_task(self._checkpoint())
            self._checkpoints.add(task)
            task.add_done_callback(self._checkpoints.discard)
        return result

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a snapshot of what is committed; it cannot change anything."""
        return await self._reader.run(lambda reader: _transact(reader, "DEFERRED", work))

    async def study(self, work: Work[T]) -> T:
        """The same for what takes long: no other reader has to wait for it."""
        return await self._tidier.run(lambda tidier: _transact(tidier, "DEFERRED", work))

    async def _checkpoint(self) -> None:
        try:
            await self._tidier.run(_move_log_into_file)
        except sqlite3.Error:
            # The log stays as it is, and the next checkpoint finds it.
            log.warning("the database's log could not be moved into its file", exc_info=True)


def _move_log_into_file(connection: sqlite3.Connection) -> None:
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if pages > _LONGEST_LOG:
        # Under unbroken load the log never comes to its end: let the writer wait this once.
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # What people have deleted is overwritten, not only marked as free.
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _transact(connection: sqlite3.Connection, mode: str, work: Work[T]) -> T:
    try:
        connection.execute(f"BEGIN {mode}")
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError) and _is_full(error):
            raise DiskFullError(str(error)) from error
        raise
    return result


def _is_full(error: sqlite3.OperationalError) -> bool:
    # A write that fails halfway (ENOSPC inside the WAL) may be reported as an I/O error.
    return error.sqlite_errorcode in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    scripts = _migrations()
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    newest = max(scripts)
    if version > newest:
        raise StoreError(
            f"{path} was written by a newer version of Riffbot (schema {version}, this one "
            f"knows {newest}): start that version, or name another data folder."
        )
    for number in range(version + 1, newest + 1):
        # One script is one transaction, its version number included.
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{scripts[number]}\nPRAGMA user_version = {number};\nCOMMIT;"
            )
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _migrations() -> dict[int, str]:
    """The numbered scripts that ship with this version."""
    folder = resources.files("bot.store") / "migrations"
    return {
        int(match[1]): script.read_text("utf-8")
        for script in folder.iterdir()
        if (match := _MIGRATION.match(script.name))
    }
