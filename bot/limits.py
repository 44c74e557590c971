"""Rate limits by the generic cell rate algorithm (GCRA; ITU-T I.371, annex A).

One number is kept per limited key, the theoretical arrival time (TAT): when the key's bucket would
be full again if nothing more came. A request of cost n moves the TAT by n periods; it conforms if
the TAT stays within `burst` periods of now. So a newcomer may ask `burst` times at once, then once
per period, and nothing has to run in the background to refill anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import aiosqlite


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


def judge(limit: RateLimit, tat: float | None, now: float, cost: float = 1.0) -> Verdict:
    """Apply `limit` to a request of `cost` units arriving at `now` (Unix seconds).

    Args:
        tat: the key's theoretical arrival time; None for a key never seen.

    Returns:
        The verdict; its `tat` is the new one if allowed, else the old one. A cost above the burst
        can never conform: `retry_after` is then infinite.
    """
    old = now if tat is None else max(tat, now)
    new = old + cost * limit.period
    wait = new - limit.burst * limit.period - now
    # A clock that steps by a rounding error must not refuse the last unit of a burst.
    if wait <= 1e-6:
        return Verdict(allowed=True, retry_after=0.0, tat=new)
    return Verdict(
        allowed=False,
        retry_after=float("inf") if cost > limit.burst else wait,
        tat=old,
    )


async def take(
    connection: aiosqlite.Connection, key: str, limit: RateLimit, now: float, cost: float = 1.0
) -> Verdict:
    """Judge and, if allowed, charge `key`, inside the caller's transaction.

    A clock set back by more than the whole burst would lock a key out for as long, so a TAT further
    ahead than the limit can produce is treated as full rather than believed.
    """
    async with connection.execute("SELECT tat FROM rate_limits WHERE key = ?", (key,)) as cursor:
        row = await cursor.fetchone()
    tat = None if row is None else min(float(row["tat"]), now + limit.burst * limit.period)
    verdict = judge(limit, tat, now, cost)
    if verdict.allowed:
        await connection.execute(
            "INSERT INTO rate_limits (key, tat) VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET tat = excluded.tat",
            (key, verdict.tat),
        )
    return verdict


async def give_back(
    connection: aiosqlite.Connection, key: str, limit: RateLimit, cost: float = 1.0
) -> None:
    """Undo a charge: its job was cancelled before it ran, or failed through no fault of theirs."""
    await connection.execute(
        "UPDATE rate_limits SET tat = tat - ? WHERE key = ?", (cost * limit.period, key)
    )


async def forget_idle(connection: aiosqlite.Connection, now: float) -> None:
    """Drop keys whose bucket is full again; they are the same as never seen."""
    await connection.execute("DELETE FROM rate_limits WHERE tat <= ?", (now,))
