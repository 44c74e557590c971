"""Moderators' commands as slash commands. Each becomes the line that could have been typed, so it
means the same, and whether somebody may is decided in the same place.

That Discord does not show some of them to members is for tidiness only.
"""

from __future__ import annotations

from typing import Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.chat import Said
from bot.errors import BadInputRefusal
from bot.moderation.commands import Reply
from bot.moderation.keys import KEYS, find_key
from bot.moderation.scopes import scopes_of
from bot.moderation.values import Choice, Flag
from cogs.discord.asking import promptly
from cogs.discord.completing import LONGEST_CHOICE, OFFERED
from cogs.discord.panel import SettingsPanel
from cogs.discord.parts import Parts
from cogs.discord.place import Place
from cogs.discord.replies import reply_to
from cogs.discord.requester import mentioned_by, requester_in
from cogs.discord.slash import Field, make_command
from cogs.discord.uploads import read_attachment
from cogs.discord.wording import places_as_ids

_WHERE = {"this channel": "--here", "me alone": "--mine", "everywhere": "--global"}
_LARGEST_IMPORT = 100_000
_SHORT = app_commands.Range[str, 1, 300]
_PLACE = app_commands.Range[int, 1, 10_000]


class ModeratingCog(commands.Cog):
    """`/riffset`, `/block`, `/unblock`, `/timeout`, `/queue`, `/panic`, `/resume`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._settings = parts.services.moderation.rules.settings
        whom = Field("user", discord.User, "Whom", required=True)
        reason = Field("reason", _SHORT, "Why; they are told")
        length = Field("length", _SHORT, "How long, such as 10m, 2h or 1d", required=True)
        # Admins can give these to further roles in their server's settings.
        hidden: dict[str, Any] = {
            "allowed_contexts": app_commands.AppCommandContext(guild=True),
            "allowed_installs": app_commands.AppInstallationType(guild=True),
        }
        self.made_commands = [
            make_command("riffset", "Settings of this bot", self._riffset_fields(), self._riffset),
            make_command("queue", "What waits here, and what to do about it", _queue_fields(),
                         self._queue),
            make_command("block", "Take no more riffs from somebody", [whom, reason],
                         self._person("block"), **hidden),
            make_command("timeout", "Take no riffs from somebody for a while",
                         [whom, length, reason], self._person("timeout"), **hidden),
            make_command("unblock", "Take riffs from somebody again", [whom],
                         self._person("unblock"), **hidden),
            make_command("panic", "Stop everything at once", [_everywhere()],
                         self._all("panic"), **hidden),
            make_command("resume", "Let riffs go on after a panic", [_everywhere()],
                         self._all("resume"), **hidden),
        ]  # fmt: skip
        for command in self.made_commands:
            if command.name in ("block", "timeout", "unblock", "panic", "resume"):
                command.default_permissions = discord.Permissions(moderate_members=True)

    # Commands -------------------------------------------------------------------------------

    async def _riffset(self, interaction: discord.Interaction[Any], values: dict[str, Any]) -> None:
        if not values:
            await SettingsPanel.open(self._parts, interaction)
            return
        where = _WHERE.get(values.get("where", ""), "")
        rehearse = "--dry-run" if values.get("rehearse") else ""
        name, value = values.get("setting", ""), values.get("value", "")
        verb = values.get("action", "set" if value else "show")
        file: discord.Attachment | None = values.get("file")
        if verb != "import" and file is not None:
            raise BadInputRefusal("A file of settings goes with the action import.")
        if verb == "import" and file is not None:
            if file.size > _LARGEST_IMPORT:
                raise BadInputRefusal("That file is too large for settings.")
            value = (await read_attachment(file)).decode("utf-8", "replace")
        named = " ".join(part for part in (rehearse, where, name) if part)
        line = f"{verb} {named} {places_as_ids(value)}"
        await self._answer(interaction, "riffset", line.strip())

    async def _queue(self, interaction: discord.Interaction[Any], values: dict[str, Any]) -> None:
        action = values.get("action", "")
        whom: discord.User | discord.Member | None = values.get("user")
        numbers = {
            "skip": ["place"],
            "move": ["place", "to"],
            "cap": ["number"],
        }.get(action, [])
        words = [action, *(str(values[name]) for name in numbers if name in values)]
        if values.get("everywhere"):
            words.append("everywhere")
        # Nothing about numbers: what is missing is asked for in the words of typed commands.
        await self._answer(interaction, "queue", " ".join(words).strip(), whom)

    def _person(self, name: str) -> Any:
        async def run(interaction: discord.Interaction[Any], values: dict[str, Any]) -> None:
            rest = f"{values.get('length', '')} {values.get('reason', '')}".strip()
            await self._answer(interaction, name, rest, values["user"])

        return run

    def _all(self, name: str) -> Any:
        async def run(interaction: discord.Interaction[Any], values: dict[str, Any]) -> None:
            await self._answer(interaction, name, "everywhere" if values.get("everywhere") else "")

        return run

    async def _answer(
        self,
        interaction: discord.Interaction[Any],
        name: str,
        rest: str,
        whom: discord.User | discord.Member | None = None,
    ) -> None:
        """Carry it out and tell only who asked: order is kept quietly."""
        operators = interaction.client.operators
        requester = requester_in(interaction, operators)
        said = Said(
            requester=requester,
            text=f"!{name} {rest}",
            addresses=Place.of_interaction(interaction).to_address(),
            mentioned=None if whom is None else mentioned_by(requester, whom, operators),
        )
        reply = await promptly(interaction, self._parts.desk.answer(said), privately=True)
        if isinstance(reply, Reply):
            await reply_to(interaction, reply, self._parts.prefix, privately=True)

    # Fields ---------------------------------------------------------------------------------

    def _riffset_fields(self) -> list[Field]:
        verbs = Literal["set", "show", "explain", "reset", "add", "remove", "log", "export",
                        "import"]  # fmt: skip
        where = Literal["this server", "this channel", "me alone", "everywhere"]
        text = app_commands.Range[str, 1, 1000]
        return [
            Field("setting", _SHORT, "Which setting", complete=self._names),
            Field("value", text, "What it is to be", complete=self._values),
            Field("action", verbs, "What to do; set, or show without a value"),
            Field("where", where, "For whom it counts; this server if left out"),
            Field("file", discord.Attachment, "Settings to import, as export gives them"),
            Field("rehearse", bool, "Only say what an import would change"),
        ]

    async def _names(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        wanted = typed.strip().lower().replace(" ", "-")
        found = [key for key in KEYS.values() if wanted in key.name]
        found += [key for key in KEYS.values() if key not in found and wanted in key.help.lower()]
        return [
            app_commands.Choice(name=f"{key.name}: {key.help}"[:100], value=key.name)
            for key in found[:OFFERED]
        ]

    async def _values(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        try:
            key = find_key(str(getattr(interaction.namespace, "setting", "") or ""))
        except BadInputRefusal:
            return []
        requester = requester_in(interaction, interaction.client.operators)
        offered = ["yes", "no"] if isinstance(key.kind, Flag) else []
        if isinstance(key.kind, Choice):
            offered = list(key.kind.choices)
        if not key.private:
            present = self._settings.find(key, scopes_of(requester)).value
            offered.append(key.kind.show(present))
        once = dict.fromkeys(one for one in offered if one and typed.lower() in one.lower())
        return [
            app_commands.Choice(name=one, value=one) for one in once if len(one) <= LONGEST_CHOICE
        ]


def _queue_fields() -> list[Field]:
    actions = Literal["pause", "resume", "skip", "move", "clear", "cap"]
    return [
        Field("action", actions, "What to do; just show it if left out"),
        Field("place", _PLACE, "Which riff, by its place in the queue, to skip or move"),
        Field("to", _PLACE, "The place to move it to"),
        Field("user", discord.User, "Whose riffs to clear; everybody's if left out"),
        Field("number", _PLACE, "How many riffs may wait, for cap"),
        _everywhere(),
    ]


def _everywhere() -> Field:
    return Field("everywhere", bool, "On every server, for the owner of this bot")
