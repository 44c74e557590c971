"""The five levels, and the least one that each action takes: the one table of who may do what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum

OWNER_ROLE, ADMIN_ROLE, MODERATOR_ROLE = "owner", "admin", "moderator"
"""What adapters put into `Requester.roles` for what their platform says about somebody."""

SUBSCRIBER_ROLE, FOLLOWER_ROLE = "subscriber", "follower"


class Level(IntEnum):
    """How much somebody may do, each including the ones below.

    `OWNER` runs the bot itself. `ADMIN` runs a community: a Discord member who may manage the
    server, a Twitch broadcaster. `MODERATOR` keeps order there.
    """

    BLOCKED = 0
    MEMBER = 1
    MODERATOR = 2
    ADMIN = 3
    OWNER = 4

    @property
    def people(self) -> str:
        """Who they are, in the plural."""
        return {
            Level.BLOCKED: "blocked people",
            Level.MEMBER: "members",
            Level.MODERATOR: "moderators",
            Level.ADMIN: "admins",
            Level.OWNER: "the owner of this bot",
        }[self]


ACTIONS: Mapping[str, Level] = {
    "riff": Level.MEMBER,
    "cancel-own": Level.MEMBER,
    "cancel-any": Level.MODERATOR,
    "settings-show": Level.MEMBER,
    "settings-own": Level.MEMBER,
    "settings-community": Level.MODERATOR,
    "settings-admin": Level.ADMIN,
    "settings-global": Level.OWNER,
    "settings-export": Level.MODERATOR,
    "settings-import": Level.ADMIN,
    "log": Level.MODERATOR,
    "block": Level.MODERATOR,
    "unblock": Level.MODERATOR,
    "timeout": Level.MODERATOR,
    "people": Level.MODERATOR,
    "queue-show": Level.MEMBER,
    "queue-pause": Level.MODERATOR,
    "queue-resume": Level.MODERATOR,
    "queue-skip": Level.MODERATOR,
    "queue-move": Level.MODERATOR,
    "queue-clear": Level.MODERATOR,
    "queue-cap": Level.MODERATOR,
    "live-vote": Level.MEMBER,
    "live-look": Level.MEMBER,
    "live": Level.MODERATOR,
    "live-key": Level.ADMIN,
    "radio": Level.MODERATOR,
    "panic": Level.MODERATOR,
    "resume": Level.MODERATOR,
    "everywhere": Level.OWNER,
}
"""The least level for each action, on every platform alike."""

_PLATFORM = {OWNER_ROLE: Level.OWNER, ADMIN_ROLE: Level.ADMIN, MODERATOR_ROLE: Level.MODERATOR}


def level_of(
    roles: Collection[str],
    *,
    admin_roles: Collection[str] = (),
    moderator_roles: Collection[str] = (),
    blocked_roles: Collection[str] = (),
    is_blocked: bool = False,
) -> Level:
    """The level of somebody with these roles.

    Args:
        roles: what the platform says, and the ids of the roles that they have there.
        admin_roles, moderator_roles, blocked_roles: roles that an admin chose to mean these levels.
        is_blocked: whether a moderator blocked them, or their time out is not over.

    Returns:
        The highest that anything gives. Being blocked outweighs all but running the bot, so that
        nobody can lock its owner out; a blocked *role* does not touch admins either.
    """
    level = max((_PLATFORM[role] for role in roles if role in _PLATFORM), default=Level.MEMBER)
    if not set(admin_roles).isdisjoint(roles):
        level = max(level, Level.ADMIN)
    if not set(moderator_roles).isdisjoint(roles):
        level = max(level, Level.MODERATOR)
    by_role = level < Level.ADMIN and not set(blocked_roles).isdisjoint(roles)
    if level < Level.OWNER and (is_blocked or by_role):
        return Level.BLOCKED
    return level
