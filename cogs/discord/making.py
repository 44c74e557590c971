"""`/riff`, `/blend`, `/remix`, `/extend`, `/again`, `/variation`: what makes music."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.ask import Ask
from bot.errors import BadInputRefusal
from bot.grammar import HELP, OPTIONS_OF, ask_from_json, follow_from_json
from bot.jobs import JobView
from bot.options import OPTIONS, read_option
from cogs.discord.asking import Asked, ask
from cogs.discord.completing import LONGEST_CHOICE, OFFERED, past_clips
from cogs.discord.faults import whisper
from cogs.discord.parts import Parts
from cogs.discord.requester import requester_in
from cogs.discord.slash import Field, make_command, option_fields, prompt_field
from cogs.discord.uploads import is_media, put_attachment
from cogs.discord.wording import with_prefix
from generation.request import MAX_CLIPS, Source

NOTHING_TO_HEAR = "I can build on sounds and pictures; that file is neither."


class MakingCog(commands.Cog):
    """Slash commands that ask the studio for something."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._services = parts.services
        self.made_commands = [*self._from_words(), *self._from_clips()]

    def _from_words(self) -> list[app_commands.Command[Any, ..., None]]:
        prompt = prompt_field(complete=self._past_prompts)
        ends = (
            prompt_field("from", "What it begins as", complete=self._past_prompts),
            prompt_field("to", "What it becomes", complete=self._past_prompts),
        )
        return [
            make_command("riff", "Make a loop from words", [prompt, *_options("riff")], self._riff),
            make_command(
                "blend",
                "Go from one sound to another in several loops",
                [*ends, *_options("blend")],
                self._blend,
            ),
            make_command("help", "What I can do", [], self._help),
        ]

    def _from_clips(self) -> list[app_commands.Command[Any, ..., None]]:
        words = prompt_field(
            text="What it should become", required=False, complete=self._past_prompts
        )
        file = Field("file", discord.Attachment, "A sound or spectrogram of yours to start from")
        clip = Field(
            "clip", app_commands.Range[str, 1, 100], "Which riff; the last one if left out",
            complete=self._past_clips,
        )  # fmt: skip
        number = Field(
            "number", app_commands.Range[int, 1, MAX_CLIPS], "Which clip of a riff that has several"
        )
        remix, extend = "Change an earlier riff, or a sound of yours", "Make an earlier riff longer"
        return [
            make_command(
                "remix", remix, [words, file, clip, number, *_options("remix")], self._remix
            ),
            make_command(
                "extend", extend, [clip, number, file, words, *_options("extend")], self._extend
            ),
            make_command(
                "again", "Make a riff again with another seed", [clip, *_options("again")],
                self._again,
            ),
            make_command(
                "variation", "Make something close to an earlier riff",
                [clip, number, *_options("variation")], self._variation,
            ),
        ]  # fmt: skip

    # Commands -------------------------------------------------------------------------------

    async def _riff(self, interaction: discord.Interaction[Any], values: dict[str, Any]) -> None:
        wanted = ask_from_json(values)
        await self._submit(interaction, wanted)

    async def _blend(self, interaction: discord.Interaction[Any], values: dict[str, Any]) -> None:
        start, to = values.pop("from"), values.pop("to")
        await self._submit(interaction, ask_from_json({"prompt": start, "to": to, **values}))

    async def _remix(self, interaction: discord.Interaction[Any], values: dict[str, Any]) -> None:
        attachment = values.pop("file", None)
        if attachment is None:
            await self._follow(interaction, "remix", values)
            return
        _without_clip(values)

        async def submit(asked: Asked) -> JobView:
            source = await self._source(attachment)
            wanted = ask_from_json({**values, "source": source.sha256})
            return await self._studio_submit(asked, wanted)

        if "prompt" not in values:
            raise BadInputRefusal("Say what to make of that file: fill in the prompt as well.")
        await ask(self._parts, interaction, submit)

    async def _extend(self, interaction: discord.Interaction[Any], values: dict[str, Any]) -> None:
        attachment, prompt = values.pop("file", None), values.pop("prompt", None)
        if attachment is None:
            if prompt is not None:
                raise BadInputRefusal(
                    "A riff is extended with its own prompt; other words are for /remix, or for "
                    "files of yours."
                )
            await self._follow(interaction, "extend", values)
            return
        _without_clip(values)
        if prompt is None:
            raise BadInputRefusal("Say how it should go on: fill in the prompt as well.")

        async def submit(asked: Asked) -> JobView:
            fields = {OPTIONS[name].field: read_option(name, values[name]) for name in values}
            source = await self._source(attachment)
            wanted = Ask(prompt=prompt.strip(), kind="extend", sources=(source,), **fields)
            return await self._studio_submit(asked, wanted)

        await ask(self._parts, interaction, submit)

    async def _again(self, interaction: discord.Interaction[Any], values: dict[str, Any]) -> None:
        await self._follow(interaction, "again", values)

    async def _variation(
        self, interaction: discord.Interaction[Any], values: dict[str, Any]
    ) -> None:
        await self._follow(interaction, "variation", values)

    async def _help(self, interaction: discord.Interaction[Any], values: dict[str, Any]) -> None:
        text = HELP + (
            " The same as menus: /riff, /blend, /remix, /extend, /again, /variation, "
            "/sound-to-picture, /picture-to-sound; and Apps, Remix this on any sound."
        )
        await whisper(interaction, with_prefix(text, self._parts.prefix))

    # How they ask ---------------------------------------------------------------------------

    async def _submit(self, interaction: discord.Interaction[Any], wanted: Ask) -> None:
        async def submit(asked: Asked) -> JobView:
            return await self._studio_submit(asked, wanted)

        await ask(self._parts, interaction, submit)

    async def _studio_submit(self, asked: Asked, wanted: Ask) -> JobView:
        return await self._services.studio.submit(
            asked.requester, wanted, asked.address, key=asked.key
        )

    async def _follow(
        self, interaction: discord.Interaction[Any], how: str, values: dict[str, Any]
    ) -> None:
        clip, number = values.pop("clip", None), values.pop("number", 1)
        follow = follow_from_json(how, values)
        lineage = self._services.lineage

        async def submit(asked: Asked) -> JobView:
            job_id = clip or await lineage.latest(asked.requester)
            return await lineage.follow(
                asked.requester, job_id, follow, asked.address, number - 1, key=asked.key
            )

        await ask(self._parts, interaction, submit)

    async def _source(self, attachment: discord.Attachment) -> Source:
        if not is_media(attachment):
            raise BadInputRefusal(NOTHING_TO_HEAR)
        return await put_attachment(self._services.sources, attachment)

    # Completing what people type ------------------------------------------------------------

    async def _past_prompts(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        requester = requester_in(interaction, interaction.client.operators)
        prompts = await self._services.history.prompts(requester, typed, OFFERED)
        # A choice is at most 100 characters long, and half a prompt is another one.
        return [
            app_commands.Choice(name=prompt, value=prompt)
            for prompt in prompts
            if len(prompt) <= LONGEST_CHOICE
        ]

    async def _past_clips(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        return await past_clips(self._parts, interaction, typed)


def _options(command: str) -> list[Field]:
    return option_fields(OPTIONS_OF[command])


def _without_clip(values: dict[str, Any]) -> None:
    if values.pop("clip", None) is not None or values.pop("number", None) is not None:
        raise BadInputRefusal("Choose one: a riff of mine, or a file of yours.")
