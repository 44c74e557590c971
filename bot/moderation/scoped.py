"""Settings by scope: global → community → channel → user, the innermost that says something.

All of them are held in memory, so finding what applies to a request costs nothing to speak of; a
change is in the database, with its entry in the audit log, before it applies, and it applies to the
next job.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.errors import BadInputRefusal
from bot.jobs import Requester
from bot.limits import RateLimit
from bot.moderation.audit import Audit
from bot.moderation.keys import KEYS, Key, find_key, shipped_words
from bot.moderation.scopes import GLOBAL, Scope, scopes_of
from bot.moderation.values import Entries
from bot.options import read_length
from bot.settings import (
    AccessSettings,
    LiveSettings,
    RiffSettings,
    SoundSettings,
    WordSettings,
    allowance_of,
)
from bot.store.database import Database


@dataclass(frozen=True, slots=True)
class Found:
    """The value that applies, and why.

    Attributes:
        scope: whose value it is; None where nobody set it.
        configured: nobody set it, and it comes from the configuration file.
        limit: the global value that keeps it from being what its scope says, if one does.
    """

    key: Key
    value: Any
    scope: Scope | None
    configured: bool = False
    limit: Any = None


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a setting in a scope; None is not set."""

    scope: Scope
    key: Key
    before: Any
    after: Any


