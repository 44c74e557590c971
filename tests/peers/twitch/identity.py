"""The sign-in side of the loopback Twitch (id.twitch.tv): pages, tokens, validation, devices.

peer.identity.consent(url, user)              a user agrees on an authorize page; where it leads
peer.identity.consent(url, user, allows=False)  … or cancels
peer.identity.activate(user_code, user)       a user types a device code in
peer.identity.browser_user = user             who is signed in, for a real browser on the page
peer.identity.device_interval = 0             how many seconds a device must wait between asks
"""

from __future__ import annotations

import html
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.peers.discord.http import Fault
from tests.peers.twitch.models import App, Json, Token, User
from tests.peers.twitch.state import World
from tests.peers.twitch.tokens import SCOPES

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_Handler = Callable[[Mapping[str, str]], Awaitable[Json | None]]
CODE_LIFETIME, DEVICE_LIFETIME = 600.0, 1800


class IdError(Exception):
    """An error as id.twitch.tv reports it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class _Code:
    app: App
    user: User
    scopes: str
    redirect: str
    ends: float


@dataclass(slots=True)
class _Device:
    app: App
    scopes: str
    ends: float
    user: User | None = None
    asked_at: float | None = None


class Identity:
    """Who signs in, and what they get."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._codes: dict[str, _Code] = {}
        self._devices: dict[str, _Device] = {}
        self._user_codes: dict[str, _Device] = {}
        self.url = ""
        self.browser_user: User | None = None
        self.device_interval = 5
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []

    def add_to(self, app: web.Application) -> None:
        """Serve under /oauth2 of `app`."""
        router = app.router
        router.add_get("/oauth2/authorize", self._page)
        router.add_post("/oauth2/authorize", self._decide)
        router.add_post("/oauth2/token", self._json(self._token))
        router.add_post("/oauth2/device", self._json(self._device))
        router.add_post("/oauth2/revoke", self._json(self._revoke))
        router.add_get("/oauth2/validate", self._validate)

    def consent(self, url: str, user: User, *, allows: bool = True) -> str:
        """What the browser of a user is sent to from an authorize page.

        Raises:
            IdError: the page would only show an error (a violation).
        """
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}" == self.url, f"{url} is not on {self.url}"
        return self._redirect(dict(parse_qsl(parts.query)), user, allows)

    def activate(self, user_code: str, user: User) -> None:
        """A user enters a device's code on the activation page and agrees."""
        self._user_codes[user_code].user = user

    def _redirect(self, asked: Mapping[str, str], user: User, allows: bool) -> str:
        app = self._check_authorize(asked)
        back: dict[str, str] = {}
        if not allows:
            back = {"error": "access_denied", "error_description": "The user denied you access"}
        else:
            code = secrets.token_hex(15)
            ends = self._world.clock.time + CODE_LIFETIME
            scopes, redirect = asked.get("scope", ""), asked["redirect_uri"]
            self._codes[code] = _Code(app, user, scopes, redirect, ends)
            back = {"code": code, "scope": scopes}
        if "state" in asked:
            back["state"] = asked["state"]
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def _check_authorize(self, asked: Mapping[str, str]) -> App:
        app = self._world.apps.get(asked.get("client_id", ""))
        if app is None:
            raise self._wrong(400, "invalid client")
        if asked.get("redirect_uri") not in app.redirects:
            raise self._wrong(400, "redirect_mismatch: Parameter redirect_uri does not match")
        if asked.get("response_type") != "code":
            raise self._wrong(400, f"response_type {asked.get('response_type')!r}")
        if not asked.get("state"):
            self._world.violate("id: an authorize page without a state, so forgeries go unnoticed")
        self._check_scopes(asked.get("scope", ""))
        return app

    def _check_scopes(self, scopes: str) -> None:
        if unknown := set(scopes.split()) - SCOPES:
            raise self._wrong(400, f"invalid scope requested: {', '.join(sorted(unknown))}")

    async def _page(self, request: web.Request) -> web.Response:
        """The page on which a user agrees or cancels; plain, but real enough for a browser."""
        asked = dict(request.query)
        try:
            self._check_authorize(asked)
        except IdError as error:
            return web.Response(text=str(error), status=error.status)
        fields = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in asked.items()
        )
        scopes = "".join(f"<li>{html.escape(s)}</li>" for s in asked.get("scope", "").split())
        body = (
            f"<!doctype html><title>Authorize</title><ul>{scopes}</ul>"
            f'<form method="post" action="/oauth2/authorize">{fields}'
            '<button name="decision" value="allow">Authorize</button>'
            '<button name="decision" value="cancel">Cancel</button></form>'
        )
        return web.Response(text=body, content_type="text/html")

    async def _decide(self, request: web.Request) -> web.Response:
        asked = {name: str(value) for name, value in (await request.post()).items()}
        assert self.browser_user is not None, "nobody is signed in on the loopback Twitch"
        try:
            where = self._redirect(asked, self.browser_user, asked.get("decision") == "allow")
        except IdError as error:
            return web.Response(text=str(error), status=error.status)
        return web.Response(status=302, headers={"Location": where})

    async def _token(self, given: Mapping[str, str]) -> Json:
        grant = given.get("grant_type", "")
        app = self._world.apps.get(given.get("client_id", ""))
        if app is None:
            raise self._wrong(400, "invalid client")
        if grant == DEVICE_GRANT:
            return self._show(self._from_device(app, given))
        if app.secret is not None and given.get("client_secret") != app.secret:
            raise self._wrong(403, "invalid client secret")
        if grant == "client_credentials":
            if app.secret is None:
                raise self._wrong(400, "a public client has no app access token")
            return self._show(self._world.grant_app(app))
        if grant == "authorization_code":
            return self._show(self._from_code(app, given))
        if grant == "refresh_token":
            return self._show(self._refreshed(app, given))
        raise self._wrong(400, f"invalid grant type {grant!r}")

    def _from_code(self, app: App, given: Mapping[str, str]) -> Token:
        code = self._codes.pop(given.get("code", ""), None)
        if code is None or code.app is not app or code.ends <= self._world.clock.time:
            raise IdError(400, "Invalid authorization code")
        if given.get("redirect_uri") != code.redirect:
            raise self._wrong(400, "Parameter redirect_uri does not match registered URI")
        return self._world.grant(code.user, code.scopes, app=app)

    def _refreshed(self, app: App, given: Mapping[str, str]) -> Token:
        old = self._world.refreshes.get(given.get("refresh_token", ""))
        now = self._world.clock.time
        if old is None or old.app is not app or old.revoked:
            raise IdError(400, "Invalid refresh token")
        if old.refresh_expires_at is not None and old.refresh_expires_at <= now:
            raise IdError(400, "Invalid refresh token")
        return self._world.refresh(old)

    async def _device(self, given: Mapping[str, str]) -> Json:
        app = self._world.apps.get(given.get("client_id", ""))
        scopes = given.get("scopes", given.get("scope", ""))
        if app is None or not scopes:
            raise self._wrong(400, "missing client_id or scopes")
        self._check_scopes(scopes)
        made = _Device(app, scopes, self._world.clock.time + DEVICE_LIFETIME)
        device_code, user_code = secrets.token_hex(20), secrets.token_hex(4).upper()
        self._devices[device_code] = self._user_codes[user_code] = made
        return {
            "device_code": device_code,
            "expires_in": DEVICE_LIFETIME,
            "interval": self.device_interval,
            "user_code": user_code,
            "verification_uri": f"{self.url}/activate?public=true&device-code={user_code}",
        }

    def _from_device(self, app: App, given: Mapping[str, str]) -> Token:
        now = self._world.clock.time
        device = self._devices.get(given.get("device_code", ""))
        if device is None or device.app is not app or device.ends <= now:
            raise IdError(400, "invalid device code")
        asked_at, device.asked_at = device.asked_at, now
        if asked_at is not None and now - asked_at < self.device_interval * 0.9:
            self._world.violate("id: a device asked again before its interval was over")
        if device.user is None:
            raise IdError(400, "authorization_pending")
        del self._devices[given["device_code"]]
        return self._world.grant(device.user, device.scopes, app=app)

    async def _revoke(self, given: Mapping[str, str]) -> None:
        token = self._world.tokens.get(given.get("token", ""))
        if given.get("client_id") not in self._world.apps:
            raise IdError(404, "client does not exist")
        if token is None or token.app.client_id != given["client_id"]:
            raise IdError(400, "Invalid token")
        token.revoked = True
        if token.refresh is not None:
            self._world.refreshes.pop(token.refresh, None)

    async def _validate(self, request: web.Request) -> web.Response:
        self.requests.append(("GET", "/oauth2/validate"))
        if (fault := self._next_fault("GET", "/oauth2/validate")) is not None:
            return web.json_response(fault.body, status=fault.status, headers=fault.headers)
        access = request.headers.get("Authorization", "").partition(" ")[2]
        token = self._world.live(access)
        if token is None:
            return web.json_response({"status": 401, "message": "invalid access token"}, status=401)
        about: Json = {
            "client_id": token.app.client_id,
            "scopes": sorted(token.scopes),
            "expires_in": int(token.expires_at - self._world.clock.time),
        }
        if token.user is not None:
            about |= {"login": token.user.login, "user_id": token.user.id}
        return web.json_response(about)

    def _show(self, token: Token) -> Json:
        shown: Json = {
            "access_token": token.access,
            "expires_in": int(token.expires_at - self._world.clock.time),
            "token_type": "bearer",
        }
        if token.refresh is not None:
            shown |= {"refresh_token": token.refresh, "scope": sorted(token.scopes)}
        return shown

    def _json(self, handle: _Handler) -> Handler:
        """Serve a handler of form fields; they may come in the query too, as at Twitch."""

        async def serve(request: web.Request) -> web.Response:
            self.requests.append((request.method, request.path))
            if (fault := self._next_fault(request.method, request.path)) is not None:
                return web.json_response(fault.body, status=fault.status, headers=fault.headers)
            form = await request.post()
            given = {**request.query, **{name: str(value) for name, value in form.items()}}
            try:
                answer = await handle(given)
            except IdError as error:
                body = {"status": error.status, "message": str(error)}
                return web.json_response(body, status=error.status)
            self._world.notify()
            return web.Response() if answer is None else web.json_response(answer)

        return serve

    def _wrong(self, status: int, message: str) -> IdError:
        self._world.violate(f"id: {message}")
        return IdError(status, message)

    def _next_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and (fault.method, fault.path) == (method, path):
                fault.times -= 1
                fault.met += 1
                return fault
        return None
