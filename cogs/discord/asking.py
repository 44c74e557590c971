"""How an interaction becomes a riff: acknowledged in time, answered with the riff's status, which
the result then replaces. Slash commands, menus, buttons and forms all ask through here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import discord

from bot.jobs import Address, JobView, Requester
from cogs.discord.faults import LET_GO
from cogs.discord.parts import Parts
from cogs.discord.place import Place
from cogs.discord.requester import requester_in
from cogs.discord.views import cancel_view
from cogs.discord.wording import status_line

T = TypeVar("T")

# Discord waits 3 s. What takes less than this is answered with its outcome, so that a refusal can
# be for the asker's eyes only; anything else with "thinking …" first.
PROMPT_SECONDS = 0.7
TAKEN = "Your riff is taken."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a riff is submitted with.

    Attributes:
        key: of `Studio.submit`: the same interaction is never two riffs.
    """

    requester: Requester
    address: Address
    key: str


Submit = Callable[[Asked], Awaitable[JobView]]


async def ask(parts: Parts, interaction: discord.Interaction[Any], submit: Submit) -> None:
    """Take a riff. Whatever goes wrong is raised, for the error handler of commands.

    Args:
        parts: of the adapter.
        interaction: not answered yet.
        submit: asks the studio, and gives what it said; it may take its time (to fetch a file).
    """
    place = Place.of_interaction(interaction)
    requester = requester_in(interaction, interaction.client.operators)
    asked = Asked(requester, place.to_address(), str(interaction.id))
    status = parts.board.expect(place)
    try:
        async with status.turn:
            view = await promptly(interaction, submit(asked))
            text = status_line(view) or TAKEN
            await _say(interaction, text, cancel_view(view.job.id))
            parts.board.opened(status, view, text)
    except BaseException:
        parts.board.forget(status)
        raise


async def promptly(
    interaction: discord.Interaction[Any], work: Awaitable[T], *, privately: bool = False
) -> T:
    """The outcome of `work`, where it takes longer after having told Discord that we are at it.

    Args:
        interaction: not answered yet.
        work: what is to be done.
        privately: whether the answer is for the asker's eyes only.
    """
    task = asyncio.ensure_future(work)
    interaction.client.begin(task)
    try:
        await asyncio.wait({task}, timeout=PROMPT_SECONDS)
        if not task.done():
            # Also where Discord no longer takes an answer, what was asked for is done.
            with suppress(*LET_GO):
                await interaction.response.defer(thinking=True, ephemeral=privately)
        return await task
    finally:
        task.cancel()


async def _say(interaction: discord.Interaction[Any], text: str, view: discord.ui.View) -> None:
    """Answer with the status. Where that fails, the result goes to the channel all the same."""
    mentions = discord.AllowedMentions.none()
    with suppress(*LET_GO):
        if interaction.response.is_done():
            await interaction.edit_original_response(
                content=text, view=view, allowed_mentions=mentions
            )
        else:
            await interaction.response.send_message(
                text, view=view, allowed_mentions=mentions, suppress_embeds=True
            )
