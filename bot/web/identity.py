"""Who is at the other end: sessions of browser tabs, and the owner.

A tab's session is its user id with a signature, kept by the page and sent as a header, so that two
tabs of one browser are two users. The owner is recognised by a cookie that the one-time link
printed at start was traded for; scripts of other sites can read or send neither.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aiohttp import web

from bot.ids import new_id
from bot.jobs import Requester
from bot.moderation.levels import OWNER_ROLE
from bot.names import friendly_name

Role = Literal["member", "owner"]

SESSION_HEADER = "X-Riffbot-Session"
OWNER_COOKIE = "riffbot_owner"
PLATFORM = "local"
COMMUNITY = "chat"
_OWNER_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with the page open, or a script."""

    user: str
    name: str
    role: Role

    @property
    def requester(self) -> Requester:
        """Them, as the studio knows people."""
        roles = frozenset({OWNER_ROLE} if self.role == "owner" else ())
        return Requester(PLATFORM, COMMUNITY, self.user, self.name, roles)


class Identity:
    """Issues and recognises sessions and the owner's cookie."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._link_token: str | None = secrets.token_urlsafe(24)

    @classmethod
    def load(cls, file: Path) -> Identity:
        """With the signing secret in `file`, which is made, for its owner's eyes only, if new."""
        with suppress(FileExistsError):
            descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(secrets.token_bytes(32))
        return cls(file.read_bytes())

    @property
    def owner_fragment(self) -> str:
        """End of the one-time link. A fragment never reaches a log or a referrer."""
        return f"#owner={self._link_token}"

    def new_session(self) -> str:
        """A session for a user nobody was before."""
        user = new_id()
        return f"{user}.{self._sign('session', user)}"

    def visitor(self, request: web.Request, session: str | None = None) -> Visitor:
        """Who sent a request: a tab with a valid session, else a script on that address."""
        role: Role = "owner" if self.is_owner(request) else "member"
        user = self.user_of(session or request.headers.get(SESSION_HEADER))
        if user is None:
            return Visitor(f"script:{request.remote or 'unknown'}", "A script", role)
        return Visitor(user, friendly_name(user), role)

    def user_of(self, session: str | None) -> str | None:
        """The user id in a session that we signed, or None."""
        user, _, signature = (session or "").partition(".")
        valid = hmac.compare_digest(signature.encode(), self._sign("session", user).encode())
        return user if user and valid else None

    def redeem(self, token: str) -> bool:
        """Use up the one-time link; True exactly once, for the right token."""
        expected = self._link_token
        if expected is None or not hmac.compare_digest(token.encode(), expected.encode()):
            return False
        self._link_token = None
        return True

    def set_owner(self, response: web.Response) -> None:
        """Give the browser the owner's cookie."""
        response.set_cookie(
            OWNER_COOKIE,
            self._sign("owner", ""),
            max_age=_OWNER_SECONDS,
            httponly=True,
            samesite="Strict",
        )

    def is_owner(self, request: web.Request) -> bool:
        """Whether the request carries the owner's cookie."""
        cookie = request.cookies.get(OWNER_COOKIE, "")
        return hmac.compare_digest(cookie.encode(), self._sign("owner", "").encode())

    def _sign(self, purpose: str, text: str) -> str:
        message = f"{purpose}:{text}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()[:40]
