"""Signing in: from a browser by way of the local web, or from a terminal with a code."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from cogs.twitch.http import TwitchError, TwitchHttp
from cogs.twitch.scopes import Role, needed
from cogs.twitch.tokens import Account, TokenStore

_STATE_SECONDS = 600.0
_MOST_STATES = 200
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class SignInError(Exception):
    """Signing in did not work; `str(error)` says what to do, and holds no secret."""


@dataclass(frozen=True, slots=True)
class _Pending:
    roles: tuple[Role, ...]
    browser: str
    redirect: str
    host: str
    until: float


class SignIn:
    """Begins and ends sign-ins."""

    def __init__(self, http: TwitchHttp, tokens: TokenStore) -> None:
        self._http, self._tokens = http, tokens
        self._pending: dict[str, _Pending] = {}

    def begin(self, roles: tuple[Role, ...], redirect: str, browser: str, host: str) -> str:
        """The address at Twitch to send a browser to.

        Args:
            roles: what the account is to be here.
            redirect: where Twitch sends it back to, as registered with the application.
            browser: what only this browser knows, by which it is recognised when it comes back.
            host: by which the browser calls us, which may be another name than in `redirect`.
        """
        now = time.monotonic()
        self._pending = {k: v for k, v in self._pending.items() if v.until > now}
        while len(self._pending) >= _MOST_STATES:
            self._pending.pop(next(iter(self._pending)))
        state = secrets.token_urlsafe(24)
        self._pending[state] = _Pending(roles, browser, redirect, host, now + _STATE_SECONDS)
        query = {
            "client_id": self._http.client_id,
            "redirect_uri": redirect,
            "response_type": "code",
            "scope": " ".join(self._scopes(roles)),
            "state": state,
            "force_verify": "true",
        }
        return f"{self._http.id_url}/oauth2/authorize?{urlencode(query)}"

    def host_of(self, state: str) -> str | None:
        """By which name the browser called us when it began; None for what nobody began."""
        pending = self._pending.get(state)
        return None if pending is None else pending.host

    async def finish(self, state: str, code: str, browser: str) -> Account:
        """A browser came back with a code.

        Raises:
            SignInError: it was not sent by us, or Twitch does not take the code.
            aiohttp.ClientError, OSError: no connection to Twitch.
        """
        pending = self._pending.pop(state, None)
        known = pending is not None and pending.until > time.monotonic()
        if pending is None or not known or not secrets.compare_digest(pending.browser, browser):
            raise SignInError("That sign-in is not known here, or took too long; begin it again.")
        try:
            data = await self._http.ask_id(
                "token", grant_type="authorization_code", code=code, redirect_uri=pending.redirect
            )
        except TwitchError as error:
            raise SignInError(f"Twitch does not let you in: {error.sentence}.") from None
        return await self._kept(data, pending.roles)

    async def by_device(self, roles: tuple[Role, ...], tell: Callable[[str, str], None]) -> Account:
        """Sign in with a code that is typed in on another device.

        Args:
            roles: what the account is to be here.
            tell: gets the address to open and the code.

        Raises:
            SignInError: it was refused, or nobody came in time.
            aiohttp.ClientError, OSError: no connection to Twitch.
        """
        scopes = " ".join(self._scopes(roles))
        try:
            asked = await self._http.ask_id("device", scopes=scopes)
        except TwitchError as error:
            raise SignInError(f"Twitch gives out no code: {error.sentence}.") from None
        tell(str(asked["verification_uri"]), str(asked["user_code"]))
        until = time.monotonic() + float(asked["expires_in"])
        while time.monotonic() < until:
            await asyncio.sleep(float(asked["interval"]))
            try:
                data = await self._http.ask_id(
                    "token",
                    grant_type=DEVICE_GRANT,
                    scopes=scopes,
                    device_code=str(asked["device_code"]),
                )
            except TwitchError as error:
                if error.status == 400 and "pending" in error.sentence:
                    continue
                raise SignInError(f"Twitch does not let you in: {error.sentence}.") from None
            return await self._kept(data, roles)
        raise SignInError("Nobody typed the code in; run it again.")

    def _scopes(self, roles: tuple[Role, ...]) -> list[str]:
        return list(needed(roles))

    async def _kept(self, data: dict[str, Any], roles: tuple[Role, ...]) -> Account:
        access = str(data["access_token"])
        about = await self._http.validate(access)
        if about is None:
            raise SignInError("Twitch took the sign-in back; begin it again.")
        scopes = frozenset(about.get("scopes") or ())
        missing = needed(roles).keys() - scopes
        if missing:
            raise SignInError("Twitch did not grant everything that was asked for; begin again.")
        known = self._tokens.get(str(about["user_id"]))
        if known is not None and needed(known.roles).keys() - scopes:
            raise SignInError(
                f"{about['login']} is both bot and channel here; choose that when you sign in."
            )
        account = Account(
            user_id=str(about["user_id"]),
            login=str(about["login"]),
            name=known.name if known is not None else str(about["login"]),
            roles=roles,
            scopes=scopes,
            access=access,
            refresh=str(data["refresh_token"]),
        )
        self._tokens.keep(account)
        return account
