"""`!riff lo-fi beat --seed 42` → what is being asked, with errors that say what to write instead.

Every platform reads its messages here, so a command means the same everywhere. Text is taken as
people type it: prompts need no quotes, an option may stand anywhere after the command, `--seed=4`
and `--seed 4` are the same, and typographic dashes and quotes (phones make them) count as plain.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.errors import BadInputRefusal
from generation.errors import BadRequestError
from generation.request import (
    MAX_GUIDANCE_SCALE,
    MAX_SEED,
    MAX_STEPS,
    check_length,
    check_prompt,
    check_range,
)

COMMANDS = ("riff", "riffhelp")
HELP = (
    "!riff lo-fi beat — makes a loop. Options: --seed 42 (same seed, same loop), "
    '--negative "vocals" (what to avoid), --steps 12 (more is slower), --guidance 4 (how closely '
    "to follow the words)."
)


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody asks for; None leaves a choice to the settings.

    Raises:
        BadInputRefusal: when made by `parse_ask` or `ask_from_json` out of unusable input.
    """

    prompt: str
    seed: int | None = None
    negative: str = ""
    steps: int | None = None
    guidance_scale: float | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A chat command and the rest of its line."""

    name: str
    rest: str


@dataclass(frozen=True, slots=True)
class _Number:
    """How an option's number is read and checked."""

    name: str
    low: float
    high: float
    whole: bool


_NUMBERS: Mapping[str, _Number] = {
    "seed": _Number("seed", 0, MAX_SEED, whole=True),
    "steps": _Number("number of steps", 1, MAX_STEPS, whole=True),
    "guidance": _Number("guidance", 0, MAX_GUIDANCE_SCALE, whole=False),
}
_OPTIONS = (*_NUMBERS, "negative")
_COMMAND = re.compile(r"\s*!(?P<name>[A-Za-z]+)(?:\s+(?P<rest>.*))?\s*\Z", re.DOTALL)
_OPTION = re.compile(r"(?:(?<=\s)|\A)--(?P<name>[A-Za-z][\w-]*)(?P<equals>=?)")
_VALUE = re.compile(r'\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>(?!--[A-Za-z])\S+))')
# Phones turn "--" at the start of a word into a dash, and straight quotes into curly ones.
_DASHES = re.compile("(?:(?<=\\s)|\\A)[\u2013\u2014](?=[A-Za-z])")
_QUOTES = str.maketrans({"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00a0": " "})


def read_command(text: str) -> Command | None:
    """The command in a chat message, or None when the message is not for us.

    `!Riff` counts as `!riff`; a near miss such as `!rif` is answered with the right name.

    Raises:
        BadInputRefusal: the message almost names one of our commands.
    """
    match = _COMMAND.match(text)
    if match is None:
        return None
    name = match["name"].lower()
    if name in COMMANDS:
        return Command(name, (match["rest"] or "").strip())
    near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.75)
    if near:
        raise BadInputRefusal(f"There is no !{name}; did you mean !{near[0]}?")
    return None


def parse_ask(rest: str) -> Ask:
    """Read the line after `!riff`.

    Raises:
        BadInputRefusal: no prompt, an unknown option, or a value out of range.
    """
    plain = _DASHES.sub("--", rest.translate(_QUOTES))
    words: list[str] = []
    options: dict[str, Any] = {}
    at = 0
    while (match := _OPTION.search(plain, at)) is not None:
        words.append(plain[at : match.start()])
        name = _known_option(match["name"].lower())
        value, at = _read_value(plain, match.end(), name)
        if name in options:
            raise BadInputRefusal(f"--{name} is there twice; please keep one of them.")
        options[name] = value
    words.append(plain[at:])
    return _ask(" ".join(" ".join(words).split()), options)


def ask_from_json(data: Any) -> Ask:
    """Read what a script or page posts: `{"prompt": …, "seed": …, "steps": …, …}`.

    Raises:
        BadInputRefusal: not an object, an unknown key, a value of the wrong type or range.
    """
    if not isinstance(data, dict):
        raise BadInputRefusal('Please send a JSON object such as {"prompt": "lo-fi beat"}.')
    values = dict(data)
    prompt = values.pop("prompt", "")
    for name, value in (("prompt", prompt), ("negative", values.get("negative", ""))):
        if not isinstance(value, str):
            raise BadInputRefusal(f'"{name}" has to be text.')
    for key in values:
        if key not in _OPTIONS:
            near = difflib.get_close_matches(str(key), ("prompt", *_OPTIONS), n=1, cutoff=0.5)
            hint = f'; did you mean "{near[0]}"?' if near else "."
            raise BadInputRefusal(f'I do not know the setting "{key}"{hint}')
    return _ask(prompt, {name: value for name, value in values.items() if value is not None})


def _ask(prompt: str, options: Mapping[str, Any]) -> Ask:
    try:
        check_prompt(prompt)
        check_length("negative prompt", str(options.get("negative", "")))
        numbers = {name: _number(name, options[name]) for name in _NUMBERS if name in options}
    except BadRequestError as error:
        raise BadInputRefusal(str(error)) from error
    seed, steps = numbers.get("seed"), numbers.get("steps")
    return Ask(
        prompt=prompt.strip(),
        seed=None if seed is None else int(seed),
        negative=str(options.get("negative", "")).strip(),
        steps=None if steps is None else int(steps),
        guidance_scale=numbers.get("guidance"),
    )


def _known_option(name: str) -> str:
    if name in _OPTIONS:
        return name
    near = difflib.get_close_matches(name, _OPTIONS, n=1, cutoff=0.5)
    hint = f"did you mean --{near[0]}?" if near else f"there are --{', --'.join(_OPTIONS)}."
    raise BadInputRefusal(f"I do not know --{name}; {hint}")


def _read_value(text: str, at: int, name: str) -> tuple[str, int]:
    match = _VALUE.match(text, at)
    if match is None:
        example = '"vocals"' if name == "negative" else "7"
        raise BadInputRefusal(f"--{name} needs a value, for example --{name} {example}.")
    return (match["bare"] if match["quoted"] is None else match["quoted"]), match.end()


def _number(name: str, value: Any) -> float:
    spec = _NUMBERS[name]
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isnan(number) or (spec.whole and math.isfinite(number) and number != int(number)):
        kind = "a whole number" if spec.whole else "a number"
        raise BadInputRefusal(f"The {spec.name} has to be {kind}, not {str(value)[:40]!r}.")
    check_range(spec.name, number, spec.low, spec.high)
    return number
