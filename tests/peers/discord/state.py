"""What exists in the loopback Discord, and what happens to it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

DISCORD_EPOCH_MS = 1_420_070_400_000
TEXT_CHANNEL, DM_CHANNEL = 0, 1
ORDINARY, REPLY = 0, 19
MESSAGE_CONTENT_FLAG = 1 << 18  # application flag: the intent is switched on in the portal
_USER_MENTION = re.compile(r"<@!?(\d+)>")

Listener = Callable[[str, dict[str, Any], "Channel | None"], None]


@dataclass(slots=True)
class User:
    """A person or a bot."""

    id: int
    name: str
    bot: bool = False
    takes_dms: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "username": self.name,
            "global_name": self.name,
            "discriminator": "0",
            "avatar": None,
            "bot": self.bot,
        }


@dataclass(slots=True)
class Attachment:
    """A file that came with a message."""

    id: int
    filename: str
    data: bytes = field(repr=False)
    description: str | None = None

    def to_json(self) -> dict[str, Any]:
        found = {
            "id": str(self.id),
            "filename": self.filename,
            "size": len(self.data),
            "url": f"http://cdn.invalid/{self.id}/{self.filename}",
            "proxy_url": f"http://cdn.invalid/{self.id}/{self.filename}",
        }
        return found if self.description is None else {**found, "description": self.description}


@dataclass(slots=True)
class Channel:
    """A text channel or a direct message channel, with what the bot may not do in it."""

    id: int
    name: str
    guild_id: int | None = None
    recipient: User | None = None
    deleted: bool = False
    may_send: bool = True
    may_read_history: bool = True
    upload_limit: int = 10 * 1024 * 1024
    messages: dict[int, Message] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        if self.recipient is not None:
            recipients = [self.recipient.to_json()]
            return {"id": str(self.id), "type": DM_CHANNEL, "recipients": recipients}
        return {
            "id": str(self.id),
            "type": TEXT_CHANNEL,
            "guild_id": str(self.guild_id),
            "name": self.name,
            "position": 0,
            "permission_overwrites": [],
        }


@dataclass(slots=True)
class Message:
    """A message, with everything it ever said and whom it pinged."""

    id: int
    channel: Channel
    author: User
    content: str
    nonce: str | None = None
    reference: int | None = None
    attachments: list[Attachment] = field(default_factory=list)
    pinged: set[int] = field(default_factory=set)
    pings_everyone: bool = False
    flags: int = 0
    webhook_id: int | None = None
    deleted: bool = False
    edits: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The message object, without the nonce: only creating it tells that."""
        data: dict[str, Any] = {
            "id": str(self.id),
            "channel_id": str(self.channel.id),
            "author": self.author.to_json(),
            "content": self.content,
            "timestamp": "2026-01-01T00:00:00.000000+00:00",
            "edited_timestamp": "2026-01-01T00:00:01.000000+00:00" if self.edits else None,
            "tts": False,
            "mention_everyone": self.pings_everyone,
            "mentions": [],
            "mention_roles": [],
            "attachments": [attachment.to_json() for attachment in self.attachments],
            "embeds": [],
            "pinned": False,
            "type": ORDINARY if self.reference is None else REPLY,
            "flags": self.flags,
        }
        if self.reference is not None:
            data["message_reference"] = {
                "type": 0,
                "message_id": str(self.reference),
                "channel_id": str(self.channel.id),
            }
        if self.webhook_id is not None:
            data["webhook_id"] = str(self.webhook_id)
        return data


@dataclass(slots=True)
class Guild:
    """A server with one member who is not the bot."""

    id: int
    name: str
    owner: User
    channels: list[Channel] = field(default_factory=list)
    premium_tier: int = 0

    def to_json(self, bot: User) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "name": self.name,
            "owner_id": str(self.owner.id),
            "unavailable": False,
            "member_count": 2,
            "premium_tier": self.premium_tier,
            "features": [],
            "emojis": [],
            "stickers": [],
            "roles": [
                {
                    "id": str(self.id),
                    "name": "@everyone",
                    "permissions": "0",
                    "position": 0,
                    "color": 0,
                    "hoist": False,
                    "managed": False,
                    "mentionable": False,
                }
            ],
            "members": [member_json(bot)],
            "channels": [c.to_json() for c in self.channels if not c.deleted],
            "threads": [],
            "voice_states": [],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }


def member_json(user: User) -> dict[str, Any]:
    """The guild member object that comes with a guild's messages."""
    return {
        "user": user.to_json(),
        "nick": None,
        "roles": [],
        "joined_at": "2026-01-01T00:00:00.000000+00:00",
        "deaf": False,
        "mute": False,
        "flags": 0,
    }


