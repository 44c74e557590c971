"""Files of clips, named by the SHA-256 of their content, within a budget.

The worker writes into a work folder. When its clip is recorded, each file is flushed to the disk
and gets the name `ab/abcdef….mp3`, so a name never stands for half a file, whatever loses its
power.
Two riffs that came out the same share their files.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bot.clock import Clock
from bot.store.claims import StoredFile
from bot.store.database import Database, DiskFullError
from generation.request import Clip

log = logging.getLogger(__name__)

_OUR_NAME = re.compile(r"[0-9a-f]{64}(\.[a-z0-9]+)?\Z")
_NEEDED = (
    "EXISTS (SELECT 1 FROM clip_files c JOIN jobs j ON j.id = c.job_id WHERE c.path = files.path "
    "AND (j.pinned OR j.state IN ('queued', 'running', 'rendered') OR EXISTS (SELECT 1 "
    "FROM deliveries d WHERE d.job_id = j.id AND d.state = 'pending')))"
)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much is kept.

    Attributes:
        bytes: of all files together; the oldest go first.
        seconds: that a file is kept; None for ever.
        reserve: bytes of the disk that are left free.
    """

    bytes: int
    seconds: float | None
    reserve: int = 0


class ClipFiles:
    """The clips folder. What is queued, running, rendered, owed or pinned is never removed."""

    def __init__(
        self,
        root: Path,
        work: Path,
        database: Database,
        clock: Clock,
        budget: Budget,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        """Nothing is touched before it is asked for.

        Args:
            root: the clips folder.
            work: where the worker writes, on the same file system.
            free_bytes: how much room there is on a path's disk.
        """
        self.root = root
        self.work = work
        self._database = database
        self._clock = clock
        self._budget = budget
        self._free_bytes = free_bytes
        self.holders: list[Callable[[], Awaitable[Collection[str]]]] = []
        """Asked, before anything is removed, for paths that are needed besides."""
        # Between renaming a file and recording it, pruning must not find it unneeded.
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def adopted(
        self, clips: Sequence[Clip]
    ) -> AsyncIterator[tuple[list[Clip], list[StoredFile]]]:
        """Take over what the worker made; the block records it. What it does not record is removed.

        Yields:
            The clips with their paths relative to the clips folder, so that the data can be moved;
            and the files.

        Raises:
            DiskFullError: there is no room; the files are still in the work folder, so that it can
                be tried again. So they are when the block raises.
            OSError: a file cannot be read or moved.
        """
        async with self._turn:
            adopted = [await asyncio.to_thread(_adopt, self.root, clip) for clip in clips]
            files = [file for _, stored in adopted for file in stored]
            yield [clip for clip, _ in adopted], files
            made = [Path(path) for clip in clips for path in clip.files.values()]
            unwanted = await self._database.read(
                lambda db: [file.path for file in files if not _is_recorded(db, file.path)]
            )
            await asyncio.to_thread(_remove, self.root, [*made, *unwanted])

    async def has_room(self) -> bool:
        """Whether more than the reserve is free on the disk."""
        free = await asyncio.to_thread(self._free_bytes, self.root)
        return free > self._budget.reserve

    async def prune(self) -> int:
        """Remove what is too old or beyond the budget.

        Returns:
            Bytes that were removed.
        """
        async with self._turn:
            total = await self._database.read(_total)
            free = await asyncio.to_thread(self._free_bytes, self.root)
            excess = max(total - self._budget.bytes, self._budget.reserve - free)
            held = {path for holder in self.holders for path in await holder()}
            victims = await self._database.write(lambda tx: self._give_up(tx, excess, held))
            await asyncio.to_thread(_remove, self.root, [path for path, _ in victims])
        removed = sum(size for _, size in victims)
        if victims:
            log.info("%d files of old clips were removed, %.1f MB", len(victims), removed / 1e6)
        return removed

    async def remove_unreferenced(self, paths: Sequence[str]) -> int:
        """Remove those of these files that belong to no job (any more); returns how many."""

        def work(tx: sqlite3.Connection) -> list[str]:
            gone = [path for path in dict.fromkeys(paths) if not _belongs_to_a_job(tx, path)]
            tx.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in gone])
            return gone

        async with self._turn:
            gone = await self._database.write(work)
            await asyncio.to_thread(_remove, self.root, gone)
        return len(gone)

    async def clean_up(self) -> None:
        """After a start: remove what an earlier one left in the work folder or never recorded."""
        async with self._turn:
            found = await asyncio.to_thread(_look_around, self.root, self.work)
            unknown = await self._database.read(
                lambda db: [path for path in found if not _is_recorded(db, path)]
            )
            await asyncio.to_thread(_remove, self.root, unknown)

    def _give_up(
        self, tx: sqlite3.Connection, excess: int, held: Collection[str]
    ) -> list[tuple[str, int]]:
        oldest = tx.execute(
            "SELECT path, bytes, created_at FROM files "  # noqa: S608
            f"WHERE NOT {_NEEDED} ORDER BY created_at, path"
        )
        kept_for = self._budget.seconds
        since = -1e300 if kept_for is None else self._clock.now() - kept_for
        victims: list[tuple[str, int]] = []
        for path, size, created_at in oldest:
            if created_at >= since and excess <= 0:
                break
            if path in held:
                continue
            excess -= size
            victims.append((path, size))
        for path, _ in victims:
            tx.execute("DELETE FROM files WHERE path = ?", (path,))
            tx.execute("DELETE FROM clip_files WHERE path = ?", (path,))
        return victims


