"""Exported sessions on the disk, and ended ones in the database: kept for a while, then forgotten.

`!live export` writes `live-ID.zip` into a folder of its own. What was written in the last hour is
never removed, because somebody is about to fetch it; nor is a session that is on, or one that is
being written just now.
"""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from bot.clock import Clock
from bot.live.export import UNFINISHED
from bot.live.store import LiveStore
from bot.store.clipfiles import Budget

log = logging.getLogger(__name__)

GRACE = 3600.0
"""Seconds in which an archive is fetched, whatever the budget."""
_OURS = re.compile(r"live-[A-Za-z0-9]+\.zip\Z")


class Archives:
    """The folder of exported sessions, within a budget."""

    def __init__(
        self,
        root: Path,
        store: LiveStore,
        clock: Clock,
        budget: Budget,
        busy: Callable[[], Collection[str]] = tuple,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        """`busy` names sessions that are being exported; they are not forgotten meanwhile."""
        self.root = root
        self._store, self._clock, self._budget = store, clock, budget
        self._busy, self._free_bytes = busy, free_bytes

    async def prune(self) -> int:
        """Remove archives that are too old or beyond the budget, the oldest first, and forget
        sessions that ended too long ago; returns the bytes that were removed."""
        removed = await asyncio.to_thread(self._prune)
        if removed:
            log.info("old exports of live sessions were removed, %.1f MB", removed / 1e6)
        if self._budget.seconds is not None:
            since = self._clock.now() - self._budget.seconds
            await self._store.forget_ended(since, self._busy())
        return removed

    async def clean_up(self) -> None:
        """After a start: remove what a killed bot was writing."""
        await asyncio.to_thread(self._remove_unfinished)

    def _prune(self) -> int:
        found = sorted(self._archives())
        if not found:
            return 0
        now, kept_for = self._clock.now(), self._budget.seconds
        excess = sum(size for _, size, _ in found) - self._budget.bytes
        excess = max(excess, self._budget.reserve - self._free_bytes(self.root))
        removed = 0
        for written, size, path in found:
            is_old = kept_for is not None and written < now - kept_for
            if written > now - GRACE or not (is_old or removed < excess):
                break
            path.unlink(missing_ok=True)
            removed += size
        return removed

    def _archives(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in self.root.glob("*.zip"):
            # Another that tidies at the same time may have removed it.
            with suppress(FileNotFoundError):
                if _OURS.match(path.name):
                    stat = path.stat()
                    found.append((stat.st_mtime, stat.st_size, path))
        return found

    def _remove_unfinished(self) -> None:
        for path in self.root.glob(f"{UNFINISHED}*"):
            shutil.rmtree(path, ignore_errors=True)
