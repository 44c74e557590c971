"""Slash commands made of `bot.options`: what `!riff --steps 20` takes, `/riff steps: 20` offers,
with its type, range and help, so that neither can know an option which the other does not.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Optional

import discord
from discord import app_commands

from bot.options import OPTIONS, Choice, Number
from generation.request import MAX_PROMPT_CHARACTERS

Values = Mapping[str, Any]
Run = Callable[[discord.Interaction[Any], dict[str, Any]], Awaitable[None]]
Complete = Callable[
    [discord.Interaction[Any], str], Coroutine[Any, Any, list[app_commands.Choice[str]]]
]

_LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a slash command.

    Attributes:
        name: as people see it.
        type: what discord.py knows as a type of option.
        help: at most 100 characters.
        required: whether the command cannot be sent without it.
        complete: offers what it may be, as somebody types.
    """

    name: str
    type: Any
    help: str
    required: bool = False
    complete: Complete | None = None

    @property
    def parameter(self) -> str:
        """Its name in Python, where `from` is taken."""
        return self.name.replace("-", "_") + "_"

    def to_parameter(self) -> inspect.Parameter:
        """As a parameter of the function that discord.py looks at."""
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        if self.required:
            return inspect.Parameter(self.parameter, kind, annotation=self.type)
        optional = _optional(self.type)
        return inspect.Parameter(self.parameter, kind, annotation=optional, default=None)


def prompt_field(
    name: str = "prompt",
    text: str = "What it should sound like",
    *,
    required: bool = True,
    complete: Complete | None = None,
) -> Field:
    """A field for a prompt."""
    kind = app_commands.Range[str, 1, MAX_PROMPT_CHARACTERS]
    return Field(name, kind, text, required, complete)


def option_fields(names: Sequence[str]) -> list[Field]:
    """The fields of these options of `bot.options`."""
    return [Field(name, _type_of(name), OPTIONS[name].help) for name in names]


def make_command(
    name: str, description: str, fields: Sequence[Field], run: Run, **more: Any
) -> app_commands.Command[Any, ..., None]:
    """A slash command whose `run` gets what was filled in, by name of the field.

    Args:
        name, description: as people see them.
        fields: at most 25, required ones first.
        run: carries it out.
        more: of `app_commands.Command`.
    """
    by_parameter = {field.parameter: field for field in fields}

    async def callback(interaction: discord.Interaction[Any], **values: Any) -> None:
        filled = {
            by_parameter[key].name: value for key, value in values.items() if value is not None
        }
        await run(interaction, filled)

    first = inspect.Parameter(
        "interaction",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        annotation=discord.Interaction[Any],
    )
    parameters = [first, *(field.to_parameter() for field in fields)]
    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    made: Any = app_commands.describe(**{f.parameter: f.help for f in fields})(callback)
    made = app_commands.rename(**{f.parameter: f.name for f in fields})(made)
    completed = {f.parameter: f.complete for f in fields if f.complete is not None}
    if completed:
        made = app_commands.autocomplete(**completed)(made)
    return app_commands.Command(name=name, description=description, callback=made, **more)


def _optional(kind: Any) -> Any:
    # What `Range` makes is no type that `|` would take.
    return Optional.__getitem__(kind)


def _type_of(name: str) -> Any:
    read = OPTIONS[name].read
    if isinstance(read, Number):
        if read.whole:
            return app_commands.Range[int, int(read.low), int(read.high)]
        return app_commands.Range[float, float(read.low), float(read.high)]
    if isinstance(read, Choice):
        return Literal[read.words]
    return app_commands.Range[str, 1, _LONGEST_TEXT]
