"""Blocking people: at once, everywhere that their words could be seen or heard."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.clock import Clock
from bot.errors import BadInputRefusal, ForbiddenRefusal, NotFoundRefusal
from bot.events import Events, JobChanged, QueueMoved, WordsWithdrawn
from bot.jobs import Requester
from bot.moderation.access import Access
from bot.moderation.audit import Audit
from bot.moderation.bans import EVERYWHERE, Ban, Bans
from bot.moderation.levels import Level
from bot.moderation.removal import Removal
from bot.store.database import Database

MAX_REASON = 300
_ANNOUNCED = 500  # no screen shows more of somebody's riffs
_OPEN = "state IN ('queued', 'running', 'rendered')"
_OF = "platform = ? AND user = ? AND (? = '' OR community = ?)"


@dataclass(frozen=True, slots=True)
class Removed:
    """What a ban took away: riffs that were cancelled, and riffs that are no longer shown."""

    ban: Ban
    cancelled: tuple[str, ...]
    hidden: tuple[str, ...]


class People:
    """Blocks, times out and lets back in. A ban ends what its person has queued or running, and
    hides their riffs from every view; letting them back in by hand shows these again."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        events: Events,
        access: Access,
        bans: Bans,
        audit: Audit,
        removal: Removal,
    ) -> None:
        self._database = database
        self._clock = clock
        self._events = events
        self._access = access
        self._bans = bans
        self._audit = audit
        self._removal = removal

    async def block(
        self, by: Requester, whom: Requester, reason: str = "", seconds: float | None = None
    ) -> Removed:
        """Block somebody in their community, for good or for some seconds.

        Raises:
            ForbiddenRefusal: `by` may not, or `whom` is not below them.
            BadInputRefusal: they are the same, or the reason is too long.
        """
        self._access.require(by, "block" if seconds is None else "timeout")
        if (by.platform, by.user) == (whom.platform, whom.user):
            raise BadInputRefusal("You cannot block yourself.")
        if whom.community != by.community or whom.platform != by.platform:
            self._access.require(by, "everywhere")
        level = self._access.level(whom)
        if level >= Level.MODERATOR and level >= self._access.level(by):
            raise ForbiddenRefusal(f"{whom.name} can be blocked only by somebody above them.")
        if len(reason) > MAX_REASON:
            raise BadInputRefusal(f"A reason has at most {MAX_REASON} characters.")
        return await self._ban(by, self._new_ban(whom, reason, seconds, by_platform=False))

    async def unblock(self, by: Requester, whom: Requester) -> None:
        """Let somebody back in, and show their riffs again.

        Raises:
            ForbiddenRefusal: `by` may not.
            NotFoundRefusal: nobody blocked them.
        """
        self._access.require(by, "unblock")
        ban = self._bans.of(whom)
        if ban is None:
            raise NotFoundRefusal(f"{whom.name} is not blocked.")
        if ban.community == EVERYWHERE != by.community:
            self._access.require(by, "everywhere")
        await self._lift(by, ban)

    # What platforms report ------------------------------------------------------------------

    async def on_platform_ban(
        self, whom: Requester, reason: str = "", seconds: float | None = None
    ) -> Removed:
        """The platform banned somebody, or timed them out for some seconds: the same happens here.
        An empty community means all communities of the platform."""
        ban = self._new_ban(whom, reason[:MAX_REASON], seconds, by_platform=True)
        return await self._ban(_the_platform(whom), ban)

    async def on_platform_unban(self, whom: Requester) -> None:
        """The platform lifted a ban: so do we, unless a moderator set one of their own."""
        ban = self._bans.of(whom)
        if ban is not None and ban.by_platform:
            await self._lift(_the_platform(whom), ban)

    async def on_message_deleted(self, platform: str, user: str | None, key: str) -> str | None:
        """A message that asked for a riff was deleted: the riff goes, and is shown no longer.

        Args:
            platform, user: who wrote it; None where the platform does not tell.
            key: that the riff was submitted with.

        Returns:
            The riff's id, if there is one.
        """
        # What it said may be a vote, which is no riff.
        self._events.publish(WordsWithdrawn(platform, "", user or "", key))
        row = await self._database.read(
            lambda db: db.execute(
                "SELECT id FROM jobs WHERE platform = ? AND ask_key = ? AND user = ifnull(?, user)",
                (platform, key, user),
            ).fetchone()
        )
        if row is not None:
            await self.on_post_deleted(str(row["id"]))
        return None if row is None else str(row["id"])

    async def on_post_deleted(self, job_id: str) -> None:
        """What the platform showed of a riff was deleted there: it is shown no longer."""

        def work(tx: sqlite3.Connection) -> bool:
            row = tx.execute(
                "UPDATE jobs SET hidden = 'message' WHERE id = ? AND hidden IS NULL "
                "RETURNING platform, community, user",
                (job_id,),
            ).fetchone()
            if row is not None:
                whose = Requester(row["platform"], row["community"], row["user"], "")
                where = (row["platform"], row["community"])
                self._audit.note(tx, _the_platform(whose), where, "message-deleted", job_id)
            return row is not None

        if await self._database.write(work):
            await self._removal.end([job_id])
            self._events.publish(JobChanged(job_id))

    # Single riffs ---------------------------------------------------------------------------

    async def delete_riff(self, by: Requester, job_id: str) -> None:
        """Take a riff away from every view, and end it if it is not finished: its requester may,
        and a moderator of where it was asked for.

        Raises:
            NotFoundRefusal: no such riff, or it was taken away before.
            ForbiddenRefusal: `by` may not.
        """

        def work(tx: sqlite3.Connection) -> None:
            row = tx.execute(
                "SELECT platform, community, user, user_name FROM jobs "
                "WHERE id = ? AND hidden IS NULL",
                (job_id,),
            ).fetchone()
            if row is None:
                raise NotFoundRefusal("That riff is gone already.")
            if not self._access.may_end(by, Requester(*row)):
                raise ForbiddenRefusal("Only the one who asked for a riff can delete it.")
            tx.execute("UPDATE jobs SET hidden = 'message' WHERE id = ?", (job_id,))
            if (by.platform, by.user) != (row["platform"], row["user"]):
                where = (row["platform"], row["community"])
                self._audit.note(tx, by, where, "riff-delete", job_id)

        await self._database.write(work)
        await self._removal.end([job_id])
        self._events.publish(JobChanged(job_id))

    # Finding people -------------------------------------------------------------------------

    async def named(self, where: Requester, text: str) -> tuple[Requester, str]:
        """The person whom a text begins with, by name or id, and the rest of the text.

        Only who asked for riffs in the community of `where`, or is blocked there, is known.

        Raises:
            NotFoundRefusal: nobody of that name.
            BadInputRefusal: several of that name.
        """
        plain = text.strip().removeprefix("@")
        known = await self._database.read(
            lambda db: db.execute(
                "SELECT user, user_name FROM jobs WHERE platform = ? AND community = ? "
                "AND lane = 'riffs' "
                "GROUP BY user ORDER BY max(seq) DESC LIMIT 5000",
                (where.platform, where.community),
            ).fetchall()
        )
        names = [(row["user"], row["user_name"]) for row in known]
        names += [
            (ban.user, ban.name) for ban in self._bans.those_in(where.platform, where.community)
        ]
        found, length = _best(names, plain)
        if not found:
            raise NotFoundRefusal(f"I know nobody here called {plain.split(' ')[0][:40]!r}.")
        if len(found) > 1:
            ids = " or ".join(sorted(found))
            raise BadInputRefusal(f"Several people have that name; say which by id: {ids}.")
        user, name = next(iter(found.items()))
        rest = plain[length:].strip().strip('"').strip()
        whom = Requester(where.platform, where.community, user, name, channel=where.channel)
        return whom, rest

    # ----------------------------------------------------------------------------------------

    def _new_ban(
        self, whom: Requester, reason: str, seconds: float | None, *, by_platform: bool
    ) -> Ban:
        now = self._clock.now()
        until = None if seconds is None else now + seconds
        who = (whom.platform, whom.community, whom.user, whom.name)
        return Ban(*who, " ".join(reason.split()), until, by_platform, now)

    async def _ban(self, by: Requester, ban: Ban) -> Removed:
        whose = (ban.platform, ban.user, ban.community, ban.community)

        def work(tx: sqlite3.Connection) -> tuple[list[str], list[str]]:
            self._bans.store(tx, ban)
            open_ = tx.execute(f"SELECT id FROM jobs WHERE {_OF} AND {_OPEN}", whose)  # noqa: S608
            ids = [row["id"] for row in open_]
            hidden = tx.execute(
                "UPDATE jobs SET hidden = 'person' "  # noqa: S608
                f"WHERE {_OF} AND hidden IS NULL RETURNING id",
                whose,
            ).fetchall()
            action = "block" if ban.until is None else "timeout"
            after = {"reason": ban.reason, "until": ban.until, "name": ban.name}
            self._audit.note(tx, by, (ban.platform, ban.community), action, ban.user, None, after)
            return ids, [row["id"] for row in hidden]

        open_, hidden = await self._database.write(work)
        self._bans.remember(ban)
        self._events.publish(WordsWithdrawn(ban.platform, ban.community, ban.user, name=ban.name))
        self._show_again(hidden)
        cancelled = await self._removal.end(open_)
        return Removed(ban, tuple(cancelled), tuple(hidden))

    async def _lift(self, by: Requester, ban: Ban) -> None:
        whose = (ban.platform, ban.user, ban.community, ban.community)

        def work(tx: sqlite3.Connection) -> list[str]:
            self._bans.remove(tx, ban)
            shown = tx.execute(
                "UPDATE jobs SET hidden = NULL "  # noqa: S608
                f"WHERE {_OF} AND hidden = 'person' RETURNING id",
                whose,
            ).fetchall()
            before = {"reason": ban.reason, "until": ban.until, "name": ban.name}
            where = (ban.platform, ban.community)
            self._audit.note(tx, by, where, "unblock", ban.user, before)
            return [row["id"] for row in shown]

        shown = await self._database.write(work)
        self._bans.forget(ban)
        self._show_again(shown)

    def _show_again(self, job_ids: Sequence[str]) -> None:
        """Every screen looks at these once more."""
        self._events.publish(*map(JobChanged, job_ids[-_ANNOUNCED:]), QueueMoved())


def _the_platform(whom: Requester) -> Requester:
    return replace(whom, user="", name=f"{whom.platform} itself", roles=frozenset())


def _best(names: Sequence[tuple[str, str]], text: str) -> tuple[dict[str, str], int]:
    """Those whose id or name the text begins with, by id, and how long that is: the longest."""
    folded = text.casefold()
    quoted = 1 if text.startswith('"') else 0
    found: dict[str, str] = {}
    longest = 0
    for user, name in names:
        for known in {user, name}:
            end = quoted + len(known)
            follows = text[end : end + 1]
            if not known or folded[quoted:end] != known.casefold() or follows not in ("", " ", '"'):
                continue
            if end > longest:
                found, longest = {}, end
            if end == longest:
                found.setdefault(user, name)
    return found, longest
