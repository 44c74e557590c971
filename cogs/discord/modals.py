"""Forms, and those that buttons open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord.ui import Label, Modal, TextInput

from bot.edits import EditForm
from cogs.discord.faults import answer_error
from cogs.discord.parts import Parts
from generation.request import MAX_PROMPT_CHARACTERS

Interaction = discord.Interaction[Any]
_LONGEST_NUMBER = 10
_LONGEST_OPTIONS = 300


class Form(Modal):
    """A form whose faults are told to who sent it, as those of commands are."""

    def __init__(self, title: str, parts: Parts) -> None:
        super().__init__(title=title, timeout=15 * 60)
        self._parts = parts

    def _field(
        self, name: str, label: str, help_: str = "", *, required: bool = False, **more: Any
    ) -> TextInput[Any]:
        """Add a field for text; `more` is of `TextInput`."""
        field: TextInput[Any] = TextInput(custom_id=name, required=required, **more)
        self.add_item(Label(text=label, description=help_ or None, component=field))
        return field

    async def on_error(  # type: ignore[override]
        self, interaction: Interaction, error: Exception, /
    ) -> None:
        """Tell who filled it in."""
        await answer_error(interaction, error, self._parts.prefix)


class EditModal(Form):
    """The values of a riff, to be changed."""

    def __init__(
        self,
        form: EditForm,
        parts: Parts,
        done: Callable[[Interaction, EditForm], Awaitable[None]],
    ) -> None:
        """`done` gets what was sent."""
        super().__init__("Make it differently", parts)
        self._done = done
        long = discord.TextStyle.paragraph
        most = MAX_PROMPT_CHARACTERS
        self._prompt = self._field(
            "prompt", "Prompt", required=True, style=long, max_length=most,
            default=form.prompt[:most],
        )  # fmt: skip
        self._negative = self._field(
            "negative", "What to avoid", max_length=most, default=form.negative[:most]
        )
        self._seed = self._field(
            "seed", "Seed", "The same seed gives the same loop; leave it empty for another one.",
            max_length=_LONGEST_NUMBER, default=form.seed,
        )  # fmt: skip
        self._steps = self._field(
            "steps", "Steps", "More is slower; leave it empty for the usual number.",
            max_length=_LONGEST_NUMBER, default=form.steps,
        )  # fmt: skip
        self._more = self._field(
            "more", "More options", "Such as --bpm 90 --length 4bars --guidance 7",
            max_length=_LONGEST_OPTIONS, default=form.more[:_LONGEST_OPTIONS],
        )  # fmt: skip

    async def on_submit(self, interaction: Interaction, /) -> None:
        """Hand over what it says now."""
        fields = (self._prompt, self._negative, self._seed, self._steps, self._more)
        prompt, negative, seed, steps, more = (field.value for field in fields)
        await self._done(interaction, EditForm(prompt, negative, seed, steps, more))


class BlendModal(Form):
    """What to blend a riff with."""

    def __init__(
        self, start: str, parts: Parts, done: Callable[[Interaction, str], Awaitable[None]]
    ) -> None:
        """`start` is the riff's own prompt; `done` gets the other."""
        super().__init__("Blend it into something else", parts)
        self._done = done
        shown = start if len(start) <= 60 else start[:59] + "…"
        self._to = self._field(
            "to", "Blend with", f"Five loops, from “{shown}” to this.",
            required=True, max_length=MAX_PROMPT_CHARACTERS,
        )  # fmt: skip

    async def on_submit(self, interaction: Interaction, /) -> None:
        """Hand over the other prompt."""
        await self._done(interaction, self._to.value)
