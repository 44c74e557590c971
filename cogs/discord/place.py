"""Where on Discord an answer goes, as it is kept in the ledger."""

from __future__ import annotations

from dataclasses import dataclass

import discord

from bot.jobs import Address

PLATFORM = "discord"


@dataclass(frozen=True, slots=True)
class Place:
    """The message that asked. Enough to answer it after a restart, with nothing cached.

    Attributes:
        channel_id: the text channel, thread or direct message channel.
        guild_id: None in direct messages.
        message_id: the message with the command, which the answer replies to.
        user_id: who is written to directly when the channel cannot be used.
    """

    channel_id: int
    guild_id: int | None
    message_id: int
    user_id: int

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
    def from_address(cls, address: Address) -> Place:
        """Read what `to_address` wrote."""
        details = address.details
        guild = details["guild"]
        return cls(
            channel_id=int(details["channel"]),
            guild_id=None if guild is None else int(guild),
            message_id=int(details["message"]),
            user_id=int(details["user"]),
        )

    def to_address(self) -> Address:
        """The place as the ledger keeps it. Ids are text: they exceed what JSON numbers carry."""
        return Address(
            PLATFORM,
            {
                "channel": str(self.channel_id),
                "guild": None if self.guild_id is None else str(self.guild_id),
                "message": str(self.message_id),
                "user": str(self.user_id),
            },
        )

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
