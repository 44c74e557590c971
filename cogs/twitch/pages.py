"""The pages on which the bot and broadcasters sign in, and how things stand with them.

GET /twitch                      for who runs the bot: accounts, links, invitations
GET /twitch/sign-in/{role}       what is asked for, and what each permission is for
GET /twitch/invitation/{code}    the same, once, for a broadcaster who was sent the link
GET /twitch/callback             where Twitch sends the browser back to
"""

from __future__ import annotations

import html
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
from aiohttp import web

from bot.config import WebConfig
from bot.errors import ForbiddenRefusal, NotFoundRefusal
from cogs.twitch.http import TwitchError
from cogs.twitch.scopes import Role, needed
from cogs.twitch.signing import SignIn, SignInError
from cogs.twitch.tokens import Account, TokenStore

log = logging.getLogger(__name__)

COOKIE = "riffbot_twitch"
_INVITED_SECONDS = 7 * 86_400.0
ROLES: dict[str, tuple[Role, ...]] = {
    "bot": ("bot",),
    "channel": ("channel",),
    "both": ("bot", "channel"),
}
_OVERVIEW = ("/twitch", "Twitch")
_WHO = {
    "bot": "Sign in with the account that shall speak in chat.",
    "channel": "Sign in with the account whose channel the bot shall serve.",
    "both": "Sign in with the account that is both: the channel, and the voice of the bot.",
}


