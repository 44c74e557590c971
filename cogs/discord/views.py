"""The buttons under messages, as they are sent. `cogs.discord.buttons` answers them: a button is
known by its id, which names what it does and the riff, so nothing of a message is kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import discord
from discord.ui import Button, View

from bot.jobs import Job

MARK = "riff"
_A_ROW = 5
_UNDER_A_CLIP = (("again", "edit", "variation", "extend", "blend"), ("save", "delete"))

LOOKS: Mapping[str, tuple[str, str]] = {
    "again": ("\N{GAME DIE}", "Again"),
    "edit": ("\N{LOWER LEFT FOUNTAIN PEN}\ufe0f", "Edit"),
    "variation": ("\N{LEVEL SLIDER}\ufe0f", "Variation"),
    "extend": ("\N{HEAVY PLUS SIGN}", "Extend"),
    "blend": ("\N{FIRST QUARTER MOON SYMBOL}", "Blend with…"),
    "save": ("\N{FLOPPY DISK}", "Save"),
    "delete": ("\N{WASTEBASKET}\ufe0f", "Delete"),
    "cancel": ("\N{HEAVY MULTIPLICATION X}\ufe0f", "Cancel"),
    "remake": ("\N{GAME DIE}", "Make it again"),
    "wav": ("\N{FLOPPY DISK}", "WAV"),
    "flac": ("\N{FLOPPY DISK}", "FLAC"),
    "loop4": ("\N{FLOPPY DISK}", "Loop ×4"),
}
"""Emoji and label of everything that a button does."""


def button(
    act: str, job_id: str, clip: int | None = None, label: str | None = None
) -> Button[View]:
    """One button.

    Args:
        act: what it does, a key of `LOOKS`.
        job_id: the riff that it does it with.
        clip: index of the clip, where the riff has several and one is meant.
        label: instead of the usual one.
    """
    emoji, usual = LOOKS[act]
    red = act == "delete"
    which = "" if clip is None else f":{clip}"
    return Button(
        style=discord.ButtonStyle.danger if red else discord.ButtonStyle.secondary,
        emoji=emoji,
        label=label or usual,
        custom_id=f"{MARK}:{act}:{job_id}{which}",
    )


def clip_view(job: Job) -> View:
    """The buttons under the clips of a riff."""
    return _view([button(act, job.id) for act in row] for row in _UNDER_A_CLIP)


def cancel_view(job_id: str) -> View:
    """The button under the status of a riff that waits or is drawn."""
    return _view([[button("cancel", job_id)]])


def remake_view(job_id: str) -> View:
    """The button with the news that a clip's files are gone."""
    return _view([[button("remake", job_id)]])


def file_view(job_id: str, clip: int | None) -> View:
    """The kinds of files that a clip can be saved as."""
    return _view([[button(kind, job_id, clip) for kind in ("wav", "flac", "loop4")]])


def number_view(act: str, job: Job) -> View:
    """A button for every clip of a riff that has several."""
    buttons = [
        button(act, job.id, clip.index, f"{LOOKS[act][1]} {clip.index + 1}") for clip in job.clips
    ]
    return _view(buttons[at : at + _A_ROW] for at in range(0, len(buttons), _A_ROW))


def _view(rows: Iterable[Sequence[Button[View]]]) -> View:
    view = View(timeout=None)
    for number, row in enumerate(rows):
        for one in row:
            one.row = number
            view.add_item(one)
    # The client knows buttons by their ids; it need not keep each view that was ever sent.
    view.stop()
    return view
