"""Users, guilds, roles and members of the world, what they may do, and moderation by Discord.

    mod = world.add_role(guild, "mod", Permission.MANAGE_GUILD)
    world.give_role(guild, tom, mod)
    world.overwrite(channel, guild.everyone, deny=Permission.SEND_MESSAGES)
    world.ban(guild, tom, by=mia)          # GUILD_BAN_ADD, the audit log, GUILD_MEMBER_REMOVE
    world.unban(guild, tom)
    world.time_out(guild, tom, 600)        # GUILD_MEMBER_UPDATE and the audit log; None ends it
    world.leave(guild, tom)
    world.install(tom)                     # tom may use the app everywhere
    world.add_guild(tom, has_bot=False)    # … for example here
    world.private_channel(tom, mia)        # … or here; the bot sees neither

Events reach the bot as its intents and permissions allow: member updates only with the privileged
intent, audit log entries only with the permission View Audit Log, nothing where it is no member.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from tests.peers.discord.base import Ground
from tests.peers.discord.models import Channel, Guild, Member, Role, User
from tests.peers.discord.permissions import APP_IN_DM, EVERYTHING, Permission, add_up

BANNED, UNBANNED, MEMBER_CHANGED, MESSAGE_DELETED = 22, 23, 24, 72  # audit log event types


class People(Ground):
    """Who there is, and where."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.bot = self.add_user("Riffbot", bot=True)

    def add_user(self, name: str, *, bot: bool = False) -> User:
        user = User(self.snowflake(), name, bot)
        self.users[user.id] = user
        return user

    def install(self, user: User) -> None:
        """They install the app for themselves."""
        user.installed = True

    def add_guild(self, owner: User, name: str = "Loop Lovers", *, has_bot: bool = True) -> Guild:
        guild = Guild(self.snowflake(), name, owner, has_bot=has_bot)
        guild.members = {owner.id: Member(owner)}
        if has_bot:
            guild.members[self.bot.id] = Member(self.bot)
        self.guilds[guild.id] = guild
        self.tell("GUILD_CREATE", guild.to_json(self.bot))
        return guild

    def add_channel(
        self, guild: Guild, name: str = "beats", *, is_voice: bool = False, user_limit: int = 0
    ) -> Channel:
        channel = Channel(
            self.snowflake(), name, guild.id, is_voice=is_voice, user_limit=user_limit
        )
        guild.channels.append(channel)
        self.channels[channel.id] = channel
        self.tell("CHANNEL_CREATE", channel.to_json(), channel)
        return channel

    def delete_channel(self, channel: Channel) -> None:
        channel.deleted = True
        self.tell("CHANNEL_DELETE", channel.to_json(), channel)

    def remove_bot(self, guild: Guild) -> None:
        """The bot is thrown out of a guild."""
        self.tell("GUILD_DELETE", {"id": str(guild.id)})
        guild.has_bot = False
        guild.members.pop(self.bot.id, None)

    def dm_channel(self, user: User) -> Channel:
        """The bot's direct message channel with `user`, made on first use."""
        for channel in self.channels.values():
            if channel.recipient is user:
                return channel
        channel = Channel(self.snowflake(), "", recipient=user)
        self.channels[channel.id] = channel
        return channel

    def private_channel(self, *users: User) -> Channel:
        """A direct message channel without the bot, of two people or more."""
        channel = Channel(self.snowflake(), "", between=users)
        self.channels[channel.id] = channel
        return channel

    def add_role(self, guild: Guild, name: str, permissions: Permission) -> Role:
        role = Role(self.snowflake(), name, permissions, len(guild.roles))
        guild.roles.append(role)
        self.tell("GUILD_ROLE_CREATE", {"guild_id": str(guild.id), "role": role.to_json()})
        return role

    def give_role(self, guild: Guild, user: User, role: Role) -> None:
        """A member gets a role. The bot gets its own permissions so, too."""
        member = self.member(guild, user)
        if role not in member.roles:
            member.roles.append(role)
        self._tell_member(guild, member)

    def overwrite(
        self,
        channel: Channel,
        whom: Role | User,
        *,
        allow: Permission = Permission(0),  # noqa: B008 - a number
        deny: Permission = Permission(0),  # noqa: B008 - a number
    ) -> None:
        """Allow or deny a role or a user something in one channel."""
        channel.overwrites[whom.id] = (0 if isinstance(whom, Role) else 1, allow, deny)
        self.tell("CHANNEL_UPDATE", channel.to_json(), channel)

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
        if user is self.bot and not guild.has_bot:
            return Permission(0)
        member = self.member(guild, user)
        base = guild.everyone.permissions
        for role in member.roles:
            base |= role.permissions
        nothing = (0, Permission(0), Permission(0))
        allowed, denied = Permission(0), Permission(0)
        for role in member.roles:
            _, allow, deny = channel.overwrites.get(role.id, nothing)
            allowed, denied = allowed | allow, denied | deny
        layers = [
            channel.overwrites.get(guild.id, nothing)[1:],
            (allowed, denied),
            channel.overwrites.get(user.id, nothing)[1:],
        ]
        return add_up(base, layers, timed_out=self.is_timed_out(member))

    def guild_permissions(self, user: User, guild: Guild) -> Permission:
        """What a user may do in a guild, channels apart."""
        return self.permissions(user, Channel(0, "", guild.id))

    def is_timed_out(self, member: Member) -> bool:
        until = member.timed_out_until
        return until is not None and until > self.clock.time

    def member_json(self, user: User, channel: Channel) -> dict[str, Any]:
        """The member object that comes with interactions."""
        assert channel.guild_id is not None
        member = self.member(self.guilds[channel.guild_id], user)
        may = self.permissions(user, channel)
        return {**member.to_json(self.timeout_of(member)), "permissions": str(int(may))}

    def ban(
        self, guild: Guild, user: User, *, by: User | None = None, reason: str | None = None
    ) -> None:
        """Somebody is banned from a guild."""
        guild.banned[user.id] = reason
        guild.members.pop(user.id, None)
        data = {"guild_id": str(guild.id), "user": user.to_json()}
        self.tell("GUILD_BAN_ADD", data)
        self._audit(guild, BANNED, user, by, reason)
        self.tell("GUILD_MEMBER_REMOVE", data)

    def unban(self, guild: Guild, user: User, *, by: User | None = None) -> None:
        del guild.banned[user.id]
        self.tell("GUILD_BAN_REMOVE", {"guild_id": str(guild.id), "user": user.to_json()})
        self._audit(guild, UNBANNED, user, by)

    def leave(self, guild: Guild, user: User) -> None:
        """Somebody leaves a guild, or is kicked."""
        guild.members.pop(user.id, None)
        data = {"guild_id": str(guild.id), "user": user.to_json()}
        self.tell("GUILD_MEMBER_REMOVE", data)

    def time_out(
        self,
        guild: Guild,
        user: User,
        seconds: float | None,
        *,
        by: User | None = None,
        reason: str | None = None,
    ) -> None:
        """Silence a member for so many seconds of the world's clock; None ends it."""
        member = self.member(guild, user)
        before = self.timeout_of(member)
        member.timed_out_until = None if seconds is None else self.clock.time + seconds
        change = {
            "key": "communication_disabled_until",
            "old_value": before,
            "new_value": self.timeout_of(member),
        }
        change = {key: value for key, value in change.items() if value is not None}
        self._tell_member(guild, member)
        self._audit(guild, MEMBER_CHANGED, user, by, reason, [change])

    def _tell_member(self, guild: Guild, member: Member) -> None:
        data = {"guild_id": str(guild.id), **member.to_json(self.timeout_of(member))}
        self.tell("GUILD_MEMBER_UPDATE", data)

    def timeout_of(self, member: Member) -> str | None:
        """When a member's timeout ends, as Discord writes it, in real time."""
        if member.timed_out_until is None:
            return None
        left = member.timed_out_until - self.clock.time
        return datetime.fromtimestamp(time.time() + left, UTC).isoformat()

    def _audit(
        self,
        guild: Guild,
        action: int,
        target: User,
        by: User | None,
        reason: str | None = None,
        changes: list[dict[str, Any]] | None = None,
    ) -> None:
        entry: dict[str, Any] = {
            "guild_id": str(guild.id),
            "id": str(self.snowflake()),
            "action_type": action,
            "target_id": str(target.id),
            "user_id": str((by or guild.owner).id),
            "changes": changes or [],
        }
        if reason is not None:
            entry["reason"] = reason
        guild.audit_log.append(entry)
        self.tell("GUILD_AUDIT_LOG_ENTRY_CREATE", entry)
