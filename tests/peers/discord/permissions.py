"""Discord's permission bits and how roles and channel overwrites add up to what somebody may do."""

from __future__ import annotations

from enum import IntFlag

TIMED_OUT_KEEPS = (1 << 10) | (1 << 16)  # View Channel and Read Message History


class Permission(IntFlag):
    """The permissions that matter to a bot that writes, uploads and moderates."""

    KICK_MEMBERS = 1 << 1
    BAN_MEMBERS = 1 << 2
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_AUDIT_LOG = 1 << 7
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    CONNECT = 1 << 20
    SPEAK = 1 << 21
    MOVE_MEMBERS = 1 << 24
    MANAGE_ROLES = 1 << 28
    MANAGE_GUILD_EXPRESSIONS = 1 << 30
    USE_APPLICATION_COMMANDS = 1 << 31
    SEND_MESSAGES_IN_THREADS = 1 << 38
    MODERATE_MEMBERS = 1 << 40
    USE_SOUNDBOARD = 1 << 42
    CREATE_GUILD_EXPRESSIONS = 1 << 43
    USE_EXTERNAL_APPS = 1 << 50


EVERYTHING = Permission(sum(Permission))
# What @everyone may do in a new guild, as far as it is in the list above.
ORDINARY_PERMISSIONS = (
    Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.USE_EXTERNAL_EMOJIS
    | Permission.CONNECT
    | Permission.SPEAK
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.SEND_MESSAGES_IN_THREADS
    | Permission.USE_SOUNDBOARD
    | Permission.USE_EXTERNAL_APPS
)
# In direct messages with the app's bot user, whatever the guilds say.
APP_IN_DM = (
    Permission.ATTACH_FILES
    | Permission.EMBED_LINKS
    | Permission.MENTION_EVERYONE
    | Permission.USE_EXTERNAL_EMOJIS
)


def add_up(
    base: Permission, overwrites: list[tuple[Permission, Permission]], *, timed_out: bool
) -> Permission:
    """Permissions in a channel.

    Args:
        base: the union of @everyone's and the member's roles'.
        overwrites: (allow, deny) in the order in which they apply: @everyone's, all roles'
            together, the member's own.
        timed_out: whether the member is under a timeout now.
    """
    if base & Permission.ADMINISTRATOR:
        return EVERYTHING
    for allow, deny in overwrites:
        base = (base & ~deny) | allow
    return base & Permission(TIMED_OUT_KEEPS) if timed_out else base