class ScopedSettings:
    """Every setting of every scope."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        configured: Mapping[str, Any] | None = None,
        exempt: Mapping[str, float] | None = None,
    ) -> None:
        """Nothing is known before `load`.

        Args:
            configured: values of the operator's configuration file, which apply where nobody set
                any.
            exempt: allowances of roles that no setting takes away.
        """
        self._database = database
        self._audit = audit
        self._configured = {
            name: KEYS[name].kind.read(name, value) for name, value in (configured or {}).items()
        }
        self._exempt = dict(exempt or {})
        self._values: dict[Scope, dict[str, Any]] = {}
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """Read what is stored. What this version does not know is left alone and ignored."""
        async with self._turn:
            rows = await self._database.read(
                lambda db: db.execute("SELECT * FROM settings").fetchall()
            )
            self._values = {}
            for row in rows:
                if row["key"] in KEYS:
                    scope = Scope(row["platform"], row["community"], row["channel"], row["user"])
                    self._values.setdefault(scope, {})[row["key"]] = json.loads(row["value"])

    # Reading --------------------------------------------------------------------------------

    async def resolve(self, requester: Requester) -> RiffSettings:
        """The settings in force for this requester right now."""
        return self.settings_of(requester)

    def settings_of(self, requester: Requester) -> RiffSettings:
        """The same, without waiting."""
        # Most scopes say nothing, and every message of a chat asks.
        scopes = [scope for scope in scopes_of(requester) if scope in self._values]
        values = {name: self._find(key, scopes).value for name, key in KEYS.items()}
        return _typed(values, allowance_of(requester, {**values["allowances"], **self._exempt}))

    def find(self, key: Key, scopes: Sequence[Scope]) -> Found:
        """What applies where these scopes, outermost first, come together, and which one set it."""
        return self._find(key, scopes)

    def set_in(self, scope: Scope) -> Mapping[str, Any]:
        """What is set in this very scope, by name."""
        return dict(self._values.get(scope, {}))

    def _find(self, key: Key, scopes: Sequence[Scope]) -> Found:
        if key.adds_up:
            return self._add_up(key, scopes)
        found = self._outermost(key)
        ceiling = found.value
        for scope in scopes:
            value = self._values.get(scope, {}).get(key.name, found.value)
            if scope == GLOBAL or key.name not in self._values.get(scope, {}):
                continue
            exceeds = _is_looser(key, value, ceiling)
            found = Found(
                key, ceiling if exceeds else value, scope, limit=ceiling if exceeds else None
            )
        return found

    def _outermost(self, key: Key) -> Found:
        if key.name in self._values.get(GLOBAL, {}):
            return Found(key, self._values[GLOBAL][key.name], GLOBAL)
        if key.name in self._configured:
            return Found(key, self._configured[key.name], None, configured=True)
        return Found(key, key.default, None)

    def _add_up(self, key: Key, scopes: Sequence[Scope]) -> Found:
        entries: list[str] = []
        innermost: Scope | None = None
        for scope in scopes:
            here = self._values.get(scope, {}).get(key.name, [])
            entries += here
            innermost = scope if here else innermost
        return Found(key, list(dict.fromkeys(entries)), innermost)

    # Changing -------------------------------------------------------------------------------

    def read(self, scope: Scope, name: str, raw: Any) -> tuple[Key, Any]:
        """The setting and the value that are meant, checked for this scope.

        Raises:
            BadInputRefusal: unknown setting, bad value, not to be set in this scope, or looser than
                the operator allows.
        """
        key = find_key(name)
        if scope.kind not in key.scopes:
            raise BadInputRefusal(f"{key.name} can be set for {_listed(key.scopes)} only.")
        value = key.kind.read(key.name, raw)
        if scope != GLOBAL and _is_looser(key, value, ceiling := self._outermost(key).value):
            most = "at most" if key.stricter == "lower" else "at least"
            raise BadInputRefusal(
                f"{key.name} can be {most} {key.kind.show(ceiling)} here, which is what the owner "
                f"of this bot allows; not {key.kind.show(value)}."
            )
        return key, value

    async def set(self, by: Requester, scope: Scope, name: str, raw: Any) -> Change:
        """Set one setting in one scope, or refuse as `read` does."""
        key, value = self.read(scope, name, raw)
        return (await self.apply(by, scope, {key.name: value}))[0]

    async def reset(self, by: Requester, scope: Scope, name: str) -> Change:
        """Let the outer scope decide again."""
        key = find_key(name)
        return (await self.clear(by, scope, [key.name]))[0]

    async def add(self, by: Requester, scope: Scope, name: str, entry: str) -> Change:
        """Add entries to a list."""
        return await self._edit(by, scope, name, entry, add=True)

    async def remove(self, by: Requester, scope: Scope, name: str, entry: str) -> Change:
        """Take entries from a list.

        Raises:
            BadInputRefusal: one is not in it.
        """
        return await self._edit(by, scope, name, entry, add=False)

    async def _edit(
        self, by: Requester, scope: Scope, name: str, entry: str, *, add: bool
    ) -> Change:
        key = find_key(name)
        if not isinstance(key.kind, Entries):
            raise BadInputRefusal(f"{key.name} is no list; set it with {key.name} VALUE.")
        before = self.set_in(scope).get(key.name, [])
        named: list[str] = key.kind.read(key.name, entry) if add else _entries(entry)
        missing = [one for one in named if one not in before]
        if not add and missing:
            raise BadInputRefusal(f"{missing[0][:60]} is not in {key.name} here.")
        after = [*before, *missing] if add else [one for one in before if one not in named]
        if not after:
            return await self.reset(by, scope, name)
        return await self.set(by, scope, name, after)

    async def apply(self, by: Requester, scope: Scope, values: Mapping[str, Any]) -> list[Change]:
        """Set values that `read` gave in one scope, all or none."""
        return await self._change(by, scope, list(values), values)

    async def replace(
        self, by: Requester, scope: Scope, values: Mapping[str, Any], names: Sequence[str]
    ) -> list[Change]:
        """Give the named settings of a scope the values that they have here, and reset those that
        have none, all at once."""
        kept = {name: value for name, value in values.items() if name in names}
        return await self._change(by, scope, names, kept)

    async def clear(self, by: Requester, scope: Scope, names: Sequence[str]) -> list[Change]:
        """Reset several settings of one scope, all or none."""
        return await self._change(by, scope, names, {})

    async def _change(
        self, by: Requester, scope: Scope, names: Sequence[str], values: Mapping[str, Any]
    ) -> list[Change]:
        """Give the named settings these values, and reset those that have none."""
        async with self._turn:
            before = self._values.get(scope, {})
            kept = {name: value for name, value in before.items() if name not in names}
            after = {**kept, **values}
            changes = await self._write(by, scope, names, before, after)
            self._values[scope] = after
        return changes

    async def _write(
        self,
        by: Requester,
        scope: Scope,
        names: Sequence[str],
        before: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> list[Change]:
        changes = [Change(scope, KEYS[n], before.get(n), after.get(n)) for n in names]

        def work(tx: sqlite3.Connection) -> None:
            for name in names:
                if (name in before, before.get(name)) == (name in after, after.get(name)):
                    continue
                _store(tx, scope, name, after)
                self._audit.note(
                    tx,
                    by,
                    scope.where,
                    "set" if name in after else "reset",
                    _target(scope, name),
                    before.get(name),
                    after.get(name),
                )

        await self._database.write(work)
        return changes


def _store(tx: sqlite3.Connection, scope: Scope, name: str, values: Mapping[str, Any]) -> None:
    if name in values:
        tx.execute(
            "INSERT OR REPLACE INTO settings VALUES (?, ?, ?, ?, ?, ?)",
            (*scope.values, name, json.dumps(values[name])),
        )
    else:
        tx.execute(
            "DELETE FROM settings WHERE platform = ? AND community = ? AND channel = ? "
            "AND user = ? AND key = ?",
            (*scope.values, name),
        )


def _target(scope: Scope, name: str) -> str:
    inner = scope.channel or scope.user
    return f"{name} ({scope.kind} {inner})" if inner else name


def _entries(text: str) -> list[str]:
    """Entries as they are written, unchecked: what is in a list can always be taken out."""
    return list(Entries().read("This list", text))


def _is_looser(key: Key, value: Any, ceiling: Any) -> bool:
    if key.stricter == "lower":
        return bool(value > ceiling)
    return key.stricter == "higher" and bool(value < ceiling)


def _listed(scopes: Sequence[str]) -> str:
    names = {
        "global": "everywhere",
        "community": "a community",
        "channel": "a channel",
        "user": "a person",
    }
    return " or ".join(names[scope] for scope in scopes)


def _typed(values: Mapping[str, Any], allowance: float) -> RiffSettings:
    shipped = shipped_words() if values["shipped-list"] else ()
    return RiffSettings(
        rate=RateLimit(values["burst"], values["period"]),
        queued_per_user=values["waiting"],
        queued_in_all=values["global-waiting"],
        community_rate=RateLimit(values["community-burst"], values["community-period"]),
        global_rate=RateLimit(values["global-burst"], values["global-period"]),
        queued_per_community=values["community-waiting"],
        largest=values["largest"],
        allowance=allowance,
        turns=values["turns"],
        verbosity=values["verbosity"],
        retention_days=values["retention-days"],
        sound=SoundSettings(
            model=values["model"],
            steps=values["steps"],
            guidance_scale=values["guidance"],
            length=None if values["length"] is None else read_length(values["length"]),
            clips=values["loops"],
            loop=values["seamless"],
            bpm=values["bpm"],
            strength=values["denoising"],
        ),
        access=AccessSettings(
            who=values["who-may-riff"],
            follower_days=values["follower-days"],
            riff_roles=frozenset(values["riff-roles"]),
            channels=frozenset(values["channels"]),
            admin_roles=frozenset(values["admin-roles"]),
            moderator_roles=frozenset(values["moderator-roles"]),
            blocked_roles=frozenset(values["blocked-roles"]),
        ),
        words=WordSettings(
            blocked=(*shipped, *values["blocked-words"]),
            allowed=tuple(values["allowed-words"]),
            prompt_characters=values["prompt-length"],
        ),
        live=LiveSettings(
            steer=values["steer"],
            vote_weights=values["vote-weights"],
            minimum_hold=values["minimum-hold"],
            safe_loop=values["safe-loop"],
            bpm=values["live-bpm"],
            half_life=values["vote-half-life"],
            prompts=values["live-prompts"],
            speed=values["live-speed"],
            guest_loops=values["live-guests"],
        ),
    )
