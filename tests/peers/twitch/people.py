"""Users, moderators, followers, subscribers, bans: who they are and what they do to channels."""

from __future__ import annotations

import re

from tests.peers.twitch.feed import Feed
from tests.peers.twitch.models import Json, Standing, Stream, User, moment
from tests.peers.twitch.tokens import Tokens

LOGIN = re.compile(r"[a-z0-9][a-z0-9_]{2,24}\Z")


_ACTIONS = (
    "followers slow vip unvip mod unmod ban unban timeout untimeout raid unraid delete"
    " automod_terms unban_request warn shared_chat_ban shared_chat_unban"
    " shared_chat_timeout shared_chat_untimeout shared_chat_delete".split()
)


class People(Tokens):
    """What people do to channels reaches those who subscribed to it."""

    def __init__(self) -> None:
        super().__init__()
        self.feed = Feed(self)
        self._by_login: dict[str, User] = {}

    def add_user(self, name: str, standing: Standing = "") -> User:
        """A person with a channel; `standing` "affiliate" or "partner" may have channel points."""
        login = name.lower()
        assert LOGIN.match(login), f"no login: {login!r}"
        assert login not in self._by_login, f"there is a {login} already"
        user = User(self.number(), login, name, standing)
        self.users[user.id] = self._by_login[login] = user
        return user

    def user_named(self, login: str) -> User | None:
        return self._by_login.get(login)

    def is_moderator(self, channel: User, user: User) -> bool:
        """Whether a user moderates a channel; broadcasters do on their own."""
        return user is channel or user.id in channel.moderators

    def is_banned(self, channel: User, user: User) -> bool:
        """Banned or timed out at the moment."""
        ends = channel.banned.get(user.id, 0.0)
        return ends is None or ends > self.clock.time

    def tell(self, kind: str, channel: User, event: Json, **about: str) -> int:
        """An event of a channel for its subscribers."""
        about = {"broadcaster_user_id": channel.id, **about}
        return self.feed.tell(kind, about, {**channel.fields("broadcaster_user"), **event})

    def add_moderator(self, channel: User, user: User) -> None:
        channel.moderators.add(user.id)
        self.tell("channel.moderator.add", channel, user.fields("user"))

    def remove_moderator(self, channel: User, user: User) -> None:
        """Subscriptions that needed the role are revoked."""
        channel.moderators.discard(user.id)
        self.tell("channel.moderator.remove", channel, user.fields("user"))
        for each in list(self.feed.subscriptions.values()):
            mine = each.condition.get("moderator_user_id") == user.id
            here = each.condition.get("broadcaster_user_id") == channel.id
            if mine and here and user is not channel and each.status == "enabled":
                self.feed.revoke(each, "moderator_removed")

    def add_vip(self, channel: User, user: User) -> None:
        channel.vips.add(user.id)
        self.tell("channel.vip.add", channel, user.fields("user"))

    def remove_vip(self, channel: User, user: User) -> None:
        channel.vips.discard(user.id)
        self.tell("channel.vip.remove", channel, user.fields("user"))

    def follow(self, channel: User, user: User) -> None:
        channel.followers[user.id] = self.now()
        event = {**user.fields("user"), "followed_at": moment(self.now())}
        self.tell("channel.follow", channel, event)

    def ban(
        self, channel: User, user: User, *, seconds: int | None = None, reason: str = ""
    ) -> None:
        """Ban, or time out for `seconds`; what they said there is cleared.

        Who listens to the chat, as a bot does, hears no more of it.
        """
        channel.banned[user.id] = None if seconds is None else self.clock.time + seconds
        for message in channel.messages:
            message.deleted = message.deleted or message.author is user
        event = {
            **user.fields("user"),
            **channel.fields("moderator_user"),
            "reason": reason,
            "banned_at": moment(self.now()),
            "ends_at": None if seconds is None else moment(self.now() + seconds),
            "is_permanent": seconds is None,
        }
        self.tell("channel.ban", channel, event)
        self.tell("channel.chat.clear_user_messages", channel, user.fields("target_user"))
        self._moderated(channel, user, "ban" if seconds is None else "timeout", event)
        for each in list(self.feed.subscriptions.values()):
            here = each.condition.get("broadcaster_user_id") == channel.id
            listens = each.type.startswith("channel.chat") and each.holder is user
            if here and listens and each.status == "enabled":
                self.feed.revoke(each, "chat_user_banned")

    def time_out(self, channel: User, user: User, seconds: int, reason: str = "") -> None:
        """A ban that ends by itself; no event tells of its end."""
        self.ban(channel, user, seconds=seconds, reason=reason)

    def unban(self, channel: User, user: User) -> None:
        ends = channel.banned.pop(user.id, None)
        event = {**user.fields("user"), **channel.fields("moderator_user")}
        self.tell("channel.unban", channel, event)
        self._moderated(channel, user, "unban" if ends is None else "untimeout", {})

    def go_live(self, channel: User, title: str = "Making music") -> Stream:
        channel.stream = Stream(self.number(), self.now(), title)
        started = moment(channel.stream.started_at)
        event = {"id": channel.stream.id, "type": "live", "started_at": started}
        self.tell("stream.online", channel, event)
        return channel.stream

    def go_offline(self, channel: User) -> None:
        assert channel.stream is not None
        event = {"id": channel.stream.id}
        channel.stream = None
        self.tell("stream.offline", channel, event)

    def disconnect(self, user: User) -> None:
        """A user takes the bot off their connections page: tokens end, subscriptions go."""
        for token in self.tokens.values():
            if token.user is user:
                token.revoked = True
                if token.refresh is not None:
                    self.refreshes.pop(token.refresh, None)
        for each in list(self.feed.subscriptions.values()):
            if each.holder is user and each.status == "enabled":
                self.feed.revoke(each, "authorization_revoked")
        for app in self.apps.values():
            event = {"client_id": app.client_id, **user.fields("user")}
            self.feed.tell("user.authorization.revoke", {"client_id": app.client_id}, event)

    def _moderated(self, channel: User, user: User, action: str, event: Json) -> None:
        """The event that tells all moderators who did what."""
        blank: Json = dict.fromkeys(_ACTIONS)
        details: Json = user.fields("user")
        if action in ("ban", "timeout"):
            details["reason"] = event["reason"]
        if action == "timeout":
            details["expires_at"] = event["ends_at"]
        if action == "delete":
            details |= {name: event[name] for name in ("message_id", "message_body")}
        source: Json = dict.fromkeys(
            f"source_broadcaster_user_{part}" for part in ("id", "login", "name")
        )
        who = channel.fields("moderator_user")
        whole = {**source, **who, "action": action, **blank, action: details}
        self.tell("channel.moderate", channel, whole)
