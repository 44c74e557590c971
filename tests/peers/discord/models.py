"""What there is in the loopback Discord: people, guilds, channels, messages, as data and JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.peers.discord.permissions import ORDINARY_PERMISSIONS, Permission

DISCORD_EPOCH_MS = 1_420_070_400_000
TEXT_CHANNEL, DM_CHANNEL, VOICE_CHANNEL, GROUP_DM = 0, 1, 2, 3
ORDINARY, REPLY, CHAT_INPUT_COMMAND, CONTEXT_MENU_COMMAND = 0, 19, 20, 23
SUPPRESS_EMBEDS, EPHEMERAL, LOADING = 1 << 2, 1 << 6, 1 << 7
SUPPRESS_NOTIFICATIONS, COMPONENTS_V2 = 1 << 12, 1 << 15
MEBIBYTE = 1024 * 1024
# Bytes per file by boost tier ("Uploading Files": 10 MiB, more for boosted guilds).
UPLOAD_LIMITS = (10 * MEBIBYTE, 10 * MEBIBYTE, 50 * MEBIBYTE, 100 * MEBIBYTE)
_DROPPED = re.compile(r"[^A-Za-z0-9._-]")
_TYPES = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "png": "image/png",
    "jpg": "image/jpeg",
    "txt": "text/plain; charset=utf-8",
    "zip": "application/zip",
    "json": "application/json; charset=utf-8",
}


def moment(snowflake: int) -> str:
    """When an id was made, as Discord writes times."""
    made = datetime.fromtimestamp(((snowflake >> 22) + DISCORD_EPOCH_MS) / 1000, UTC)
    return made.isoformat(timespec="microseconds")


def content_type(filename: str) -> str | None:
    """What Discord takes a file for, by its ending."""
    return _TYPES.get(filename.rpartition(".")[2].lower())


def kept_name(filename: str) -> str:
    """An upload's name as Discord keeps it: spaces become underscores, odd characters go."""
    return _DROPPED.sub("", filename.replace(" ", "_")) or "unknown"


@dataclass(slots=True)
class User:
    """A person or a bot.

    Attributes:
        installed: whether they installed the app for themselves (a user install).
    """

    id: int
    name: str
    bot: bool = False
    takes_dms: bool = True
    installed: bool = False

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
class Role:
    """A role of a guild."""

    id: int
    name: str
    permissions: Permission
    position: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "name": self.name,
            "permissions": str(int(self.permissions)),
            "position": self.position,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "managed": False,
            "mentionable": False,
            "icon": None,
            "unicode_emoji": None,
            "flags": 0,
        }


@dataclass(slots=True)
class Member:
    """A user in a guild.

    Attributes:
        timed_out_until: on the world's clock, in seconds.
    """

    user: User
    roles: list[Role] = field(default_factory=list)
    nick: str | None = None
    timed_out_until: float | None = None

    def to_json(self, timeout: str | None = None) -> dict[str, Any]:
        """The guild member object; `timeout` is when theirs ends, as a timestamp."""
        return {
            "user": self.user.to_json(),
            "nick": self.nick,
            "avatar": None,
            "roles": [str(role.id) for role in self.roles],
            "joined_at": "2026-01-01T00:00:00.000000+00:00",
            "premium_since": None,
            "communication_disabled_until": timeout,
            "pending": False,
            "deaf": False,
            "mute": False,
            "flags": 0,
        }


@dataclass(slots=True)
class Attachment:
    """A file that came with a message or an option. `url` is served by the peer."""

    id: int
    filename: str
    data: bytes = field(repr=False)
    description: str | None = None
    url: str = ""

    def to_json(self) -> dict[str, Any]:
        url = self.url or f"http://cdn.invalid/{self.id}/{self.filename}"
        found = {
            "id": str(self.id),
            "filename": self.filename,
            "size": len(self.data),
            "url": url,
            "proxy_url": url,
            "ephemeral": False,
        }
        if (kind := content_type(self.filename)) is not None:
            found["content_type"] = kind
        return found if self.description is None else {**found, "description": self.description}


@dataclass(slots=True)
class Channel:
    """A text channel or a direct message channel.

    Attributes:
        may_send, may_read_history: what the bot may do here, on top of its permissions.
        upload_limit: bytes per file.
        between: everybody in a direct message channel that the bot is no part of.
        request_limit: bytes that all files of one request may have together.
        overwrites: (0 for a role and 1 for a member, allow, deny) by the role's or user's id.
        is_voice: whether it is a voice channel; see `voice.py`.
        user_limit: how many have room in it; 0 is no limit.
    """

    id: int
    name: str
    guild_id: int | None = None
    recipient: User | None = None
    deleted: bool = False
    may_send: bool = True
    may_read_history: bool = True
    upload_limit: int = UPLOAD_LIMITS[0]
    request_limit: int = 500 * MEBIBYTE
    between: tuple[User, ...] = ()
    messages: dict[int, Message] = field(default_factory=dict)
    overwrites: dict[int, tuple[int, Permission, Permission]] = field(default_factory=dict)
    is_voice: bool = False
    user_limit: int = 0

    def to_json(self) -> dict[str, Any]:
        if self.recipient is not None or self.between:
            people = self.between or (self.recipient,)
            recipients = [person.to_json() for person in people if person is not None]
            kind = GROUP_DM if len(self.between) > 2 else DM_CHANNEL
            found = {"id": str(self.id), "type": kind, "recipients": recipients, "flags": 0}
            if kind == GROUP_DM:
                found |= {"owner_id": recipients[0]["id"], "name": None, "icon": None}
            return found
        overwrites = [
            {"id": str(id_), "type": kind, "allow": str(int(allow)), "deny": str(int(deny))}
            for id_, (kind, allow, deny) in self.overwrites.items()
        ]
        voice = {"bitrate": 64_000, "user_limit": self.user_limit, "rtc_region": None}
        return {
            **(voice if self.is_voice else {}),
            "id": str(self.id),
            "type": VOICE_CHANNEL if self.is_voice else TEXT_CHANNEL,
            "guild_id": str(self.guild_id),
            "name": self.name,
            "position": 0,
            "nsfw": False,
            "permission_overwrites": overwrites,
        }


