"""The settings panel: menus and a form for what `/riffset` sets, seen by who opened it only."""

from __future__ import annotations

from typing import Any, cast

import discord
from discord import ui

from bot.jobs import Requester
from bot.moderation.commands import Commands
from bot.moderation.keys import KEYS, SECTIONS, Key, ScopeKind, Section
from bot.moderation.scopes import scope_for, scopes_of
from bot.moderation.values import Choice, Flag
from cogs.discord.faults import answer_error
from cogs.discord.modals import Form
from cogs.discord.parts import Parts
from cogs.discord.requester import requester_in
from cogs.discord.wording import LONGEST, escape, with_prefix

_SECONDS = 14 * 60.0
_ROLE_LISTS = frozenset({"riff-roles", "admin-roles", "moderator-roles", "blocked-roles"})
_SCOPES: dict[ScopeKind, str] = {
    "community": "For this server",
    "channel": "For this channel",
    "user": "For me alone",
}
_OPTIONS: dict[ScopeKind, str] = {"community": "", "channel": "--here", "user": "--mine"}
START = "What would you like to set?"
_LONGEST_VALUE = 4000


class SettingsPanel(ui.View):
    """One opened panel. Every change goes through the same commands as if it had been typed."""

    def __init__(self, parts: Parts, requester: Requester) -> None:
        super().__init__(timeout=_SECONDS)
        self._parts = parts
        self._requester = requester
        self._settings = parts.services.moderation.rules.settings
        self._commands = Commands(parts.services.moderation)
        self._section: Section = "sound"
        self._key: Key | None = None
        self._scope: ScopeKind = "community" if requester.community else "user"
        self._arrange()

    @classmethod
    async def open(cls, parts: Parts, interaction: discord.Interaction[Any]) -> None:
        """Answer an interaction with a new panel."""
        requester = requester_in(interaction, interaction.client.operators)
        parts.services.moderation.rules.access.require(requester, "settings-show")
        await interaction.response.send_message(START, view=cls(parts, requester), ephemeral=True)

    async def on_error(
        self, interaction: discord.Interaction[Any], error: Exception, item: ui.Item[Any], /
    ) -> None:
        """Tell who pressed it."""
        await answer_error(interaction, error, self._parts.prefix)

    # What is shown --------------------------------------------------------------------------

    def _arrange(self) -> None:
        self.clear_items()
        self.add_item(_Sections(self._section))
        self.add_item(_Keys(self._section, self._key))
        key = self._key
        if key is None:
            return
        scopes = [kind for kind in _SCOPES if kind in key.scopes and self._is_here(kind)]
        if len(scopes) > 1:
            self.add_item(_Scopes(scopes, self._scope))
        found = self._settings.find(key, scopes_of(self._requester)).value
        if isinstance(key.kind, Choice | Flag):
            words = key.kind.choices if isinstance(key.kind, Choice) else ("yes", "no")
            self.add_item(_Words(words, key.kind.show(found)))
        elif key.name in _ROLE_LISTS:
            self.add_item(_Roles())
        elif key.name == "channels":
            self.add_item(_Channels())
        else:
            self.add_item(_Change())
        self.add_item(_Reset())

    def _is_here(self, kind: ScopeKind) -> bool:
        if kind == "user":
            return True
        return bool(self._requester.community if kind == "community" else self._requester.channel)

    async def show(self, interaction: discord.Interaction[Any], note: str = "") -> None:
        """Show what holds now, under a note."""
        text = note or START
        if self._key is not None:
            about = await self._answer(f"explain {self._key.name}")
            text = f"{note}\n{about}" if note else about
        self._arrange()
        await interaction.response.edit_message(content=escape(text)[:LONGEST], view=self)

    async def choose(
        self,
        interaction: discord.Interaction[Any],
        *,
        section: Section | None = None,
        key: Key | None = None,
        scope: ScopeKind | None = None,
    ) -> None:
        """Something was picked in a menu."""
        if section is not None:
            self._section, self._key = section, None
        if key is not None:
            self._key = key
            known = [kind for kind in _SCOPES if kind in key.scopes and self._is_here(kind)]
            self._scope = self._scope if self._scope in known else (known or ["user"])[0]
        self._scope = scope or self._scope
        await self.show(interaction)

    # What is done ---------------------------------------------------------------------------

    async def change(self, interaction: discord.Interaction[Any], value: str) -> None:
        """Set the chosen setting; nothing at all resets it."""
        if self._key is None:
            return
        self._see(interaction)
        verb = "set" if value.strip() else "reset"
        note = await self._answer(
            f"{verb} {_OPTIONS[self._scope]} {self._key.name} {value}".strip()
        )
        await self.show(interaction, note)

    async def form(self, interaction: discord.Interaction[Any]) -> None:
        """Ask for a value in words."""
        if self._key is None:
            return
        self._see(interaction)
        key = self._key
        # A list that moderators keep to themselves is not shown to who may not change it.
        scope = scope_for(self._requester, self._scope)
        self._parts.services.moderation.rules.access.require_change(self._requester, scope, key)
        present = self._settings.set_in(scope).get(key.name)
        shown = "" if present is None else key.kind.show(present)
        await interaction.response.send_modal(_Form(self, self._parts, key, shown))

    def _see(self, interaction: discord.Interaction[Any]) -> None:
        """Who may do what can have changed since the panel was opened."""
        self._requester = requester_in(interaction, interaction.client.operators)

    async def _answer(self, rest: str) -> str:
        reply = await self._commands.answer(self._requester, "riffset", rest)
        return with_prefix(reply.text, self._parts.prefix)


