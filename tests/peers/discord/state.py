"""The world of the loopback Discord: what exists, and what happens to it.

Tests make people and places with `add_user`, `add_guild`, `add_channel`, `add_role`, `dm_channel`,
let users act with `say`, `slash`, `press`, … (see `interactions.py`) and wait with
`await world.until(lambda: …)`. `world.advance(seconds)` lets time pass: tokens and nonces expire.
Whatever the bot does against Discord's documentation is a line in `world.violations`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from tests.peers.discord.clock import WorldClock
from tests.peers.discord.commands import CommandBook
from tests.peers.discord.interactions import Choice, Interaction, Interactions, Values
from tests.peers.discord.models import (
    DISCORD_EPOCH_MS,
    Attachment,
    Channel,
    Guild,
    Member,
    Message,
    Role,
    User,
    kept_name,
)
from tests.peers.discord.permissions import APP_IN_DM, EVERYTHING, Permission, add_up

T = TypeVar("T")

NONCES_LIVE = 5 * 60.0  # "a few minutes"
MESSAGE_CONTENT_FLAG = 1 << 18  # application flag: the intent is switched on in the portal
_USER_MENTION = re.compile(r"<@!?(\d+)>")
_ROLE_MENTION = re.compile(r"<@&(\d+)>")

Listener = Callable[[str, dict[str, Any], Channel | None], bool]


class World:
    """All of it. Changes are told to listeners (the gateway) and wake those who wait."""

    def __init__(self) -> None:
        self._last_id = 0
        self._listeners: list[Listener] = []
        self._waiting: set[asyncio.Future[None]] = set()
        self._nonces: dict[tuple[int, str], tuple[Message, float]] = {}
        self.clock = WorldClock()
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.violations: list[str] = []
        self.token = "loopback-token"
        self.shards = 1
        self.gateway_url = ""
        self.application_flags = MESSAGE_CONTENT_FLAG
        self.cdn_url = "http://cdn.invalid"
        self.attachments: dict[int, Attachment] = {}
        self.interactions = Interactions(self)
        self.application_id = self.snowflake()
        self.bot = self.add_user("Riffbot", bot=True)

    def snowflake(self) -> int:
        """A fresh id that says when it was made, above all earlier ones."""
        now = (int(time.time() * 1000) - DISCORD_EPOCH_MS) << 22
        self._last_id = max(self._last_id + 1, now)
        return self._last_id

    @property
    def commands(self) -> CommandBook:
        """What the bot registered; `synced` counts how often."""
        return self.interactions.book

    def advance(self, seconds: float) -> None:
        """Let time pass on the world's clock."""
        self.clock.advance(seconds)
        self.interactions.note_unanswered()
        self.notify()

    def add_user(self, name: str, *, bot: bool = False) -> User:
        user = User(self.snowflake(), name, bot)
        self.users[user.id] = user
        return user

    def add_guild(self, owner: User, name: str = "Loop Lovers") -> Guild:
        guild = Guild(self.snowflake(), name, owner)
        guild.members = {user.id: Member(user) for user in (owner, self.bot)}
        self.guilds[guild.id] = guild
        return guild

    def add_role(self, guild: Guild, name: str, permissions: Permission) -> Role:
        role = Role(self.snowflake(), name, permissions, len(guild.roles))
        guild.roles.append(role)
        return role

    def member(self, guild: Guild, user: User) -> Member:
        """The user as a member of the guild; they join if they have not."""
        return guild.members.setdefault(user.id, Member(user))

    def permissions(self, user: User, channel: Channel) -> Permission:
        """What a user may do in a channel."""
        if channel.guild_id is None:
            return APP_IN_DM | Permission.VIEW_CHANNEL | Permission.SEND_MESSAGES
        guild = self.guilds[channel.guild_id]
        if user is guild.owner:
            return EVERYTHING
        member = self.member(guild, user)
        base = guild.everyone.permissions
        for role in member.roles:
            base |= role.permissions
        nothing = (0, Permission(0), Permission(0))
        of_roles = [channel.overwrites.get(role.id, nothing) for role in member.roles]
        allowed, denied = Permission(0), Permission(0)
        for _, allow, deny in of_roles:
            allowed, denied = allowed | allow, denied | deny
        layers = [
            channel.overwrites.get(guild.id, nothing)[1:],
            (allowed, denied),
            channel.overwrites.get(user.id, nothing)[1:],
        ]
        until = member.timed_out_until
        return add_up(base, layers, timed_out=until is not None and until > self.clock.time)

    def member_json(self, user: User, channel: Channel) -> dict[str, Any]:
        """The member object that comes with interactions."""
        assert channel.guild_id is not None
        member = self.member(self.guilds[channel.guild_id], user)
        may = self.permissions(user, channel)
        return {**member.to_json(self.timeout_of(member)), "permissions": str(int(may))}

    def timeout_of(self, member: Member) -> str | None:
        """When a member's timeout ends, as Discord writes it, in real time."""
        if member.timed_out_until is None:
            return None
        left = member.timed_out_until - self.clock.time
        return datetime.fromtimestamp(time.time() + left, UTC).isoformat()

    def upload(self, filename: str, data: bytes, description: str | None = None) -> Attachment:
        """A file goes to the CDN."""
        made = Attachment(self.snowflake(), kept_name(filename), data, description)
        made.url = f"{self.cdn_url}/attachments/{made.id}/{made.filename}"
        self.attachments[made.id] = made
        return made

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
        """Somebody writes in a channel; `files` are (name, content)."""
        message = Message(self.snowflake(), channel, author, content, webhook_id=webhook_id)
        message.attachments = [self.upload(name, data) for name, data in files]
        message.reference = None if reply_to is None else reply_to.id
        self.post(message)
        return message

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

    def delete(self, message: Message) -> None:
        """A message disappears."""
        message.deleted = True
        if message.channel.messages.pop(message.id, None) is None:
            self.notify()
            return
        ids = {"id": str(message.id), "channel_id": str(message.channel.id)}
        if message.channel.guild_id is not None:
            ids["guild_id"] = str(message.channel.guild_id)
        self.tell("MESSAGE_DELETE", ids, message.channel)

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

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def tell(self, event: str, data: dict[str, Any], channel: Channel | None = None) -> bool:
        """An event for the gateway; returns whether anybody connected hears of it now."""
        heard = [listener(event, data, channel) for listener in self._listeners]
        self.notify()
        return any(heard)

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

    def event_json(self, message: Message) -> dict[str, Any]:
        """A message as the gateway and the answer to its creation tell it."""
        data = message.to_json()
        if message.nonce is not None:
            data["nonce"] = message.nonce
        if message.channel.guild_id is not None:
            data["guild_id"] = str(message.channel.guild_id)
            if message.webhook_id is None:
                member = self.member_json(message.author, message.channel)
                del member["user"], member["permissions"]
                data["member"] = member
        return data
