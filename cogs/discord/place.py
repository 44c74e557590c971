"""Where on Discord an answer goes, as it is kept in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import discord

from bot.jobs import Address

PLATFORM = "discord"
# Discord forgets an interaction after 15 minutes; an upload that begins just before takes a while.
_TOKEN_LIVES = timedelta(minutes=14, seconds=45)


def now() -> datetime:
    """The present, on the clock by which Discord's ids tell when they were made."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Token:
    """What an interaction is answered with, for 15 minutes.

    Attributes:
        application_id: ours.
        value: the secret that the answer is sent with; it is not to be logged.
        upload_limit: bytes that one file of the answer may have.
        bot_is_there: whether the bot itself is where it was used, or was only brought along by
            somebody who installed it for themselves: then nothing but the token writes there.
    """

    application_id: int
    value: str
    upload_limit: int
    bot_is_there: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """The message or interaction that asked. Enough to answer it after a restart, with nothing
    cached.

    Attributes:
        channel_id: the text channel, thread or direct message channel.
        guild_id: None in direct messages.
        message_id: the message with the command, which the answer replies to; or the id of the
            interaction, which is no message, but tells the time as well.
        user_id: who is written to directly when the channel cannot be used.
        token: of an interaction; None for a message.
    """

    channel_id: int
    guild_id: int | None
    message_id: int
    user_id: int
    token: Token | None = None

    @classmethod
    def of(cls, message: discord.Message) -> Place:
        """The place of a message that was just received."""
        return cls(
            channel_id=message.channel.id,
            guild_id=None if message.guild is None else message.guild.id,
            message_id=message.id,
            user_id=message.author.id,
        )

    @classmethod
    def of_interaction(cls, interaction: discord.Interaction[Any]) -> Place:
        """The place of an interaction that was just received."""
        in_direct_messages = interaction.guild_id is None and interaction.context.dm_channel
        return cls(
            channel_id=interaction.channel_id or 0,
            guild_id=interaction.guild_id,
            message_id=interaction.id,
            user_id=interaction.user.id,
            token=Token(
                interaction.application_id,
                interaction.token,
                interaction.filesize_limit,
                bot_is_there=bool(interaction.is_guild_integration() or in_direct_messages),
            ),
        )

    @classmethod
    def from_address(cls, address: Address) -> Place:
        """Read what `to_address` wrote."""
        details = address.details
        guild, token = details["guild"], details.get("token")
        return cls(
            channel_id=int(details["channel"]),
            guild_id=None if guild is None else int(guild),
            message_id=int(details["message"]),
            user_id=int(details["user"]),
            token=None
            if token is None
            else Token(
                int(token["application"]), token["value"], int(token["limit"]), token["there"]
            ),
        )

    def to_address(self) -> Address:
        """The place as the ledger keeps it. Ids are text: they exceed what JSON numbers carry."""
        details: dict[str, Any] = {
            "channel": str(self.channel_id),
            "guild": None if self.guild_id is None else str(self.guild_id),
            "message": str(self.message_id),
            "user": str(self.user_id),
        }
        if self.token is not None:
            details["token"] = {
                "application": str(self.token.application_id),
                "value": self.token.value,
                "limit": self.token.upload_limit,
                "there": self.token.bot_is_there,
            }
        return Address(PLATFORM, details)

    @property
    def is_fresh(self) -> bool:
        """Whether an interaction can still be answered with its token."""
        asked = discord.utils.snowflake_time(self.message_id)
        return self.token is not None and now() - asked < _TOKEN_LIVES

    def reference(self) -> discord.MessageReference:
        """For replying to the message, or just posting where it was if it is gone by then."""
        return discord.MessageReference(
            message_id=self.message_id,
            channel_id=self.channel_id,
            guild_id=self.guild_id,
            fail_if_not_exists=False,
        )

    def channel(self, client: discord.Client) -> discord.PartialMessageable:
        """The channel to post to, without asking Discord for it first."""
        return client.get_partial_messageable(self.channel_id, guild_id=self.guild_id)

    def webhook(self, client: discord.Client) -> discord.Webhook:
        """What an interaction is answered through.

        Raises:
            ValueError: a message asked, not an interaction.
        """
        if self.token is None:
            raise ValueError("a message is answered in its channel")
        return discord.Webhook.partial(self.token.application_id, self.token.value, client=client)
