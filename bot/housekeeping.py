"""What has to be tidied up now and then: old files, idle limits, requesters long gone."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from typing import Protocol

from bot import limits
from bot.clock import Clock
from bot.privacy import forget_deleted
from bot.store import turns
from bot.store.clipfiles import ClipFiles
from bot.store.database import Database, DiskFullError
from bot.store.sources import Sources

log = logging.getLogger(__name__)

_INTERVAL = 600.0
_DELETED_FOR = 3600.0  # seconds in which screens and posts learn that a riff is gone


class Kept(Protocol):
    """A folder of files that are kept for a while."""

    async def clean_up(self) -> None:
        """After a start: remove what was not finished."""

    async def prune(self) -> int:
        """Remove what is too old or too much; returns bytes."""


class Housekeeping:
    """Keeps the data folder within its budget."""

    def __init__(
        self, database: Database, clock: Clock, files: ClipFiles, sources: Sources, *more: Kept
    ) -> None:
        self._database = database
        self._clock = clock
        self._kept: tuple[Kept, ...] = (files, sources, *more)

    async def clean_up(self) -> None:
        """After a start: clear away what a killed bot or worker left behind."""
        for kept in self._kept:
            await kept.clean_up()

    async def run(self) -> None:
        """Tidy up every ten minutes until cancelled. What goes wrong is tried again then."""
        while True:
            try:
                await self.tidy()
            except (OSError, DiskFullError):
                log.exception("tidying up did not work")
            await asyncio.sleep(_INTERVAL)

    async def tidy(self) -> None:
        """Tidy up once."""
        for kept in self._kept:
            await kept.prune()
        await self._database.write(self._forget)

    def _forget(self, tx: sqlite3.Connection) -> None:
        limits.forget_idle(tx, self._clock.now())
        turns.forget_idle(tx)
        forget_deleted(tx, self._clock.now() - _DELETED_FOR)
