"""One message per waiting riff that says how far it is, edited at a modest pace.

A status is decoration: the ledger knows the job, and the answer is a message of its own. So
whatever fails here is let go, and the answer removes what status it finds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import discord

from bot.errors import NotFoundRefusal
from bot.events import Event, JobChanged, JobPreviewed, JobProgressed, QueueMoved
from bot.jobs import JobView
from bot.studio import Studio
from cogs.discord.faults import LET_GO
from cogs.discord.originals import edit_original
from cogs.discord.place import Place
from cogs.discord.posting import Post, Upload, post_reply
from cogs.discord.views import cancel_view
from cogs.discord.wording import PREVIEW_TEXT, status_line

log = logging.getLogger(__name__)

# Discord gives no figure for edits; five in five seconds per channel is what its headers say.
# One per 1.5 s stays well below, so an edit hardly ever stands in the way of an answer.
EDIT_INTERVAL = 1.5
CANCELLED = "This riff was cancelled."


@dataclass(slots=True, eq=False)
class Status:
    """The status of one riff.

    Attributes:
        message_id: of the status message; None until it is posted, or if that failed. The first
            answer to an interaction needs none and counts as 0.
        preview: what the picture looks like so far, as PNG, and whether that is `shown`.
        turn: held while something is said in this place. The result of an interaction takes the
            place of its status, so whoever says it waits for this, and nothing is said after it.
    """

    place: Place
    job_id: str | None = None
    message_id: int | None = None
    text: str | None = None
    preview: bytes | None = field(default=None, repr=False)
    shown: bool = True
    edited_at: float = 0.0
    stale: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class StatusBoard:
    """All status messages of this run, by the message that asked.

    Edits are paced per channel, because that is how Discord limits them: of those that are out of
    date, the one edited longest ago comes next.
    """

    def __init__(
        self,
        studio: Studio,
        client: Callable[[], discord.Client | None],
        edit_interval: float = EDIT_INTERVAL,
    ) -> None:
        """`client` gives the present connection; `edit_interval` is in seconds."""
        self._studio = studio
        self._client = client
        self._edit_interval = edit_interval
        self._statuses: dict[int, Status] = {}
        self._of_job: dict[str, Status] = {}
        self._painters: dict[int, asyncio.Task[None]] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}

    def expect(self, place: Place) -> Status:
        """A riff is about to be asked for. Before it is, so that the quickest answer finds this."""
        status = self._statuses[place.message_id] = Status(place)
        return status

    def forget(self, status: Status) -> None:
        """There is nothing (more) to show."""
        self._statuses.pop(status.place.message_id, None)
        if status.job_id is not None:
            self._of_job.pop(status.job_id, None)
            watcher = self._watchers.pop(status.job_id, None)
            if watcher is not None:
                watcher.cancel()

    def find(self, place: Place) -> Status | None:
        """The status of the riff that was asked for at `place`, if it was in this run."""
        return self._statuses.get(place.message_id)

    async def open(self, status: Status, view: JobView) -> None:
        """Post the status of a job that was just taken."""
        status.job_id = view.job.id
        status.text = status_line(view)
        client = self._client()
        if status.text is None or client is None or not self._is_open(status):
            return
        self._of_job[view.job.id] = status
        channel = status.place.channel(client)
        try:
            message = await post_reply(
                channel, status.place, Post(status.text, view=cancel_view(view.job.id))
            )
        except LET_GO as error:
            log.info("no status message for %s: %s", view.job.id, error)
            return
        status.message_id = message.id
        if self._is_open(status):
            # What happened while it was being posted reached no message.
            self._mark_stale(status)
        else:
            await self.erase(status.place, message.id)

    def opened(self, status: Status, view: JobView, text: str) -> None:
        """The first answer to an interaction says `text` about a job that was just taken."""
        status.job_id, status.text, status.message_id = view.job.id, text, 0
        if self._is_open(status):
            self._of_job[view.job.id] = status
            self._mark_stale(status)

    async def settle(self, status: Status) -> None:
        """Say nothing more in this place, and wait for what is being said: the result comes."""
        self.forget(status)
        async with status.turn:
            pass

    async def close(self, status: Status) -> None:
        """The riff was answered: take the status away, unless the answer took its place."""
        self.forget(status)
        if status.message_id:
            await self.erase(status.place, status.message_id)

    async def erase(self, place: Place, message_id: int) -> None:
        """Delete a message of ours, if it can be done."""
        client = self._client()
        if client is None:
            return
        try:
            await place.channel(client).get_partial_message(message_id).delete()
        except LET_GO as error:
            log.debug("status message %d stays: %s", message_id, error)

    async def run(self) -> None:
        """Follow the studio until cancelled."""
        try:
            with self._studio.subscribe() as events:
                async for event in events:
                    self._notice(event)
        finally:
            tasks = [*self._painters.values(), *self._watchers.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _is_open(self, status: Status) -> bool:
        """Whether the riff is still to be answered."""
        return self._statuses.get(status.place.message_id) is status

    def _notice(self, event: Event) -> None:
        if isinstance(event, QueueMoved):
            for status in self._of_job.values():
                self._mark_stale(status)
        elif isinstance(event, JobChanged | JobProgressed):
            found = self._of_job.get(event.job_id)
            if found is not None:
                self._mark_stale(found)
                if isinstance(event, JobProgressed) and event.job_id not in self._watchers:
                    watching = self._watch(found, event.job_id)
                    task = asyncio.create_task(watching, name=f"previews:{event.job_id}")
                    self._watchers[event.job_id] = task

    async def _watch(self, status: Status, job_id: str) -> None:
        """Follow the picture of a riff that is drawn. Whoever forgets the status ends this."""
        with self._studio.watch(job_id) as events:
            async for event in events:
                if isinstance(event, JobPreviewed):
                    status.preview, status.shown = event.png, False
                    self._mark_stale(status)

    def _mark_stale(self, status: Status) -> None:
        status.stale = True
        channel_id = status.place.channel_id
        if status.message_id is not None and channel_id not in self._painters:
            painter = asyncio.create_task(self._paint(channel_id), name=f"status:{channel_id}")
            self._painters[channel_id] = painter

    async def _paint(self, channel_id: int) -> None:
        """Bring a channel's statuses up to date, one edit per interval, until all are."""
        try:
            while True:
                # First the wait: a riff that is done in a moment needs no edit at all.
                await asyncio.sleep(self._edit_interval)
                while (status := self._next_stale(channel_id)) is not None:
                    if await self._refresh(status):
                        break
                else:
                    return
        except Exception:
            log.exception("status messages in channel %d stand still", channel_id)
        finally:
            del self._painters[channel_id]

    def _next_stale(self, channel_id: int) -> Status | None:
        stale = [
            status
            for status in self._of_job.values()
            if status.stale
            and status.message_id is not None
            and status.place.channel_id == channel_id
        ]
        return min(stale, key=lambda status: status.edited_at, default=None)

    async def _refresh(self, status: Status) -> bool:
        """Show what holds now; False if that took no request."""
        status.stale = False
        client = self._client()
        if client is None or status.job_id is None or status.message_id is None:
            return False
        try:
            view = await self._studio.view(status.job_id)
        except NotFoundRefusal:
            self.forget(status)
            return False
        # What was taken away when it was about to be posted reads as what was before.
        is_over = view.job.state == "cancelled" or (view.job.state == "expired" and view.job.hidden)
        if view.job.state in ("delivered", "expired") and not is_over:
            self.forget(status)
            return False
        text = CANCELLED if is_over else status_line(view)
        if text is None or not self._is_open(status):
            return False
        if text == status.text and status.shown:
            return False
        if is_over:
            self.forget(status)
        async with status.turn:
            if not is_over and not self._is_open(status):
                return False
            await self._write(client, status, text, is_over=is_over)
        return True

    async def _write(
        self, client: discord.Client, status: Status, text: str, *, is_over: bool
    ) -> None:
        """Edit the message; a preview goes along once, and away when it is over."""
        uploads: list[Upload] | None = None
        if is_over:
            uploads = []
        elif not status.shown and status.preview is not None:
            uploads = [Upload("preview.png", status.preview, PREVIEW_TEXT)]
        status.text, status.shown = text, True
        status.edited_at = asyncio.get_running_loop().time()
        try:
            if status.place.token is not None:
                buttons = None if is_over else cancel_view(status.job_id or "")
                await edit_original(client, status.place, text, uploads, buttons)
            else:
                await _edit(client, status, text, uploads, is_over=is_over)
        except discord.NotFound:
            # Somebody deleted it; the answer is posted all the same.
            if status.job_id is not None:
                self._of_job.pop(status.job_id, None)
        except LET_GO as error:
            log.debug("status of %s not updated: %s", status.job_id, error)


async def _edit(
    client: discord.Client,
    status: Status,
    text: str,
    uploads: list[Upload] | None,
    *,
    is_over: bool,
) -> None:
    message = status.place.channel(client).get_partial_message(status.message_id or 0)
    more: dict[str, Any] = {"view": None} if is_over else {}
    if uploads is not None:
        more["attachments"] = [upload.to_file() for upload in uploads]
    mentions = discord.AllowedMentions.none()
    await message.edit(content=text, allowed_mentions=mentions, **more)
