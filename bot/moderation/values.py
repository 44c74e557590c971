"""The kinds of values that settings take: how each is read, checked, shown and described.

A value is plain JSON, so that it can be stored, exported and compared. What people write is read
here, from a chat line, a form or a TOML file alike; a bad value is refused in one sentence that
names the range.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from bot.errors import BadInputRefusal
from bot.options import read_length
from generation.errors import BadRequestError

AUTO = "auto"
NOT_SET = "not set"
_YES = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
_SHORTEST, _LONGEST = 1, 600
# Entries of a list go by line or comma; a regular expression between slashes may hold commas.
_ENTRY = re.compile(r"\s*(/(?:\\.|[^/\\\n])+/|[^,\n]+)\s*(?:[,\n]|\Z)")


class Kind(Protocol):
    """One kind of value."""

    @property
    def range(self) -> str:
        """What is allowed, as it ends a sentence: `a whole number from 1 to 100`."""

    def read(self, name: str, raw: Any) -> Any:
        """The plain value of what was written.

        Raises:
            BadInputRefusal: of the wrong type or out of range.
        """

    def show(self, value: Any) -> str:
        """The value as it could be written; `read` gives it back."""


def _refuse(name: str, kind: Kind, raw: Any) -> NoReturn:
    text = raw if isinstance(raw, str) else repr(raw)
    raise BadInputRefusal(f"{name} has to be {kind.range}, not {text[:40]}.")


def _is_auto(raw: Any) -> bool:
    return raw is None or (isinstance(raw, str) and raw.strip().lower() == AUTO)


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `low` to `high`; None, written `auto`, leaves the choice to the checkpoint."""

    low: float
    high: float
    whole: bool = False
    auto: bool = False

    @property
    def range(self) -> str:
        """For example `a number from 0 to 30 or auto`."""
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.low:.12g} to {self.high:.12g}{' or auto' if self.auto else ''}"

    def read(self, name: str, raw: Any) -> float | None:
        """A number within the range."""
        if self.auto and _is_auto(raw):
            return None
        try:
            number = math.nan if isinstance(raw, bool) else float(raw)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not self.low <= number <= self.high or (self.whole and number != int(number)):
            _refuse(name, self, raw)
        return int(number) if self.whole else number

    def show(self, value: Any) -> str:
        """For example `12`."""
        return AUTO if value is None else f"{value:.12g}"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    choices: tuple[str, ...]

    @property
    def range(self) -> str:
        """For example `everyone, roles or followers`."""
        return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"

    def read(self, name: str, raw: Any) -> str:
        """One of the choices, in whatever case it was written."""
        text = raw.strip().lower() if isinstance(raw, str) else ""
        if text not in self.choices:
            _refuse(name, self, raw)
        return text

    def show(self, value: Any) -> str:
        """The word."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no."""

    range: str = "yes or no"

    def read(self, name: str, raw: Any) -> bool:
        """True or False."""
        value = raw if isinstance(raw, bool) else _YES.get(str(raw).strip().lower())
        if value is None:
            _refuse(name, self, raw)
        return value

    def show(self, value: Any) -> str:
        """`yes` or `no`."""
        return "yes" if value else "no"


@dataclass(frozen=True, slots=True)
class Duration:
    """The length of a clip, stored as it is written: `8 bars`, `10 seconds`, or None for auto."""

    range: str = "1 to 600 seconds, beats or bars such as 10s or 4bars, or auto"

    def read(self, name: str, raw: Any) -> str | None:
        """For example `4 bars`."""
        if _is_auto(raw):
            return None
        try:
            length = read_length(raw)
        except (BadInputRefusal, BadRequestError):
            _refuse(name, self, raw)
        if not _SHORTEST <= length.value <= _LONGEST:
            _refuse(name, self, raw)
        return f"{round(length.value, 3):g} {length.unit}"

    def show(self, value: Any) -> str:
        """As it is stored."""
        return AUTO if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Text:
    """A short text on one line; empty stands for no choice, and is written as `unset` says."""

    longest: int = 100
    unset: str = NOT_SET

    @property
    def range(self) -> str:
        """For example `a text of at most 100 characters or not set`."""
        return f"a text of at most {self.longest} characters or {self.unset}"

    def read(self, name: str, raw: Any) -> str:
        """The text without blanks around it."""
        if not isinstance(raw, str) or len(raw) > self.longest or not raw.isprintable():
            _refuse(name, self, raw)
        text = raw.strip()
        return "" if text.lower() in (AUTO, NOT_SET) else text

    def show(self, value: Any) -> str:
        """The text."""
        return value or self.unset


def any_entry(entry: str) -> str:
    """An entry of a list that may be anything."""
    return entry


@dataclass(frozen=True, slots=True)
class Entries:
    """A list of texts, each of which `check` lets pass (or rewrites); written with commas."""

    what: str = "names"
    most: int = 500
    longest: int = 200
    check: Callable[[str], str] = any_entry

    @property
    def range(self) -> str:
        """For example `up to 500 names with commas between`."""
        return f"up to {self.most} {self.what} of at most {self.longest} characters"

    def read(self, name: str, raw: Any) -> list[str]:
        """The entries, in order, each once."""
        if isinstance(raw, str):
            raw = [match[1].strip() for match in _ENTRY.finditer(raw)]
        if not isinstance(raw, list | tuple) or not all(isinstance(one, str) for one in raw):
            _refuse(name, self, raw)
        entries = list(dict.fromkeys(one.strip() for one in raw if one.strip()))
        if len(entries) > self.most or any(len(one) > self.longest for one in entries):
            raise BadInputRefusal(f"{name} takes {self.range}.")
        return list(dict.fromkeys(self.check(one) for one in entries))

    def show(self, value: Any) -> str:
        """With commas between."""
        return ", ".join(value)


@dataclass(frozen=True, slots=True)
class Shares:
    """A number for each of some roles: `moderator=4, 1234=2`."""

    low: float
    high: float
    most: int = 50

    @property
    def range(self) -> str:
        """For example `roles with numbers from 0 to 100, such as moderator=4`."""
        return f"roles with numbers from {self.low:g} to {self.high:g}, such as moderator=4"

    def read(self, name: str, raw: Any) -> dict[str, float]:
        """The number of each role."""
        if isinstance(raw, str):
            parts = [part.rpartition("=") for part in raw.split(",") if part.strip()]
            raw = {role.strip(): number.strip() for role, _, number in parts}
        if not isinstance(raw, Mapping) or len(raw) > self.most or "" in raw:
            _refuse(name, self, raw)
        one = Number(self.low, self.high)
        try:
            return {str(role): one.read(name, number) or 0.0 for role, number in raw.items()}
        except BadInputRefusal:
            _refuse(name, self, self.show(raw))

    def show(self, value: Any) -> str:
        """For example `moderator=4, subscriber=2`."""
        return ", ".join(
            f"{role}={number:g}" if isinstance(number, float) else f"{role}={number}"
            for role, number in value.items()
        )
