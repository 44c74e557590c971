"""`/picture-to-sound` and `/sound-to-picture`: from one to the other, as they are."""

from __future__ import annotations

import asyncio
import io
import re
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import discord
from discord.ext import commands

from bot.conversion import ConversionKind, Conversions
from bot.errors import BadInputRefusal
from bot.events import WordsWithdrawn
from bot.jobs import Requester
from cogs.discord.asking import promptly
from cogs.discord.faults import LET_GO, log
from cogs.discord.parts import Parts
from cogs.discord.place import Place
from cogs.discord.requester import requester_in
from cogs.discord.slash import Field, make_command
from cogs.discord.takedown import take_back
from cogs.discord.uploads import is_picture, is_sound, read_attachment

if TYPE_CHECKING:
    from cogs.discord.client import RiffbotClient

_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
_STEM = 60
_REMEMBERED = 500


@dataclass(frozen=True, slots=True)
class _Posted:
    """A converted file that is out."""

    whose: Requester
    place: Place
    message_id: int


class ConvertingCog(commands.Cog):
    """Commands that convert a file.

    A conversion is no riff and in no ledger. The latest are remembered while connected, so that
    those of somebody who is blocked are taken off the channel like their riffs.
    """

    def __init__(self, parts: Parts) -> None:
        self._studio = parts.services.studio
        self._bans = parts.services.moderation.rules.bans
        self._client: RiffbotClient | None = None
        self._posted: deque[_Posted] = deque(maxlen=_REMEMBERED)
        self._following: asyncio.Task[None] | None = None
        self._conversions = Conversions(parts.services.moderation.rules)
        picture = Field("picture", discord.Attachment, "A spectrogram", required=True)
        sound = Field("sound", discord.Attachment, "At most a minute of sound", required=True)
        self.made_commands = [
            make_command(
                "picture-to-sound",
                "Hear a spectrogram picture, Riffusion's included",
                [picture],
                self._to_sound,
            ),
            make_command(
                "sound-to-picture", "See a sound as a spectrogram", [sound], self._to_picture
            ),
        ]

    def attach(self, client: RiffbotClient) -> None:
        """The connection that posts are deleted through."""
        self._client = client

    async def cog_load(self) -> None:
        """Begin to hear of who is blocked."""
        self._following = asyncio.create_task(self._follow(), name="discord:converted")

    async def cog_unload(self) -> None:
        """End."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following

    async def _follow(self) -> None:
        with self._studio.subscribe() as events:
            async for event in events:
                # With a key it is about one message, which asked for a riff.
                if isinstance(event, WordsWithdrawn) and not event.key:
                    await self._withdraw(event)

    async def _withdraw(self, event: WordsWithdrawn) -> None:
        for posted in [one for one in self._posted if _is_of(one.whose, event)]:
            self._posted.remove(posted)
            await self._take_back(posted)

    async def _take_back(self, posted: _Posted) -> None:
        if self._client is None:
            return
        try:
            await take_back(self._client, posted.place, str(posted.message_id))
        except LET_GO as error:
            log.info("converted file %d stays: %s", posted.message_id, error)

    async def _to_sound(
        self, interaction: discord.Interaction[Any], values: dict[str, Any]
    ) -> None:
        picture: discord.Attachment = values["picture"]
        if not is_picture(picture):
            raise BadInputRefusal("That file is no picture; I take PNG, JPEG and WebP.")
        await self._convert(interaction, "picture-to-sound", picture, "mp3")

    async def _to_picture(
        self, interaction: discord.Interaction[Any], values: dict[str, Any]
    ) -> None:
        sound: discord.Attachment = values["sound"]
        if not is_sound(sound):
            raise BadInputRefusal("That file is no sound; I take MP3, WAV, FLAC, Ogg and others.")
        await self._convert(interaction, "sound-to-picture", sound, "png")

    async def _convert(
        self,
        interaction: discord.Interaction[Any],
        kind: ConversionKind,
        attachment: discord.Attachment,
        ending: str,
    ) -> None:
        requester = requester_in(interaction, interaction.client.operators)

        async def work() -> bytes:
            data = await read_attachment(attachment)
            return await self._conversions.convert(requester, kind, data, attachment.filename)

        data = await promptly(interaction, work())
        if len(data) > interaction.filesize_limit:
            raise BadInputRefusal("What came of it is larger than Discord lets me upload here.")
        stem = _UNSAFE.sub("-", Path(attachment.filename).stem).strip("-").lower()[:_STEM]
        what = "The sound of" if ending == "mp3" else "The spectrogram of"
        file = discord.File(
            io.BytesIO(data), f"{stem or 'file'}.{ending}", description=f"{what} an attached file"
        )
        if interaction.response.is_done():
            message_id = (await interaction.edit_original_response(attachments=[file])).id
        else:
            message_id = (await interaction.response.send_message(file=file)).message_id or 0
        posted = _Posted(requester, Place.of_interaction(interaction), message_id)
        if self._bans.of(requester) is None:
            self._posted.append(posted)
        else:
            # Blocked while it was being uploaded.
            await self._take_back(posted)


def _is_of(whose: Requester, event: WordsWithdrawn) -> bool:
    return (whose.platform, whose.user) == (event.platform, event.user) and event.community in (
        "",
        whose.community,
    )
