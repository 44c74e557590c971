"""The discord.py client: what it asks Discord for, and which features it carries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import discord
from discord import app_commands
from discord.ext import commands
from discord.ui import DynamicItem

from cogs.discord.faults import LET_GO, answer_error, whisper
from cogs.discord.parts import Parts

log = logging.getLogger(__name__)

# A request that would have to wait longer raises RateLimited instead, and the outbox waits.
_LONGEST_RATE_LIMIT = 30.0
# Discord waits 3 s for an answer; what nothing has answered by then, nothing will.
_UNANSWERED_AFTER = 2.3
FORGOTTEN = "That was made too long ago, or I was restarted since; please use the command again."
RESTARTING = "I am just being restarted; please try again in a moment."
_PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    attach_files=True,
    embed_links=True,
    read_message_history=True,
    view_audit_log=True,
    create_expressions=True,
    connect=True,
    speak=True,
)
_GUILDS_LOOKED_AT = 20
_SCOPES = ("bot", "applications.commands")


def wanted_intents(*, message_content: bool) -> discord.Intents:
    """What the bot wants to be told of. Only the text of messages is a privilege."""
    intents = discord.Intents.none()
    intents.guilds = True
    intents.guild_messages = True
    intents.dm_messages = True
    intents.moderation = True  # bans, and time outs by way of the audit log
    intents.voice_states = True  # who listens to the radio
    intents.message_content = message_content  # without it `!riff` reads as empty in guilds
    return intents


@runtime_checkable
class Attached(Protocol):
    """A feature that uses the connection by itself, not only to answer."""

    def attach(self, client: RiffbotClient) -> None:
        """The connection, before anything arrives."""


class RiffbotTree(app_commands.CommandTree[Any]):
    """Slash commands and context menus, with the one error handler of them all."""

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """Take nothing on that would be cut off."""
        if not interaction.client.closing:
            return True
        if interaction.type is not discord.InteractionType.autocomplete:
            await whisper(interaction, RESTARTING)
        return False

    async def on_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError, /
    ) -> None:
        """Tell the user in a sentence; a fault is in the log with an id."""
        if interaction.type is not discord.InteractionType.autocomplete:
            await answer_error(interaction, error, interaction.client.parts.prefix)


class RiffbotClient(commands.AutoShardedBot):
    """Connects, keeps itself connected, and hands what happens to its cogs.

    AutoSharded, because Discord refuses a single connection to a bot in more than 2,500 guilds;
    with fewer guilds it is one connection.
    """

    def __init__(
        self,
        cogs: Sequence[commands.Cog],
        parts: Parts,
        *,
        dynamic_items: Sequence[type[DynamicItem[Any]]] = (),
        message_content: bool = True,
        sync: bool = True,
    ) -> None:
        """Nothing connects yet.

        Args:
            cogs: the features.
            parts: what buttons and forms reach the studio by: `interaction.client.parts`.
            dynamic_items: buttons that work after a restart.
            message_content: whether to ask for the text of messages, which is a privilege.
            sync: whether to tell Discord what the slash commands are.
        """
        # Nobody needs to be told at every start that voice is not installed; `/radio` tells them.
        discord.VoiceClient.warn_nacl = False
        discord.VoiceClient.warn_dave = False
        super().__init__(
            command_prefix=(),
            help_command=None,
            tree_cls=RiffbotTree,
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            ),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            intents=wanted_intents(message_content=message_content),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            max_ratelimit_timeout=_LONGEST_RATE_LIMIT,
        )
        self.parts = parts
        self.closing = False
        self.operators: frozenset[int] = frozenset()
        self.synced = False
        self._features = cogs
        self._dynamic_items = dynamic_items
        self._sync = sync
        self._under_way: set[asyncio.Task[Any]] = set()

    def begin(self, task: asyncio.Task[Any]) -> None:
        """Something is being carried out, and `finish` is to wait for it."""
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def finish(self, seconds: float) -> None:
        """Take nothing more on, and let what is being carried out end."""
        self.closing = True
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)

    async def setup_hook(self) -> None:
        """Take the features on, once the login worked and before events arrive."""
        self.operators = _operators(self.application)
        for cog in self._features:
            if isinstance(cog, Attached):
                cog.attach(self)
            await self.add_cog(cog)
            for command in getattr(cog, "made_commands", ()):
                self.tree.add_command(command)
        self.add_dynamic_items(*self._dynamic_items)
        if self._sync:
            self.begin(asyncio.create_task(self._tell_commands(), name="discord:commands"))

    async def on_message(self, message: discord.Message, /) -> None:
        """Leave messages to the cogs: `bot.grammar` reads commands, not discord.py."""

    async def on_interaction(self, interaction: discord.Interaction[Any], /) -> None:
        """See that nothing ends in silence: buttons and forms of an earlier run are not known."""
        if interaction.type not in (
            discord.InteractionType.component,
            discord.InteractionType.modal_submit,
        ):
            return
        await asyncio.sleep(_UNANSWERED_AFTER)
        if not interaction.response.is_done():
            await whisper(interaction, FORGOTTEN)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """A fault in what nobody waits for goes to the log."""
        log.exception("fault while handling %s", event_method)

    async def on_ready(self) -> None:
        """Tell the operator who we are and, where nobody can hear us, how to change that."""
        log.info("Discord: signed in as %s, in %d servers", self.user, len(self.guilds))
        if not self.guilds and self.application_id is not None:
            invite = discord.utils.oauth_url(
                self.application_id, permissions=_PERMISSIONS, scopes=_SCOPES
            )
            log.info("Discord: invite the bot to a server with %s", invite)
        for guild in self.guilds[:_GUILDS_LOOKED_AT]:
            lacking = _lacking(guild)
            if lacking:
                log.warning(
                    "Discord: on “%s” I lack the permissions %s; give them to my role in the "
                    "server settings",
                    guild.name,
                    ", ".join(lacking),
                )

    async def _tell_commands(self) -> None:
        """Tell Discord what the slash commands are; without that, the last ones stay."""
        try:
            told = await self.tree.sync()
        except app_commands.CommandSyncFailure as error:
            log.error("Discord does not take the slash commands: %s", error)
        except LET_GO as error:
            log.warning("Discord was not told the slash commands (%s); next time", error)
        else:
            self.synced = True
            log.info("Discord: %d commands", len(told))


def _lacking(guild: discord.Guild) -> list[str]:
    """What the bot may not do on a server, as Discord's own settings call it."""
    present = guild.me.guild_permissions
    wanted = [name for name, value in _PERMISSIONS if value]
    return [name.replace("_", " ").title() for name in wanted if not getattr(present, name)]


def _operators(application: discord.AppInfo | None) -> frozenset[int]:
    """Who runs the bot: the owner of the application, or its team but for mere readers."""
    if application is None:
        return frozenset()
    team = application.team
    if team is None:
        return frozenset({application.owner.id})
    readers = discord.TeamMemberRole.read_only
    return frozenset({member.id for member in team.members if member.role is not readers})
