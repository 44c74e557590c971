"""The pictures of riffs while they are drawn, for one connection that wants to see them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from bot.events import JobPreviewed, Subscription

INTERVAL = 0.5
_MAX_WATCHED = 8

Watch = Callable[[str], AbstractContextManager[Subscription]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Previews:
    """Watches what is being drawn, but only while its page asks for it: each look costs the
    worker a little time."""

    def __init__(self, watch: Watch, send: Send, interval: float = INTERVAL) -> None:
        """
        Args:
            watch: `bot.studio.Studio.watch`.
            send: where `{"preview": {"id", "png"}}` goes.
            interval: seconds between two pictures of one riff, at least.
        """
        self._watch = watch
        self._send = send
        self._interval = interval
        self._on = False
        # In order of beginning; None where nobody looks at present.
        self._drawn: dict[str, asyncio.Task[None] | None] = {}

    def switch(self, *, on: bool) -> None:
        """Begin to look, or stop."""
        self._on = on
        self._update()

    def note(self, job_id: str, *, drawn: bool) -> None:
        """A riff is being drawn, or not (any more)."""
        if drawn:
            self._drawn.setdefault(job_id, None)
        elif (looking := self._drawn.pop(job_id, None)) is not None:
            looking.cancel()
        self._update()

    def close(self) -> None:
        """The connection is gone."""
        self.switch(on=False)

    def _update(self) -> None:
        for number, (job_id, looking) in enumerate(tuple(self._drawn.items())):
            if not self._on or number >= _MAX_WATCHED:
                if looking is not None:
                    looking.cancel()
                self._drawn[job_id] = None
            elif looking is None:
                self._drawn[job_id] = asyncio.create_task(self._look(job_id))

    async def _look(self, job_id: str) -> None:
        with self._watch(job_id) as events:
            async for event in events:
                if isinstance(event, JobPreviewed):
                    png = base64.b64encode(event.png).decode()
                    try:
                        await self._send({"preview": {"id": job_id, "png": png}})
                    except ConnectionError:
                        return  # the page is gone
                    # What comes meanwhile is merged: the next one sent is the latest.
                    await asyncio.sleep(self._interval)
