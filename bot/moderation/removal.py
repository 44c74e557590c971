"""Ending jobs that a moderator wants gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bot.events import Events, JobChanged, QueueMoved
from bot.store.ledger import Ledger


class Removal:
    """Cancels jobs that wait, run, or are made but not posted."""

    def __init__(
        self, ledger: Ledger, events: Events, cancel_running: Callable[[str], None]
    ) -> None:
        self._ledger = ledger
        self._events = events
        self._cancel_running = cancel_running

    async def end(self, job_ids: Iterable[str]) -> list[str]:
        """Cancel these, as far as they are not finished.

        Returns:
            The ids of those that were cancelled.
        """
        ended = []
        for job_id in job_ids:
            before = await self._ledger.cancel(job_id)
            if before is None:
                continue
            if before.state == "running":
                self._cancel_running(job_id)
            ended.append(job_id)
        self._events.publish(*map(JobChanged, ended), QueueMoved())
        return ended
