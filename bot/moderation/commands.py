"""What moderators type: `!riffset steps 20`, `!timeout Ann 10m spam`, `!queue skip`, `!panic`.

Every platform hands its commands here, so they mean the same everywhere; whether somebody may is
decided behind each of them (`bot.moderation.access`), not here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.errors import BadInputRefusal
from bot.jobs import Job, Requester
from bot.moderation.audit import Entry
from bot.moderation.desk import Moderation
from bot.moderation.keys import KEYS, SECTIONS, Key, ScopeKind, find_key
from bot.moderation.scopes import Scope, scope_for, scopes_of
from bot.moderation.transfer import import_toml, to_toml

RIFFSET_HELP = (
    "!riffset KEY VALUE sets, !riffset KEY shows, !riffset show lists; also reset KEY, "
    "explain KEY, add KEY WORD, remove KEY WORD, log, export, import [--dry-run] TOML. --mine is "
    "for you alone, --here for this channel, --global for everywhere."
)
QUEUE_HELP = (
    "!queue shows what waits; !queue pause, resume, skip [PLACE], move PLACE PLACE, clear [NAME], "
    "cap NUMBER."
)
_SCOPES: Mapping[str, ScopeKind] = {
    "--mine": "user",
    "--here": "channel",
    "--global": "global",
    "--community": "community",
}
_DURATION = re.compile(r"(?P<count>\d{1,6})(?P<unit>[smhdw])\Z", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST = 366 * 86_400
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class ReplyFile:
    """A file that goes with an answer; `media_type` such as `application/zip`."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. What is `private` must not be said where others read along: a platform that has
    no private answers says `public` instead, and sends no file.

    Attributes:
        riff: id of the riff on whose page `file` is too, for platforms that send no files.
    """

    text: str
    private: bool = False
    public: str = "That is for moderators' eyes only; it is on the settings page."
    file: ReplyFile | None = None
    riff: str = ""


class Commands:
    """Answers moderators' commands."""

    def __init__(self, moderation: Moderation) -> None:
        self._moderation = moderation
        rules = moderation.rules
        self._settings, self._access, self._audit = rules.settings, rules.access, rules.audit
        self._people, self._control = moderation.people, moderation.control

    async def answer(
        self, by: Requester, name: str, rest: str, mentioned: Requester | None = None
    ) -> Reply:
        """Carry out one command.

        Args:
            by: who typed it.
            name: of `bot.grammar.MODERATION`, and `rest`, what stood after it.
            mentioned: whom the platform knows to be meant, where the text names somebody; `rest`
                then begins behind the name.

        Raises:
            ForbiddenRefusal: they may not.
            BadInputRefusal, NotFoundRefusal: what they typed makes no sense here.
        """
        everywhere = rest.strip().lower() in ("everywhere", "--global")
        match name:
            case "riffset":
                return await self._riffset(by, rest)
            case "queue":
                return await self._queue(by, rest, mentioned)
            case "panic":
                count = await self._control.panic(by, everywhere=everywhere)
                return Reply(f"Everything is stopped; {_riffs(count)} cancelled. !resume goes on.")
            case "resume":
                await self._control.resume(by, everywhere=everywhere)
                return Reply("Riffs go on.")
            case _:
                return await self._person(by, name, rest, mentioned)

    # People ---------------------------------------------------------------------------------

    async def _person(
        self, by: Requester, name: str, rest: str, mentioned: Requester | None
    ) -> Reply:
        # Checked first, so that nobody learns who is known here by trying names.
        self._access.require(by, name)
        if mentioned is None and not rest.strip():
            example = "NAME 10m REASON" if name == "timeout" else "NAME REASON"
            raise BadInputRefusal(f"Say whom: !{name} {example}.")
        whom, more = (mentioned, rest) if mentioned else await self._people.named(by, rest)
        if name == "unblock":
            await self._people.unblock(by, whom)
            return Reply(f"{whom.name} may ask for riffs again.")
        first, _, reason = more.strip().partition(" ")
        seconds = _seconds(first)
        if name == "timeout" and seconds is None:
            raise BadInputRefusal(f"Say for how long: !timeout {whom.name} 10m (s, m, h, d or w).")
        removed = await self._people.block(
            by, whom, more.strip() if seconds is None else reason, seconds
        )
        how_long = "" if seconds is None else f" for {first}"
        return Reply(
            f"{whom.name} is blocked{how_long}; {_riffs(len(removed.cancelled))} cancelled."
        )

    # Queue ----------------------------------------------------------------------------------

    async def _queue(self, by: Requester, rest: str, mentioned: Requester | None) -> Reply:
        word, _, more = rest.strip().partition(" ")
        more = more.strip()
        everywhere = more.lower() in ("everywhere", "--global")
        match word.lower():
            case "":
                return Reply(_line(await self._control.waiting(by)))
            case "pause":
                await self._control.pause(by, everywhere=everywhere)
                return Reply("The queue is paused; riffs are taken and wait. !queue resume.")
            case "resume":
                await self._control.unpause(by, everywhere=everywhere)
                return Reply("The queue goes on.")
            case "skip":
                position = _whole("place", more) if more else None
                return Reply(f"Skipped {_called(await self._control.skip(by, position))}.")
            case "move":
                self._access.require(by, "queue-move")
                places = more.split()
                if len(places) != 2:
                    raise BadInputRefusal("Say from where to where: !queue move 3 1.")
                start, to = (_whole("place", place) for place in places)
                moved = await self._control.move(by, start, to)
                return Reply(f"Moved {_called(moved)} to place {to}.")
            case "clear":
                self._access.require(by, "queue-clear")
                whom = mentioned
                if whom is None and more:
                    whom, _ = await self._people.named(by, more)
                return Reply(f"{_riffs(await self._control.clear(by, whom))} cancelled.")
            case "cap":
                self._access.require(by, "queue-cap")
                scope = scope_for(by, "community")
                change = await self._settings.set(by, scope, "community-waiting", more)
                return Reply(f"At most {change.after} riffs may wait here.")
        raise BadInputRefusal(QUEUE_HELP)

    # Settings -------------------------------------------------------------------------------

    async def _riffset(self, by: Requester, rest: str) -> Reply:
        scope, dry_run, text = _scope_in(by, rest)
        word, _, more = text.partition(" ")
        verbs: Mapping[str, Callable[[Requester, Scope, str], Awaitable[Reply]]] = {
            "show": self._show,
            "explain": self._explain,
            "reset": self._reset,
            "add": self._add,
            "remove": self._remove,
            "log": self._log,
            "export": self._export,
        }
        if not text:
            self._access.require(by, "settings-show")
            return Reply(RIFFSET_HELP)
        first_line = text.split(maxsplit=1)
        if first_line[0].lower() == "import":
            toml = first_line[1] if len(first_line) > 1 else ""
            return await self._import(by, scope, toml, dry_run=dry_run)
        if word.lower() in verbs:
            return await verbs[word.lower()](by, scope, more.strip())
        if word.lower() == "set":
            text = more.strip()
        name, value = _assignment(text)
        if value is None:
            return await self._show(by, scope, name)
        return await self._set(by, scope, name, value)

    async def _set(self, by: Requester, scope: Scope, name: str, value: str) -> Reply:
        key = find_key(name)
        self._access.require_change(by, scope, key)
        change = await self._settings.set(by, scope, name, value)
        shown = key.kind.show(change.after) or "empty"
        later = f" (It will count once there is {key.consumer}.)" if key.consumer else ""
        text = f"{key.name} is now {shown} for {scope.label(by)}.{later}"
        return Reply(text, key.private, f"{key.name} was changed for {scope.label(by)}.")

    async def _reset(self, by: Requester, scope: Scope, name: str) -> Reply:
        key = find_key(name)
        self._access.require_change(by, scope, key)
        await self._settings.reset(by, scope, name)
        value = key.kind.show(self._settings.find(key, scopes_of(by)).value) or "empty"
        text = f"{key.name} is no longer set for {scope.label(by)}; what applies is {value}."
        return Reply(text, key.private, f"{key.name} was reset for {scope.label(by)}.")

    async def _add(self, by: Requester, scope: Scope, text: str) -> Reply:
        return await self._edit(by, scope, text, add=True)

    async def _remove(self, by: Requester, scope: Scope, text: str) -> Reply:
        return await self._edit(by, scope, text, add=False)

    async def _edit(self, by: Requester, scope: Scope, text: str, *, add: bool) -> Reply:
        name, _, entry = text.partition(" ")
        key = find_key(name)
        self._access.require_change(by, scope, key)
        change = await (self._settings.add if add else self._settings.remove)(
            by, scope, name, entry
        )
        count = len(change.after or [])
        return Reply(f"{key.name} has {count} entries for {scope.label(by)} now.")

    async def _show(self, by: Requester, scope: Scope, name: str) -> Reply:
        self._access.require(by, "settings-show")
        if name:
            key = find_key(name)
            return self._about(by, key, f"{key.name} is {self._value(by, key)}. {key.help}")
        parts = []
        for section, title in SECTIONS.items():
            keys = [key for key in KEYS.values() if key.section == section and not key.private]
            values = ", ".join(f"{key.name} {self._value(by, key)}" for key in keys)
            parts.append(f"{title}: {values}.")
        return Reply("\n".join(parts))

    async def _explain(self, by: Requester, scope: Scope, name: str) -> Reply:
        self._access.require(by, "settings-show")
        key = find_key(name)
        found = self._settings.find(key, scopes_of(by))
        if found.scope is not None:
            source = f"which was set for {found.scope.label(by)}"
        elif found.configured:
            source = "which is in the configuration file"
        else:
            source = "which is the default"
        if found.limit is not None:
            source += ", within what the owner of this bot allows"
        text = f"{key.name} is {self._value(by, key)}, {source}. {key.help} It can be "
        return self._about(by, key, f"{text}{key.kind.range}.")

    async def _log(self, by: Requester, scope: Scope, text: str) -> Reply:
        self._access.require(by, "log")
        entries = await self._audit.latest(by.platform, by.community, _SHOWN)
        lines = [log_line(entry) for entry in entries]
        return Reply("\n".join(lines) or "Nothing was done here yet.", private=True)

    async def _export(self, by: Requester, scope: Scope, text: str) -> Reply:
        self._access.require(by, "settings-global" if scope.kind == "global" else "settings-export")
        return Reply(to_toml(self._settings, scope), private=True)

    async def _import(self, by: Requester, scope: Scope, toml: str, *, dry_run: bool) -> Reply:
        changes = await import_toml(self._settings, self._access, by, scope, toml, dry_run=dry_run)
        if not changes:
            return Reply("That changes nothing.")
        verb = "This would change" if dry_run else "Changed"
        lines = [f"{verb} for {scope.label(by)}:", *(change.line() for change in changes)]
        return Reply("\n".join(lines), private=True)

    def _value(self, by: Requester, key: Key) -> str:
        return key.kind.show(self._settings.find(key, scopes_of(by)).value) or "empty"

    def _about(self, by: Requester, key: Key, text: str) -> Reply:
        """What is said of a private setting is for moderators, and not in public."""
        if not key.private:
            return Reply(text)
        self._access.require(by, "settings-community")
        count = len(self._settings.find(key, scopes_of(by)).value)
        return Reply(text, True, f"{key.name} has {count} entries. {key.help}")


