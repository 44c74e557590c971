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
    """

    read: Callable[[Any], Any]
    example: str
    field: str
    aliases: tuple[str, ...] = ()


def _number(name: str, low: float, high: float, *, whole: bool = False) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if math.isnan(number) or (whole and math.isfinite(number) and number != int(number)):
            kind = "a whole number" if whole else "a number"
            raise BadInputRefusal(f"The {name} has to be {kind}, not {str(value)[:40]!r}.")
        check_range(name, number, low, high)
        return int(number) if whole else number

    return read


def _text(name: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise BadInputRefusal(f"The {name} has to be text.")
        check_length(name, value)
        return value.strip()

    return read


def _choice(name: str, choices: Mapping[Any, Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        key = value.lower() if isinstance(value, str) else value
        if isinstance(key, list | dict) or key not in choices:
            known = ", ".join(choice for choice in choices if isinstance(choice, str))
            raise BadInputRefusal(f"The {name} can be {known}; not {str(value)[:40]!r}.")
        return choices[key]

    return read


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
        uses.append(AdapterUse(name.strip(), _number("weight of a LoRA", -2, 2)(weight or 1)))
    return tuple(uses)


OPTIONS: Mapping[str, Option] = {
    "seed": Option(_number("seed", 0, MAX_SEED, whole=True), "7", "seed"),
    "steps": Option(_number("number of steps", 1, MAX_STEPS, whole=True), "12", "steps"),
    "guidance": Option(
        _number("guidance", 0, MAX_GUIDANCE_SCALE), "7", "guidance_scale", ("cfg", "scale")
    ),
    "negative": Option(_text("negative prompt"), '"vocals"', "negative", ("neg", "without")),
    "bpm": Option(_number("tempo", _SLOWEST, _FASTEST), "90", "bpm", ("tempo",)),
    "length": Option(read_length, "4bars", "length", ("duration", "seconds")),
    "clips": Option(_number("number of clips", 1, MAX_CLIPS, whole=True), "3", "clips", ("count",)),
    "strength": Option(_number("strength", 0, 1), "0.6", "strength", ("denoise", "denoising")),
    "distance": Option(_number("distance of a variation", 0, 1), "0.3", "variation"),
    "side": Option(_choice("side", {"right": "right", "left": "left"}), "left", "side"),
    "loop": Option(
        _choice("loop", {"yes": True, "no": False, True: True, False: False}), "no", "loop"
    ),
    "start": Option(
        _choice("start", {"noise": "noise", "loop": "loop"}), "loop", "start", ("from",)
    ),
    "sampler": Option(_text("sampler"), "euler", "sampler"),
    "lora": Option(_read_loras, "vinyl:0.8", "adapters", ("loras",)),
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
