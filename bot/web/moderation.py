"""Settings and moderation in the local web: the routes behind the settings page.

    GET  /settings                      the page
    GET  /api/settings?scope=…          → {"scope", "sections": [{"title", "settings": […]}]}
    PUT  /api/settings                  {"scope", "key", "value"} → {"settings": …} as above
    POST /api/settings/reset            {"scope", "key"} → the same
    GET  /api/settings/export?scope=…   → {"toml"}
    POST /api/settings/import           {"scope", "toml", "dry_run"} → {"changes": [sentence, …]}
    GET  /api/moderation                → {"halt", "people", "queue", "log"}

`scope` is `global`, `community` or `user`. What is done, rather than set, goes by the commands of
the chat (`POST /api/chat {"text": "!panic"}`). Everything is checked behind these routes, in
`bot.moderation`; the page only shows it.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bot.errors import BadInputRefusal
from bot.jobs import Requester
from bot.moderation.commands import log_line
from bot.moderation.desk import Moderation
from bot.moderation.keys import KEYS, SECTIONS, Key, ScopeKind, find_key
from bot.moderation.scopes import Scope, scope_for, scopes_of
from bot.moderation.transfer import import_toml, to_toml
from bot.moderation.values import Choice, Flag, Number, Text
from bot.web.bodies import read_json
from bot.web.identity import Identity

_SCOPES: dict[str, ScopeKind] = {"global": "global", "community": "community", "user": "user"}
_LOG_LINES = 50


class ModerationDesk:
    """Handlers of these routes."""

    def __init__(self, moderation: Moderation, identity: Identity) -> None:
        self._moderation = moderation
        self._identity = identity
        rules = moderation.rules
        self._settings, self._access = rules.settings, rules.access

    def routes(self) -> list[web.RouteDef]:
        """Every route of this part but the page."""
        return [
            web.get("/api/settings", self.show),
            web.put("/api/settings", self.change),
            web.post("/api/settings/reset", self.reset),
            web.get("/api/settings/export", self.export),
            web.post("/api/settings/import", self.import_),
            web.get("/api/moderation", self.overview),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Every setting that can be set in a scope, with its value and where that comes from."""
        who = self._who(request)
        self._access.require(who, "settings-show")
        return self._shown(who, _scope(who, request.query.get("scope")))

    async def change(self, request: web.Request) -> web.Response:
        """Set one setting."""
        data = await read_json(request)
        who = self._who(request)
        scope, name = _scope(who, data.get("scope")), _text(data, "key")
        self._access.require_change(who, scope, find_key(name))
        await self._settings.set(who, scope, name, data.get("value"))
        return self._shown(who, scope)

    async def reset(self, request: web.Request) -> web.Response:
        """Let the outer scope decide again."""
        data = await read_json(request)
        who = self._who(request)
        scope, name = _scope(who, data.get("scope")), _text(data, "key")
        self._access.require_change(who, scope, find_key(name))
        await self._settings.reset(who, scope, name)
        return self._shown(who, scope)

    async def export(self, request: web.Request) -> web.Response:
        """The settings of a scope as TOML."""
        who = self._who(request)
        scope = _scope(who, request.query.get("scope"))
        is_global = scope.kind == "global"
        self._access.require(who, "settings-global" if is_global else "settings-export")
        return web.json_response({"toml": to_toml(self._settings, scope)})

    async def import_(self, request: web.Request) -> web.Response:
        """Make a scope what a TOML document says, or tell what that would change."""
        data = await read_json(request)
        who = self._who(request)
        changes = await import_toml(
            self._settings,
            self._access,
            who,
            _scope(who, data.get("scope")),
            _text(data, "toml"),
            dry_run=data.get("dry_run") is not False,
        )
        return web.json_response({"changes": [change.line() for change in changes]})

    async def overview(self, request: web.Request) -> web.Response:
        """What moderators want to see at a glance."""
        who = self._who(request)
        self._access.require(who, "log")
        rules = self._moderation.rules
        queue = await self._moderation.control.waiting(who)
        log = await rules.audit.latest(who.platform, who.community, _LOG_LINES)
        return web.json_response(
            {
                "halt": rules.halts.of(who.platform, who.community),
                "people": [
                    {"user": b.user, "name": b.name, "reason": b.reason, "until": b.until}
                    for b in rules.bans.those_in(who.platform, who.community)
                ],
                "queue": [
                    {"id": j.id, "prompt": j.request.prompt, "name": j.requester.name}
                    for j in queue
                ],
                "log": [log_line(entry) for entry in log],
            }
        )

    def _who(self, request: web.Request) -> Requester:
        return self._identity.visitor(request).requester

    def _shown(self, who: Requester, scope: Scope) -> web.Response:
        sections = []
        for section, title in SECTIONS.items():
            keys = [
                key
                for key in KEYS.values()
                if key.section == section and self._sees(who, scope, key)
            ]
            if keys:
                settings = [self._setting(who, scope, key) for key in keys]
                sections.append({"title": title, "settings": settings})
        return web.json_response({"scope": scope.kind, "sections": sections})

    def _sees(self, who: Requester, scope: Scope, key: Key) -> bool:
        if scope.kind not in key.scopes or (scope.kind == "user" and not key.own):
            return False
        return not key.private or self._access.may(who, "settings-community")

    def _setting(self, who: Requester, scope: Scope, key: Key) -> dict[str, Any]:
        here = self._settings.set_in(scope)
        # What applies in this scope, whatever its inner ones say.
        outer = [one for one in scopes_of(who) if one.kind in _up_to(scope.kind)]
        found = self._settings.find(key, outer)
        value = here.get(key.name, [] if key.adds_up else found.value)
        if found.scope is not None:
            source = "here" if found.scope == scope else found.scope.label(who)
        else:
            source = "configuration" if found.configured else "default"
        return {
            "key": key.name,
            "value": key.kind.show(value),
            "entries": value if key.adds_up else None,
            "set": key.name in here,
            "source": source,
            "limited": found.limit is not None,
            "adds_up": key.adds_up,
            "help": key.help,
            "range": key.kind.range,
            "control": _control(key),
            "consumer": key.consumer,
        }


def _up_to(kind: ScopeKind) -> tuple[ScopeKind, ...]:
    return {
        "global": ("global",),
        "community": ("global", "community"),
        "channel": ("global", "community", "channel"),
        "user": ("global", "community", "channel", "user"),
    }[kind]  # type: ignore[return-value]


def _control(key: Key) -> dict[str, Any]:
    """What the page offers to change it with."""
    kind = key.kind
    if isinstance(kind, Choice):
        return {"type": "choice", "choices": list(kind.choices)}
    if isinstance(kind, Flag):
        return {"type": "choice", "choices": ["yes", "no"]}
    if isinstance(kind, Number):
        return {"type": "number"}
    if isinstance(kind, Text):
        return {"type": "text", "unset": kind.unset}
    return {"type": "list" if key.adds_up else "text"}


def _scope(who: Requester, name: Any) -> Scope:
    kind = _SCOPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise BadInputRefusal(f'"scope" has to be {", ".join(_SCOPES)}.')
    return scope_for(who, kind)


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise BadInputRefusal(f'"{name}" has to be text.')
    return value
