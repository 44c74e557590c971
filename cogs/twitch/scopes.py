"""What we ask people to allow on Twitch, and what each is for: nothing that is not used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Role = Literal["bot", "channel"]
"""An account that speaks for the bot, and one whose channel it serves; one account may be both."""

BOT_SCOPES: Mapping[str, str] = {
    "user:read:chat": "read commands in chat",
    "user:write:chat": "answer in chat",
    "user:bot": "be in chats as a bot",
}
CHANNEL_SCOPES: Mapping[str, str] = {
    "channel:bot": "let the bot into your chat",
    "channel:manage:redemptions": (
        "create its own channel point rewards, and give points back where a riff could not be made"
    ),
    "channel:moderate": "see bans and timeouts, so that those people's prompts go at once",
    "moderator:read:followers": "know followers, where only they may ask, and thank new ones",
    "channel:read:subscriptions": "notice subscriptions and gifts that trigger a prompt",
    "bits:read": "notice cheers that trigger a prompt",
    "channel:read:hype_train": "notice hype trains that trigger a prompt",
}

SCOPES: Mapping[Role, Mapping[str, str]] = {"bot": BOT_SCOPES, "channel": CHANNEL_SCOPES}


def needed(roles: tuple[Role, ...]) -> dict[str, str]:
    """What an account in these roles has to allow, with reasons."""
    return {scope: reason for role in roles for scope, reason in SCOPES[role].items()}
