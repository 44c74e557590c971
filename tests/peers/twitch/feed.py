"""EventSub subscriptions, whatever carries them: what is subscribed to, at what cost, by whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.peers.twitch.models import App, Json, User, moment
from tests.peers.twitch.tokens import Tokens

MAX_SOCKET_COST, MAX_APP_COST = 10, 10_000
MAX_PER_SOCKET, MAX_SOCKETS = 300, 3


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscription. `user` made it over a WebSocket; None for an app's own, by conduit."""

    id: str
    type: str
    version: str
    condition: dict[str, str]
    transport: Json
    app: App
    user: User | None
    holder: User | None
    cost: int
    created_at: float
    status: str = "enabled"

    def to_json(self) -> Json:
        return {
            "id": self.id,
            "type": self.type,
            "version": self.version,
            "status": self.status,
            "cost": self.cost,
            "condition": self.condition,
            "transport": self.transport,
            "created_at": moment(self.created_at),
        }


@dataclass(slots=True)
class Feed:
    """All subscriptions. Events go to `carriers`, which are told (subscription, frame)."""

    tokens: Tokens
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    carriers: list[Callable[[Subscription, Json], bool]] = field(default_factory=list)

    def enabled(self, *, app: App, user: User | None) -> list[Subscription]:
        """An app's enabled subscriptions: those of one user's sockets, or (None) its own."""
        return [
            each
            for each in self.subscriptions.values()
            if each.app is app and each.user is user and each.status == "enabled"
        ]

    def of_socket(self, session_id: str) -> list[Subscription]:
        """The enabled subscriptions that a WebSocket carries."""
        return [
            each
            for each in self.subscriptions.values()
            if each.transport.get("session_id") == session_id and each.status == "enabled"
        ]

    def tell(self, kind: str, about: dict[str, str], event: Json) -> int:
        """An event for whoever subscribed to it; returns how many notifications went out."""
        sent = 0
        for each in list(self.subscriptions.values()):
            if each.type != kind or each.status != "enabled":
                continue
            wanted = {name: value for name, value in each.condition.items() if value}
            if all(about.get(name, value) == value for name, value in wanted.items()):
                sent += self.send(each, "notification", event)
        self.tokens.notify()
        return sent

    def send(self, subscription: Subscription, message_type: str, event: Json | None) -> bool:
        """One message about a subscription, to the carrier that has it."""
        frame: Json = {
            "metadata": {
                "message_id": self.tokens.uuid(),
                "message_type": message_type,
                "message_timestamp": moment(self.tokens.now()),
                "subscription_type": subscription.type,
                "subscription_version": subscription.version,
            },
            "payload": {"subscription": subscription.to_json()},
        }
        if event is not None:
            frame["payload"]["event"] = event
        return any(carrier(subscription, frame) for carrier in self.carriers)

    def revoke(self, subscription: Subscription, status: str) -> None:
        """Twitch ends a subscription: authorization_revoked, user_removed, version_removed, …"""
        subscription.status = status
        self.send(subscription, "revocation", None)
        self.tokens.notify()