@dataclass(slots=True)
class Message:
    """A message, with everything it ever said and whom it pinged.

    Attributes:
        about: the interaction that it answers, as Discord tells it (`interaction_metadata`).
        seen_by: the only one who sees it, if it is ephemeral.
    """

    id: int
    channel: Channel
    author: User
    content: str
    nonce: str | None = None
    reference: int | None = None
    attachments: list[Attachment] = field(default_factory=list)
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    pinged: set[int] = field(default_factory=set)
    pings_everyone: bool = False
    flags: int = 0
    kind: int = ORDINARY
    webhook_id: int | None = None
    about: dict[str, Any] | None = None
    seen_by: User | None = None
    deleted: bool = False
    edits: list[str] = field(default_factory=list)

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def loading(self) -> bool:
        """Whether the app is still "thinking"."""
        return bool(self.flags & LOADING)

    @property
    def labels(self) -> list[str]:
        """What its buttons and menus say: label or emoji, or a menu's placeholder."""
        return [name for part in walk(self.components) if (name := name_of(part))]

    def to_json(self) -> dict[str, Any]:
        """The message object, without the nonce: only creating it tells that."""
        data: dict[str, Any] = {
            "id": str(self.id),
            "channel_id": str(self.channel.id),
            "author": self.author.to_json(),
            "content": self.content,
            "timestamp": moment(self.id),
            "edited_timestamp": "2026-01-01T00:00:01.000000+00:00" if self.edits else None,
            "tts": False,
            "mention_everyone": self.pings_everyone,
            "mentions": [],
            "mention_roles": [],
            "attachments": [attachment.to_json() for attachment in self.attachments],
            "embeds": self.embeds,
            "components": self.components,
            "pinned": False,
            "type": REPLY if self.reference is not None else self.kind,
            "flags": self.flags,
        }
        if self.reference is not None:
            data["message_reference"] = {
                "type": 0,
                "message_id": str(self.reference),
                "channel_id": str(self.channel.id),
            }
        if self.about is not None:
            data["interaction_metadata"] = self.about
            data["application_id"] = data["webhook_id"] = str(self.webhook_id)
        elif self.webhook_id is not None:
            data["webhook_id"] = str(self.webhook_id)
        return data


@dataclass(slots=True)
class Guild:
    """A server.

    Attributes:
        has_bot: False for guilds where only a user's own install lets the app be used.
        banned: who may not come back, with the reason.
    """

    id: int
    name: str
    owner: User
    channels: list[Channel] = field(default_factory=list)
    premium_tier: int = 0
    has_bot: bool = True
    members: dict[int, Member] = field(default_factory=dict)
    roles: list[Role] = field(default_factory=list)
    banned: dict[int, str | None] = field(default_factory=dict)
    sounds: list[dict[str, Any]] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    audit_log: list[dict[str, Any]] = field(default_factory=list)
    voice_states: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.roles.append(Role(self.id, "@everyone", ORDINARY_PERMISSIONS))

    @property
    def everyone(self) -> Role:
        """The role with the guild's own id, which all have."""
        return self.roles[0]

    def to_json(self, bot: User) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "name": self.name,
            "owner_id": str(self.owner.id),
            "unavailable": False,
            "member_count": max(2, len(self.members)),
            "premium_tier": self.premium_tier,
            "features": self.features,
            "preferred_locale": "en-US",
            "emojis": [],
            "stickers": [],
            "roles": [role.to_json() for role in self.roles],
            "members": [self.members.get(bot.id, Member(bot)).to_json()],
            "channels": [c.to_json() for c in self.channels if not c.deleted],
            "threads": [],
            "voice_states": list(self.voice_states.values()),
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": self.sounds,
        }


def walk(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All components of a message or modal, with those inside others."""
    found: list[dict[str, Any]] = []
    for component in components:
        found.append(component)
        found += walk(component.get("components", []))
        for inner in ("accessory", "component"):
            if inner in component:
                found += walk([component[inner]])
    return found


def name_of(component: dict[str, Any]) -> str | None:
    """What a user would call a component: its label, its emoji, or a menu's placeholder."""
    emoji = (component.get("emoji") or {}).get("name")
    label = component.get("label") or component.get("placeholder")
    return " ".join(part for part in (emoji, label) if part) or None
