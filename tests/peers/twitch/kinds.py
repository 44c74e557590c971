"""Kinds of EventSub subscriptions: version, condition, and whose scopes they need.

From the public "Subscription Types" reference, for the kinds that a music bot may want.
"""

from __future__ import annotations

from dataclasses import dataclass

BROADCASTER, READER, MODERATOR = "broadcaster_user_id", "user_id", "moderator_user_id"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind and version.

    Attributes:
        holder: the condition's field that names the user who must have allowed it; a WebSocket
            subscription must be made with that user's token.
        scopes: groups of scopes; one of each group is needed.
        required, optional: fields of the condition; with `one_of`, exactly one of the optional.
        moderates: the holder must moderate the channel.
        chat: with an app token, `user:bot` and `channel:bot` (or being a moderator) come on top.
    """

    version: str
    required: tuple[str, ...] = (BROADCASTER,)
    optional: tuple[str, ...] = ()
    one_of: bool = False
    holder: str | None = None
    scopes: tuple[frozenset[str], ...] = ()
    moderates: bool = False
    chat: bool = False


def _any(*scopes: str) -> tuple[frozenset[str], ...]:
    return (frozenset(scopes),)


def _both(name: str) -> frozenset[str]:
    return frozenset({f"moderator:read:{name}", f"moderator:manage:{name}"})


_CHAT = Kind("1", (BROADCASTER, READER), holder=READER, scopes=_any("user:read:chat"), chat=True)
_POINTS = _any("channel:read:redemptions", "channel:manage:redemptions")


def _owned(version: str, *scopes: str, optional: tuple[str, ...] = ()) -> Kind:
    """What the broadcaster must allow."""
    return Kind(version, optional=optional, holder=BROADCASTER, scopes=_any(*scopes))


_REDEMPTIONS = Kind("1", optional=("reward_id",), holder=BROADCASTER, scopes=_POINTS)
_SUBSCRIPTIONS = _owned("1", "channel:read:subscriptions")
_TRAIN = _owned("2", "channel:read:hype_train")
_VIPS = _owned("1", "channel:read:vips", "channel:manage:vips")
_MODERATE = (
    *map(_both, "blocked_terms chat_settings unban_requests banned_users chat_messages".split()),
    *(_both("warnings"), _any("moderator:read:moderators")[0], _any("moderator:read:vips")[0]),
)

KINDS: dict[str, Kind] = {
    "channel.chat.message": _CHAT,
    "channel.chat.message_delete": _CHAT,
    "channel.chat.clear": _CHAT,
    "channel.chat.clear_user_messages": _CHAT,
    "channel.chat_settings.update": _CHAT,
    "channel.follow": Kind(
        "2",
        (BROADCASTER, MODERATOR),
        holder=MODERATOR,
        scopes=_any("moderator:read:followers"),
        moderates=True,
    ),
    "channel.moderate": Kind(
        "2", (BROADCASTER, MODERATOR), holder=MODERATOR, scopes=_MODERATE, moderates=True
    ),
    "channel.subscribe": _SUBSCRIPTIONS,
    "channel.subscription.end": _SUBSCRIPTIONS,
    "channel.subscription.gift": _SUBSCRIPTIONS,
    "channel.subscription.message": _SUBSCRIPTIONS,
    "channel.cheer": _owned("1", "bits:read"),
    "channel.bits.use": _owned("1", "bits:read"),
    "channel.raid": Kind(
        "1",
        (),
        optional=("from_broadcaster_user_id", "to_broadcaster_user_id"),
        one_of=True,
    ),
    "channel.ban": _owned("1", "channel:moderate"),
    "channel.unban": _owned("1", "channel:moderate"),
    "channel.moderator.add": _owned("1", "moderation:read"),
    "channel.moderator.remove": _owned("1", "moderation:read"),
    "channel.vip.add": _VIPS,
    "channel.vip.remove": _VIPS,
    "channel.channel_points_custom_reward.add": Kind("1", holder=BROADCASTER, scopes=_POINTS),
    "channel.channel_points_custom_reward.update": _REDEMPTIONS,
    "channel.channel_points_custom_reward.remove": _REDEMPTIONS,
    "channel.channel_points_custom_reward_redemption.add": _REDEMPTIONS,
    "channel.channel_points_custom_reward_redemption.update": _REDEMPTIONS,
    "channel.hype_train.begin": _TRAIN,
    "channel.hype_train.progress": _TRAIN,
    "channel.hype_train.end": _TRAIN,
    "stream.online": Kind("1"),
    "stream.offline": Kind("1"),
    "user.authorization.revoke": Kind("1", ("client_id",)),
}
# Only app tokens may ask for it, so it never comes over a socket of a user's.
APP_ONLY = frozenset({"user.authorization.revoke"})
