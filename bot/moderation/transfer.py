"""Settings of a scope as TOML, and back: what was exported can be edited and imported."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.errors import BadInputRefusal
from bot.jobs import Requester
from bot.moderation.access import Access
from bot.moderation.keys import KEYS, SECTIONS, Key
from bot.moderation.scoped import ScopedSettings
from bot.moderation.scopes import Scope

MAX_TOML = 50_000


@dataclass(frozen=True, slots=True)
class Difference:
    """What an import would change. None is not set."""

    key: Key
    before: Any
    after: Any

    def line(self) -> str:
        """For example `steps: 12 → 20`."""
        before, after = (
            "not set" if value is _NOT_SET else self.key.kind.show(value) or "empty"
            for value in (self.before, self.after)
        )
        return f"{self.key.name}: {before} \u2192 {after}"


_NOT_SET = object()


def to_toml(settings: ScopedSettings, scope: Scope) -> str:
    """What is set in a scope, as a TOML document with every other setting as a comment."""
    here = settings.set_in(scope)
    lines = [f"# Riffbot's settings for {scope.label()}."]
    for section, title in SECTIONS.items():
        lines += ["", f"# {title}"]
        for key in KEYS.values():
            if key.section != section or scope.kind not in key.scopes:
                continue
            lines.append(f"# {key.help} {key.kind.range[:1].upper()}{key.kind.range[1:]}.")
            if key.name in here:
                lines.append(f"{key.name} = {_toml(here[key.name])}")
            else:
                lines.append(f"# {key.name} = {_toml(key.default)}")
    return "\n".join(lines) + "\n"


def read_toml(settings: ScopedSettings, scope: Scope, text: str) -> dict[str, Any]:
    """The settings in a TOML document, each checked for this scope.

    Raises:
        BadInputRefusal: it is none, or a setting in it is unknown or has a bad value.
    """
    if len(text) > MAX_TOML:
        raise BadInputRefusal(f"That is more than the {MAX_TOML} characters I can import.")
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInputRefusal(f"That is not valid TOML: {error}.") from None
    found = {}
    for name, raw in data.items():
        key, value = settings.read(scope, name, raw)
        found[key.name] = value
    return found


def differences(
    settings: ScopedSettings, scope: Scope, values: Mapping[str, Any]
) -> list[Difference]:
    """What importing would change: what the document does not name is no longer set."""
    here = settings.set_in(scope)
    return [
        Difference(KEYS[name], here.get(name, _NOT_SET), values.get(name, _NOT_SET))
        for name in KEYS
        if here.get(name, _NOT_SET) != values.get(name, _NOT_SET)
    ]


async def import_toml(
    settings: ScopedSettings,
    access: Access,
    by: Requester,
    scope: Scope,
    text: str,
    *,
    dry_run: bool,
) -> list[Difference]:
    """Make a scope what a TOML document says, all or nothing; or only tell what would change.

    Raises:
        ForbiddenRefusal: `by` may not import, or not change one of the settings that differ.
        BadInputRefusal: see `read_toml`.
    """
    access.require(by, "settings-import")
    values = read_toml(settings, scope, text)
    changes = differences(settings, scope, values)
    for change in changes:
        access.require_change(by, scope, change.key)
    if changes and not dry_run:
        await settings.replace(by, scope, values, [change.key.name for change in changes])
    return changes


def _toml(value: Any) -> str:
    if value is None:
        return '"auto"'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_text(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isinf(value):
        return "inf"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    # A JSON string is a TOML basic string, but for DEL and halves of surrogate pairs.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