class Pages:
    """Serves them."""

    def __init__(
        self,
        sign_in: SignIn,
        tokens: TokenStore,
        config: WebConfig,
        is_owner: Callable[[web.Request], bool],
        stage_of: Callable[[Account], Awaitable[str]],
    ) -> None:
        """`stage_of` tells the address of a channel's stage."""
        self._sign_in, self._tokens = sign_in, tokens
        self._public, self._port = config.public_url, config.port
        self._is_owner, self._stage_of = is_owner, stage_of
        self._invitations: dict[str, float] = {}

    def routes(self) -> Sequence[web.RouteDef]:
        """For the application."""
        return [
            web.get("/twitch", self.overview),
            web.get("/twitch/sign-in/{role}", self.explain),
            web.get("/twitch/invitation/{code}", self.invited),
            web.get("/twitch/callback", self.come_back),
        ]

    async def overview(self, request: web.Request) -> web.Response:
        """How things stand."""
        self._need_owner(request)
        found = [_row(one, await self._stage_of(one)) for one in self._tokens.all]
        rows = "".join(found) or "<li>Nobody has signed in yet.</li>"
        code = self._invite()
        link = f"{self._base(request)}/twitch/invitation/{code}"
        return _page(
            "Twitch",
            f'<ul class="cards">{rows}</ul>'
            '<h2>Sign in</h2><p class="actions">'
            '<a class="action" href="/twitch/sign-in/bot">The bot</a>'
            '<a class="action" href="/twitch/sign-in/channel">A channel</a>'
            '<a class="action" href="/twitch/sign-in/both">One account for both</a></p>'
            '<p class="aside">The bot is who speaks in chat; a channel is where it listens.</p>'
            "<h2>Invite a broadcaster</h2>"
            "<p>Send them this link. It works once, for a week; every visit to this page makes "
            f"a new one.</p><p><code>{html.escape(link)}</code></p>"
            "<h2>Application at Twitch</h2>"
            "<p>At dev.twitch.tv/console, enter this as the OAuth redirect URL:</p>"
            f"<p><code>{html.escape(self._redirect(request))}</code></p>",
            back=("/", "Studio"),
        )

    async def explain(self, request: web.Request) -> web.Response:
        """What is asked for, for who runs the bot."""
        self._need_owner(request)
        role = request.match_info["role"]
        if role not in ROLES:
            raise NotFoundRefusal("There is no such page.")
        return self._explained(request, role)

    async def invited(self, request: web.Request) -> web.Response:
        """What is asked for, for a broadcaster; the link is used up by going on."""
        code = request.match_info["code"]
        until = self._invitations.get(code, 0.0)
        if until < time.monotonic():
            raise NotFoundRefusal(
                "This invitation was used already, or is too old; ask for another."
            )
        return self._explained(request, "channel")

    async def come_back(self, request: web.Request) -> web.Response:
        """The browser is back from Twitch."""
        query = request.query
        if "code" not in query:
            return _page(
                "Not signed in", "<p>Nothing was allowed, so nothing has changed.</p>", 400
            )
        host = self._sign_in.host_of(query.get("state", ""))
        if host is not None and host != request.host:
            # The cookie is with the name that the browser knows us by.
            raise web.HTTPFound(f"{request.scheme}://{host}{request.path_qs}")
        browser = request.cookies.get(COOKIE, "")
        try:
            account = await self._sign_in.finish(query.get("state", ""), query["code"], browser)
        except SignInError as error:
            return _page("Not signed in", f"<p>{html.escape(str(error))}</p>", 400)
        except (TwitchError, aiohttp.ClientError, OSError) as error:
            log.warning("somebody could not sign in: %s", type(error).__name__)
            return _page("Not signed in", "<p>Twitch cannot be reached; try again soon.</p>", 502)
        log.info("%s signed in to Twitch as %s", account.login, " and ".join(account.roles))
        for code, until in list(self._invitations.items()):
            if until < time.monotonic() or request.cookies.get(f"{COOKIE}_invited") == code:
                del self._invitations[code]
        name = html.escape(account.login)
        text = f"<p><strong>{name}</strong> is signed in. You can close this page.</p>"
        return _page("Signed in", text, back=_OVERVIEW if self._is_owner(request) else None)

    def _explained(self, request: web.Request, role: str) -> web.Response:
        roles = ROLES[role]
        browser = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
        url = self._sign_in.begin(roles, self._redirect(request), browser, request.host)
        items = "".join(
            f"<li><span>{html.escape(reason)}</span><code>{html.escape(scope)}</code></li>"
            for scope, reason in needed(roles).items()
        )
        response = _page(
            "Sign in with Twitch",
            f"<p>{_WHO[role]} Twitch will ask whether the bot may have these permissions, and "
            f'nothing else:</p><ul class="reasons">{items}</ul>'
            f'<p class="actions"><a class="action main" href="{html.escape(url)}">Go on to Twitch'
            '</a></p><p class="aside">You can take permissions back at any time on '
            "twitch.tv, under Settings, Connections.</p>",
            back=None if "code" in request.match_info else _OVERVIEW,
        )
        # Lax, so that it comes along when Twitch sends the browser back.
        options = {"httponly": True, "samesite": "Lax", "max_age": 3600, "path": "/twitch"}
        response.set_cookie(COOKIE, browser, **options)  # type: ignore[arg-type]
        if "code" in request.match_info:
            invited = request.match_info["code"]
            response.set_cookie(f"{COOKIE}_invited", invited, **options)  # type: ignore[arg-type]
        return response

    def _need_owner(self, request: web.Request) -> None:
        if not self._is_owner(request):
            raise ForbiddenRefusal(
                "Only who runs this bot may do that: open the owner's link that it printed first."
            )

    def _invite(self) -> str:
        now = time.monotonic()
        self._invitations = {k: v for k, v in self._invitations.items() if v > now}
        while len(self._invitations) >= 200:
            self._invitations.pop(next(iter(self._invitations)))
        code = secrets.token_urlsafe(18)
        self._invitations[code] = now + _INVITED_SECONDS
        return code

    def _base(self, request: web.Request) -> str:
        # Twitch takes plain http for localhost only, and compares letter by letter.
        port = request.url.port or self._port
        return self._public.rstrip("/") or f"http://localhost:{port}"

    def _redirect(self, request: web.Request) -> str:
        return f"{self._base(request)}/twitch/callback"


def _row(account: Account, stage: str) -> str:
    state = "not accepted by Twitch any more: sign in again" if account.lost else "signed in"
    kind = ' class="lost"' if account.lost else ""
    roles = " and ".join(account.roles)
    address = html.escape(stage)
    links = (
        f"<p>Stage for OBS: <code>{address}</code></p>"
        f'<p class="aside">If OBS may start before Riffbot, <a href="{address}/obs.html">save this '
        "file</a> and choose it in OBS as <em>Local file</em>.</p>"
    )
    shown = links if stage else ""
    return f"<li{kind}><p>{html.escape(account.login)} ({roles}): {state}</p>{shown}</li>"


def _page(
    title: str, body: str, status: int = 200, back: tuple[str, str] | None = None
) -> web.Response:
    """A page of text; `back` is the address and name of the page above it."""
    above = f'<p class="back"><a href="{back[0]}">\u2190 {back[1]}</a></p>' if back else ""
    return web.Response(
        text=(
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>{html.escape(title)} · Riffbot</title>"
            '<link rel="icon" href="/static/favicon.svg">'
            '<link rel="stylesheet" href="/static/css/tokens.css">'
            '<link rel="stylesheet" href="/static/css/plain.css">'
            f"<main>{above}<h1>{html.escape(title)}</h1>{body}</main></html>"
        ),
        status=status,
        content_type="text/html",
    )
