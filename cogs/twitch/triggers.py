"""What viewers do beside writing: follows, subscriptions, gifts, cheers, raids and hype trains may
vote for a prompt that moderators chose, or make somebody's next vote count more.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import replace
from typing import Any

from bot.errors import NotFoundRefusal, Refusal
from bot.live.session import voter_of
from bot.live.topics import Topic
from bot.moderation.levels import MODERATOR_ROLE
from cogs.twitch.parts import Parts
from cogs.twitch.requester import somebody
from generation.errors import BadRequestError

log = logging.getLogger(__name__)

Json = dict[str, Any]
_SETTING = re.compile(r"\s*(?P<prompt>.*?)\s*(?:(?<!\S)[x×](?P<weight>\d{1,2}(?:\.\d+)?))?\s*\Z")
# Who cheers with a vote gets that vote, which then counts more; nothing else is voted for.
_OWN_VOTE = re.compile(r"(?:^|\s)!vote\s+\S", re.IGNORECASE)
_OWED_SECONDS, _MOST_OWED = 600.0, 10_000
_HEAVIEST = 20.0
NOBODY = "anonymous"


def read_trigger(text: str) -> tuple[str, float]:
    """`warm strings x2` → what to vote for, and how often that counts."""
    match = _SETTING.match(text)
    if match is None:
        return text.strip(), 1.0
    weight = min(_HEAVIEST, float(match["weight"])) if match["weight"] else 1.0
    return match["prompt"], weight


class Triggers:
    """Listens to these events."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._owed: dict[tuple[str, str], tuple[float, float]] = {}

    async def on_event(self, kind: str, event: Json) -> None:
        """One event of a channel."""
        channel = str(event.get("broadcaster_user_id") or event.get("to_broadcaster_user_id"))
        user, name = event.get("user_id"), event.get("user_name")
        match kind:
            case "channel.follow":
                self._parts.follows.began(channel, str(user))
                setting = "on-follow"
            case "channel.subscribe" if not event.get("is_gift"):
                setting = "on-subscribe"
            case "channel.subscription.message":
                setting = "on-subscribe"
            case "channel.subscription.gift":
                setting = "on-gift"
            case "channel.cheer" if not _OWN_VOTE.search(str(event.get("message"))):
                setting = "on-cheer"
            case "channel.raid":
                user = event["from_broadcaster_user_id"]
                name = event["from_broadcaster_user_name"]
                setting = "on-raid"
            case "channel.hype_train.begin":
                user, name, setting = "hype-train", "The hype train", "on-hype-train"
            case _:
                return
        await self._act(setting, channel, str(user or NOBODY), str(name or "Somebody"))

    def weight_of(self, setting: str, channel: str) -> float:
        """How often a vote counts by this setting."""
        return read_trigger(self._parts.setting(setting, channel))[1]

    def take_owed(self, channel: str, user: str) -> float:
        """How often somebody's next vote counts; asked once."""
        weight, until = self._owed.pop((channel, user), (1.0, 0.0))
        return weight if until > time.monotonic() else 1.0

    async def _act(self, setting: str, channel: str, user: str, name: str) -> None:
        prompt, weight = read_trigger(self._parts.setting(setting, channel))
        if not prompt:
            if weight > 1.0 and user != NOBODY:
                if len(self._owed) >= _MOST_OWED:
                    self._owed.pop(next(iter(self._owed)))
                self._owed[channel, user] = weight, time.monotonic() + _OWED_SECONDS
            return
        try:
            topic = await self._vote(channel, user, name, prompt, weight)
        except (Refusal, BadRequestError) as error:
            log.info("%s on %s changes nothing: %s", setting, channel, error)
            return
        mentioned = name if user.isdigit() else ""
        self._parts.mouth.say(channel, mentioned, f"The music turns to: {topic.prompt}.")

    async def _vote(self, channel: str, user: str, name: str, prompt: str, weight: float) -> Topic:
        """Moderators chose words and weight, so who may steer and what roles count does not
        matter here; being blocked does.

        Raises:
            Refusal, BadRequestError: as `LiveSessions.vote`.
        """
        who = replace(somebody(channel, user, name), roles=frozenset({MODERATOR_ROLE}))
        live = self._parts.services.live
        session = live.of(who)
        await live.check(who, prompt)
        if live.at(session.where) is not session:
            raise NotFoundRefusal("The live session ended meanwhile.")
        return session.vote(voter_of(who), prompt, weight)
