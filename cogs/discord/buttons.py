"""The buttons under a clip. Each carries the id of its riff, so that it works for as long as the
riff is known, however often the bot was restarted since.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import discord
from discord.ui import Button, DynamicItem, View

from bot.jobs import Job
from cogs.discord.actions import Actions, GoneError, tell
from cogs.discord.client import RESTARTING
from cogs.discord.faults import answer_error, whisper
from cogs.discord.parts import Parts

Interaction = discord.Interaction[Any]
Act = Callable[[Actions], Awaitable[None]]

_MARK = "riff"
_UNDER_A_CLIP = (("again", "edit", "variation", "extend", "blend"), ("save", "delete"))
_FILES = ("wav", "flac", "loop4")

_ACTS: Mapping[str, tuple[str, str, Act]] = {
    "again": ("\N{GAME DIE}", "Again", lambda actions: actions.follow("again")),
    "edit": ("\N{LOWER LEFT FOUNTAIN PEN}\ufe0f", "Edit", lambda actions: actions.edit()),
    "variation": (
        "\N{LEVEL SLIDER}\ufe0f",
        "Variation",
        lambda actions: actions.follow("variation"),
    ),
    "extend": ("\N{HEAVY PLUS SIGN}", "Extend", lambda actions: actions.follow("extend")),
    "blend": ("\N{FIRST QUARTER MOON SYMBOL}", "Blend with…", lambda actions: actions.blend()),
    "save": ("\N{FLOPPY DISK}", "Save", lambda actions: actions.choose_file(file_view(actions))),
    "delete": ("\N{WASTEBASKET}\ufe0f", "Delete", lambda actions: actions.delete()),
    "remake": ("\N{GAME DIE}", "Make it again", lambda actions: actions.remake()),
    "wav": ("\N{FLOPPY DISK}", "WAV", lambda actions: actions.save("wav")),
    "flac": ("\N{FLOPPY DISK}", "FLAC", lambda actions: actions.save("flac")),
    "loop4": ("\N{FLOPPY DISK}", "Loop ×4", lambda actions: actions.save("loop4")),
}


class ClipButton(DynamicItem[Button[View]], template=rf"{_MARK}:(?P<act>\w+):(?P<job>\w{{22}})"):
    """One button of one riff."""

    def __init__(self, act: str, job_id: str, *, row: int | None = None) -> None:
        """`act` is a key of what buttons do."""
        emoji, label, self._run = _ACTS[act]
        danger = act == "delete"
        super().__init__(
            Button(
                style=discord.ButtonStyle.danger if danger else discord.ButtonStyle.secondary,
                emoji=emoji,
                label=label,
                custom_id=f"{_MARK}:{act}:{job_id}",
                row=row,
            )
        )
        self.job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """A button that somebody pressed, which perhaps an earlier run made."""
        if match["act"] not in _ACTS:
            raise ValueError(f"no button does {match['act']!r} any more")
        return cls(match["act"], match["job"])

    async def callback(self, interaction: Interaction) -> None:
        """Do what it says, and tell who pressed it what went wrong."""
        parts: Parts = interaction.client.parts
        if interaction.client.closing:
            await whisper(interaction, RESTARTING)
            return
        try:
            await self._run(Actions(parts, interaction, self.job_id))
        except GoneError as error:
            view = _view((("remake",),), self.job_id) if error.can_remake else None
            await tell(interaction, str(error), view)
        except Exception as error:
            await answer_error(interaction, error, parts.prefix)


def clip_view(job: Job) -> View:
    """The buttons under the clips of a riff."""
    return _view(_UNDER_A_CLIP, job.id)


def file_view(actions: Actions) -> View:
    """The kinds of files that a clip can be saved as."""
    return _view((_FILES,), actions.job_id)


def _view(rows: tuple[tuple[str, ...], ...], job_id: str) -> View:
    view = View(timeout=None)
    for row, acts in enumerate(rows):
        for act in acts:
            view.add_item(ClipButton(act, job_id, row=row))
    # The client knows buttons by their ids; it need not keep each view that was ever sent.
    view.stop()
    return view
