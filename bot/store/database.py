"""The one opener of the database: WAL, numbered migrations, one transaction at a time.

What a power loss can cost: nothing that was acknowledged. The journal is in WAL mode with
`synchronous = FULL`, so a commit returns after the log reached the disk; a few milliseconds per
riff are a fair price for "queued" being a promise. (With NORMAL the last transactions before a
power cut could be rolled back.) A crash of the process alone costs nothing in either mode.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_MIGRATION = re.compile(r"(\d{4})_\w+\.sql\Z")
_BUSY_TIMEOUT_MS = 5000
_CACHE_KIB = 8 * 1024
_CHECKPOINT_EVERY = 256  # transactions
_LONGEST_LOG = 20_000  # pages of 4 KiB


class StoreError(Exception):
    """The database cannot be used; `str(error)` tells the operator what to do."""


class DiskFullError(Exception):
    """There is no room on the disk for what was to be written; nothing was changed."""


class Database:
    """Three connections with a thread each: one writes, one reads, one tidies up.

    A transaction is one ordinary function that is handed the connection. It runs from BEGIN to
    COMMIT in the writer's thread, in one go: nothing slips in between its statements, a task that
    is cancelled meanwhile leaves either all of it or nothing, and the event loop never waits. The
    reader sees what is committed, and however much it reads, no write waits for it (WAL). What the
    log has gathered is moved into the file by the third, so that no commit has to stop for that.
    """

    def __init__(
        self, writer: sqlite3.Connection, reader: sqlite3.Connection, tidier: sqlite3.Connection
    ) -> None:
        self._writer, self._reader, self._tidier = writer, reader, tidier
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="database-write")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="database-read")
        self._tidying = ThreadPoolExecutor(1, thread_name_prefix="database-tidy")
        self._writes = 0

    @classmethod
    async def open(cls, path: Path) -> Database:
        """Open the database at `path`, making it or bringing it up to date as needed.

        Raises:
            StoreError: not a database, not writable, or written by a newer version.
        """
        return await asyncio.to_thread(cls._open, path)

    @classmethod
    def _open(cls, path: Path) -> Database:
        connections: list[sqlite3.Connection] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for _ in range(3):
                connections.append(_connect(path))
            writer, reader, tidier = connections
            _migrate(writer, path)
            writer.execute("PRAGMA wal_autocheckpoint = 0")
            reader.execute("PRAGMA query_only = ON")
        except BaseException as error:
            for connection in connections:
                connection.close()
            if isinstance(error, OSError | sqlite3.Error):
                raise StoreError(f"The database {path} cannot be used: {error}.") from error
            raise
        return cls(writer, reader, tidier)

    async def close(self) -> None:
        """Wait for the transaction under way, then close."""
        for executor, connection in (
            (self._tidying, self._tidier),
            (self._reading, self._reader),
            (self._writing, self._writer),
        ):
            await self._on(executor, connection.close)
            executor.shutdown(wait=False)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction: committed when it returns, rolled back when it raises.

        Raises:
            DiskFullError: there is no room for it; nothing was changed.
        """
        result = await self._on(self._writing, lambda: _transact(self._writer, "IMMEDIATE", work))
        self._writes += 1
        if self._writes % _CHECKPOINT_EVERY == 0:
            self._tidying.submit(self._checkpoint)
        return result

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a snapshot of what is committed; it cannot change anything."""
        return await self._on(self._reading, lambda: _transact(self._reader, "DEFERRED", work))

    async def study(self, work: Work[T]) -> T:
        """The same for what takes long: no other reader has to wait for it."""
        return await self._on(self._tidying, lambda: _transact(self._tidier, "DEFERRED", work))

    def _checkpoint(self) -> None:
        """Move what is committed from the log into the file. Runs in the tidier's thread."""
        _, pages, _ = self._tidier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages > _LONGEST_LOG:
            # Under unbroken load the log never comes to its end: let the writer wait this once.
            self._tidier.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

    async def _on(self, executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, work)


def _connect(path: Path) -> sqlite3.Connection:
    # Each connection stays with one thread after it was opened here.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
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
