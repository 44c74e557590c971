"""What else happens on channels: subscriptions, gifts, raids, hype trains, other chat modes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.peers.twitch.models import ChatModes, Json, User, moment
from tests.peers.twitch.points import Points

TRAIN_SECONDS, TRAIN_GOAL = 300.0, 1800


@dataclass(slots=True, eq=False)
class HypeTrain:
    """One that runs."""

    id: str
    channel: User
    started_at: float
    level: int = 1
    total: int = 500
    progress: int = 500


class Happenings(Points):
    """They reach those who subscribed to them."""

    def subscribe(self, channel: User, user: User, tier: str = "1000") -> None:
        """A viewer subscribes for the first time."""
        channel.subscribers[user.id] = tier
        event = {**user.fields("user"), "tier": tier, "is_gift": False}
        self.tell("channel.subscribe", channel, event)

    def resubscribe(self, channel: User, user: User, text: str, months: int = 2) -> None:
        """A subscriber shares how long they have been one."""
        tier = channel.subscribers.setdefault(user.id, "1000")
        event: Json = {
            **user.fields("user"),
            "tier": tier,
            "message": {"text": text, "emotes": []},
            "cumulative_months": months,
            "streak_months": None,
            "duration_months": 1,
        }
        self.tell("channel.subscription.message", channel, event)

    def unsubscribe(self, channel: User, user: User) -> None:
        tier = channel.subscribers.pop(user.id)
        event = {**user.fields("user"), "tier": tier, "is_gift": False}
        self.tell("channel.subscription.end", channel, event)

    def gift(
        self, channel: User, giver: User | None, receivers: Sequence[User], tier: str = "1000"
    ) -> None:
        """Somebody (None: anonymously) gives subscriptions away."""
        who: Json = dict.fromkeys(("user_id", "user_login", "user_name"))
        event: Json = {
            **(who if giver is None else giver.fields("user")),
            "total": len(receivers),
            "tier": tier,
            "cumulative_total": None if giver is None else len(receivers),
            "is_anonymous": giver is None,
        }
        self.tell("channel.subscription.gift", channel, event)
        for user in receivers:
            channel.subscribers[user.id] = tier
            given = {**user.fields("user"), "tier": tier, "is_gift": True}
            self.tell("channel.subscribe", channel, given)

    def raid(self, origin: User, channel: User, viewers: int = 10) -> None:
        """The viewers of `origin` come over to `channel`."""
        event: Json = {
            **origin.fields("from_broadcaster_user"),
            **channel.fields("to_broadcaster_user"),
            "viewers": viewers,
        }
        about = {"from_broadcaster_user_id": origin.id, "to_broadcaster_user_id": channel.id}
        self.feed.tell("channel.raid", about, event)

    def hype_train(self, channel: User) -> HypeTrain:
        """A hype train begins."""
        train = HypeTrain(self.uuid(), channel, self.now())
        peak = {"all_time_high_level": 3, "all_time_high_total": 9000}
        self.tell("channel.hype_train.begin", channel, {**self._train(train), **peak})
        return train

    def advance_train(self, train: HypeTrain, level: int) -> None:
        """It reaches a level."""
        train.level, train.total, train.progress = level, train.total + TRAIN_GOAL, 0
        self.tell("channel.hype_train.progress", train.channel, self._train(train))

    def end_train(self, train: HypeTrain) -> None:
        event = self._train(train)
        for name in ("progress", "goal", "expires_at"):
            del event[name]
        ends = {
            "ended_at": moment(self.now()),
            "cooldown_ends_at": moment(self.now() + 3600),
        }
        self.tell("channel.hype_train.end", train.channel, {**event, **ends})

    def set_modes(self, channel: User, modes: ChatModes) -> None:
        """The broadcaster restricts the chat, or opens it again."""
        channel.modes = modes
        event: Json = {
            "emote_mode": modes.emotes_only,
            "follower_mode": modes.followers_only,
            "follower_mode_duration_minutes": 0 if modes.followers_only else None,
            "slow_mode": bool(modes.slow_seconds),
            "slow_mode_wait_time_seconds": modes.slow_seconds or None,
            "subscriber_mode": modes.subscribers_only,
            "unique_chat_mode": False,
        }
        self.tell("channel.chat_settings.update", channel, event)

    def _train(self, train: HypeTrain) -> Json:
        return {
            "id": train.id,
            "total": train.total,
            "progress": train.progress,
            "goal": TRAIN_GOAL,
            "level": train.level,
            "top_contributions": [],
            "shared_train_participants": None,
            "is_shared_train": False,
            "type": "regular",
            "started_at": moment(train.started_at),
            "expires_at": moment(train.started_at + TRAIN_SECONDS),
        }
