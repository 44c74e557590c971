"""The one way messages are posted: as a reply, pinging nobody by text, once per nonce."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import discord

from bot.ids import new_id
from cogs.discord.place import Place

UNKNOWN_CHANNEL = 10003
FILE_TOO_LARGE = 40005
NO_REPLY_WITHOUT_HISTORY = 160002
THREAD_ARCHIVED = 50083


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to attach, already in memory: discord.py reads files on the event loop."""

    filename: str
    data: bytes = field(repr=False)
    description: str | None = None

    def to_file(self) -> discord.File:
        """A fresh file object for one request."""
        return discord.File(
            io.BytesIO(self.data), filename=self.filename, description=self.description
        )


@dataclass(frozen=True, slots=True)
class Post:
    """A message to be sent.

    Attributes:
        text: Discord markdown, at most 2,000 characters.
        uploads: at most 10 files.
        ping: whether the one who is replied to is notified; nobody else ever is.
        nonce: at most 25 characters. Within a few minutes Discord answers a second message with
            the same nonce by returning the first one (discord.py always sends `enforce_nonce`
            with it). None for messages whose repetition would do no harm.
        view: buttons.
    """

    text: str
    uploads: Sequence[Upload] = ()
    ping: bool = False
    nonce: str | None = None
    view: discord.ui.View | None = field(default=None, repr=False)


async def post_reply(channel: discord.abc.Messageable, place: Place, post: Post) -> discord.Message:
    """Reply to the message at `place` in its own `channel`.

    Raises:
        discord.HTTPException: Discord refused.
        aiohttp.ClientError, OSError: the connection failed; it may have been posted or not.
    """
    try:
        return await _send(channel, post, place.reference())
    except discord.HTTPException as error:
        if error.code != NO_REPLY_WITHOUT_HISTORY:
            raise
    # Replying needs permission to read the history; without it the requester is named instead.
    return await post_mentioning(channel, place.user_id, post)


async def post_mentioning(
    channel: discord.abc.Messageable, user_id: int, post: Post
) -> discord.Message:
    """Post without replying to anything, but name whom it is for.

    Raises:
        as `post_reply`.
    """
    named = replace(post, text=mentioning(user_id, post.text))
    return await _send(channel, named, None, name=user_id)


def mentioning(user_id: int, text: str) -> str:
    """A text that names whom it is for."""
    return f"<@{user_id}> {text}"


async def post_directly(user: discord.abc.Messageable, post: Post) -> discord.Message:
    """Post without replying to anything, as in a direct message.

    Raises:
        as `post_reply`.
    """
    return await _send(user, post, None)


async def _send(
    channel: discord.abc.Messageable,
    post: Post,
    reference: discord.MessageReference | None,
    name: int | None = None,
) -> discord.Message:
    mentions = discord.AllowedMentions.none()
    mentions.replied_user = post.ping and reference is not None
    if name is not None and post.ping:
        mentions.users = [discord.Object(name)]
    files = [upload.to_file() for upload in post.uploads]
    nonce = post.nonce or new_id()
    more: dict[str, Any] = {}
    if reference is not None:
        more["reference"] = reference
    if post.view is not None:
        more["view"] = post.view
    # A prompt may hold an address; its preview would bury the clip.
    return await channel.send(
        post.text,
        files=files,
        nonce=nonce,
        allowed_mentions=mentions,
        suppress_embeds=True,
        **more,
    )
