"""Apps, the scopes they may ask for, and the tokens that they get."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from tests.peers.twitch.base import Ground
from tests.peers.twitch.models import App, Token, User

USER_LIFETIME, APP_LIFETIME = 4 * 3600.0, 60 * 86_400.0
PUBLIC_REFRESH_LIFETIME = 30 * 86_400.0
# The scopes of the public reference that a music bot could conceivably ask for, and some more.
SCOPES = frozenset(
    "analytics:read:games bits:read channel:bot channel:edit:commercial channel:manage:broadcast"
    " channel:manage:moderators channel:manage:polls channel:manage:predictions"
    " channel:manage:raids channel:manage:redemptions channel:manage:vips channel:moderate"
    " channel:read:ads channel:read:charity channel:read:editors channel:read:goals"
    " channel:read:hype_train channel:read:polls channel:read:predictions"
    " channel:read:redemptions channel:read:subscriptions channel:read:vips chat:edit chat:read"
    " clips:edit moderation:read moderator:manage:announcements moderator:manage:automod"
    " moderator:manage:banned_users moderator:manage:blocked_terms"
    " moderator:manage:chat_messages moderator:manage:chat_settings moderator:manage:shoutouts"
    " moderator:manage:unban_requests moderator:manage:warnings moderator:read:banned_users"
    " moderator:read:blocked_terms moderator:read:chat_messages moderator:read:chat_settings"
    " moderator:read:chatters moderator:read:followers moderator:read:moderators"
    " moderator:read:unban_requests moderator:read:vips moderator:read:warnings user:bot"
    " user:manage:whispers user:read:chat user:read:email user:read:emotes user:read:follows"
    " user:read:moderated_channels user:read:subscriptions user:write:chat".split()
)


class Tokens(Ground):
    """Who allowed which app what. `app` is registered to begin with; tests may add others."""

    def __init__(self) -> None:
        super().__init__()
        self.app = self.add_app()

    def add_app(
        self,
        *,
        public: bool = False,
        redirects: Iterable[str] = ("http://localhost:8080/twitch/callback",),
    ) -> App:
        """Register an application."""
        secret = None if public else secrets.token_hex(15)
        app = App(secrets.token_hex(15), secret, set(redirects))
        self.apps[app.client_id] = app
        return app

    def grant(
        self, user: User, scopes: str, *, app: App | None = None, lifetime: float = USER_LIFETIME
    ) -> Token:
        """What a user who agrees gives an app: a token with its refresh token.

        Scopes are separated by spaces.
        """
        app = app or self.app
        unknown = set(scopes.split()) - SCOPES
        assert not unknown, f"no such scope: {', '.join(sorted(unknown))}"
        ends = self.clock.time + PUBLIC_REFRESH_LIFETIME if app.secret is None else None
        token = Token(
            secrets.token_hex(15),
            secrets.token_hex(25),
            app,
            user,
            frozenset(scopes.split()),
            self.clock.time + lifetime,
            ends,
        )
        return self._keep(token)

    def grant_app(self, app: App | None = None) -> Token:
        """An app access token."""
        app = app or self.app
        ends = self.clock.time + APP_LIFETIME
        return self._keep(Token(secrets.token_hex(15), None, app, None, frozenset(), ends))

    def refresh(self, old: Token) -> Token:
        """A new token in place of one; the old refresh token is used up, the old access token not.

        Twitch says that the refresh token may change. Here it always does.
        """
        assert old.user is not None and old.refresh is not None
        del self.refreshes[old.refresh]
        old.refresh = None
        return self.grant(old.user, " ".join(old.scopes), app=old.app)

    def live(self, access: str) -> Token | None:
        """A token that is still good."""
        token = self.tokens.get(access)
        if token is None or token.revoked or token.expires_at <= self.clock.time:
            return None
        return token

    def expire(self, user: User) -> None:
        """A user's access tokens end before their time; refresh tokens stay good."""
        for token in self.tokens.values():
            if token.user is user:
                token.expires_at = self.clock.time

    def allowed(self, app: App, user: User) -> frozenset[str]:
        """All scopes that a user lets an app have, by tokens that could still be refreshed."""
        return frozenset(
            scope
            for token in self.tokens.values()
            if token.app is app and token.user is user and self._stands(token)
            for scope in token.scopes
        )

    def has_authorized(self, app: App, user: User) -> bool:
        return any(
            token.app is app and token.user is user and self._stands(token)
            for token in self.tokens.values()
        )

    def _stands(self, token: Token) -> bool:
        return not token.revoked

    def _keep(self, token: Token) -> Token:
        self.tokens[token.access] = token
        if token.refresh is not None:
            self.refreshes[token.refresh] = token
        return token
