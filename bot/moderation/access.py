"""The one place that decides whether somebody may do something."""

from __future__ import annotations

from bot.errors import ForbiddenRefusal
from bot.jobs import Requester
from bot.moderation.bans import Bans
from bot.moderation.keys import Key
from bot.moderation.levels import ACTIONS, Level, level_of
from bot.moderation.scoped import ScopedSettings
from bot.moderation.scopes import Scope


class Access:
    """Knows everybody's level, and asks the table of `bot.moderation.levels`."""

    def __init__(self, settings: ScopedSettings, bans: Bans) -> None:
        self._settings = settings
        self._bans = bans

    def level(self, requester: Requester) -> Level:
        """How much somebody may do where they are."""
        access = self._settings.settings_of(requester).access
        return level_of(
            requester.roles,
            admin_roles=access.admin_roles,
            moderator_roles=access.moderator_roles,
            blocked_roles=access.blocked_roles,
            is_blocked=self._bans.of(requester) is not None,
        )

    def may(self, requester: Requester, action: str) -> bool:
        """Whether somebody may do this."""
        return self.level(requester) >= ACTIONS[action]

    def require(self, requester: Requester, action: str) -> None:
        """Let it pass, or refuse.

        Raises:
            ForbiddenRefusal: their level is too low.
        """
        level = self.level(requester)
        if level < ACTIONS[action]:
            refuse(level, ACTIONS[action])

    def may_end(self, requester: Requester, whose: Requester) -> bool:
        """Whether somebody may cancel or delete a riff of `whose`: they themselves, a moderator of
        the community where it was asked for, or the owner."""
        if (requester.platform, requester.user) == (whose.platform, whose.user):
            return self.may(requester, "cancel-own")
        if (requester.platform, requester.community) == (whose.platform, whose.community):
            return self.may(requester, "cancel-any")
        return self.may(requester, "everywhere")

    def require_change(self, requester: Requester, scope: Scope, key: Key) -> None:
        """Let somebody change this setting in this scope, or refuse.

        Raises:
            ForbiddenRefusal: their level is too low, or the scope is not where they are.
        """
        if scope.kind == "global":
            return self.require(requester, "settings-global")
        if scope.where != (requester.platform, requester.community):
            self.require(requester, "everywhere")
        if scope.kind == "user" and scope.user == requester.user and key.own:
            return self.require(requester, "settings-own")
        action = "settings-admin" if key.level >= Level.ADMIN else "settings-community"
        return self.require(requester, action)


def refuse(level: Level, needed: Level) -> None:
    """Say that somebody's level is too low.

    Raises:
        ForbiddenRefusal: always.
    """
    if level is Level.BLOCKED:
        raise ForbiddenRefusal("You may not ask for anything here at present.")
    if needed is Level.OWNER:
        raise ForbiddenRefusal("Only the owner of this bot may do that.")
    raise ForbiddenRefusal(f"Only {needed.people} may do that here.")
