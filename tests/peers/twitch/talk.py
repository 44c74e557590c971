"""What is said in chats, and how it reaches those who listen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.peers.twitch import fragments
from tests.peers.twitch.models import ChatMessage, Json, User
from tests.peers.twitch.people import People

MAX_CHARACTERS = 500


class Talk(People):
    """Chats of all channels."""

    def __init__(self) -> None:
        super().__init__()
        self.emotes: dict[str, str] = {"Kappa": "25", "PogChamp": "305954156", "LUL": "425618"}
        self.from_apps: list[ChatMessage] = []

    def say(
        self,
        channel: User,
        user: User,
        text: str,
        *,
        badges: Sequence[str] = (),
        reply_to: ChatMessage | None = None,
        bits: int | None = None,
    ) -> ChatMessage:
        """A viewer writes. Roles bring their badges by themselves; `badges` adds others.

        `text` may be longer than chats allow, as some clients' messages have been. Bits are
        cheered with `bits`, or by `cheer`; a reply gets "@login " put before it, as Twitch does.
        """
        assert not self.is_banned(channel, user), f"{user.login} may not write there"
        return self.post(channel, user, text, badges, reply_to=reply_to, bits=bits or 0)

    def cheer(self, channel: User, user: User, text: str) -> ChatMessage:
        """A message with cheermotes such as "Cheer100"."""
        bits = fragments.bits_in(text)
        assert bits, f"nothing is cheered in {text!r}"
        message = self.post(channel, user, text, bits=bits)
        event: Json = {"is_anonymous": False, **user.fields("user"), "message": text, "bits": bits}
        self.tell("channel.cheer", channel, event)
        use = {"type": "cheer", "power_up": None, "custom_power_up": None, "bits": bits}
        words = {"text": text, "fragments": message.fragments}
        self.tell("channel.bits.use", channel, {**user.fields("user"), **use, "message": words})
        return message

    def post(
        self,
        channel: User,
        user: User,
        text: str,
        badges: Sequence[str] = (),
        *,
        reply_to: ChatMessage | None = None,
        bits: int = 0,
        via_api: bool = False,
        reward_id: str | None = None,
    ) -> ChatMessage:
        """A message appears, whoever sent it."""
        if reply_to is not None and not text.startswith(f"@{reply_to.author.login}"):
            text = f"@{reply_to.author.login} {text}"
        message = ChatMessage(
            id=self.uuid(),
            channel=channel,
            author=user,
            text=text,
            badges=self._badges(channel, user, badges),
            fragments=fragments.cut(text, self.emotes, bits, self.user_named),
            at=self.clock.time,
            bits=bits,
            reply_to=reply_to,
            via_api=via_api,
            reward_id=reward_id,
        )
        channel.messages.append(message)
        if via_api:
            self.from_apps.append(message)
        self.tell("channel.chat.message", channel, _event(message))
        return message

    def share(self, message: ChatMessage, channel: User) -> ChatMessage:
        """A message of a shared chat appears in a channel that takes part in it, too."""
        badges = [badge["set_id"] for badge in message.badges if badge["set_id"] == "subscriber"]
        copy = replace(message, id=self.uuid(), channel=channel, source=message)
        copy.badges = self._badges(channel, message.author, badges)
        channel.messages.append(copy)
        self.tell("channel.chat.message", channel, _event(copy))
        return copy

    def delete(self, message: ChatMessage) -> None:
        """A moderator deletes a message."""
        message.deleted = True
        target = message.author.fields("target_user")
        self.tell(
            "channel.chat.message_delete", message.channel, {**target, "message_id": message.id}
        )
        about = {"message_id": message.id, "message_body": message.text}
        self._moderated(message.channel, message.author, "delete", about)

    def clear(self, channel: User) -> None:
        """The whole chat is cleared."""
        for message in channel.messages:
            message.deleted = True
        self.tell("channel.chat.clear", channel, {})

    def said_by(self, channel: User, user: User) -> list[str]:
        """What a user (the bot, mostly) said in a channel, in order."""
        return [message.text for message in channel.messages if message.author is user]

    def _badges(self, channel: User, user: User, more: Sequence[str]) -> list[Json]:
        made = [name for name in ("broadcaster",) if user is channel]
        made += [name for name in ("moderator",) if user.id in channel.moderators]
        made += [name for name in ("vip",) if user.id in channel.vips]
        badges: list[Json] = [{"set_id": name, "id": "1", "info": ""} for name in made]
        if user.id in channel.subscribers:
            badges.append({"set_id": "subscriber", "id": "0", "info": "1"})
        known = {badge["set_id"] for badge in badges}
        badges += [{"set_id": name, "id": "1", "info": ""} for name in more if name not in known]
        return badges


def _event(message: ChatMessage) -> Json:
    parent = message.reply_to
    reply: Json | None = None
    if parent is not None:
        thread = parent
        while thread.reply_to is not None:
            thread = thread.reply_to
        reply = {
            "parent_message_id": parent.id,
            "parent_message_body": parent.text,
            **parent.author.fields("parent_user"),
            "thread_message_id": thread.id,
            **thread.author.fields("thread_user"),
        }
    names = [f"source_broadcaster_user_{part}" for part in ("id", "login", "name")]
    source: Json = dict.fromkeys((*names, "source_message_id", "source_badges", "is_source_only"))
    if message.source is not None:
        source |= message.source.channel.fields("source_broadcaster_user")
        source |= {"source_message_id": message.source.id, "is_source_only": False}
        source["source_badges"] = message.source.badges
    return {
        **message.author.fields("chatter_user"),
        "message_id": message.id,
        "message": {"text": message.text, "fragments": message.fragments},
        "color": "#1E90FF",
        "badges": message.badges,
        "message_type": "text",
        "cheer": {"bits": message.bits} if message.bits else None,
        "reply": reply,
        "channel_points_custom_reward_id": message.reward_id,
        "channel_points_animation_id": None,
        **source,
    }
