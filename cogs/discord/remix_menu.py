"""*Remix this*, in the Apps menu of any message that has a sound or picture."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import BadInputRefusal
from bot.grammar import ask_from_json, follow_from_json
from bot.jobs import JobView
from cogs.discord.asking import Asked, ask
from cogs.discord.modals import Form
from cogs.discord.parts import Parts
from cogs.discord.place import PLATFORM
from cogs.discord.uploads import is_picture, is_sound, put_attachment
from generation.request import MAX_PROMPT_CHARACTERS

NOTHING_THERE = "There is no sound or picture in that message that I could remix."


class RemixMenuCog(commands.Cog):
    """The context menu command."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.made_commands = [
            app_commands.ContextMenu(name="Remix this", callback=self._remix),
        ]

    async def _remix(self, interaction: discord.Interaction[Any], message: discord.Message) -> None:
        job_id = await self._parts.services.receipts.job_of(PLATFORM, str(message.id))
        # A clip of ours comes with a picture, but it is the sound that people mean.
        found = [a for a in message.attachments if is_sound(a)]
        found += [a for a in message.attachments if is_picture(a)]
        if job_id is None and not found:
            raise BadInputRefusal(NOTHING_THERE)
        await interaction.response.send_modal(
            RemixForm(self._parts, job_id, found[0] if found else None)
        )


class RemixForm(Form):
    """Asks what it should become."""

    def __init__(
        self, parts: Parts, job_id: str | None, attachment: discord.Attachment | None
    ) -> None:
        super().__init__("Remix this", parts)
        self._job_id = job_id
        self._attachment = attachment
        self._prompt = self._field(
            "prompt", "What it should become", required=True, max_length=MAX_PROMPT_CHARACTERS,
            placeholder="heavy metal",
        )  # fmt: skip
        self._strength = self._field(
            "strength", "Strength", "0 leaves it as it is, 1 draws it anew", max_length=10,
            placeholder="0.6",
        )  # fmt: skip

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        """Ask for the remix."""
        values: dict[str, Any] = {"prompt": self._prompt.value}
        if self._strength.value.strip():
            values["strength"] = self._strength.value.strip()
        await ask(self._parts, interaction, lambda asked: self._submit(asked, values))

    async def _submit(self, asked: Asked, values: dict[str, Any]) -> JobView:
        services = self._parts.services
        if self._job_id is not None:
            follow = follow_from_json("remix", values)
            return await services.lineage.follow(
                asked.requester, self._job_id, follow, asked.address, key=asked.key
            )
        if self._attachment is None:
            raise BadInputRefusal(NOTHING_THERE)
        source = await put_attachment(services.sources, self._attachment)
        wanted = ask_from_json({**values, "source": source.sha256})
        return await services.studio.submit(asked.requester, wanted, asked.address, key=asked.key)
