"""The application commands that the bot registered, checked as "Application Commands" documents.

`CommandBook.find` and `Command.fill` do what Discord's client does with them: they show who may
use a command where, and let nothing be sent that an option's type, range or choices forbid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import regex

from tests.peers.discord.limits import length
from tests.peers.discord.permissions import Permission

CHAT_INPUT, USER_MENU, MESSAGE_MENU = 1, 2, 3
SUB_COMMAND, SUB_COMMAND_GROUP, STRING, INTEGER, BOOLEAN = 1, 2, 3, 4, 5
USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = 6, 7, 8, 9, 10, 11
GUILD, BOT_DM, PRIVATE_CHANNEL = 0, 1, 2
GUILD_INSTALL, USER_INSTALL = 0, 1
MOST_COMMANDS = {CHAT_INPUT: 100, USER_MENU: 15, MESSAGE_MENU: 15}
MAX_TEXT = 8000
_NAME = regex.compile(r"[-_'\p{L}\p{N}\p{sc=Deva}\p{sc=Thai}]{1,32}")
_LARGEST = 2**53


class NotOfferedError(AssertionError):
    """Discord's own client would not let a user do this, so no bot ever sees it."""


@dataclass(frozen=True, slots=True)
class Command:
    """A registered command, as Discord keeps it."""

    id: int
    data: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.data["name"])

    @property
    def kind(self) -> int:
        return int(self.data.get("type") or CHAT_INPUT)

    def to_json(self, application_id: int) -> dict[str, Any]:
        return {
            **{key: value for key, value in self.data.items() if value is not None},
            "id": str(self.id),
            "application_id": str(application_id),
            "type": self.kind,
            "description": self.data.get("description") or "",
            "default_member_permissions": self.data.get("default_member_permissions"),
            "version": str(self.id),
        }

    def is_offered(self, context: int, installs: set[int], may: Permission) -> bool:
        """Whether a user sees it, by where they are, how the app got there and what they may."""
        contexts = self.data.get("contexts")
        if contexts is None:
            contexts = [GUILD] if self.data.get("dm_permission") is False else [GUILD, BOT_DM]
            if USER_INSTALL in (self.data.get("integration_types") or ()):
                contexts.append(PRIVATE_CHANNEL)
        if context not in contexts:
            return False
        if not installs & set(self.data.get("integration_types") or [GUILD_INSTALL]):
            return False
        needed = self.data.get("default_member_permissions")
        if needed is None or context != GUILD or may & Permission.ADMINISTRATOR:
            return True
        return int(needed) != 0 and int(may) & int(needed) == int(needed)

    def at(self, path: list[str]) -> tuple[list[dict[str, Any]], list[tuple[str, int]]]:
        """The options of the (sub)command at `path`, and the groups and subcommands on the way."""
        options: list[dict[str, Any]] = self.data.get("options") or []
        way: list[tuple[str, int]] = []
        for name in path:
            found = next((o for o in options if o["name"] == name and o["type"] <= 2), None)
            if found is None:
                names = [o["name"] for o in options]
                raise NotOfferedError(f"/{self.name} has no subcommand {name!r}, only {names}")
            way.append((name, found["type"]))
            options = found.get("options") or []
        if any(option["type"] <= SUB_COMMAND_GROUP for option in options):
            raise NotOfferedError(f"/{self.name} {' '.join(path)} needs a subcommand")
        return options, way


class CommandBook:
    """What the bot registered, globally and per guild."""

    def __init__(self) -> None:
        self.everywhere: dict[int, Command] = {}
        self.in_guild: dict[int, dict[int, Command]] = {}
        self.synced = 0

    def find(self, name: str, kind: int, guild_id: int | None) -> Command:
        """A guild's own command goes before a global one of the same name.

        Raises:
            NotOfferedError: none is registered.
        """
        own = {} if guild_id is None else self.in_guild.get(guild_id, {})
        for commands in (own, self.everywhere):
            for command in commands.values():
                if (command.name, command.kind) == (name, kind):
                    return command
        names = sorted(c.name for c in self.everywhere.values())
        raise NotOfferedError(f"no command {name!r} is registered, only {names}")


def check_option(option: dict[str, Any], value: object) -> Any:
    """The value as Discord's client sends it.

    Raises:
        NotOfferedError: the client refuses to send it.
    """
    name, kind = option["name"], option["type"]
    choices = option.get("choices") or []
    if choices:
        for choice in choices:
            if value in (choice["name"], choice["value"]):
                return choice["value"]
        raise NotOfferedError(f"{name} has no choice {value!r}")
    if kind == STRING:
        text = value if isinstance(value, str) else str(value)
        least, most = option.get("min_length") or 0, option.get("max_length") or 6000
        if not least <= len(text) <= most:
            raise NotOfferedError(f"{name} takes {least} to {most} characters, not {len(text)}")
        return text
    if kind == BOOLEAN and isinstance(value, bool):
        return value
    if kind in {INTEGER, NUMBER} and isinstance(value, int | float) and not isinstance(value, bool):
        if kind == INTEGER and value != int(value):
            raise NotOfferedError(f"{name} takes whole numbers, not {value}")
        least, most = option.get("min_value", -_LARGEST), option.get("max_value", _LARGEST)
        if not least <= value <= most:
            raise NotOfferedError(f"{name} takes {least} to {most}, not {value}")
        return int(value) if kind == INTEGER else float(value)
    if kind in {USER, CHANNEL, ROLE, MENTIONABLE, ATTACHMENT}:
        return str(getattr(value, "id", value))
    raise NotOfferedError(f"{name} does not take {value!r}")


