"""Who is asking, as the studio knows people: what badges and follows say about them."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from twitchio.http import Route

from bot.jobs import Requester
from bot.moderation.desk import Moderation
from bot.moderation.levels import ADMIN_ROLE, FOLLOWER_ROLE, MODERATOR_ROLE, SUBSCRIBER_ROLE
from cogs.twitch.http import TROUBLE, TwitchHttp
from cogs.twitch.place import PLATFORM
from cogs.twitch.tokens import TokenStore

log = logging.getLogger(__name__)

Json = dict[str, Any]
VIP_ROLE = "vip"
_ROLES = {
    "broadcaster": ADMIN_ROLE,
    "moderator": MODERATOR_ROLE,
    "lead_moderator": MODERATOR_ROLE,
    "vip": VIP_ROLE,
    "subscriber": SUBSCRIBER_ROLE,
    "founder": SUBSCRIBER_ROLE,
}
_REMEMBERED, _FRESH_SECONDS = 10_000, 600.0


def somebody(channel: str, user: str, name: str, roles: Iterable[str] = ()) -> Requester:
    """Somebody in a channel. Whose channel it is, is its admin."""
    held = set(roles) | ({ADMIN_ROLE} if user == channel else set())
    return Requester(PLATFORM, channel, user, name, frozenset(held))


def chatter(event: Json) -> Requester:
    """Who wrote a `channel.chat.message`."""
    badges = (badge["set_id"] for badge in event.get("badges") or ())
    return somebody(
        str(event["broadcaster_user_id"]),
        str(event["chatter_user_id"]),
        str(event["chatter_user_name"] or event["chatter_user_login"]),
        [_ROLES[badge] for badge in badges if badge in _ROLES],
    )


class Follows:
    """Who follows since when. Badges do not tell, so Twitch is asked where the rules need it."""

    def __init__(self, http: TwitchHttp, tokens: TokenStore, moderation: Moderation) -> None:
        self._http, self._tokens = http, tokens
        self._settings = moderation.rules.settings
        self._known: OrderedDict[tuple[str, str], tuple[float, float | None]] = OrderedDict()

    async def completed(self, who: Requester) -> Requester:
        """Somebody with what their follow gives them, where that matters and is known."""
        settings = self._settings.settings_of(who)
        matters = (
            settings.access.who == "followers"
            or settings.live.steer == "followers"
            or FOLLOWER_ROLE in settings.live.vote_weights
        )
        if not matters:
            return who
        since = await self._since(who.community, who.user)
        if since is None:
            return who
        days = max(0.0, time.time() - since) / 86_400
        return replace(who, roles=who.roles | {FOLLOWER_ROLE}, follows_days=days)

    def began(self, channel: str, user: str) -> None:
        """Somebody follows just now."""
        self._remember((channel, user), time.time())

    async def _since(self, channel: str, user: str) -> float | None:
        found = self._known.get((channel, user))
        if found is not None and time.monotonic() - found[0] < _FRESH_SECONDS:
            return found[1]
        account = self._tokens.get(channel)
        if account is None or "moderator:read:followers" not in account.scopes:
            return None
        params: dict[str, Any] = {"broadcaster_id": channel, "user_id": user}
        route = Route("GET", "channels/followers", params=params, token_for=channel)
        try:
            data = (await self._http.request(route))["data"]
        except TROUBLE as error:
            log.warning("it is not known whether somebody follows %s: %s", account.login, error)
            return None
        since = None
        if data:
            since = datetime.fromisoformat(plain_time(str(data[0]["followed_at"]))).timestamp()
        self._remember((channel, user), since)
        return since

    def _remember(self, key: tuple[str, str], since: float | None) -> None:
        self._known[key] = (time.monotonic(), since)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


def plain_time(moment: str) -> str:
    """Twitch's times may have nine digits behind the point; Python reads six."""
    head, _, rest = moment.removesuffix("Z").partition(".")
    return f"{head}.{rest[:6] or '0'}+00:00"
