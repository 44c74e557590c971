"""Taking hold of the queue: pause, skip, move, clear; and stopping everything in a panic."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from bot.errors import BadInputRefusal, NotFoundRefusal
from bot.events import Events, HaltChanged, QueueMoved
from bot.jobs import Job, Requester
from bot.moderation.access import Access
from bot.moderation.audit import Audit
from bot.moderation.halts import EVERYWHERE, HaltKind, Halts
from bot.moderation.removal import Removal
from bot.moderation.scoped import ScopedSettings
from bot.store.database import Database
from bot.store.ledger import Ledger
from bot.store.queue import order_in

_ANY = "(? = '' OR (platform = ? AND community = ?))"


class Control:
    """What moderators do to the queue of their community, and its owner to everybody's."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        events: Events,
        access: Access,
        halts: Halts,
        audit: Audit,
        removal: Removal,
        settings: ScopedSettings,
        wake_scheduler: Callable[[], None],
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._events = events
        self._access = access
        self._halts = halts
        self._audit = audit
        self._removal = removal
        self._settings = settings
        self._wake_scheduler = wake_scheduler

    # Stopping and going on ------------------------------------------------------------------

    async def pause(self, by: Requester, *, everywhere: bool = False) -> None:
        """Draw nothing more for now; riffs are taken and wait."""
        where = self._where(by, "queue-pause", everywhere)
        if self._halts.at(where) is not None:
            raise BadInputRefusal("The queue stands still already.")
        await self._halt(by, where, "paused", "queue-pause")

    async def unpause(self, by: Requester, *, everywhere: bool = False) -> None:
        """Draw again after a pause."""
        where = self._where(by, "queue-resume", everywhere)
        if self._halts.at(where) == "panic":
            raise BadInputRefusal("Riffs were stopped in a panic; !resume lets them go on.")
        await self._go_on(by, where, "queue-resume")

    async def panic(self, by: Requester, *, everywhere: bool = False) -> int:
        """Stop everything: no new riffs, an empty queue, and the live session on its safe loop.

        Returns:
            How many riffs were cancelled.
        """
        where = self._where(by, "panic", everywhere)
        ids = await self._halt(by, where, "panic", "panic")
        return len(await self._removal.end(ids))

    async def resume(self, by: Requester, *, everywhere: bool = False) -> None:
        """Let everything go on, after a panic or a pause."""
        await self._go_on(by, self._where(by, "resume", everywhere), "resume")

    # One by one -----------------------------------------------------------------------------

    async def waiting(self, by: Requester) -> list[Job]:
        """The riffs that wait in a community, the next one first; in direct messages, one's own."""
        self._access.require(by, "queue-show")
        ids = await self._database.read(lambda db: order_in(db, by.platform, by.community))
        jobs = await self._ledger.jobs(ids)
        if by.community or self._access.may(by, "everywhere"):
            return jobs
        return [job for job in jobs if job.requester.user == by.user]

    async def skip(self, by: Requester, position: int | None = None) -> Job:
        """Cancel the riff at a position; without one, what is drawn now, else the next.

        Raises:
            NotFoundRefusal: there is none.
        """
        self._access.require(by, "queue-skip")
        if position is None:
            ids = await self._database.read(lambda db: _running(db, by)) or await self._order(by)
        else:
            ids = [await self._at(by, position)]
        if not ids:
            raise NotFoundRefusal("There is nothing to skip.")
        found = (await self._ledger.jobs(ids[:1]))[0]
        if not await self._removal.end(ids[:1]):
            raise NotFoundRefusal("That riff is finished already.")
        await self._note(by, "queue-skip", found.id)
        return found

    async def move(self, by: Requester, position: int, to: int) -> Job:
        """Move the riff at a position to another one within its community.

        The riffs from the first to the last one that was moved are served in just this order; the
        rest take turns as always.

        Raises:
            NotFoundRefusal: there is no riff at this position.
            BadInputRefusal: not a position.
        """
        self._access.require(by, "queue-move")
        job_id = await self._at(by, position)

        def work(tx: sqlite3.Connection) -> None:
            order = order_in(tx, by.platform, by.community)
            if job_id not in order or not 1 <= to <= len(order):
                raise BadInputRefusal(f"The place to move to is 1 to {len(order)}.")
            order.remove(job_id)
            order.insert(to - 1, job_id)
            _keep_order(tx, order, max(position, to))
            where = (by.platform, by.community)
            self._audit.note(tx, by, where, "queue-move", job_id, position, to)

        await self._database.write(work)
        self._events.publish(QueueMoved())
        return (await self._ledger.jobs([job_id]))[0]

    async def clear(self, by: Requester, whom: Requester | None = None) -> int:
        """Cancel what waits, of one person or of the whole community; how many it was."""
        self._access.require(by, "queue-clear")
        jobs = await self._ledger.jobs(await self._order(by))
        ids = [job.id for job in jobs if whom is None or job.requester.user == whom.user]
        ended = await self._removal.end(ids)
        await self._note(by, "queue-clear", "" if whom is None else whom.user, len(ended))
        return len(ended)

    # ----------------------------------------------------------------------------------------

    def _where(self, by: Requester, action: str, everywhere: bool) -> tuple[str, str]:
        self._access.require(by, "everywhere" if everywhere else action)
        return EVERYWHERE if everywhere else (by.platform, by.community)

    async def _halt(
        self, by: Requester, where: tuple[str, str], kind: HaltKind, action: str
    ) -> list[str]:
        """Halt; in a panic, these jobs are to be ended."""

        def work(tx: sqlite3.Connection) -> list[str]:
            self._halts.store(tx, where, kind)
            self._audit.note(tx, by, where, action)
            rows = tx.execute(
                "SELECT id FROM jobs WHERE state IN ('queued', 'running', 'rendered') "  # noqa: S608
                f"AND {_ANY} ORDER BY state = 'running' DESC, seq",
                (where[0], *where),
            )
            return [row["id"] for row in rows]

        ids = await self._database.write(work)
        self._halts.remember(where, kind)
        safe_loop = self._settings.settings_of(by).live.safe_loop
        self._events.publish(HaltChanged(where, kind, safe_loop), QueueMoved())
        return ids

    async def _go_on(self, by: Requester, where: tuple[str, str], action: str) -> None:
        before = self._halts.at(where)
        if before is None:
            if self._halts.of(*where) is not None:
                raise BadInputRefusal("The owner of this bot stopped everything; only they resume.")
            raise BadInputRefusal("Nothing is stopped here.")

        def work(tx: sqlite3.Connection) -> None:
            self._halts.remove(tx, where)
            self._audit.note(tx, by, where, action, "", before)

        await self._database.write(work)
        self._halts.remember(where, None)
        self._events.publish(HaltChanged(where, None), QueueMoved())
        self._wake_scheduler()

    async def _order(self, by: Requester) -> list[str]:
        return await self._database.read(lambda db: order_in(db, by.platform, by.community))

    async def _at(self, by: Requester, position: int) -> str:
        order = await self._order(by)
        if not order:
            raise NotFoundRefusal("Nothing is waiting here.")
        if not 1 <= position <= len(order):
            raise NotFoundRefusal(f"There are riffs at places 1 to {len(order)}, not {position}.")
        return order[position - 1]

    async def _note(self, by: Requester, action: str, target: str, after: object = None) -> None:
        where = (by.platform, by.community)
        await self._database.write(
            lambda tx: self._audit.note(tx, by, where, action, target, None, after)
        )


def _running(db: sqlite3.Connection, by: Requester) -> list[str]:
    rows = db.execute(
        "SELECT id FROM jobs WHERE state = 'running' AND lane = 'riffs' AND platform = ? "
        "AND community = ? ORDER BY started_at",
        (by.platform, by.community),
    )
    return [row["id"] for row in rows]


def _keep_order(tx: sqlite3.Connection, order: Sequence[str], least: int) -> None:
    """Fix the order of the first riffs: `least` of them, and what was moved before."""
    moved = {
        row["id"]
        for row in tx.execute("SELECT id FROM jobs WHERE state = 'queued' AND ahead IS NOT NULL")
    }
    last = max([least, *(index + 1 for index, one in enumerate(order) if one in moved)])
    tx.executemany(
        "UPDATE jobs SET ahead = ? WHERE id = ?",
        [(index + 1, job_id) for index, job_id in enumerate(order[:last])],
    )
