"""Sounds and pictures that people attach."""

from __future__ import annotations

import discord

from bot.errors import BadInputRefusal, BusyRefusal
from bot.store.database import DiskFullError
from bot.store.sources import Sources
from bot.studio import OUT_OF_SPACE
from cogs.discord.faults import LET_GO
from generation.request import Source

MAX_UPLOAD = 25 * 2**20
_TRY_LATER = 60.0
_SOUNDS = (".mp3", ".wav", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".webm", ".mp4")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def is_sound(attachment: discord.Attachment) -> bool:
    """Whether it says of itself that it can be listened to; its bytes are looked at later."""
    kind = attachment.content_type or ""
    return kind.startswith("audio/") or attachment.filename.lower().endswith(_SOUNDS)


def is_picture(attachment: discord.Attachment) -> bool:
    """Whether it says of itself that it is a picture."""
    kind = attachment.content_type or ""
    return kind.startswith("image/") or attachment.filename.lower().endswith(_PICTURES)


def is_media(attachment: discord.Attachment) -> bool:
    """Whether something can be built on it."""
    return is_sound(attachment) or is_picture(attachment)


async def read_attachment(attachment: discord.Attachment) -> bytes:
    """Fetch an attachment.

    Raises:
        BadInputRefusal: it is too large, or Discord no longer has it.
    """
    if attachment.size > MAX_UPLOAD:
        raise BadInputRefusal(
            f"That file is too large; the most I take is {MAX_UPLOAD // 2**20} MiB."
        )
    try:
        data = await attachment.read()
    except LET_GO as error:
        raise BadInputRefusal(
            "I could not fetch that file from Discord; please attach it again."
        ) from error
    if not data or len(data) > MAX_UPLOAD:
        raise BadInputRefusal("That file is empty." if not data else "That file is too large.")
    return data


async def put_attachment(sources: Sources, attachment: discord.Attachment) -> Source:
    """Fetch an attachment and keep it for a riff to build on.

    Raises:
        BadInputRefusal: as `read_attachment`.
        BusyRefusal: there is no room on the disk.
    """
    data = await read_attachment(attachment)
    try:
        return Source("init", await sources.put(data))
    except DiskFullError as error:
        raise BusyRefusal(OUT_OF_SPACE, retry_after=_TRY_LATER) from error