def flush(path: Path) -> None:
    """Have a file or folder on the disk when this returns."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle to a folder
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def place(part: Path, target: Path) -> None:
    """Give a finished file its name, so that the name never stands for less, even after a crash.

    Raises:
        DiskFullError: there is no room for it.
    """
    try:
        flush(part)
        target.parent.mkdir(parents=True, exist_ok=True)
        part.replace(target)
        flush(target.parent)
    except OSError as error:
        if is_full(error):
            raise DiskFullError(str(error)) from error
        raise


def _link(part: Path, target: Path) -> None:
    """Give a finished file a second name. The first one stays, so that it can be tried again."""
    another = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        another.unlink(missing_ok=True)
        try:
            another.hardlink_to(part)
        except OSError as error:
            if is_full(error):
                raise
            shutil.copyfile(part, another)  # a file system without hard links
    except OSError as error:
        if is_full(error):
            raise DiskFullError(str(error)) from error
        raise
    place(another, target)


def is_full(error: OSError) -> bool:
    """Whether it says that there is no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _adopt(root: Path, clip: Clip) -> tuple[Clip, list[StoredFile]]:
    files: dict[str, str] = {}
    stored: list[StoredFile] = []
    for kind, name in clip.files.items():
        part = Path(name)
        digest = hash_file(part)
        path = f"{digest[:2]}/{digest}.{kind}"
        size = part.stat().st_size
        target = root / path
        if not (target.exists() and target.stat().st_size == size):
            _link(part, target)
        files[kind] = path
        stored.append(StoredFile(path, size))
    return replace(clip, files=files), stored


def _is_recorded(db: sqlite3.Connection, path: str) -> bool:
    return db.execute("SELECT 1 FROM files WHERE path = ?", (path,)).fetchone() is not None


def _belongs_to_a_job(db: sqlite3.Connection, path: str) -> bool:
    return db.execute("SELECT 1 FROM clip_files WHERE path = ?", (path,)).fetchone() is not None


def _total(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT coalesce(sum(bytes), 0) FROM files").fetchone()[0])


def _look_around(root: Path, work: Path) -> list[str]:
    """Clear the work folder; the relative paths of everything in the clips folder that is ours."""
    root.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    for left in [*work.rglob("*"), *root.glob("*/*.part")]:
        if left.is_file():
            left.unlink()
    return [
        path.relative_to(root).as_posix()
        for path in root.glob("*/*")
        if _OUR_NAME.match(path.name) and path.is_file()
    ]


def _remove(root: Path, paths: Sequence[str | Path]) -> None:
    for path in paths:
        (root / path).unlink(missing_ok=True)
