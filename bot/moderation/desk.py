"""Everything that moderators work with, made and loaded together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.clock import Clock
from bot.events import Events
from bot.moderation.access import Access
from bot.moderation.audit import Audit
from bot.moderation.bans import Bans
from bot.moderation.control import Control
from bot.moderation.halts import Halts
from bot.moderation.people import People
from bot.moderation.removal import Removal
from bot.moderation.scoped import ScopedSettings
from bot.policy import HousePolicy
from bot.store.database import Database
from bot.store.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What is decided about everybody: what the studio asks before it takes a riff."""

    settings: ScopedSettings
    bans: Bans
    halts: Halts
    access: Access
    audit: Audit
    policy: HousePolicy


async def open_rulebook(
    database: Database,
    clock: Clock,
    configured: Mapping[str, Any] | None = None,
    exempt: Mapping[str, float] | None = None,
) -> Rulebook:
    """Load what is stored.

    Args:
        database: where it is.
        clock: tells when bans are over.
        configured: settings of the operator's configuration file, by name.
        exempt: allowances of roles that no setting takes away.

    Raises:
        BadInputRefusal: a configured value is out of range.
    """
    audit = Audit(database, clock)
    settings = ScopedSettings(database, audit, configured, exempt)
    bans, halts = Bans(database, clock), Halts(database, clock)
    for part in (settings, bans, halts):
        await part.load()
    access = Access(settings, bans)
    policy = HousePolicy(settings, access, bans, halts)
    return Rulebook(settings, bans, halts, access, audit, policy)


@dataclass(frozen=True, slots=True)
class Moderation:
    """What moderators act with. Everything here checks for itself whether its caller may."""

    rules: Rulebook
    people: People
    control: Control
    removal: Removal

    @classmethod
    def over(
        cls,
        rules: Rulebook,
        *,
        database: Database,
        clock: Clock,
        ledger: Ledger,
        events: Events,
        cancel_running: Callable[[str], None],
        wake_scheduler: Callable[[], None],
    ) -> Moderation:
        """Put moderators in charge of a ledger."""
        removal = Removal(ledger, events, cancel_running)
        people = People(database, clock, events, rules.access, rules.bans, rules.audit, removal)
        control = Control(
            database,
            ledger,
            events,
            rules.access,
            rules.halts,
            rules.audit,
            removal,
            rules.settings,
            wake_scheduler,
        )
        return cls(rules, people, control, removal)
