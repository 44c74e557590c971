"""What people are told when something does not work: one sentence, whatever it was.

Refusals are meant for people and are said as they are. Everything else is a fault: the log gets the
traceback, the user a sentence, and a short id is in both.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from typing import Any

import aiohttp
import discord
from discord import app_commands

from bot.errors import ForbiddenRefusal, Refusal
from cogs.discord.wording import escape, with_prefix
from generation.errors import BadRequestError

log = logging.getLogger(__name__)

LET_GO = (discord.DiscordException, aiohttp.ClientError, OSError, RuntimeError)
"""What talking to Discord raises. RuntimeError is aiohttp's, for a session closed meanwhile."""
UNKNOWN_INTERACTION = 10062
ALREADY_ANSWERED = 40060
STALE = "I have changed since that menu was drawn; please try again in a moment."
NOT_HERE = "That does not work here."


def sentence_for(error: BaseException, about: str, *, privately: bool = False) -> str:
    """What to tell the user; a fault is logged on the way.

    Args:
        error: what was raised.
        about: for the log: what was being done.
        privately: nobody else reads it, so that a refusal may go into detail.
    """
    if isinstance(error, app_commands.CommandInvokeError):
        error = error.original
    if isinstance(error, ForbiddenRefusal) and privately:
        return error.privately
    if isinstance(error, Refusal | BadRequestError):
        return str(error)
    if isinstance(error, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
        return STALE
    if isinstance(error, app_commands.CheckFailure | app_commands.TransformerError):
        return NOT_HERE
    fault = secrets.token_hex(3)
    log.error("fault %s while %s", fault, about, exc_info=error)
    return f"Sorry, something went wrong on my side; please try again (fault {fault})."


async def answer_error(
    interaction: discord.Interaction[Any], error: BaseException, prefix: str = "!"
) -> None:
    """Tell who used a command, button or form what went wrong, so that only they see it."""
    about = f"answering interaction {interaction.id}"
    await whisper(interaction, with_prefix(sentence_for(error, about, privately=True), prefix))


async def whisper(interaction: discord.Interaction[Any], sentence: str) -> None:
    """Say something that only who used the interaction sees, whatever was answered already."""
    text = escape(sentence)[:2000]
    mentions = discord.AllowedMentions.none()
    try:
        if not interaction.response.is_done():
            await interaction.response.send_message(text, ephemeral=True, allowed_mentions=mentions)
            return
        if interaction.response.type is discord.InteractionResponseType.deferred_channel_message:
            # What fills a public "thinking …" is public itself.
            with suppress(*LET_GO):
                await interaction.delete_original_response()
        await interaction.followup.send(
            text, ephemeral=True, allowed_mentions=mentions, suppress_embeds=True
        )
    except LET_GO as error:
        log.info("interaction %d goes without an answer: %s", interaction.id, error)
