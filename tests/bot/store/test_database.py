from __future__ import annotations

import asyncio
import sqlite3
from importlib import resources
from pathlib import Path

import pytest

from bot.store.database import Database, DiskFullError, StoreError
from tests.bot.conftest import Kit


def add(tx: sqlite3.Connection, key: str) -> None:
    tx.execute("INSERT INTO rate_limits (key, tat) VALUES (?, 1)", (key,))


async def count(kit: Kit) -> int:
    return await kit.database.read(
        lambda db: int(db.execute("SELECT count(*) FROM rate_limits").fetchone()[0])
    )


async def test_a_failed_transaction_leaves_nothing(kit: Kit) -> None:
    def work(tx: sqlite3.Connection) -> None:
        add(tx, "k")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await kit.database.write(work)
    assert await count(kit) == 0


async def test_a_transaction_cancelled_anywhere_is_whole_or_not_there(kit: Kit) -> None:
    def work(tx: sqlite3.Connection) -> None:
        for number in range(50):
            add(tx, str(number))

    for turns in range(12):
        task = asyncio.create_task(kit.database.write(work))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await kit.database.write(lambda tx: None)  # its turn comes after
        assert await count(kit) in (0, 50)
        await kit.database.write(lambda tx: tx.execute("DELETE FROM rate_limits"))


async def test_reading_changes_nothing(kit: Kit) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await kit.database.read(lambda db: add(db, "k"))


async def test_a_full_disk_is_said_and_leaves_nothing(kit: Kit) -> None:
    """SQLite itself says that it is full, here for want of pages instead of blocks."""

    def work(tx: sqlite3.Connection) -> None:
        for number in range(100_000):
            add(tx, str(number))

    await kit.database.write(lambda tx: None)
    pages = await kit.database.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await kit.database._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(DiskFullError):
        await kit.database.write(work)
    assert await count(kit) == 0
    await kit.database._writer.execute("PRAGMA max_page_count = 1000000")
    await kit.database.write(lambda tx: add(tx, "k"))
    assert await count(kit) == 1


async def test_a_newer_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9999")
    with pytest.raises(StoreError, match="newer version"):
        await Database.open(path)


async def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite3"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        await Database.open(path)


async def test_a_commit_is_on_disk_before_it_returns(kit: Kit) -> None:
    """What `synchronous = FULL` promises is up to SQLite; that it is on, is up to us."""
    writer = kit.database._writer
    for pragma, wanted in (("synchronous", 2), ("journal_mode", "wal")):
        [row] = await writer.execute_fetchall(f"PRAGMA {pragma}")
        assert row[0] == wanted


async def test_who_waited_before_the_upgrade_waits_in_the_new_line(tmp_path: Path) -> None:
    first = resources.files("bot.store") / "migrations" / "0001_ledger.sql"
    path = tmp_path / "r.sqlite3"
    with sqlite3.connect(path) as old:
        old.executescript(first.read_text("utf-8"))
        for number, state in enumerate(("queued", "queued", "rendered")):
            old.execute(
                "INSERT INTO jobs (id, state, platform, community, user, user_name, request, "
                "request_version, created_at, rendered_at) "
                "VALUES (?, ?, 'local', 'chat', 'ann', 'Ann', '{}', 1, 5, 6)",
                (f"j{number}", state),
            )
            old.execute(
                "INSERT INTO deliveries (job_id, platform, address) VALUES (?, 'local', '{}')",
                (f"j{number}",),
            )
        clip = '{"index": 0, "files": {"mp3": "ab/j2.mp3"}}'
        old.execute("INSERT INTO clips VALUES ('j2', 0, ?, 5)", (clip,))
        old.execute("PRAGMA user_version = 1")
    database = await Database.open(path)

    def look(db: sqlite3.Connection) -> list[tuple[object, ...]]:
        rows = []
        for query in (
            "SELECT waiting FROM queue",
            "SELECT user, waiting, joined FROM requesters",
            "SELECT job_id, owed_at FROM deliveries WHERE owed_at IS NOT NULL",
            "SELECT path, job_id FROM clip_files",
        ):
            rows += [tuple(row) for row in db.execute(query)]
        return rows

    assert await database.read(look) == [
        (2,),
        ("ann", 2, 1),
        ("j2", 6.0),
        ("ab/j2.mp3", "j2"),
    ]
    await database.close()