class World:
    """All of it. Changes are told to listeners (the gateway) and wake those who wait."""

    def __init__(self) -> None:
        self._last_id = 0
        self._listeners: list[Listener] = []
        self._waiting: set[asyncio.Future[None]] = set()
        self._nonces: dict[tuple[int, str], Message] = {}
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.violations: list[str] = []
        self.token = "loopback-token"
        self.application_id = self.snowflake()
        self.bot = self.add_user("Riffbot", bot=True)

    def snowflake(self) -> int:
        """A fresh id that says when it was made, above all earlier ones."""
        now = (int(time.time() * 1000) - DISCORD_EPOCH_MS) << 22
        self._last_id = max(self._last_id + 1, now)
        return self._last_id

    def add_user(self, name: str, *, bot: bool = False) -> User:
        user = User(self.snowflake(), name, bot)
        self.users[user.id] = user
        return user

    def add_guild(self, owner: User, name: str = "Loop Lovers") -> Guild:
        guild = Guild(self.snowflake(), name, owner)
        self.guilds[guild.id] = guild
        return guild

    def add_channel(self, guild: Guild, name: str = "beats") -> Channel:
        channel = Channel(self.snowflake(), name, guild_id=guild.id)
        guild.channels.append(channel)
        self.channels[channel.id] = channel
        return channel

    def dm_channel(self, user: User) -> Channel:
        """The bot's direct message channel with `user`, made on first use."""
        for channel in self.channels.values():
            if channel.recipient is user:
                return channel
        channel = Channel(self.snowflake(), "", recipient=user, may_send=user.takes_dms)
        self.channels[channel.id] = channel
        return channel

    def post(self, message: Message) -> None:
        """A message appears."""
        message.channel.messages[message.id] = message
        self.tell("MESSAGE_CREATE", event_json(message), message.channel)

    def say(
        self,
        channel: Channel,
        author: User,
        content: str,
        *,
        webhook_id: int | None = None,
    ) -> Message:
        """Somebody writes in a channel."""
        message = Message(self.snowflake(), channel, author, content, webhook_id=webhook_id)
        self.post(message)
        return message

    def delete(self, message: Message) -> None:
        """A message disappears."""
        message.deleted = True
        message.channel.messages.pop(message.id, None)
        ids = {"id": str(message.id), "channel_id": str(message.channel.id)}
        if message.channel.guild_id is not None:
            ids["guild_id"] = str(message.channel.guild_id)
        self.tell("MESSAGE_DELETE", ids, message.channel)

    def remember_nonce(self, message: Message) -> None:
        if message.nonce is not None:
            self._nonces[message.author.id, message.nonce] = message

    def with_nonce(self, author: User, nonce: str) -> Message | None:
        """What this author posted under this nonce in the last few minutes."""
        return self._nonces.get((author.id, nonce))

    def forget_nonces(self) -> None:
        """Some minutes pass."""
        self._nonces.clear()

    def pings(self, message: Message, allowed: dict[str, Any] | None) -> tuple[set[int], bool]:
        """Whom a new message notifies, by its text and the sender's `allowed_mentions`."""
        default: dict[str, Any] = {"parse": ["users", "everyone"], "replied_user": True}
        rules = default if allowed is None else allowed
        parse = rules.get("parse", [])
        named = {int(number) for number in _USER_MENTION.findall(message.content)}
        users = named if "users" in parse else named & {int(u) for u in rules.get("users", [])}
        replied = message.channel.messages.get(message.reference or 0)
        if replied is not None and rules.get("replied_user", False):
            users = users | {replied.author.id}
        loud = "@everyone" in message.content or "@here" in message.content
        return users, loud and "everyone" in parse

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def tell(self, event: str, data: dict[str, Any], channel: Channel | None = None) -> None:
        for listener in self._listeners:
            listener(event, data, channel)
        self.notify()

    def notify(self) -> None:
        """Something changed: whoever waits for it looks again."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, look: Callable[[], T | None], seconds: float = 15.0) -> T:
        """Wait until `look()` finds something truthy, and return it.

        Raises:
            AssertionError: it did not within `seconds`.
        """
        try:
            async with asyncio.timeout(seconds):
                while not (found := look()):
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiting.add(waiter)
                    try:
                        await waiter
                    finally:
                        self._waiting.discard(waiter)
                return found
        except TimeoutError:
            raise AssertionError(f"nothing came within {seconds} s; {self.transcript()}") from None

    def transcript(self) -> str:
        """Every message there is, for the report of a failed test."""
        lines: Iterable[str] = (
            f"  #{channel.name} {message.author.name}: {message.content!r} "
            f"{[a.filename for a in message.attachments]}"
            for channel in self.channels.values()
            for message in channel.messages.values()
        )
        return "what was said:\n" + "\n".join(lines)


def event_json(message: Message) -> dict[str, Any]:
    """A message as the gateway and the answer to its creation tell it."""
    data = message.to_json()
    if message.nonce is not None:
        data["nonce"] = message.nonce
    if message.channel.guild_id is not None:
        data["guild_id"] = str(message.channel.guild_id)
        if message.webhook_id is None:
            member = member_json(message.author)
            del member["user"]
            data["member"] = member
    return data
