"""`/picture-to-sound` and `/sound-to-picture`: from one to the other, as they are."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import discord
from discord.ext import commands

from bot.conversion import ConversionKind, Conversions
from bot.errors import BadInputRefusal
from cogs.discord.asking import promptly
from cogs.discord.parts import Parts
from cogs.discord.requester import requester_in
from cogs.discord.slash import Field, make_command
from cogs.discord.uploads import is_picture, is_sound, read_attachment

_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
_STEM = 60


class ConvertingCog(commands.Cog):
    """Commands that convert a file."""

    def __init__(self, parts: Parts) -> None:
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
            await interaction.edit_original_response(attachments=[file])
        else:
            await interaction.response.send_message(file=file)
