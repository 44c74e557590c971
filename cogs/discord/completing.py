"""What slash commands offer as somebody types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord
from discord import app_commands

from bot.jobs import Job
from cogs.discord.parts import Parts
from cogs.discord.requester import requester_in

OFFERED = 25
LONGEST_CHOICE = 100
"""Discord's limits: choices at once, and characters of each."""
_LOOKED_AT = 100


async def past_clips(
    parts: Parts, interaction: discord.Interaction[Any], typed: str
) -> list[app_commands.Choice[str]]:
    """Somebody's own riffs that can be built on, latest first."""
    requester = requester_in(interaction, interaction.client.operators)
    jobs = await parts.services.history.past_riffs(requester, _LOOKED_AT)
    return riff_choices([job for job in jobs if job.clips], typed)


def riff_choices(jobs: Sequence[Job], typed: str) -> list[app_commands.Choice[str]]:
    """Those of these riffs whose prompt or seed has what was typed in it."""
    wanted = typed.casefold()
    return [
        app_commands.Choice(name=_titled(job, LONGEST_CHOICE), value=job.id)
        for job in jobs
        if wanted in _titled(job).casefold()
    ][:OFFERED]


def _titled(job: Job, most: int | None = None) -> str:
    """What a riff is called in a list: its prompt, shortened, and its seed."""
    end = f" · seed {job.request.seed}"
    prompt = " ".join(job.request.prompt.split())
    if most is not None and len(prompt) > most - len(end):
        prompt = prompt[: most - len(end) - 1] + "…"
    return prompt + end
