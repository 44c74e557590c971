"""Channel points: rewards, and what viewers do with them."""

from __future__ import annotations

from tests.peers.twitch.models import App, Json, Redemption, RedemptionStatus, Reward, User, moment
from tests.peers.twitch.talk import Talk

STARTING_BALANCE = 100_000
# Settings of a reward as an app may name them, with what they are at first.
FRESH: Json = {
    "title": "",
    "cost": 1,
    "prompt": "",
    "is_enabled": True,
    "background_color": "#00E5CB",
    "is_user_input_required": False,
    "is_max_per_stream_enabled": False,
    "max_per_stream": 0,
    "is_max_per_user_per_stream_enabled": False,
    "max_per_user_per_stream": 0,
    "is_global_cooldown_enabled": False,
    "global_cooldown_seconds": 0,
    "should_redemptions_skip_request_queue": False,
    "is_paused": False,
}


class NotRedeemableError(Exception):
    """Twitch would not let a viewer redeem that now; says why."""


class Points(Talk):
    """Rewards of all channels, and everybody's points."""

    def __init__(self) -> None:
        super().__init__()
        self._spent: dict[tuple[str, str], int] = {}

    def balance(self, channel: User, user: User) -> int:
        """How many of a channel's points a viewer has; refunds come back."""
        return STARTING_BALANCE - self._spent.get((channel.id, user.id), 0)

    def reward_named(self, channel: User, title: str) -> Reward | None:
        return next((r for r in channel.rewards.values() if r.settings["title"] == title), None)

    def add_reward(self, channel: User, app: App | None, settings: Json) -> Reward:
        """A reward appears: an app's, or (None) one that the broadcaster made by hand."""
        reward = Reward(self.uuid(), channel, app, {**FRESH, **settings})
        channel.rewards[reward.id] = reward
        self._tell_reward("add", reward)
        return reward

    def change_reward(self, reward: Reward, settings: Json) -> None:
        """Its settings change, by the app or by the broadcaster's hand."""
        reward.settings |= settings
        self._tell_reward("update", reward)

    def remove_reward(self, reward: Reward) -> None:
        """Redemptions that wait count as fulfilled."""
        for redemption in reward.redemptions.values():
            if redemption.status == "UNFULFILLED":
                self.settle(redemption, "FULFILLED")
        del reward.channel.rewards[reward.id]
        self._tell_reward("remove", reward)

    def redeem(self, channel: User, user: User, reward: Reward | str, text: str = "") -> Redemption:
        """A viewer spends points. Text for a reward that asks for some appears in chat too.

        Args:
            reward: the reward, or its title.

        Raises:
            NotRedeemableError: Twitch would not offer it.
        """
        found = self.reward_named(channel, reward) if isinstance(reward, str) else reward
        if found is None:
            raise NotRedeemableError(f"there is no reward {reward!r}")
        self._check(found, user, text)
        made = Redemption(self.uuid(), found, user, text, self.now())
        found.redemptions[made.id] = made
        found.last_redeemed = self.clock.time
        key = (channel.id, user.id)
        self._spent[key] = self._spent.get(key, 0) + found.settings["cost"]
        if found.settings["should_redemptions_skip_request_queue"]:
            made.status = "FULFILLED"
        if text:
            self.post(channel, user, text, reward_id=found.id)
        self._tell_redemption("add", made)
        return made

    def settle(self, redemption: Redemption, status: RedemptionStatus) -> None:
        """It is fulfilled, or cancelled and refunded, by the app or by the broadcaster's hand."""
        assert redemption.status == "UNFULFILLED"
        redemption.status = status
        if status == "CANCELED":
            key = (redemption.reward.channel.id, redemption.user.id)
            self._spent[key] -= redemption.reward.settings["cost"]
        self._tell_redemption("update", redemption)

    def redemption_json(self, redemption: Redemption) -> Json:
        """As Helix shows it."""
        settings = redemption.reward.settings
        channel, user = redemption.reward.channel, redemption.user
        return {
            "broadcaster_id": channel.id,
            "broadcaster_login": channel.login,
            "broadcaster_name": channel.name,
            "id": redemption.id,
            **user.fields("user"),
            "user_input": redemption.text,
            "status": redemption.status,
            "redeemed_at": moment(redemption.at),
            "reward": {
                "id": redemption.reward.id,
                **{name: settings[name] for name in ("title", "prompt", "cost")},
            },
        }

    def reward_json(self, reward: Reward) -> Json:
        """As Helix shows it."""
        channel, settings = reward.channel, reward.settings
        ends = self._cooldown_ends(reward)
        flat = ("title cost prompt is_enabled background_color is_user_input_required").split()
        return {
            "broadcaster_id": channel.id,
            "broadcaster_login": channel.login,
            "broadcaster_name": channel.name,
            "id": reward.id,
            **{name: settings[name] for name in flat},
            "image": None,
            "default_image": _pictures(),
            "max_per_stream_setting": {
                "is_enabled": settings["is_max_per_stream_enabled"],
                "max_per_stream": settings["max_per_stream"],
            },
            "max_per_user_per_stream_setting": {
                "is_enabled": settings["is_max_per_user_per_stream_enabled"],
                "max_per_user_per_stream": settings["max_per_user_per_stream"],
            },
            "global_cooldown_setting": {
                "is_enabled": settings["is_global_cooldown_enabled"],
                "global_cooldown_seconds": settings["global_cooldown_seconds"],
            },
            "is_paused": settings["is_paused"],
            "is_in_stock": True,
            "should_redemptions_skip_request_queue": settings[
                "should_redemptions_skip_request_queue"
            ],
            "redemptions_redeemed_current_stream": self._this_stream(reward, None)
            if channel.stream is not None
            else None,
            "cooldown_expires_at": None if ends is None else moment(ends),
        }

    def _check(self, reward: Reward, user: User, text: str) -> None:
        settings = reward.settings
        if not settings["is_enabled"] or settings["is_paused"]:
            raise NotRedeemableError("the reward is disabled or paused")
        if settings["is_user_input_required"] != bool(text):
            raise NotRedeemableError("the reward asks for text" if not text else "it takes no text")
        if user is reward.channel or self.is_banned(reward.channel, user):
            raise NotRedeemableError(f"{user.login} cannot redeem there")
        if self.balance(reward.channel, user) < settings["cost"]:
            raise NotRedeemableError(f"{user.login} has too few points")
        if self._cooldown_ends(reward) is not None:
            raise NotRedeemableError("the reward cools down")
        for limit, who in (("max_per_stream", None), ("max_per_user_per_stream", user)):
            if (
                settings[f"is_{limit}_enabled"]
                and self._this_stream(reward, who) >= settings[limit]
            ):
                raise NotRedeemableError("the reward is used up for this stream")

    def _cooldown_ends(self, reward: Reward) -> float | None:
        """When it can be redeemed again, in seconds since the epoch; None for now."""
        if not reward.settings["is_global_cooldown_enabled"] or reward.last_redeemed is None:
            return None
        left = reward.last_redeemed + reward.settings["global_cooldown_seconds"] - self.clock.time
        return self.now() + left if left > 0 else None

    def _this_stream(self, reward: Reward, user: User | None) -> int:
        since = 0.0 if reward.channel.stream is None else reward.channel.stream.started_at
        return sum(
            each.at >= since and each.status != "CANCELED" and user in (None, each.user)
            for each in reward.redemptions.values()
        )

    def _tell_reward(self, what: str, reward: Reward) -> None:
        shown = self.reward_json(reward)
        event = {name: value for name, value in shown.items() if not name.startswith("broadcaster")}
        for name, count in (
            ("max_per_stream", "max_per_stream"),
            ("max_per_user_per_stream", "max_per_user_per_stream"),
            ("global_cooldown", "global_cooldown_seconds"),
        ):
            setting = event.pop(f"{name}_setting")
            unit = "seconds" if name == "global_cooldown" else "value"
            event[name] = {"is_enabled": setting["is_enabled"], unit: setting[count]}
        kind = f"channel.channel_points_custom_reward.{what}"
        self.tell(kind, reward.channel, event, reward_id=reward.id)

    def _tell_redemption(self, what: str, redemption: Redemption) -> None:
        shown = self.redemption_json(redemption)
        event = {name: value for name, value in shown.items() if not name.startswith("broadcaster")}
        event["status"] = redemption.status.lower()
        reward = redemption.reward
        kind = f"channel.channel_points_custom_reward_redemption.{what}"
        self.tell(kind, reward.channel, event, reward_id=reward.id)


def _pictures() -> Json:
    base = "https://static-cdn.jtvnw.net/custom-reward-images/default"
    return {f"url_{size}x": f"{base}-{size}.png" for size in (1, 2, 4)}
