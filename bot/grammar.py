"""`!riff lo-fi beat --seed 42` → what is being asked, with errors that say what to write instead.

Every platform reads its messages here, so a command means the same everywhere. Text is taken as
people type it: prompts need no quotes, an option may stand anywhere after the command, `--seed=4`
and `--seed 4` are the same, and typographic dashes and quotes (phones make them) count as plain.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.ask import Ask, Follow, How
from bot.errors import BadInputRefusal
from bot.options import OPTIONS, known_option, nearest, read_option
from generation.errors import BadRequestError
from generation.request import MAX_POINTS, MAX_PROMPT_CHARACTERS, Point, Source, check_prompt

__all__ = ["Ask", "Command", "ask_from_json", "follow_from_json", "parse_ask", "parse_blend",
           "parse_follow", "parse_options", "parse_upload", "read_command"]  # fmt: skip

FOLLOWS: Mapping[str, How] = {
    "again": "again",
    "variation": "variation",
    "vary": "variation",
    "extend": "extend",
    "remix": "remix",
}
"""Commands that start from an earlier clip."""

COMMANDS = ("riff", "blend", *FOLLOWS, "riffhelp")
OWN = ("cancel", "history", "privacy")
"""Commands about what somebody asked for before; `!queue` without more is one of them too."""

MODERATION = ("riffset", "block", "unblock", "timeout", "queue", "panic", "resume")
"""Commands of `bot.moderation.commands`, for the platforms that answer them."""

HELP = (
    "!riff lo-fi beat — makes a loop. !blend rain -> techno — goes from one to the other. "
    "!again, !variation, !extend and !remix jazz build on the last clip. "
    "Options: --seed 42 (same seed, same loop), --bpm 90, --length 8bars, "
    '--negative "vocals" (what to avoid), --steps 12 (more is slower), --guidance 4 (how closely '
    "to follow the words); (word:1.3) counts more. !queue, !cancel, !history and !privacy are "
    "about what you asked for."
)

_DRAWING = (
    "seed",
    "steps",
    "guidance",
    "negative",
    "bpm",
    "length",
    "loop",
    "start",
    "sampler",
    "lora",
)
_RIFF = (*_DRAWING, "clips")
_BLEND = (*_DRAWING, "clips", "strength")
_FOLLOW: Mapping[How, tuple[str, ...]] = {
    "again": ("seed",),
    "variation": ("distance",),
    "extend": ("length", "side", "seed", "steps", "guidance"),
    "remix": ("strength", "length", "bpm", "negative", "seed", "steps", "guidance", "sampler"),
}
_REMIX = (*_DRAWING, "strength", "clips")
OPTIONS_OF: Mapping[str, tuple[str, ...]] = {
    "riff": _RIFF,
    "blend": _BLEND,
    **dict(_FOLLOW.items()),
}
"""The options that each command takes, for platforms with forms and menus."""

_COMMAND = re.compile(r"\s*!(?P<name>[A-Za-z]+)(?:\s+(?P<rest>.*))?\s*\Z", re.DOTALL)
_OPTION = re.compile(r"(?:(?<=\s)|\A)--(?P<name>[A-Za-z][\w-]*)(?P<equals>=?)")
_VALUE = re.compile(r'\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>(?!--[A-Za-z])\S+))')
# Phones turn "--" at the start of a word into a dash, and straight quotes into curly ones.
_DASHES = re.compile("(?:(?<=\\s)|\\A)[\u2013\u2014](?=[A-Za-z])")
_QUOTES = str.maketrans({"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00a0": " "})
_ARROWS = re.compile(r"\s*(?:[-=]+>|\u2192|\u27a1\ufe0f?)\s*")
_PLUS = re.compile(r"\s+\+\s+")
_SHARE = re.compile(r":\s*(?P<weight>\d+(?:\.\d+)?)\s*\Z|\A\s*(?P<percent>\d{1,3})\s*%\s*")


@dataclass(frozen=True, slots=True)
class Command:
    """A chat command and the rest of its line."""

    name: str
    rest: str


def read_command(text: str, names: Sequence[str] = COMMANDS) -> Command | None:
    """The command in a chat message, or None when the message is not for us.

    `!Riff` counts as `!riff`; a near miss such as `!rif` is answered with the right name. `names`
    are the commands that the platform answers.

    Raises:
        BadInputRefusal: the message almost names one of our commands.
    """
    match = _COMMAND.match(text)
    if match is None:
        return None
    name = match["name"].lower()
    if name in names:
        return Command(name, (match["rest"] or "").strip())
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    if near:
        raise BadInputRefusal(f"There is no !{name}; did you mean !{near[0]}?")
    return None


def parse_ask(rest: str) -> Ask:
    """Read the line after `!riff`.

    Raises:
        BadInputRefusal: no prompt, an unknown option, or a value out of range.
    """
    prompt, options = _split(rest, _RIFF)
    return Ask(prompt=_prompt(prompt), **options)


def parse_blend(rest: str) -> Ask:
    """Read the line after `!blend`: `rain -> techno`, or `rain + techno:2 + 30% choir`.

    An arrow goes from one prompt to the other, in five clips unless `--clips` says otherwise; plus
    signs mix prompts in one clip.

    Raises:
        BadInputRefusal: fewer than two prompts, too many, or what `parse_ask` refuses.
    """
    text, options = _split(rest, _BLEND)
    ends = _ARROWS.split(text)
    if len(ends) == 2:
        return _blend(ends[0], ends[1], options)
    parts = _PLUS.split(text)
    if len(ends) != 1 or not 2 <= len(parts) <= MAX_POINTS:
        raise BadInputRefusal(
            "Name two prompts with an arrow between, such as !blend rain -> techno, or up to "
            f"{MAX_POINTS} with plus signs."
        )
    points = tuple(_share(part) for part in parts)
    return Ask(prompt=_title(" + ", points), kind="mix", points=points, **options)


def parse_options(text: str, command: str = "riff") -> dict[str, Any]:
    """Read options alone, such as `--bpm 90 --length 4bars`, by field of `Ask`.

    Raises:
        BadInputRefusal: words between them, or what `parse_ask` refuses.
    """
    words, options = _split(text, OPTIONS_OF[command])
    if words:
        raise BadInputRefusal(f"Options are written like --bpm 90; I cannot read {words[:40]!r}.")
    return options


def parse_follow(command: Command) -> Follow:
    """Read a command that starts from an earlier clip, such as `!remix jazz --strength 0.6`.

    Raises:
        BadInputRefusal: as `parse_ask`; or a prompt where none belongs.
    """
    how = FOLLOWS[command.name]
    prompt, options = _split(command.rest, _FOLLOW[how])
    if prompt and how != "remix":
        raise BadInputRefusal(
            f"!{command.name} takes the prompt of the clip; for other words use !remix {prompt}."
        )
    return Follow(how, _prompt(prompt) if prompt else None, **options)


def parse_upload(command: Command, source: Source) -> Ask:
    """Read `!remix jazz` or `!extend jazz` that came with a sound or picture of its own.

    Raises:
        BadInputRefusal: no prompt, or as `parse_ask`; or a command that takes no upload.
    """
    how = FOLLOWS[command.name]
    if how not in ("remix", "extend"):
        raise BadInputRefusal(
            f"!{command.name} starts from one of my clips; !remix jazz takes a sound of yours."
        )
    prompt, options = _split(command.rest, _REMIX if how == "remix" else _FOLLOW["extend"])
    if not prompt:
        raise BadInputRefusal(f"Say what to make of it, for example !{command.name} lo-fi beat.")
    return Ask(prompt=_prompt(prompt), kind=how, sources=(source,), **options)


def ask_from_json(data: Any) -> Ask:
    """Read what a script or page posts.

    `{"prompt": …, "seed": …, …}` with any option of `!riff`; `"to"` makes a blend, `"mix"` (a list
    of `{"prompt", "weight"}`) a mix, `"source"` (the hash of an upload) a remix, with `"mask"` if
    wanted.

    Raises:
        BadInputRefusal: not an object, an unknown key, a value of the wrong type or range.
    """
    values = _object(data)
    to, mix = values.pop("to", None), values.pop("mix", None)
    sources = tuple(
        _source(role, values.pop(key))
        for key, role in (("source", "init"), ("mask", "mask"))
        if values.get(key) is not None
    )
    for unused in ("source", "mask"):
        values.pop(unused, None)
    prompt = values.pop("prompt", "")
    allowed = _BLEND if to is not None or mix is not None else _REMIX if sources else _RIFF
    options = _options(values, allowed)
    if to is not None:
        ask = _blend(_text(prompt, "prompt"), _text(to, "to"), options)
    elif mix is not None:
        points = _points(mix)
        ask = Ask(prompt=_title(" + ", points), kind="mix", points=points, **options)
    else:
        kind: Any = "remix" if sources else "text"
        ask = Ask(prompt=_prompt(_text(prompt, "prompt")), kind=kind, **options)
    return replace(ask, sources=sources)


def follow_from_json(how: str, data: Any) -> Follow:
    """Read what a page posts to build on a clip.

    Raises:
        BadInputRefusal: no such way to build on a clip, or what `ask_from_json` refuses.
    """
    if how not in _FOLLOW:
        raise BadInputRefusal(f"A clip can be followed by {', '.join(_FOLLOW)}; not {how[:40]!r}.")
    found: How = FOLLOWS[how]
    values = _object(data)
    prompt = values.pop("prompt", None) if found == "remix" else None
    options = _options(values, _FOLLOW[found])
    return Follow(found, _prompt(_text(prompt, "prompt")) if prompt else None, **options)


def _split(rest: str, allowed: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The words of a line, and its options by field."""
    plain = _DASHES.sub("--", rest.translate(_QUOTES))
    words: list[str] = []
    options: dict[str, Any] = {}
    at = 0
    while (match := _OPTION.search(plain, at)) is not None:
        words.append(plain[at : match.start()])
        name = known_option(match["name"].lower(), allowed)
        written, at = _read_value(plain, match.end(), name)
        if OPTIONS[name].field in options:
            raise BadInputRefusal(f"--{name} is there twice; please keep one of them.")
        options[OPTIONS[name].field] = read_option(name, written)
    words.append(plain[at:])
    return " ".join(" ".join(words).split()), options