def log_line(entry: Entry) -> str:
    """An entry of the audit log as people read it."""
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(entry.at))
    values = ""
    if entry.before is not None or entry.after is not None:
        values = f": {_plain(entry.before)} \u2192 {_plain(entry.after)}"
    return f"{when} {entry.by.name}: {entry.action} {entry.target}{values}".rstrip()


def _plain(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "empty"
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items() if v not in (None, "")) or "empty"
    return str(value)


def _scope_in(by: Requester, rest: str) -> tuple[Scope, bool, str]:
    """Where a `!riffset` is to count, whether it is only a rehearsal, and the rest of the line."""
    kind: ScopeKind = "community"
    dry_run = False
    # Blanks within what remains are kept: an import has lines.
    text = rest
    for option, scope_kind in _SCOPES.items():
        text, count = re.subn(rf"(?<!\S){option}(?!\S)", "", text, count=1)
        kind = scope_kind if count else kind
    text, count = re.subn(r"(?<!\S)--dry-run(?!\S)", "", text, count=1)
    dry_run = count > 0
    return scope_for(by, kind), dry_run, text.strip()


def _assignment(text: str) -> tuple[str, str | None]:
    """`steps 20`, `steps=20` and `steps = 20`; without a value, the setting is only named."""
    match = re.match(r"(?P<name>[^\s=]+)\s*(?:=\s*|\s)(?P<value>.*)\Z", text, re.DOTALL)
    if match is None or not match["value"].strip():
        return text.strip(" ="), None
    return match["name"], match["value"].strip().strip('"')


def _seconds(text: str) -> float | None:
    match = _DURATION.match(text)
    if match is None:
        return None
    seconds = int(match["count"]) * _SECONDS[match["unit"].lower()]
    if not 1 <= seconds <= _LONGEST:
        raise BadInputRefusal(f"A time out lasts from 1s to a year, not {text}; or use !block.")
    return float(seconds)


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise BadInputRefusal(f"The {name} has to be a whole number, not {text[:40]!r}.")
    return int(text)


def _called(job: Job) -> str:
    return f"\u201c{job.request.prompt[:80]}\u201d by {job.requester.name}"


def _riffs(count: int) -> str:
    return "1 riff was" if count == 1 else f"{count} riffs were"


def _line(jobs: list[Job]) -> str:
    if not jobs:
        return "Nothing is waiting here."
    lines = [f"{index}. {_called(job)}" for index, job in enumerate(jobs[:_SHOWN], 1)]
    more = len(jobs) - _SHOWN
    return "\n".join([*lines, f"and {more} more"] if more > 0 else lines)
