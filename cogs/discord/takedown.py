"""Takes posts back whose riff is not to be seen any more: its author was blocked, its message was
deleted, a moderator removed it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import discord
from discord.ext import commands

from bot.errors import NotFoundRefusal
from bot.events import JobChanged
from bot.store.receipts import Receipt
from cogs.discord.faults import LET_GO
from cogs.discord.parts import Parts
from cogs.discord.place import PLATFORM, Place

if TYPE_CHECKING:
    from cogs.discord.client import RiffbotClient

log = logging.getLogger(__name__)

_AT_A_TIME = 50
_TRY_AGAIN = 30.0


class TakedownCog(commands.Cog):
    """Follows the studio while connected. What was hidden in between is taken back at the next
    start, because an answer's receipt is kept until then."""

    def __init__(self, parts: Parts) -> None:
        self._studio = parts.services.studio
        self._receipts = parts.services.receipts
        self._client: RiffbotClient | None = None
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def attach(self, client: RiffbotClient) -> None:
        """The connection that posts are deleted through."""
        self._client = client

    async def cog_load(self) -> None:
        """Begin."""
        self._tasks = [
            asyncio.create_task(self._follow(), name="discord:takedown:events"),
            asyncio.create_task(self._work(), name="discord:takedown"),
        ]

    async def cog_unload(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _follow(self) -> None:
        with self._studio.subscribe() as events:
            async for event in events:
                if isinstance(event, JobChanged) and await self._is_hidden(event.job_id):
                    self._wanted.set()

    async def _work(self) -> None:
        """Look at once, and then whenever there is something; what fails is tried again."""
        while True:
            self._wanted.clear()
            if await self._sweep():
                await self._wanted.wait()
            else:
                await asyncio.sleep(_TRY_AGAIN)

    async def _is_hidden(self, job_id: str) -> bool:
        try:
            return (await self._studio.view(job_id)).job.hidden
        except NotFoundRefusal:
            return False

    async def _sweep(self) -> bool:
        """Take back everything that is out and hidden; False if that did not work out."""
        try:
            while receipts := await self._receipts.of_hidden(PLATFORM, _AT_A_TIME):
                for receipt in receipts:
                    await self._take_back(receipt)
        except LET_GO as error:
            log.info("posts are not taken back yet: %s", error)
            return False
        except Exception:
            log.exception("posts could not be taken back")
            return False
        return True

    async def _take_back(self, receipt: Receipt) -> None:
        if self._client is None:
            raise RuntimeError("not connected")
        try:
            await take_back(self._client, Place.from_address(receipt.address), receipt.text)
        except (discord.Forbidden, discord.NotFound) as error:
            log.info("the post of %s stays: %s", receipt.job_id, error)
        await self._receipts.forget(receipt)


async def take_back(client: discord.Client, place: Place, receipt: str) -> None:
    """Delete an answer of ours.

    Args:
        client: the connection.
        place: where it was to go.
        receipt: what `Postman.deliver` gave: a message id, with the channel's before it where it
            went elsewhere.

    Raises:
        discord.HTTPException: Discord refused.
    """
    channel_id, _, message_id = receipt.rpartition("/")
    if channel_id:
        channel = client.get_partial_messageable(int(channel_id))
        await channel.get_partial_message(int(message_id)).delete()
    elif place.token is not None and not place.token.bot_is_there:
        await place.webhook(client).delete_message(int(message_id))
    else:
        await place.channel(client).get_partial_message(int(message_id)).delete()
