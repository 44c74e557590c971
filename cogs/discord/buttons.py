"""Answers buttons. Each carries the id of its riff, so that it works for as long as the riff is
known, however often the bot was restarted since.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import discord
from discord.ui import Button, DynamicItem, View

from cogs.discord.actions import Actions, GoneError, tell
from cogs.discord.client import RESTARTING
from cogs.discord.faults import answer_error, whisper
from cogs.discord.parts import Parts
from cogs.discord.views import MARK, button, remake_view

Interaction = discord.Interaction[Any]

_ACTS: Mapping[str, Callable[[Actions], Awaitable[None]]] = {
    "again": lambda actions: actions.follow("again"),
    "edit": lambda actions: actions.edit(),
    "variation": lambda actions: actions.follow("variation"),
    "extend": lambda actions: actions.follow("extend"),
    "blend": lambda actions: actions.blend(),
    "save": lambda actions: actions.choose_file(),
    "delete": lambda actions: actions.delete(),
    "cancel": lambda actions: actions.cancel(),
    "remake": lambda actions: actions.remake(),
    "wav": lambda actions: actions.save("wav"),
    "flac": lambda actions: actions.save("flac"),
    "loop4": lambda actions: actions.save("loop4"),
}
_TEMPLATE = (
    rf"{MARK}:(?P<act>{'|'.join(_ACTS)}):(?P<job>[A-Za-z0-9]{{22}})(?::(?P<clip>\d{{1,2}}))?\Z"
)


class ClipButton(DynamicItem[Button[View]], template=_TEMPLATE):
    """One button of one riff."""

    def __init__(self, act: str, job_id: str, clip: int | None = None) -> None:
        """As `cogs.discord.views.button`."""
        super().__init__(button(act, job_id, clip))
        self._act, self._job_id, self._clip = act, job_id, clip

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """A button that somebody pressed, which perhaps an earlier run made."""
        return cls(match["act"], match["job"], int(match["clip"]) if match["clip"] else None)

    async def callback(self, interaction: Interaction) -> None:
        """Do what it says, and tell who pressed it what went wrong."""
        parts: Parts = interaction.client.parts
        if interaction.client.closing:
            await whisper(interaction, RESTARTING)
            return
        try:
            await _ACTS[self._act](Actions(parts, interaction, self._job_id, self._clip))
        except GoneError as error:
            view = remake_view(self._job_id) if error.can_remake else None
            await tell(interaction, str(error), view)
        except Exception as error:
            await answer_error(interaction, error, parts.prefix)
