"""Discord adapter: `!riff lo-fi beat` in a channel or a direct message, a loop and picture back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogs.discord.adapter import DiscordAdapter

if TYPE_CHECKING:
    from bot.services import Services


def create(services: Services) -> DiscordAdapter | None:
    """The Discord adapter, or None where no token is configured.

    Raises:
        ConfigError: the token file cannot be used.
    """
    token = services.config.discord_token()
    return None if token is None else DiscordAdapter(services, token)
