"""Twitch adapter: `!riff lo-fi beat` and `!vote rain` in chat, heard on the stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogs.twitch.adapter import TwitchAdapter

if TYPE_CHECKING:
    from bot.services import Services


def create(services: Services) -> TwitchAdapter | None:
    """The Twitch adapter, or None where no application is configured.

    Raises:
        ConfigError: the file with the secret cannot be used.
    """
    config = services.config
    return TwitchAdapter(services, config.twitch_secret()) if config.twitch.client_id else None
