"""What we want to be told of: EventSub subscriptions by channel, as far as its owner allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cogs.twitch.tokens import Account


@dataclass(frozen=True, slots=True)
class Wanted:
    """One subscription.

    Attributes:
        owner: id of the account whose token asks for it over a WebSocket of its own.
        condition: pairs of name and value.
    """

    kind: str
    version: str
    condition: tuple[tuple[str, str], ...]
    owner: str

    @property
    def channel(self) -> str:
        """Id of the broadcaster that it is about."""
        named = dict(self.condition)
        return named.get("broadcaster_user_id") or named["to_broadcaster_user_id"]


_CHAT = (
    "channel.chat.message",
    "channel.chat.message_delete",
    "channel.chat.clear_user_messages",
)
# Of what a broadcaster allowed: kind, version, scope.
_OWNED = (
    ("channel.ban", "1", "channel:moderate"),
    ("channel.unban", "1", "channel:moderate"),
    ("channel.channel_points_custom_reward_redemption.add", "1", "channel:manage:redemptions"),
    ("channel.subscribe", "1", "channel:read:subscriptions"),
    ("channel.subscription.gift", "1", "channel:read:subscriptions"),
    ("channel.subscription.message", "1", "channel:read:subscriptions"),
    ("channel.cheer", "1", "bits:read"),
    ("channel.hype_train.begin", "2", "channel:read:hype_train"),
    ("channel.follow", "2", "moderator:read:followers"),
    ("channel.raid", "1", ""),
    ("stream.online", "1", ""),
    ("stream.offline", "1", ""),
)


def wanted_of(bot: Account, channels: Sequence[str], owners: Sequence[Account]) -> list[Wanted]:
    """All subscriptions, chats first.

    Args:
        bot: who reads along.
        channels: ids of all broadcasters.
        owners: those of them who signed in.
    """
    found = [] if bot.lost else [one for channel in channels for one in _chat(bot, channel)]
    return [*found, *(one for owner in owners for one in _owned(owner))]


def _chat(bot: Account, channel: str) -> Iterator[Wanted]:
    for kind in _CHAT:
        condition = (("broadcaster_user_id", channel), ("user_id", bot.user_id))
        yield Wanted(kind, "1", condition, bot.user_id)


def _owned(owner: Account) -> Iterator[Wanted]:
    me = owner.user_id
    for kind, version, scope in _OWNED:
        if scope and scope not in owner.scopes:
            continue
        if kind == "channel.raid":
            yield Wanted(kind, version, (("to_broadcaster_user_id", me),), me)
        elif kind == "channel.follow":
            condition = (("broadcaster_user_id", me), ("moderator_user_id", me))
            yield Wanted(kind, version, condition, me)
        else:
            yield Wanted(kind, version, (("broadcaster_user_id", me),), me)