def check_commands(given: list[dict[str, Any]]) -> list[str]:
    """What is wrong with a set of commands that is to replace all others."""
    found: list[str] = []
    kinds = Counter(int(command.get("type") or CHAT_INPUT) for command in given)
    for kind, count in kinds.items():
        if count > MOST_COMMANDS.get(kind, 0):
            found.append(f"{count} commands of type {kind}")
    names = Counter((command.get("type") or CHAT_INPUT, command["name"]) for command in given)
    found += [f"the command {name!r} twice" for (_, name), count in names.items() if count > 1]
    for command in given:
        found += [f"command {command['name']!r}: {what}" for what in _check_command(command)]
    return found


def check_choices(choices: list[Mapping[str, Any]]) -> list[str]:
    """What is wrong with choices, fixed or autocompleted."""
    found = [] if len(choices) <= 25 else [f"{len(choices)} choices"]
    for choice in choices:
        found += length("a choice's name", str(choice.get("name", "")), 100, least=1)
        if isinstance(choice.get("value"), str):
            found += length("a choice's value", choice["value"], 100)
    return found


def _check_command(command: dict[str, Any]) -> list[str]:
    description = command.get("description") or ""
    if (command.get("type") or CHAT_INPUT) != CHAT_INPUT:
        found = length("its name", command["name"], 32, least=1)
        if description or command.get("options"):
            found.append("a description or options on a context menu")
        return found
    found = _check_name(command["name"]) + length("its description", description, 100, least=1)
    found += _check_options(command.get("options") or [], depth=0)
    if (text := _text_of(command)) > MAX_TEXT:
        found.append(f"{text} characters in all")
    if set(command.get("contexts") or ()) - {GUILD, BOT_DM, PRIVATE_CHANNEL}:
        found.append(f"contexts {command['contexts']}")
    return found


def _check_name(name: str) -> list[str]:
    if not _NAME.fullmatch(name):
        return [f"the name {name!r}"]
    return [f"the name {name!r}, which is not in lower case"] if name != name.lower() else []


def _check_options(options: list[dict[str, Any]], depth: int) -> list[str]:
    found = [] if len(options) <= 25 else [f"{len(options)} options"]
    twice = [n for n, count in Counter(o["name"] for o in options).items() if count > 1]
    found += [f"the option {name!r} twice" for name in twice]
    if len({option["type"] <= SUB_COMMAND_GROUP for option in options}) > 1:
        found.append("subcommands beside options")
    required = [bool(option.get("required")) for option in options]
    if required != sorted(required, reverse=True):
        found.append("a required option after one that is not")
    for option in options:
        found += [f"option {option['name']!r}: {what}" for what in _check_option(option, depth)]
    return found


def _check_option(option: dict[str, Any], depth: int) -> list[str]:
    kind, choices = option["type"], option.get("choices") or []
    found = _check_name(option["name"])
    found += length("its description", option.get("description") or "", 100, least=1)
    if (kind == SUB_COMMAND_GROUP and depth > 0) or (kind == SUB_COMMAND and depth > 1):
        found.append("subcommands nested too deep")
    found += _check_options(option.get("options") or [], depth + 1)
    found += check_choices(choices)
    if option.get("autocomplete") and choices:
        found.append("both choices and autocomplete")
    if (option.get("autocomplete") or choices) and kind not in {STRING, INTEGER, NUMBER}:
        found.append(f"choices for an option of type {kind}")
    for name in ("min_value", "max_value"):
        value = option.get(name)
        if value is not None and (kind not in {INTEGER, NUMBER} or abs(value) > _LARGEST):
            found.append(f"a {name} of {value}")
        if kind == INTEGER and value is not None and not isinstance(value, int):
            found.append(f"a {name} of {value} for whole numbers")
    for name, least in (("min_length", 0), ("max_length", 1)):
        value = option.get(name)
        if value is not None and (kind != STRING or not least <= value <= 6000):
            found.append(f"a {name} of {value}")
    return found


def _text_of(part: dict[str, Any]) -> int:
    """Characters of names, descriptions and values, with everything inside."""
    own = sum(len(str(part.get(key) or "")) for key in ("name", "description"))
    value = part.get("value")
    own += len(value) if isinstance(value, str) else 0
    inner = [*(part.get("options") or []), *(part.get("choices") or [])]
    return own + sum(_text_of(each) for each in inner)
