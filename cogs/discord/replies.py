"""Answers in words, as messages; what is too long for one goes along as a file."""

from __future__ import annotations

from typing import Any

import discord

from bot.moderation.commands import Reply, ReplyFile
from cogs.discord.faults import LET_GO, log
from cogs.discord.posting import Post, Upload
from cogs.discord.wording import LONGEST, escape, with_prefix

AS_A_FILE = "That is long, so here it is as a file."


def as_post(text: str, file: ReplyFile | None = None) -> Post:
    """A text of ours, which may quote what people typed, and its file."""
    uploads = () if file is None else (Upload(file.name, file.data),)
    escaped = escape(text)
    if len(escaped) <= LONGEST:
        return Post(escaped, uploads)
    whole = Upload("answer.txt", text.encode(), "The answer as text")
    return Post(AS_A_FILE, (whole, *uploads))


async def reply_to(
    interaction: discord.Interaction[Any], reply: Reply, prefix: str, *, privately: bool
) -> None:
    """Answer an interaction that was acknowledged or not, and is not answered yet.

    Args:
        interaction: to be answered.
        reply: what `bot.chat` or a moderator's command came to.
        prefix: what typed commands begin with.
        privately: whether only who asked is to see it; where it was acknowledged, it was so.
    """
    post = as_post(with_prefix(reply.text, prefix), reply.file)
    files = [upload.to_file() for upload in post.uploads]
    mentions = discord.AllowedMentions.none()
    try:
        if interaction.response.is_done():
            await interaction.edit_original_response(
                content=post.text, attachments=files, allowed_mentions=mentions
            )
        else:
            await interaction.response.send_message(
                post.text,
                files=files,
                ephemeral=privately,
                allowed_mentions=mentions,
                suppress_embeds=True,
            )
    except LET_GO as error:
        log.info("interaction %d goes without an answer: %s", interaction.id, error)
