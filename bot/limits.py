"""Rate limits by the generic cell rate algorithm (GCRA; ITU-T I.371, annex A).

One number is kept per limited key, the theoretical arrival time (TAT): when the key's bucket would
be full again if nothing more came. A request of cost n moves the TAT by n periods; it conforms if
the TAT stays within `burst` periods of now. So a newcomer may ask `burst` times at once, then once
per period, and nothing has to run in the background to refill anything.

A request that costs more than the whole burst conforms when the bucket is full, and leaves a debt.
Every request passes three limits: its user's, its community's and everybody's. It is charged to all
of them or to none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# A clock that steps by a rounding error must not refuse the last unit of a burst.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`burst` units at once, refilled by one unit every `period` seconds."""

    burst: float
    period: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request conforms, and if not, in how many seconds it would."""

    allowed: bool
    retry_after: float
    tat: float


@dataclass(frozen=True, slots=True)
class Charge:
    """A cost, in units, that is to be charged to one limited key."""

    key: str
    limit: RateLimit
    cost: float = 1.0


def judge(limit: RateLimit, tat: float | None, now: float, cost: float = 1.0) -> Verdict:
    """Apply `limit` to a request of `cost` units arriving at `now` (Unix seconds).

    Args:
        tat: the key's theoretical arrival time; None for a key never seen.

    Returns:
        The verdict; its `tat` is the new one if allowed, else the old one.
    """
    old = now if tat is None else max(tat, now)
    wait = old + (min(cost, limit.burst) - limit.burst) * limit.period - now
    if wait <= _TOLERANCE:
        return Verdict(allowed=True, retry_after=0.0, tat=old + cost * limit.period)
    return Verdict(allowed=False, retry_after=wait, tat=old)


def take(tx: sqlite3.Connection, charges: Sequence[Charge], now: float) -> Verdict:
    """Judge all `charges` and, if every one is allowed, make them; in the caller's transaction.

    Returns:
        The verdict of the strictest; when it refuses, nothing was charged.
    """
    verdicts = [
        judge(charge.limit, _tat(tx, charge.key, now), now, charge.cost) for charge in charges
    ]
    worst = max(verdicts, key=lambda verdict: verdict.retry_after, default=Verdict(True, 0.0, now))
    if worst.allowed:
        tx.executemany(
            "INSERT INTO rate_limits (key, tat, at) VALUES (?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET tat = excluded.tat, at = excluded.at",
            [
                (charge.key, verdict.tat, now)
                for charge, verdict in zip(charges, verdicts, strict=True)
            ],
        )
    return worst


def note_charges(tx: sqlite3.Connection, job_id: str, seconds: Mapping[str, float]) -> None:
    """Remember by how much a job moved each key's TAT."""
    tx.executemany(
        "INSERT INTO charges (job_id, key, seconds) VALUES (?, ?, ?)",
        [(job_id, key, moved) for key, moved in seconds.items()],
    )


def refund(tx: sqlite3.Connection, job_id: str) -> None:
    """Undo a job's charges, once: it was cancelled before it ran, or failed through our fault."""
    tx.execute(
        "UPDATE rate_limits SET tat = tat - (SELECT seconds FROM charges c "
        "WHERE c.job_id = ? AND c.key = rate_limits.key) "
        "WHERE key IN (SELECT key FROM charges WHERE job_id = ?)",
        (job_id, job_id),
    )
    keep_charges(tx, job_id)


def keep_charges(tx: sqlite3.Connection, job_id: str) -> None:
    """A job got what it was charged for: the charges can no longer be undone."""
    tx.execute("DELETE FROM charges WHERE job_id = ?", (job_id,))


def forget_idle(tx: sqlite3.Connection, now: float) -> None:
    """Drop keys whose bucket is full again; they are the same as never seen."""
    tx.execute(
        "DELETE FROM rate_limits WHERE tat <= ? AND at <= ? "
        "AND key NOT IN (SELECT key FROM charges)",
        (now, now),
    )


def _tat(tx: sqlite3.Connection, key: str, now: float) -> float | None:
    """The key's TAT by the clock as it is now.

    Where the clock was set back since the last charge, the bucket is as full as it was then: a TAT
    by the old clock would lock the key out for as long as the clock was wrong.
    """
    row = tx.execute("SELECT tat, at FROM rate_limits WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    return float(row["tat"] - max(row["at"] - now, 0.0))
