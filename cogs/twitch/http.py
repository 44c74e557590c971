"""Speaks to Helix and id.twitch.tv: twitchio's HTTP client, with what it leaves to its users.

twitchio 3 puts secrets into the address of sign-in requests, and thus into the text of their
errors; gives up at a 429; refreshes one token twice when two calls find it expired; and keeps no
refreshed token. Here all requests go through `TwitchHttp.request`: secrets travel in bodies, errors
carry only method, path and status, calls wait for what `Ratelimit-Reset` names, and tokens are in a
`TokenStore`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import yarl
from twitchio.authentication.tokens import ManagedHTTPClient
from twitchio.exceptions import HTTPException
from twitchio.http import Route

from bot.config import TwitchConfig
from cogs.twitch.tokens import Account, TokenStore

log = logging.getLogger(__name__)

ID_URL = "https://id.twitch.tv"
_TIMEOUT = aiohttp.ClientTimeout(total=20.0)
_LONGEST_PAUSE = 65.0
_TRIES = 4
_FIRST_PAUSE = 0.25
_UNAVAILABLE = (500, 502, 503, 504)


class SignInLostError(Exception):
    """An account is not signed in (any more); `str(error)` says whose, never a token."""


class TwitchError(HTTPException):
    """Twitch answered with an error. Its text has method, path, status and Twitch's sentence."""

    def __init__(self, route: Route, status: int, sentence: str) -> None:
        super().__init__(
            f"{route.method} {route.path} was answered with {status}: {sentence}",
            status=status,
            extra={"message": sentence},
        )
        self.sentence = sentence


TROUBLE = (TwitchError, SignInLostError, aiohttp.ClientError, OSError)
"""Whatever a call may end with, time-outs included."""


