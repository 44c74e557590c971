"""What there is on the loopback Twitch: people and their channels, messages, apps, tokens.

A channel is named by its broadcaster, so where a `channel` is asked for, a `User` is meant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Standing = Literal["", "affiliate", "partner"]
Json = dict[str, Any]


def moment(seconds: float) -> str:
    """Seconds since the epoch as Twitch writes times (RFC 3339, nanoseconds)."""
    made = datetime.fromtimestamp(seconds, UTC)
    return made.strftime("%Y-%m-%dT%H:%M:%S.") + f"{made.microsecond * 1000:09d}Z"


@dataclass(slots=True, eq=False)
class App:
    """An application registered with Twitch; a public one has no secret."""

    client_id: str
    secret: str | None
    redirects: set[str] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Token:
    """An access token, of a user or (without `user`) of an app. `expires_at` is world time."""

    access: str
    refresh: str | None
    app: App
    user: User | None
    scopes: frozenset[str]
    expires_at: float
    refresh_expires_at: float | None = None
    revoked: bool = False


@dataclass(slots=True)
class Stream:
    """A live broadcast."""

    id: str
    started_at: float
    title: str = "Making music"
    viewers: int = 1


@dataclass(slots=True)
class ChatModes:
    """How a broadcaster restricts the chat."""

    followers_only: bool = False
    subscribers_only: bool = False
    emotes_only: bool = False
    slow_seconds: int = 0


@dataclass(slots=True, eq=False)
class User:
    """A person with their channel.

    Attributes:
        standing: affiliates and partners may have channel points.
        followers: user id → when, in seconds since the epoch.
        subscribers: user id → tier, "1000", "2000" or "3000".
        banned: user id → world time at which it ends, None for a ban.
    """

    id: str
    login: str
    name: str
    standing: Standing = ""
    moderators: set[str] = field(default_factory=set)
    vips: set[str] = field(default_factory=set)
    followers: dict[str, float] = field(default_factory=dict)
    subscribers: dict[str, str] = field(default_factory=dict)
    banned: dict[str, float | None] = field(default_factory=dict)
    stream: Stream | None = None
    modes: ChatModes = field(default_factory=ChatModes)
    rewards: dict[str, Reward] = field(default_factory=dict)
    messages: list[ChatMessage] = field(default_factory=list)

    def fields(self, prefix: str) -> Json:
        """Id, login and name under names that begin with `prefix`, as events have them."""
        return {
            f"{prefix}_id": self.id,
            f"{prefix}_login": self.login,
            f"{prefix}_name": self.name,
        }


@dataclass(slots=True, eq=False)
class ChatMessage:
    """One message of a chat.

    Attributes:
        source: in a shared chat, the same message in the channel that it was written in.
        via_api: it was sent by an app, not typed.
    """

    id: str
    channel: User
    author: User
    text: str
    badges: list[Json]
    fragments: list[Json]
    at: float
    bits: int = 0
    reply_to: ChatMessage | None = None
    source: ChatMessage | None = None
    via_api: bool = False
    deleted: bool = False
    reward_id: str | None = None


@dataclass(slots=True, eq=False)
class Reward:
    """A custom channel points reward. `app` made it; None for one made on Twitch's own page."""

    id: str
    channel: User
    app: App | None
    settings: Json
    redemptions: dict[str, Redemption] = field(default_factory=dict)
    last_redeemed: float | None = None


RedemptionStatus = Literal["UNFULFILLED", "FULFILLED", "CANCELED"]


@dataclass(slots=True, eq=False)
class Redemption:
    """One use of a reward."""

    id: str
    reward: Reward
    user: User
    text: str
    at: float
    status: RedemptionStatus = "UNFULFILLED"
