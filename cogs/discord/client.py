"""The discord.py client: what it asks Discord for, and which features it carries."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import discord
from discord.ext import commands

log = logging.getLogger(__name__)

# A request that would have to wait longer raises RateLimited instead, and the outbox waits.
_LONGEST_RATE_LIMIT = 30.0
_PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    attach_files=True,
    embed_links=True,
    read_message_history=True,
)


class RiffbotClient(commands.AutoShardedBot):
    """Connects, keeps itself connected, and hands messages to its cogs.

    AutoSharded, because Discord refuses a single connection to a bot in more than 2,500 guilds;
    with fewer guilds it is one connection.
    """

    def __init__(self, cogs: Sequence[commands.Cog]) -> None:
        intents = discord.Intents.none()
        intents.guilds = True
        intents.guild_messages = True
        intents.dm_messages = True
        intents.message_content = True  # privileged: without it `!riff` reads as empty in guilds
        # No voice here, so nobody needs to be told that its libraries are missing.
        discord.VoiceClient.warn_nacl = False
        discord.VoiceClient.warn_dave = False
        super().__init__(
            command_prefix=(),
            help_command=None,
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            max_ratelimit_timeout=_LONGEST_RATE_LIMIT,
        )
        self._features = cogs

    async def setup_hook(self) -> None:
        """Take the features on, once the login worked and before events arrive."""
        for cog in self._features:
            await self.add_cog(cog)

    async def on_message(self, message: discord.Message, /) -> None:
        """Leave messages to the cogs: `bot.grammar` reads commands, not discord.py."""

    async def on_ready(self) -> None:
        """Tell the operator who we are and, where nobody can hear us, how to change that."""
        log.info("Discord: signed in as %s, in %d servers", self.user, len(self.guilds))
        if not self.guilds and self.application_id is not None:
            invite = discord.utils.oauth_url(self.application_id, permissions=_PERMISSIONS)
            log.info("Discord: invite the bot to a server with %s", invite)