def _read_value(text: str, at: int, name: str) -> tuple[str, int]:
    match = _VALUE.match(text, at)
    if match is None:
        raise BadInputRefusal(
            f"--{name} needs a value, for example --{name} {OPTIONS[name].example}."
        )
    return (match["bare"] if match["quoted"] is None else match["quoted"]), match.end()


def _prompt(text: str) -> str:
    try:
        check_prompt(text)
    except BadRequestError as error:
        raise BadInputRefusal(str(error)) from error
    return text.strip()


def _blend(start: str, end: str, options: dict[str, Any]) -> Ask:
    points = Point(_prompt(start)), Point(_prompt(end))
    return Ask(
        prompt=_title(" \u2192 ", points),
        kind="blend",
        points=points,
        **{"clips": 5, **options},
    )


def _share(text: str) -> Point:
    """`techno`, `techno:2` or `30% techno`."""
    match = _SHARE.search(text)
    if match is None:
        return Point(_prompt(text))
    words = text[: match.start()] + text[match.end() :]
    return _point(words, float(match["weight"] or match["percent"]))


def _point(text: str, weight: float) -> Point:
    try:
        return Point(_prompt(text), weight)
    except BadRequestError as error:
        raise BadInputRefusal(str(error)) from error


def _points(data: Any) -> tuple[Point, ...]:
    if not isinstance(data, list) or not 1 <= len(data) <= MAX_POINTS:
        raise BadInputRefusal(f'"mix" has to be a list of 1 to {MAX_POINTS} prompts.')
    points = []
    for one in data:
        if not isinstance(one, dict) or set(one) - {"prompt", "weight"}:
            raise BadInputRefusal('Each part of "mix" is {"prompt": text, "weight": number}.')
        weight = one.get("weight", 1.0)
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise BadInputRefusal('The "weight" of a prompt has to be a number.')
        points.append(_point(_text(one.get("prompt"), "prompt"), float(weight)))
    return tuple(points)


def _title(between: str, points: Sequence[Point]) -> str:
    """What a clip of several prompts is called."""
    title = between.join(point.prompt for point in points)
    if len(title) <= MAX_PROMPT_CHARACTERS:
        return title
    return title[: MAX_PROMPT_CHARACTERS - 1] + "\u2026"


def _object(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise BadInputRefusal('Please send a JSON object such as {"prompt": "lo-fi beat"}.')
    return dict(data)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise BadInputRefusal(f'"{name}" has to be text.')
    return value


def _options(values: Mapping[str, Any], allowed: Sequence[str]) -> dict[str, Any]:
    options = {}
    for name, value in values.items():
        if name not in allowed:
            hint = nearest(str(name), ("prompt", *allowed), '"{}"')
            raise BadInputRefusal(f'I do not know the setting "{name}"; {hint}')
        if value is not None:
            options[OPTIONS[name].field] = read_option(name, value)
    return options


def _source(role: Any, value: Any) -> Source:
    try:
        return Source(role, _text(value, "source"))
    except BadRequestError as error:
        raise BadInputRefusal(str(error)) from error
