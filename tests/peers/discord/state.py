"""The world of the loopback Discord: what exists, and what happens to it.

Tests make people and places (see `people.py`), let users act with `say`, `slash`, `press`, … (see
`interactions.py`) and wait with `await world.until(lambda: …)`. `world.advance(seconds)` lets time
pass: tokens and nonces expire, timeouts end. Whatever the bot does against Discord's documentation
is a line in `world.violations`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tests.peers.discord.commands import CommandBook, NotOfferedError
from tests.peers.discord.interaction import Choice, Interaction, Values
from tests.peers.discord.interactions import Interactions
from tests.peers.discord.models import Channel, Message, User
from tests.peers.discord.people import People
from tests.peers.discord.permissions import Permission

NONCES_LIVE = 5 * 60.0  # "a few minutes"
PRESENCES, MEMBERS, MESSAGE_CONTENT = 1 << 8, 1 << 1, 1 << 15  # the privileged intents
# The application flag that tells that a privileged intent is switched on in the portal.
_FLAG_OF_INTENT = {PRESENCES: 1 << 13, MEMBERS: 1 << 15, MESSAGE_CONTENT: 1 << 19}
_USER_MENTION = re.compile(r"<@!?(\d+)>")
_ROLE_MENTION = re.compile(r"<@&(\d+)>")


class World(People):
    """All of it.

    Attributes:
        privileged: the privileged intents that are switched on in the developer portal.
        shards: how many connections Discord recommends.
    """

    def __init__(self) -> None:
        super().__init__()
        self._nonces: dict[tuple[int, str], tuple[Message, float]] = {}
        self.privileged = MESSAGE_CONTENT
        self.shards = 1
        self.token = "loopback-token"
        self.interactions = Interactions(self)
        self.application_id = self.snowflake()

    @property
    def commands(self) -> CommandBook:
        """What the bot registered; `synced` counts how often."""
        return self.interactions.book

    @property
    def application_flags(self) -> int:
        return sum(flag for intent, flag in _FLAG_OF_INTENT.items() if self.privileged & intent)

    def advance(self, seconds: float) -> None:
        """Let time pass on the world's clock."""
        self.clock.advance(seconds)
        self.interactions.note_unanswered()
        self.notify()

    def post(self, message: Message) -> None:
        """A message appears; an ephemeral one only to its user, and in no channel."""
        if message.ephemeral:
            self.notify()
            return
        message.channel.messages[message.id] = message
        self.tell("MESSAGE_CREATE", self.event_json(message), message.channel)

    def say(
        self,
        channel: Channel,
        author: User,
        content: str,
        *,
        webhook_id: int | None = None,
        files: Iterable[tuple[str, bytes]] = (),
        reply_to: Message | None = None,
    ) -> Message:
        """Somebody writes in a channel; `files` are (name, content).

        Raises:
            NotOfferedError: they are banned there, timed out, or may not write.
        """
        if webhook_id is None:
            self._check_speaker(channel, author)
        message = Message(self.snowflake(), channel, author, content, webhook_id=webhook_id)
        message.attachments = [self.upload(name, data) for name, data in files]
        message.reference = None if reply_to is None else reply_to.id
        message.pinged, message.pings_everyone = self.pings(message, None)
        self.post(message)
        return message

    def reword(self, message: Message, content: str) -> None:
        """Somebody edits a message."""
        message.edits.append(message.content)
        message.content = content
        self.tell("MESSAGE_UPDATE", self.event_json(message), message.channel)

    def delete(self, message: Message) -> None:
        """A message disappears."""
        message.deleted = True
        if message.channel.messages.pop(message.id, None) is None:
            self.notify()
            return
        ids = {"id": str(message.id), **_place(message.channel)}
        self.tell("MESSAGE_DELETE", ids, message.channel)

    def purge(self, messages: Iterable[Message]) -> None:
        """Messages of one channel disappear at once, as when a moderator cleans up."""
        gone = [message for message in messages if not message.deleted]
        for message in gone:
            message.deleted = True
            message.channel.messages.pop(message.id, None)
        ids = {"ids": [str(message.id) for message in gone], **_place(gone[0].channel)}
        self.tell("MESSAGE_DELETE_BULK", ids, gone[0].channel)

    def slash(
        self,
        where: Channel | User,
        user: User,
        name: str,
        options: Values | None = None,
        attachments: Values | None = None,
    ) -> Interaction:
        """Somebody uses a slash command; files may be given as (name, content)."""
        return self.interactions.command(
            where, user, name, {**(options or {}), **(attachments or {})}
        )

    async def autocomplete(
        self,
        user: User,
        name: str,
        option: str,
        typed: str,
        *,
        channel: Channel | None = None,
        options: Values | None = None,
    ) -> list[Choice]:
        """What is suggested while `typed` stands in an option, `options` being filled in."""
        where = channel or self.dm_channel(user)
        asked = self.interactions.typing(where, user, name, option, typed, options or {})
        return list((await asked.answered()).choices)

    def menu(
        self, target: Message | User, user: User, name: str, channel: Channel | None = None
    ) -> Interaction:
        """Somebody picks a context menu command on a message, or on a user in `channel`."""
        where = channel or (target.channel if isinstance(target, Message) else None)
        assert where is not None, "a user's menu opens in a channel"
        return self.interactions.menu(target, user, name, where)

    def press(
        self, message: Message, user: User, which: str, values: list[Any] | None = None
    ) -> Interaction:
        """Somebody presses a button, or chooses `values` in a menu."""
        return self.interactions.press(message, user, which, values)

    def submit(self, opened: Interaction, values: Values | None = None) -> Interaction:
        """Somebody sends the modal that `opened` opened; other fields stay as prefilled."""
        return self.interactions.submit(opened, values or {})

    def remember_nonce(self, message: Message) -> None:
        if message.nonce is not None:
            self._nonces[message.author.id, message.nonce] = (message, self.clock.time)

    def with_nonce(self, author: User, nonce: str) -> Message | None:
        """What this author posted under this nonce in the last few minutes."""
        message, posted = self._nonces.get((author.id, nonce), (None, 0.0))
        return message if self.clock.time - posted <= NONCES_LIVE else None

    def forget_nonces(self) -> None:
        """Some minutes pass."""
        self.advance(NONCES_LIVE + 1)

    def pings(self, message: Message, allowed: dict[str, Any] | None) -> tuple[set[int], bool]:
        """Whom a new message notifies, by its text and the sender's `allowed_mentions`."""
        default: dict[str, Any] = {"parse": ["users", "roles", "everyone"], "replied_user": True}
        rules = default if allowed is None else allowed
        parse = rules.get("parse") or []
        named = {int(number) for number in _USER_MENTION.findall(message.content)}
        listed = {int(user) for user in rules.get("users") or []}
        users = named if "users" in parse else named & listed
        replied = message.channel.messages.get(message.reference or 0)
        if replied is not None and rules.get("replied_user", False):
            users = users | {replied.author.id}
        loud = "@everyone" in message.content or "@here" in message.content
        return users, loud and "everyone" in parse

    def pinged_by_text(self, message: Message, allowed: dict[str, Any] | None) -> list[str]:
        """Who or what a message pings only because its text has the mention in it."""
        parse = ["users", "roles", "everyone"] if allowed is None else allowed.get("parse") or []
        found: list[str] = []
        if "users" in parse:
            found += _USER_MENTION.findall(message.content)
        if "roles" in parse:
            found += _ROLE_MENTION.findall(message.content)
        return found + (["everyone"] if self.pings(message, allowed)[1] else [])

    def event_json(self, message: Message) -> dict[str, Any]:
        """A message as the gateway and the answer to its creation tell it."""
        data = self.message_json(message)
        if message.nonce is not None:
            data["nonce"] = message.nonce
        if message.channel.guild_id is not None:
            data["guild_id"] = str(message.channel.guild_id)
            if message.webhook_id is None:
                member = self.member_json(message.author, message.channel)
                del member["user"], member["permissions"]
                data["member"] = member
        return data

    def message_json(self, message: Message) -> dict[str, Any]:
        """A message with whom it mentions and what it replies to."""
        data = message.to_json()
        data["mentions"] = [
            self.users[id_].to_json() for id_ in sorted(message.pinged) if id_ in self.users
        ]
        if message.reference is not None:
            replied = message.channel.messages.get(message.reference)
            data["referenced_message"] = None if replied is None else replied.to_json()
        return data

    def without_content(self, data: dict[str, Any], channel: Channel | None) -> dict[str, Any]:
        """A message event as an app without the message content intent gets it."""
        if channel is None or channel.guild_id is None or "content" not in data:
            return data
        if (replied := data.get("referenced_message")) is not None:
            data = {**data, "referenced_message": self.without_content(replied, channel)}
        bot = str(self.bot.id)
        mentioned = any(user["id"] == bot for user in data["mentions"])
        if mentioned or data["author"]["id"] == bot or f"<@{bot}>" in data["content"]:
            return data
        return {**data, "content": "", "attachments": [], "embeds": [], "components": []}

    def _check_speaker(self, channel: Channel, author: User) -> None:
        guild = None if channel.guild_id is None else self.guilds[channel.guild_id]
        if guild is not None and author.id in guild.banned:
            raise NotOfferedError(f"{author.name} is banned there")
        if not self.permissions(author, channel) & Permission.SEND_MESSAGES:
            raise NotOfferedError(f"{author.name} may not write there")


def _place(channel: Channel) -> dict[str, Any]:
    found = {"channel_id": str(channel.id)}
    if channel.guild_id is not None:
        found["guild_id"] = str(channel.guild_id)
    return found
