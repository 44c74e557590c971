"""The options of a riff: how each is named, read and checked, in a chat line and in JSON alike."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.errors import BadInputRefusal
from generation.errors import BadRequestError
from generation.request import (
    MAX_CLIPS,
    MAX_GUIDANCE_SCALE,
    MAX_SEED,
    MAX_STEPS,
    AdapterUse,
    Length,
    check_length,
    check_range,
)

_SLOWEST, _FASTEST = 20, 400
_LENGTH = re.compile(r"\s*(?P<value>\d+(?:[.,]\d+)?)\s*(?P<unit>[a-z]*)\s*\Z", re.IGNORECASE)
_UNITS = {"s": "seconds", "sec": "seconds", "second": "seconds", "beat": "beats", "bar": "bars"}


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        read: turns what was written into the value, or raises a refusal.
        example: a value that works, for the refusal of a missing one.
        field: of `bot.ask.Ask` or `bot.ask.Follow`.
        aliases: other names that people know it by.
        help: what it does, in a few words (for menus that show it).
    """

    read: Callable[[Any], Any]
    example: str
    field: str
    aliases: tuple[str, ...] = ()
    help: str = ""


@dataclass(frozen=True, slots=True)
class Number:
    """Reads a number from `low` to `high`; `name` is how a refusal calls it."""

    name: str
    low: float
    high: float
    whole: bool = False

    def __call__(self, value: Any) -> float:
        """The number that was written, as text or as a number."""
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if math.isnan(number) or (self.whole and math.isfinite(number) and number != int(number)):
            kind = "a whole number" if self.whole else "a number"
            raise BadInputRefusal(f"The {self.name} has to be {kind}, not {str(value)[:40]!r}.")
        check_range(self.name, number, self.low, self.high)
        return int(number) if self.whole else number


@dataclass(frozen=True, slots=True)
class Text:
    """Reads a short text."""

    name: str

    def __call__(self, value: Any) -> str:
        """The text without blanks around it."""
        if not isinstance(value, str):
            raise BadInputRefusal(f"The {self.name} has to be text.")
        check_length(self.name, value)
        return value.strip()


@dataclass(frozen=True, slots=True)
class Choice:
    """Reads one of a few values, each by what it is written as."""

    name: str
    choices: Mapping[Any, Any]

    @property
    def words(self) -> tuple[str, ...]:
        """What can be written."""
        return tuple(choice for choice in self.choices if isinstance(choice, str))

    def __call__(self, value: Any) -> Any:
        """The value that was chosen."""
        key = value.lower() if isinstance(value, str) else value
        if isinstance(key, list | dict) or key not in self.choices:
            known = ", ".join(self.words)
            raise BadInputRefusal(f"The {self.name} can be {known}; not {str(value)[:40]!r}.")
        return self.choices[key]


def read_length(value: Any) -> Length:
    """`10`, `10s`, `16 beats`, `4 bars`; a number counts seconds.

    Raises:
        BadInputRefusal: anything else.
    """
    match = None if isinstance(value, bool) else _LENGTH.match(str(value))
    unit = (match["unit"].lower().rstrip("s") or "s") if match else ""
    if match is None or unit not in _UNITS:
        raise BadInputRefusal(
            f"The length can be seconds, beats or bars, such as 10s or 4bars; not "
            f"{str(value)[:40]!r}."
        )
    return Length(float(match["value"].replace(",", ".")), _UNITS[unit])  # type: ignore[arg-type]


def _read_loras(value: Any) -> tuple[AdapterUse, ...]:
    """`name`, `name:0.8`, or several with commas between."""
    if not isinstance(value, str):
        raise BadInputRefusal("A LoRA has to be named by text, such as vinyl:0.8.")
    uses = []
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, _, weight = part.partition(":")
        uses.append(AdapterUse(name.strip(), Number("weight of a LoRA", -2, 2)(weight or 1)))
    return tuple(uses)


OPTIONS: Mapping[str, Option] = {
    "seed": Option(
        Number("seed", 0, MAX_SEED, whole=True), "7", "seed", help="The same seed, the same loop"
    ),
    "steps": Option(
        Number("number of steps", 1, MAX_STEPS, whole=True),
        "12",
        "steps",
        help="Denoising steps: more is finer and slower",
    ),
    "guidance": Option(
        Number("guidance", 0, MAX_GUIDANCE_SCALE),
        "7",
        "guidance_scale",
        ("cfg", "scale"),
        help="How closely to follow the words",
    ),
    "negative": Option(
        Text("negative prompt"),
        '"vocals"',
        "negative",
        ("neg", "without"),
        help="What to avoid, such as vocals",
    ),
    "bpm": Option(
        Number("tempo", _SLOWEST, _FASTEST),
        "90",
        "bpm",
        ("tempo",),
        help="Tempo in beats per minute",
    ),
    "length": Option(
        read_length,
        "4bars",
        "length",
        ("duration", "seconds"),
        help="How long: 10s, 16beats or 8bars",
    ),
    "clips": Option(
        Number("number of clips", 1, MAX_CLIPS, whole=True),
        "3",
        "clips",
        ("count",),
        help="How many clips to make",
    ),
    "strength": Option(
        Number("strength", 0, 1),
        "0.6",
        "strength",
        ("denoise", "denoising"),
        help="How far to go from what it starts from",
    ),
    "distance": Option(
        Number("distance of a variation", 0, 1),
        "0.3",
        "variation",
        help="How far from the clip a variation is",
    ),
    "side": Option(
        Choice("side", {"right": "right", "left": "left"}),
        "left",
        "side",
        help="Where to go on: after the end or before the beginning",
    ),
    "loop": Option(
        Choice("loop", {"yes": True, "no": False, True: True, False: False}),
        "no",
        "loop",
        help="Whether the end joins the start",
    ),
    "start": Option(
        Choice("start", {"noise": "noise", "loop": "loop"}),
        "loop",
        "start",
        ("from",),
        help="Start from noise or from a stored loop",
    ),
    "sampler": Option(Text("sampler"), "euler", "sampler", help="How to denoise, such as euler"),
    "lora": Option(
        _read_loras,
        "vinyl:0.8",
        "adapters",
        ("loras",),
        help="LoRAs by name, with weights if wanted: vinyl:0.8",
    ),
}
"""Every option by name."""

_NAMES = {
    **{name: name for name in OPTIONS},
    **{alias: name for name, option in OPTIONS.items() for alias in option.aliases},
}


def known_option(name: str, allowed: Sequence[str]) -> str:
    """The option that people mean by `name`.

    Raises:
        BadInputRefusal: there is none, or it does not go with this command.
    """
    found = _NAMES.get(name)
    if found is not None and found in allowed:
        return found
    if found is not None:
        raise BadInputRefusal(
            f"--{found} does not go with this command; there are --{', --'.join(allowed)}."
        )
    raise BadInputRefusal(f"I do not know --{name}; {nearest(name, allowed)}")


def nearest(name: str, allowed: Sequence[str], form: str = "--{}") -> str:
    """The end of a sentence that points to what there is, each written as `form` says."""
    names = [n for n, own in _NAMES.items() if own in allowed]
    near = difflib.get_close_matches(name, [*names, *allowed], n=1)
    if near:
        return f"did you mean {form.format(near[0])}?"
    return f"there are {', '.join(form.format(one) for one in allowed)}."


def read_option(name: str, value: Any) -> Any:
    """The value of an option.

    Raises:
        BadInputRefusal: of the wrong type or out of range; the sentence names the range.
    """
    try:
        return OPTIONS[name].read(value)
    except BadRequestError as error:
        raise BadInputRefusal(str(error)) from error