class TwitchHttp(ManagedHTTPClient):
    """All calls. `token_for` of a route names the account that it is made for; without, it is the
    app itself, or the bot where the application has no secret."""

    def __init__(self, config: TwitchConfig, secret: str | None, tokens: TokenStore) -> None:
        super().__init__(client_id=config.client_id, client_secret=secret)
        self._api_url = config.api_url.rstrip("/") + "/" if config.api_url else Route.BASE
        self._id_url = config.id_url.rstrip("/") or ID_URL
        self._store = tokens
        self._locks: dict[str, asyncio.Lock] = {}
        self._open_at: dict[str, float] = {}

    @property
    def has_secret(self) -> bool:
        """Whether there are app access tokens, which conduits need."""
        return bool(self.client_secret)

    @property
    def id_url(self) -> str:
        """Where people sign in."""
        return self._id_url

    async def request(self, route: Route) -> Any:
        """One call to Helix.

        Raises:
            TwitchError: Twitch refused, or is in trouble after several tries.
            SignInLostError: the account is not signed in (any more).
            aiohttp.ClientError, OSError, TimeoutError: no connection.
        """
        if route.use_id:
            raise ValueError("sign-in requests go through `ask_id`")
        renewed = False
        for attempt in range(_TRIES + 1):
            owner, token = await self._token(route)
            await self._wait_for_room(owner)
            status, headers, data = await self._send(route, token)
            # A token that has to be renewed takes no try away from what comes after.
            last = attempt == _TRIES - 1 + renewed
            if status < 400 and (data is not None or status == 204):
                return data
            if status == 429 and _is_rate_limit(headers):
                # Also for who comes next, where this was the last try.
                self._open_at[owner] = _reset(headers)
                if not last:
                    continue
            if status == 401 and not renewed and "token" in _sentence(data).lower():
                renewed = True
                await self._renew(owner, token)
            elif status in _UNAVAILABLE and not last:
                await asyncio.sleep(_FIRST_PAUSE * 4**attempt)
            else:
                raise TwitchError(route, status, _sentence(data))
        raise AssertionError("the last try returns or raises")

    async def ask_id(self, path: str, **form: str) -> dict[str, Any]:
        """A sign-in request with the application's id (and secret) in its body.

        Raises:
            TwitchError, aiohttp.ClientError, OSError, TimeoutError: as `request`.
        """
        form = {"client_id": self.client_id, **form}
        if self.client_secret and "device" not in path and "device" not in form["grant_type"]:
            form["client_secret"] = self.client_secret
        async with (await self._connection()).post(
            f"{self._id_url}/oauth2/{path}", data=form, timeout=_TIMEOUT
        ) as response:
            data = await _body(response)
        if response.status >= 400 or not isinstance(data, dict):
            raise TwitchError(Route("POST", f"oauth2/{path}"), response.status, _sentence(data))
        return data

    async def validate(self, access: str) -> dict[str, Any] | None:
        """Whose a token is, with `user_id`, `login`, `scopes`, `expires_in`; None if it is void.

        Raises:
            TwitchError, aiohttp.ClientError, OSError, TimeoutError: as `request`.
        """
        async with (await self._connection()).get(
            f"{self._id_url}/oauth2/validate",
            headers={"Authorization": f"OAuth {access}"},
            timeout=_TIMEOUT,
        ) as response:
            data = await _body(response)
        if response.status == 401:
            return None
        if response.status >= 400 or not isinstance(data, dict):
            raise TwitchError(Route("GET", "oauth2/validate"), response.status, _sentence(data))
        return data

    async def validate_all(self) -> None:
        """Look at every account, as Twitch demands each hour; refresh what is about to end."""
        for account in self._store.all:
            if account.lost:
                continue
            try:
                about = await self.validate(account.access)
                if about is None or int(about["expires_in"]) < 600:
                    await self._renew(account.user_id, account.access)
            except SignInLostError:
                continue  # it was reported; the others go on
            except (TwitchError, aiohttp.ClientError, OSError) as error:
                log.warning("the sign-in of %s cannot be checked now: %s", account.login, error)

    # ----------------------------------------------------------------------------------------

    async def _token(self, route: Route) -> tuple[str, str]:
        """Whose call it is ("" for the app) and the token for it."""
        user_id = route.token_for
        if not user_id and self.client_secret:
            if not self._app_token:
                await self._renew("", "")
            return "", self._app_token or ""
        account = self._store.get(user_id) if user_id else self._store.bot
        if account is None or account.lost:
            name = user_id if account is None else account.login
            raise SignInLostError(f"{name or 'the bot'} is not signed in to Twitch")
        return account.user_id, account.access

    async def _renew(self, owner: str, used: str) -> None:
        """A new token in place of `used`; once, however many calls find that it is void."""
        async with self._locks.setdefault(owner, asyncio.Lock()):
            if not owner:
                if (self._app_token or "") == used:
                    data = await self.ask_id("token", grant_type="client_credentials")
                    self._app_token = str(data["access_token"])
                return
            account = self._store.get(owner)
            if account is not None and not account.lost and account.access == used:
                await self._refresh(account)
        account = self._store.get(owner)
        if account is None or account.lost:
            raise SignInLostError(f"{owner} is not signed in to Twitch any more")

    async def _refresh(self, account: Account) -> None:
        try:
            data = await self.ask_id(
                "token", grant_type="refresh_token", refresh_token=account.refresh
            )
        except TwitchError as error:
            if error.status in (400, 401, 403):
                self._store.lose(account.user_id)
                return
            raise
        refresh = str(data.get("refresh_token") or account.refresh)
        self._store.renew(account.user_id, str(data["access_token"]), refresh)

    async def _wait_for_room(self, owner: str) -> None:
        pause = self._open_at.get(owner, 0.0) - time.time()
        if pause > 0:
            await asyncio.sleep(min(pause, _LONGEST_PAUSE))

    async def _send(self, route: Route, token: str) -> tuple[int, Mapping[str, str], Any]:
        url = self._api_url + route.url.removeprefix(Route.BASE)
        headers = {"Authorization": f"Bearer {token}", "Client-Id": self.client_id}
        session = await self._connection()
        async with session.request(
            route.method,
            yarl.URL(url, encoded=True),
            headers=headers,
            json=route.json or None,
            timeout=_TIMEOUT,
        ) as response:
            return response.status, response.headers, await _body(response)

    async def _connection(self) -> aiohttp.ClientSession:
        await self._init_session()
        return self._session


async def _body(response: aiohttp.ClientResponse) -> Any:
    if response.status == 204:
        return None
    try:
        return await response.json(content_type=None)
    except ValueError:
        return None


def _sentence(data: Any) -> str:
    """What Twitch says about an error; it never repeats tokens."""
    return str(data.get("message", ""))[:200] if isinstance(data, dict) else "no JSON"


def _is_rate_limit(headers: Mapping[str, str]) -> bool:
    """Whether there is room again by itself: 429 also means too many subscriptions, for one, and
    then there are points left."""
    return "Ratelimit-Reset" in headers and headers.get("Ratelimit-Remaining", "0") == "0"


def _reset(headers: Mapping[str, str]) -> float:
    try:
        return float(headers["Ratelimit-Reset"])
    except ValueError:
        return time.time() + 1.0
