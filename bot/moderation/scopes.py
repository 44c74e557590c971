"""Where a setting is set: everywhere, in a community, in a channel of it, or for one person."""

from __future__ import annotations

from dataclasses import dataclass

from bot.errors import BadInputRefusal
from bot.jobs import Requester
from bot.moderation.keys import ScopeKind


@dataclass(frozen=True, slots=True)
class Scope:
    """One place where settings can be set. Everything empty is global."""

    platform: str = ""
    community: str = ""
    channel: str = ""
    user: str = ""

    @property
    def kind(self) -> ScopeKind:
        """Which of the four it is."""
        if self.user:
            return "user"
        if self.channel:
            return "channel"
        return "community" if self.platform else "global"

    @property
    def where(self) -> tuple[str, str]:
        """Platform and community."""
        return self.platform, self.community

    @property
    def values(self) -> tuple[str, str, str, str]:
        """As the database has it."""
        return self.platform, self.community, self.channel, self.user

    def label(self, viewer: Requester | None = None) -> str:
        """How to call it, to somebody."""
        if self.kind == "user":
            return "you" if viewer is not None and self.user == viewer.user else "this person"
        return {
            "global": "everywhere",
            "community": "this community",
            "channel": "this channel",
        }[self.kind]


GLOBAL = Scope()


def scope_for(requester: Requester, kind: ScopeKind) -> Scope:
    """The scope of this kind in which somebody is.

    Raises:
        BadInputRefusal: there are no channels where they are.
    """
    if kind == "global":
        return GLOBAL
    if kind == "community":
        return Scope(requester.platform, requester.community)
    if kind == "channel":
        if not requester.channel:
            raise BadInputRefusal("There are no channels here; leave --here out.")
        return Scope(requester.platform, requester.community, requester.channel)
    return Scope(requester.platform, requester.community, user=requester.user)


def scopes_of(requester: Requester) -> tuple[Scope, ...]:
    """Every scope that somebody is in, outermost first."""
    found = [GLOBAL, scope_for(requester, "community")]
    if requester.channel:
        found.append(scope_for(requester, "channel"))
    return (*found, scope_for(requester, "user"))