class _Sections(ui.Select[SettingsPanel]):
    def __init__(self, chosen: Section) -> None:
        options = [
            discord.SelectOption(label=title, value=name, default=name == chosen)
            for name, title in SECTIONS.items()
        ]
        super().__init__(placeholder="What about", options=options, row=0)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await _panel(self).choose(interaction, section=cast(Section, self.values[0]))


class _Keys(ui.Select[SettingsPanel]):
    def __init__(self, section: Section, chosen: Key | None) -> None:
        keys = [key for key in KEYS.values() if key.section == section]
        keys = [key for key in keys if key.scopes != ("global",)]
        options = [
            discord.SelectOption(label=key.name, description=key.help[:100], default=key is chosen)
            for key in keys[:25]
        ]
        super().__init__(placeholder="Setting", options=options, row=1)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await _panel(self).choose(interaction, key=KEYS[self.values[0]])


class _Scopes(ui.Select[SettingsPanel]):
    def __init__(self, kinds: list[ScopeKind], chosen: ScopeKind) -> None:
        options = [
            discord.SelectOption(label=_SCOPES[kind], value=kind, default=kind == chosen)
            for kind in kinds
        ]
        super().__init__(placeholder="For whom", options=options, row=2)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await _panel(self).choose(interaction, scope=cast(ScopeKind, self.values[0]))


class _Words(ui.Select[SettingsPanel]):
    def __init__(self, words: tuple[str, ...], chosen: str) -> None:
        options = [discord.SelectOption(label=word, default=word == chosen) for word in words]
        super().__init__(placeholder="Value", options=options, row=3)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await _panel(self).change(interaction, self.values[0])


class _Roles(ui.RoleSelect[SettingsPanel]):
    def __init__(self) -> None:
        super().__init__(placeholder="Roles", min_values=0, max_values=25, row=3)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await _panel(self).change(interaction, ", ".join(str(role.id) for role in self.values))


class _Channels(ui.ChannelSelect[SettingsPanel]):
    def __init__(self) -> None:
        kinds = [discord.ChannelType.text, discord.ChannelType.news, discord.ChannelType.voice,
                 discord.ChannelType.forum]  # fmt: skip
        super().__init__(
            placeholder="Channels", min_values=0, max_values=25, channel_types=kinds, row=3
        )

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        ids = ", ".join(str(channel.id) for channel in self.values)
        await _panel(self).change(interaction, ids)


class _Change(ui.Button[SettingsPanel]):
    def __init__(self) -> None:
        super().__init__(label="Change…", style=discord.ButtonStyle.primary, row=4)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await _panel(self).form(interaction)


class _Reset(ui.Button[SettingsPanel]):
    def __init__(self) -> None:
        super().__init__(label="Reset", row=4)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await _panel(self).change(interaction, "")


class _Form(Form):
    """Asks for the value of one setting."""

    def __init__(self, panel: SettingsPanel, parts: Parts, key: Key, shown: str) -> None:
        super().__init__(key.name[:45], parts)
        self._panel = panel
        long = len(shown) > 100 or "," in shown
        about = f"It can be {key.kind.range}. Nothing resets it."
        self._value = self._field(
            "value", "Value", about[:100], max_length=_LONGEST_VALUE,
            default=shown[:_LONGEST_VALUE] or None,
            style=discord.TextStyle.long if long else discord.TextStyle.short,
        )  # fmt: skip

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        """Set it."""
        await self._panel.change(interaction, self._value.value)


def _panel(item: ui.Item[SettingsPanel]) -> SettingsPanel:
    assert item.view is not None, "an item without its panel is not shown"
    return item.view
