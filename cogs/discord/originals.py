"""The answer to an interaction: one message, said at first and edited until it is the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import discord

from cogs.discord.place import Place
from cogs.discord.posting import Upload

UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, INVALID_TOKEN = 10008, 10015, 50027
# What discord.py types as a number may also be this name of the first answer.
_ORIGINAL = cast(int, "@original")


async def edit_original(
    client: discord.Client,
    place: Place,
    text: str,
    uploads: Sequence[Upload] | None = None,
    view: discord.ui.View | None = None,
) -> discord.WebhookMessage:
    """Make the first answer say this.

    Args:
        client: the connection.
        place: of an interaction.
        text: Discord markdown, at most 2,000 characters.
        uploads: what to attach instead of what was attached; None leaves that as it is.
        view: buttons; None for none.

    Raises:
        discord.HTTPException: Discord refused; see `is_lost`.
    """
    more: dict[str, Any] = {}
    if uploads is not None:
        more["attachments"] = [upload.to_file() for upload in uploads]
    return await place.webhook(client).edit_message(
        _ORIGINAL,
        content=text,
        view=view,
        allowed_mentions=discord.AllowedMentions.none(),
        **more,
    )


def is_lost(error: discord.HTTPException) -> bool:
    """Whether the first answer cannot be edited any more: deleted, never made, or too long ago."""
    if error.status in (401, 403):
        return True
    return error.status == 404 and error.code in (UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, 0)
