"""`/cancel`, `/history`, `/privacy`, `/soundboard`: what becomes of what somebody asked for."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.chat import counted, history_lines, meant, quoted
from bot.errors import BadInputRefusal, ForbiddenRefusal, NotFoundRefusal
from bot.jobs import Job, Requester
from bot.privacy import ABOUT, SURE
from cogs.discord.actions import tell
from cogs.discord.asking import promptly
from cogs.discord.completing import LONGEST_CHOICE, past_clips, riff_choices
from cogs.discord.faults import answer_error, whisper
from cogs.discord.parts import Parts
from cogs.discord.posting import Upload
from cogs.discord.requester import requester_in
from cogs.discord.slash import Field, make_command
from cogs.discord.wording import escape, with_prefix

Interaction = discord.Interaction[Any]

_NO_SLOT = 30045
SOUND_NAME = (2, 32)
MAY_NOT = "A sound for this server's soundboard takes the permission to create expressions."
BOT_MAY_NOT = (
    "I may not add sounds here: somebody who runs this server has to give me the permission to "
    "create expressions."
)
EXPORT_TOO_LARGE = (
    "There is more about you than Discord lets me upload here; please ask who runs this bot for it."
)
NOT_A_SERVER = "Soundboards belong to servers: use this on one that I am a member of."


class LibraryCog(commands.Cog):
    """What somebody asked for, and what is kept of it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._services = parts.services
        short = app_commands.Range[str, 1, LONGEST_CHOICE]
        own = Field("riff", short, "Which one, or its number; needed only where you have several",
                    complete=self._open_riffs)  # fmt: skip
        clip = Field("clip", short, "Which riff; the last one if left out",
                     complete=self._past_clips)  # fmt: skip
        name = Field("name", app_commands.Range[str, *SOUND_NAME], "What the sound is called")
        what = Field("what", Literal["about", "export", "delete"],
                     "Read about it, get all that is kept of you, or have it deleted")  # fmt: skip
        self.made_commands = [
            make_command("cancel", "Cancel a riff of yours that is not finished", [own],
                         self._cancel),
            make_command("history", "Your past riffs, with what makes each again", [],
                         self._history),
            make_command("privacy", "What is kept of you, and how to get or delete it", [what],
                         self._privacy),
            make_command("soundboard", "Put a riff on this server's soundboard", [clip, name],
                         self._soundboard),
        ]  # fmt: skip

    # Commands -------------------------------------------------------------------------------

    async def _cancel(self, interaction: Interaction, values: dict[str, Any]) -> None:
        requester = self._requester(interaction)
        which = meant(values.get("riff", ""), await self._parts.desk.standing(requester))
        cancelling = self._parts.desk.cancel(requester, which)
        job = await promptly(interaction, cancelling, privately=True)
        await whisper(interaction, f"Cancelled {quoted(job)}.")

    async def _history(self, interaction: Interaction, values: dict[str, Any]) -> None:
        jobs = await self._services.history.past_riffs(self._requester(interaction))
        if not jobs:
            raise NotFoundRefusal("You have no riffs here yet; start with /riff.")
        await whisper(interaction, "\n".join(history_lines(jobs, time.time())))

    async def _privacy(self, interaction: Interaction, values: dict[str, Any]) -> None:
        requester, privacy = self._requester(interaction), self._services.privacy
        match values.get("what", "about"):
            case "export":
                file = await promptly(interaction, privacy.export(requester), privately=True)
                if len(file.data) > interaction.filesize_limit:
                    raise BadInputRefusal(EXPORT_TOO_LARGE)
                upload = Upload(file.name, file.data)
                text = "Here is everything that I keep about you."
                await tell(interaction, text, uploads=[upload])
            case "delete":
                count = counted(await privacy.count(requester), "riff")
                sentence = SURE.format(count=count).partition(" If you are sure")[0]
                await tell(interaction, sentence, DeletionView(self._parts, requester))
            case _:
                # Menus have the same under other names.
                about = ABOUT.replace("!privacy ", "/privacy what: ")
                await whisper(interaction, with_prefix(about, self._parts.prefix))

    async def _soundboard(self, interaction: Interaction, values: dict[str, Any]) -> None:
        requester = self._requester(interaction)
        self._services.moderation.rules.access.require(requester, "riff")
        guild = interaction.guild
        if guild is None or not interaction.is_guild_integration():
            raise BadInputRefusal(NOT_A_SERVER)
        if not interaction.permissions.create_expressions:
            raise ForbiddenRefusal(MAY_NOT)
        if not interaction.app_permissions.create_expressions:
            raise ForbiddenRefusal(BOT_MAY_NOT)
        job_id = values.get("clip") or await self._services.lineage.latest(requester)
        job = (await self._services.studio.view(job_id)).job
        if job.hidden or not job.clips:
            raise NotFoundRefusal("That riff has no clip that could be heard.")
        name = _sound_name(values.get("name") or job.request.prompt)
        await promptly(interaction, self._add_sound(guild, job, name, requester), privately=True)
        await tell(interaction, f"“{escape(name)}” is on this server's soundboard now.")

    async def _add_sound(
        self, guild: discord.Guild, job: Job, name: str, requester: Requester
    ) -> None:
        # The name is read by everybody, so it passes as a prompt does.
        policy = self._services.moderation.rules.policy
        await policy.check_texts(requester, [name, job.request.prompt])
        export = await self._services.exports.make(job, job.clips[0], "soundboard")
        sound = await asyncio.to_thread(export.path.read_bytes)
        reason = f"asked for by {requester.name} ({requester.user})"
        try:
            await guild.create_soundboard_sound(name=name, sound=sound, reason=reason)
        except discord.Forbidden as error:
            raise ForbiddenRefusal(BOT_MAY_NOT) from error
        except discord.HTTPException as error:
            if error.code != _NO_SLOT:
                raise
            raise BadInputRefusal(
                "This server's soundboard is full; remove a sound from it first."
            ) from error

    # Completing what people type ------------------------------------------------------------

    async def _open_riffs(
        self, interaction: Interaction, typed: str
    ) -> list[app_commands.Choice[str]]:
        views = await self._parts.desk.standing(self._requester(interaction))
        return riff_choices([view.job for view in views], typed)

    async def _past_clips(
        self, interaction: Interaction, typed: str
    ) -> list[app_commands.Choice[str]]:
        return await past_clips(self._parts, interaction, typed)

    def _requester(self, interaction: Interaction) -> Requester:
        return requester_in(interaction, interaction.client.operators)


class DeletionView(discord.ui.View):
    """Asks once more before everything of somebody is deleted."""

    def __init__(self, parts: Parts, requester: Requester) -> None:
        super().__init__(timeout=300)
        self._parts = parts
        self._whose = requester

    @discord.ui.button(label="Delete everything", style=discord.ButtonStyle.danger)
    async def confirm(self, interaction: Interaction, button: Any) -> None:
        """They are sure. Only they see the button."""
        privacy = self._parts.services.privacy
        deleted = await promptly(interaction, privacy.delete(self._whose), privately=True)
        self.stop()
        text = f"Deleted: {counted(deleted.riffs, 'riff')} and {counted(deleted.files, 'file')}."
        await tell(interaction, text)

    async def on_error(self, interaction: Interaction, error: Exception, item: Any, /) -> None:
        """Faults are told as those of commands are."""
        await answer_error(interaction, error, self._parts.prefix)


def _sound_name(text: str) -> str:
    """A name as soundboards take it: 2 to 32 characters."""
    line = " ".join(text.split())[: SOUND_NAME[1]].strip()
    return line if len(line) >= SOUND_NAME[0] else f"{line} riff".strip()
