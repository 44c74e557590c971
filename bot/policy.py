"""What may be asked, and by whom.

`Studio.submit_request` is the one way to a sound, and it asks `check` about the request itself:
every text in it, however it came there (a chat line, a form, a blend, a remix of an old clip, an
import). Whatever else takes words from people and shows or draws them (votes, names of files, names
of sessions) asks `check_texts`. `admit` has the last word inside the transaction that takes the
job, so nobody slips in while a moderator blocks them.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Protocol

from bot.errors import BusyRefusal, ForbiddenRefusal
from bot.jobs import Requester
from bot.moderation.access import Access
from bot.moderation.bans import Ban, Bans
from bot.moderation.halts import STOPPED, Halts
from bot.moderation.levels import FOLLOWER_ROLE, SUBSCRIBER_ROLE, Level
from bot.moderation.normalise import fold
from bot.moderation.rules import compiled_rules
from bot.settings import AccessSettings, Settings
from generation.request import GenerationRequest

log = logging.getLogger(__name__)

_TRY_LATER = 60.0
_UNWELCOME = "That wording is not welcome here; please try other words."
_TOO_HARD = "I could not check that wording in time; please try a shorter and plainer one."
# Fields of a request that are one of a few fixed values, or a hash.
_NOT_WORDS = frozenset({"kind", "side", "start", "unit", "role", "sha256"})


class Policy(Protocol):
    """Decides whether a requester may have what they ask for."""

    async def check(self, requester: Requester, request: GenerationRequest) -> None:
        """Let it pass, or raise.

        Raises:
            ForbiddenRefusal: with a sentence for the requester.
        """

    async def check_texts(self, requester: Requester, texts: Sequence[str]) -> None:
        """The same for words that are not (yet) a request.

        Raises:
            ForbiddenRefusal: with a sentence for the requester.
        """

    def admit(self, tx: sqlite3.Connection, requester: Requester) -> None:
        """Let a job into the ledger in this transaction, or raise.

        Raises:
            ForbiddenRefusal: they were blocked meanwhile.
            BusyRefusal: everything is stopped.
        """


class OpenPolicy:
    """Everybody may ask for everything."""

    async def check(self, requester: Requester, request: GenerationRequest) -> None:
        """Let it pass."""

    async def check_texts(self, requester: Requester, texts: Sequence[str]) -> None:
        """Let them pass."""

    def admit(self, tx: sqlite3.Connection, requester: Requester) -> None:
        """Let it in."""


class HousePolicy:
    """The rules that owner, admins and moderators have set."""

    def __init__(self, settings: Settings, access: Access, bans: Bans, halts: Halts) -> None:
        self._settings = settings
        self._access = access
        self._bans = bans
        self._halts = halts

    async def check(self, requester: Requester, request: GenerationRequest) -> None:
        """Who asks, where, and every text in the request."""
        await self.check_texts(requester, texts_of(request))

    async def check_texts(self, requester: Requester, texts: Sequence[str]) -> None:
        """Who asks, where, and these texts."""
        settings = await self._settings.resolve(requester)
        level = self._access.level(requester)
        if level is Level.BLOCKED:
            raise _blocked(self._bans.of(requester))
        _check_place(requester, settings.access)
        if level < Level.MODERATOR:
            _check_membership(requester, settings.access)
        longest = max(map(len, texts), default=0)
        if longest > settings.words.prompt_characters:
            raise ForbiddenRefusal(
                f"That has {longest} characters, and {settings.words.prompt_characters} is the "
                "most that a prompt may have here; try the few words that matter most."
            )
        rules = compiled_rules(settings.words.blocked, settings.words.allowed)
        # A text made to be hard to read takes some milliseconds, in which others are served.
        found = await asyncio.to_thread(rules.find, texts)
        if found is None:
            return
        text, finding = found
        log.info("%s:%s was refused by %r", requester.platform, requester.user, finding.entry)
        if not finding.in_time:
            raise ForbiddenRefusal(_TOO_HARD)
        words = fold(text).of_original(text, finding.start, finding.end)
        raise ForbiddenRefusal(
            _UNWELCOME,
            f"\u201c{words[:80]}\u201d is not welcome here; please leave it out or say it "
            "differently.",
        )

    def admit(self, tx: sqlite3.Connection, requester: Requester) -> None:
        """Blocked or stopped just now counts."""
        if self._access.level(requester) < Level.OWNER and self._bans.holds(tx, requester):
            raise _blocked(self._bans.of(requester))
        if self._halts.panic_in(tx, requester.platform, requester.community):
            raise BusyRefusal(STOPPED, retry_after=_TRY_LATER)


def texts_of(request: GenerationRequest) -> tuple[str, ...]:
    """Every text in a request that somebody may have written, also in fields yet to be added."""
    return tuple(dict.fromkeys(text for text in _texts(request) if text))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            if field.name not in _NOT_WORDS:
                yield from _texts(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from _texts(tuple(value.items()))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _texts(one)


def _blocked(ban: Ban | None) -> ForbiddenRefusal:
    public = "You may not ask for anything here at present."
    if ban is None or not ban.reason:
        return ForbiddenRefusal(public)
    return ForbiddenRefusal(public, f"{public} The reason given: {ban.reason}")


def _check_place(requester: Requester, access: AccessSettings) -> None:
    if access.channels and requester.channel not in access.channels:
        raise ForbiddenRefusal("I answer in other channels of this community only.")


def _check_membership(requester: Requester, access: AccessSettings) -> None:
    if access.who == "roles" and access.riff_roles.isdisjoint(requester.roles):
        raise ForbiddenRefusal("Riffs are for people with certain roles here.")
    if access.who == "subscribers" and SUBSCRIBER_ROLE not in requester.roles:
        raise ForbiddenRefusal("Riffs are for subscribers here.")
    if access.who == "followers":
        # A subscriber who does not follow would be refused although they give more.
        if SUBSCRIBER_ROLE in requester.roles:
            return
        if FOLLOWER_ROLE not in requester.roles:
            raise ForbiddenRefusal("Riffs are for followers here.")
        if access.follower_days and (requester.follows_days or 0.0) < access.follower_days:
            raise ForbiddenRefusal(
                f"Riffs are for those who have followed for {access.follower_days:g} days here."
            )
