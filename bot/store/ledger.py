"""The ledger: every job, its state and what is owed for it. Each transition is one transaction.

    queued ──claim──► running ──render──► rendered ──deliver──► delivered
       │                │  ▲                  └─ nobody could be told ─► expired
       │                │  └─ release, crash, lapsed lease (queued again)
       ├─ cancelled ◄───┤ ◄──── rendered, not posted
       │                └──► failed (its requester is owed the reason)
       └─ deadline passed ─► expired

A running job is held under a lease by one boot of the bot. Leases of an earlier boot are void,
because a boot owns its worker process and that process ends with it. Every claim has a number, and
a run may record its outcome only while its claim is the latest one.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Sequence

from bot import limits
from bot.clock import Clock
from bot.ids import new_id
from bot.jobs import Address, Job, Lane, Requester
from bot.store import durations, turns
from bot.store.claims import Claimed, StoredFile, Tended, Terms, TurnPolicy
from bot.store.database import Database
from bot.store.deliveries import Deliveries, close_if_settled
from bot.store.rows import job_from_row, job_with_clips, read_request
from bot.work import audio_seconds
from generation.errors import BadRequestError
from generation.request import Clip, GenerationRequest

log = logging.getLogger(__name__)

MAX_CRASHES = 2
MAX_ATTEMPTS = 10
CRASHED = (
    "Sorry, this riff made the sound worker crash twice, so I stopped trying; "
    "a different wording or seed may work."
)
INTERRUPTED = (
    "Sorry, this riff was interrupted ten times before it was finished, so I stopped trying; "
    "please ask for it again."
)
EXPIRED = "This riff was not ready in time, so it was dropped."

_HELD = "id = ? AND state = 'running' AND boot_id = ? AND claim = ?"
_LET_GO = "boot_id = NULL, worker = NULL, lease_until = NULL"
_PLAIN = Terms()


class Ledger:
    """Jobs in the database, and the `deliveries` they owe."""

    def __init__(self, database: Database, clock: Clock, boot_id: str) -> None:
        self._database = database
        self._clock = clock
        self.boot_id = boot_id
        self.deliveries = Deliveries(database, clock)

    @classmethod
    async def start(cls, database: Database, clock: Clock, version: str) -> Ledger:
        """Begin a boot: note it, and put back in the queue what an earlier boot left running."""
        ledger = cls(database, clock, new_id())
        count = await database.write(lambda tx: ledger._begin_boot(tx, version))
        if count:
            log.info("%d interrupted riffs are back in the queue", count)
        return ledger

    def _begin_boot(self, tx: sqlite3.Connection, version: str) -> int:
        now = self._clock.now()
        tx.execute(
            "INSERT INTO boots (id, version, started_at) VALUES (?, ?, ?)",
            (self.boot_id, version, now),
        )
        worn_out = tx.execute(
            "SELECT id FROM jobs WHERE state = 'running' AND attempts >= ?", (MAX_ATTEMPTS,)
        ).fetchall()
        for row in worn_out:
            self._fail(tx, row["id"], INTERRUPTED)
        tx.execute("UPDATE deliveries SET begun_at = NULL WHERE begun_at IS NOT NULL")
        return tx.execute(
            f"UPDATE jobs SET state = 'queued', {_LET_GO} WHERE state = 'running'"  # noqa: S608
        ).rowcount

    # Arrival --------------------------------------------------------------------------------

    def add(
        self,
        tx: sqlite3.Connection,
        requester: Requester,
        request: GenerationRequest,
        addresses: Sequence[Address],
        terms: Terms = _PLAIN,
    ) -> str:
        """Write a new job and what is owed for it, inside the caller's transaction.

        The caller's transaction also charges the rate limits, so a job is never taken without
        being charged nor charged without being taken.

        Returns:
            The new job's id.
        """
        job_id = new_id()
        values = {
            "id": job_id,
            "lane": terms.lane,
            "deadline": terms.deadline,
            "platform": requester.platform,
            "community": requester.community,
            "user": requester.user,
            "user_name": requester.name,
            "request": json.dumps(request.to_json()),
            "request_version": request.version,
            "cost": terms.cost,
            "weight": terms.weight,
            "steps": request.steps or 0,
            "seconds": audio_seconds(request),
            "ask_key": terms.ask_key,
            "created_at": self._clock.now(),
        }
        marks = ", ".join("?" * len(values))
        tx.execute(
            f"INSERT INTO jobs ({', '.join(values)}) VALUES ({marks})",  # noqa: S608
            tuple(values.values()),
        )
        tx.executemany(
            "INSERT INTO deliveries (job_id, platform, address) VALUES (?, ?, ?)",
            [
                (job_id, place.platform, json.dumps(dict(place.details), sort_keys=True))
                for place in addresses
            ],
        )
        tx.executemany(
            "INSERT OR IGNORE INTO job_sources (sha256, job_id) VALUES (?, ?)",
            [(source.sha256, job_id) for source in request.sources],
        )
        limits.note_charges(tx, job_id, terms.charges or {})
        return job_id

    def find_by_key(self, tx: sqlite3.Connection, requester: Requester, key: str) -> Job | None:
        """The job that this requester asked for with this key before."""
        row = tx.execute(
            "SELECT * FROM jobs WHERE platform = ? AND user = ? AND ask_key = ?",
            (requester.platform, requester.user, key),
        ).fetchone()
        return None if row is None else job_with_clips(tx, row)

    def waiting_counts(self, tx: sqlite3.Connection, requester: Requester) -> tuple[int, int, int]:
        """How many riffs wait: this requester's anywhere, the community's, and everybody's."""
        own, community, everybody = tx.execute(
            "SELECT (SELECT coalesce(sum(waiting), 0) FROM requesters "
            "WHERE platform = ? AND user = ? AND waiting > 0), "
            "(SELECT coalesce(sum(waiting), 0) FROM communities "
            "WHERE platform = ? AND community = ?), (SELECT waiting FROM queue)",
            (requester.platform, requester.user, requester.platform, requester.community),
        ).fetchone()
        return own, community, everybody

    async def set_turns(
        self, platform: str, community: str, policy: TurnPolicy, weight: float = 1.0
    ) -> None:
        """Choose how a community's requesters take turns, and its share against others."""
        await self._database.write(
            lambda tx: tx.execute(
                "INSERT INTO communities (platform, community, policy, weight) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET policy = excluded.policy, weight = excluded.weight",
                (platform, community, policy, weight),
            )
        )

    def keep_turns(self, tx: sqlite3.Connection, requester: Requester, policy: TurnPolicy) -> None:
        """See that a community, one of whose riffs was just added, takes turns in this way."""
        tx.execute(
            "UPDATE communities SET policy = ? "
            "WHERE platform = ? AND community = ? AND policy <> ?",
            (policy, requester.platform, requester.community, policy),
        )

    # Running --------------------------------------------------------------------------------

    async def claim(self, worker: str, lease_seconds: float) -> Job | None:
        """Take the next job, or None when nothing waits."""
        claimed = await self.claim_batch(worker, lease_seconds, 1)
        return claimed.jobs[0] if claimed.jobs else None

    async def claim_batch(self, worker: str, lease_seconds: float, limit: int) -> Claimed:
        """Take the next job and up to `limit - 1` more that can be drawn along with it.

        Those that go along have an equal `batch_key`, and their turns are used up like any others.
        A job under which a worker died before is drawn alone: should it happen again, it is known
        whose fault it was. A job that cannot be read fails alone, and the next one is looked at.
        """

        def work(tx: sqlite3.Connection) -> Claimed:
            changed = self._expire(tx)
            ids = self._claim(tx, worker, lease_seconds, limit, changed)
            return Claimed(tuple(self.look_up(tx, ids)), tuple(changed))

        return await self._database.write(work)

    def _claim(
        self,
        tx: sqlite3.Connection,
        worker: str,
        lease_seconds: float,
        limit: int,
        changed: list[str],
    ) -> list[str]:
        first: turns.Turn | None = None
        while first is None:
            first = next(turns.in_turn(tx), None)
            if first is None:
                return []
            try:
                key = read_request(first.job).batch_key
            except BadRequestError as error:
                self._fail(tx, first.job["id"], str(error))
                changed.append(first.job["id"])
                first = None
        ids = [self._begin(tx, first, worker, lease_seconds, along=False)]
        while len(ids) < limit and first.job["crashes"] == 0:
            turn = _companion(tx, first.job["lane"], key)
            if turn is None:
                break
            ids.append(self._begin(tx, turn, worker, lease_seconds, along=True))
        return ids

    def _begin(
        self,
        tx: sqlite3.Connection,
        turn: turns.Turn,
        worker: str,
        lease_seconds: float,
        *,
        along: bool,
    ) -> str:
        now = self._clock.now()
        turns.take(tx, turn, along=along)
        tx.execute(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, boot_id = ?, worker = ?, "
            "lease_until = ?, started_at = ?, claim = (SELECT claims FROM queue) WHERE seq = ?",
            (self.boot_id, worker, now + lease_seconds, now, turn.job["seq"]),
        )
        return str(turn.job["id"])

    async def release(self, job: Job) -> bool:
        """Put a running job back unharmed, as at a graceful stop; the attempt does not count."""
        return await self._transition(
            "UPDATE jobs SET state = 'queued', attempts = attempts - 1, "  # noqa: S608
            f"{_LET_GO} WHERE {_HELD}",
            self._held(job),
        )

    async def release_all(self) -> None:
        """Put back whatever this boot still holds, as the last thing it does."""
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE jobs SET state = 'queued', attempts = attempts - 1, "  # noqa: S608
                f"{_LET_GO} WHERE state = 'running' AND boot_id = ?",
                (self.boot_id,),
            )
        )

    async def tend(self, running: Sequence[Job], lease_seconds: float) -> Tended:
        """Extend the leases of what runs; drop what waited past its deadline; requeue what is
        marked as running under a lease that lapsed."""
        now = self._clock.now()

        def work(tx: sqlite3.Connection) -> Tended:
            lost = []
            for job in running:
                if not self._holds(tx, job):
                    lost.append(job.id)
                    continue
                tx.execute(
                    "UPDATE jobs SET lease_until = ? WHERE id = ? AND lease_until < ?",
                    (now + lease_seconds, job.id, now + lease_seconds * 2 / 3),
                )
            changed = self._expire(tx)
            lapsed = tx.execute(
                f"UPDATE jobs SET state = 'queued', {_LET_GO} "  # noqa: S608
                "WHERE state = 'running' AND lease_until < ? RETURNING id",
                (now,),
            ).fetchall()
            return Tended((*changed, *(row["id"] for row in lapsed)), tuple(lost))

        return await self._database.write(work)

    async def record_crash(self, job: Job) -> bool:
        """The worker died under this job: queue it again, or fail it after the second time.

        Returns:
            True if it failed for good.
        """

        def work(tx: sqlite3.Connection) -> bool:
            if not self._holds(tx, job):
                return False
            tx.execute("UPDATE jobs SET crashes = crashes + 1 WHERE id = ?", (job.id,))
            if job.crashes + 1 >= MAX_CRASHES:
                self._fail(tx, job.id, CRASHED)
                return True
            tx.execute(
                f"UPDATE jobs SET state = 'queued', {_LET_GO} WHERE id = ?",  # noqa: S608
                (job.id,),
            )
            return False

        return await self._database.write(work)

    async def record_rendered(
        self,
        job: Job,
        clips: Iterable[Clip],
        files: Iterable[StoredFile] = (),
        *,
        model: str = "",
        batch: int = 1,
    ) -> bool:
        """The clips are on disk; False if the job was cancelled meanwhile (keep none then).

        Args:
            job: as it was claimed.
            clips: with paths relative to the clips folder.
            files: the same files with their sizes.
            model: what drew it, and `batch`: how many were drawn at once; for foretelling times.
        """
        now = self._clock.now()

        def work(tx: sqlite3.Connection) -> bool:
            cursor = tx.execute(
                "UPDATE jobs SET state = 'rendered', rendered_at = ?, worker = NULL, "  # noqa: S608
                f"lease_until = NULL WHERE {_HELD}",
                (now, *self._held(job)),
            )
            if cursor.rowcount == 0:
                return False
            tx.executemany(
                "INSERT OR REPLACE INTO clips (job_id, position, clip, created_at) "
                "VALUES (?, ?, ?, ?)",
                [(job.id, clip.index, json.dumps(clip.to_json()), now) for clip in clips],
            )
            for file in files:
                tx.execute(
                    "INSERT INTO files (path, bytes, created_at) VALUES (?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET created_at = excluded.created_at",
                    (file.path, file.bytes, now),
                )
                tx.execute("INSERT OR IGNORE INTO clip_files VALUES (?, ?)", (file.path, job.id))
            limits.keep_charges(tx, job.id)
            durations.note(tx, model, job.id, max(1, batch))
            close_if_settled(tx, job.id, now)
            return True

        return await self._database.write(work)

    async def record_failed(self, job: Job, sentence: str) -> bool:
        """This job cannot be made; its requester is owed `sentence` and gets the charge back."""

        def work(tx: sqlite3.Connection) -> bool:
            if not self._holds(tx, job):
                return False
            self._fail(tx, job.id, sentence)
            return True

        return await self._database.write(work)

    async def cancel(self, job_id: str) -> Job | None:
        """Cancel a job that waits, runs, or is rendered but not posted; nothing is owed any more.

        One that had not begun gets its charge back.

        Returns:
            The job as it was before, or None if it was too late.
        """

        def work(tx: sqlite3.Connection) -> Job | None:
            row = tx.execute(
                "SELECT * FROM jobs WHERE id = ? AND (state IN ('queued', 'running') "
                "OR state = 'rendered' AND NOT EXISTS (SELECT 1 FROM deliveries d "
                "WHERE d.job_id = jobs.id AND (d.begun_at IS NOT NULL OR d.state = 'delivered')))",
                (job_id,),
            ).fetchone()
            if row is None:
                return None
            if row["state"] == "queued":
                limits.refund(tx, job_id)
            self._end_unanswered(tx, job_id, "cancelled", None)
            return job_from_row(row)

        return await self._database.write(work)

    async def pin(self, job_id: str, *, pinned: bool) -> bool:
        """Keep a job's files whatever the budget says; False if there is no such job."""
        return await self._transition(
            "UPDATE jobs SET pinned = ? WHERE id = ?", (int(pinned), job_id)
        )

    # Reading --------------------------------------------------------------------------------

    async def job(self, job_id: str) -> Job | None:
        """One job with its clips, or None."""
        found = await self.jobs([job_id])
        return found[0] if found else None

    async def jobs(self, job_ids: Sequence[str]) -> list[Job]:
        """These jobs with their clips, in this order; unknown ids are left out."""
        return await self._database.read(lambda db: self.look_up(db, job_ids))

    def look_up(self, db: sqlite3.Connection, job_ids: Sequence[str]) -> list[Job]:
        """The same inside the caller's transaction."""
        found = []
        for job_id in job_ids:
            row = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
            if row is not None:
                found.append(job_with_clips(db, row))
        return found

    async def recent(self, platform: str, community: str, limit: int) -> list[Job]:
        """The latest riffs of a community, oldest first; not the clips of its live session."""

        def work(db: sqlite3.Connection) -> list[Job]:
            rows = db.execute(
                "SELECT * FROM jobs WHERE platform = ? AND community = ? AND lane = 'riffs' "
                "ORDER BY seq DESC LIMIT ?",
                (platform, community, limit),
            ).fetchall()
            return [job_with_clips(db, row) for row in reversed(rows)]

        return await self._database.read(work)

    # ----------------------------------------------------------------------------------------

    def _held(self, job: Job) -> tuple[str, str, int | None]:
        return job.id, self.boot_id, job.claim

    def _holds(self, tx: sqlite3.Connection, job: Job) -> bool:
        statement = f"SELECT 1 FROM jobs WHERE {_HELD}"  # noqa: S608
        return tx.execute(statement, self._held(job)).fetchone() is not None

    def _fail(self, tx: sqlite3.Connection, job_id: str, sentence: str) -> None:
        limits.refund(tx, job_id)
        tx.execute(
            "UPDATE jobs SET state = 'failed', error = ?, finished_at = ?, worker = NULL, "
            "lease_until = NULL WHERE id = ?",
            (sentence, self._clock.now(), job_id),
        )

    def _expire(self, tx: sqlite3.Connection) -> list[str]:
        late = tx.execute(
            "SELECT id FROM jobs WHERE state = 'queued' AND deadline IS NOT NULL AND deadline < ?",
            (self._clock.now(),),
        ).fetchall()
        for row in late:
            limits.refund(tx, row["id"])
            self._end_unanswered(tx, row["id"], "expired", EXPIRED)
        return [row["id"] for row in late]

    def _end_unanswered(
        self, tx: sqlite3.Connection, job_id: str, state: str, error: str | None
    ) -> None:
        now = self._clock.now()
        limits.keep_charges(tx, job_id)
        tx.execute(
            "UPDATE jobs SET state = ?, error = ?, finished_at = ?, lease_until = NULL "
            "WHERE id = ?",
            (state, error, now, job_id),
        )
        tx.execute(
            "UPDATE deliveries SET state = 'abandoned', error = ?, finished_at = ? "
            "WHERE job_id = ? AND state = 'pending'",
            (state, now, job_id),
        )

    async def _transition(self, statement: str, values: tuple[object, ...]) -> bool:
        return await self._database.write(lambda tx: tx.execute(statement, values).rowcount > 0)


def _companion(tx: sqlite3.Connection, lane: Lane, key: tuple[object, ...]) -> turns.Turn | None:
    """The next turn in this lane whose job can be drawn together with one of this batch key."""
    for turn in turns.in_turn(tx):
        if turn.job["lane"] != lane:
            return None
        if turn.job["crashes"]:
            continue
        try:
            if read_request(turn.job).batch_key == key:
                return turn
        except BadRequestError:
            continue
    return None
