from __future__ import annotations

import math
import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from bot.limits import Charge, RateLimit, forget_idle, judge, note_charges, refund, take
from generation.request import GenerationRequest
from tests.bot.conftest import Kit, person

LIMIT = RateLimit(burst=5, period=30)


@given(
    burst=st.integers(1, 10),
    period=st.floats(0.5, 100),
    gaps=st.lists(st.floats(0, 200), max_size=60),
)
def test_it_is_a_token_bucket(burst: int, period: float, gaps: list[float]) -> None:
    """The same verdicts as the textbook bucket: `burst` tokens, one more every `period`."""
    limit = RateLimit(burst, period)
    now, tat, tokens = 0.0, None, float(burst)
    for gap in gaps:
        now += gap
        tokens = min(float(burst), tokens + gap / period)
        verdict = judge(limit, tat, now)
        if abs(tokens - 1) > 1e-6:  # on the edge, rounding decides
            assert verdict.allowed == (tokens >= 1)
        if verdict.allowed:
            tokens -= 1
        else:
            assert math.isclose(verdict.retry_after, (1 - tokens) * period, abs_tol=1e-4)
        tat = verdict.tat


def test_waiting_as_long_as_told_is_enough() -> None:
    tat = None
    for _ in range(5):
        verdict = judge(LIMIT, tat, 1000.0)
        assert verdict.allowed
        tat = verdict.tat
    refused = judge(LIMIT, tat, 1000.0)
    assert not refused.allowed
    assert judge(LIMIT, refused.tat, 1000.0 + refused.retry_after).allowed


def test_what_costs_more_than_the_burst_needs_a_full_bucket_and_leaves_a_debt() -> None:
    verdict = judge(LIMIT, None, 0.0, cost=8)
    assert verdict.allowed
    refused = judge(LIMIT, verdict.tat, 0.0)
    assert refused.retry_after == (8 - 5 + 1) * LIMIT.period
    assert judge(LIMIT, verdict.tat, refused.retry_after).allowed
    partly = judge(LIMIT, judge(LIMIT, None, 0.0).tat, 0.0, cost=8)
    assert (partly.allowed, partly.retry_after) == (False, LIMIT.period)


def charge(key: str, cost: float = 1.0, limit: RateLimit = LIMIT) -> list[Charge]:
    return [Charge(key, limit, cost)]


async def test_charges_last_and_can_be_given_back_once(kit: Kit) -> None:
    now = kit.clock.now()

    def work(tx: sqlite3.Connection) -> None:
        job = kit.ledger.add(tx, person("a"), GenerationRequest("jazz", seed=1), [])
        verdicts = [take(tx, charge("user:a"), now) for _ in range(6)]
        assert [verdict.allowed for verdict in verdicts] == [True] * 5 + [False]
        assert take(tx, charge("user:b"), now).allowed
        note_charges(tx, job, {"user:a": LIMIT.period})
        refund(tx, job)
        refund(tx, job)
        assert take(tx, charge("user:a"), now).allowed
        assert not take(tx, charge("user:a"), now).allowed

    await kit.database.write(work)


async def test_all_limits_are_charged_or_none(kit: Kit) -> None:
    now = kit.clock.now()

    def work(tx: sqlite3.Connection) -> None:
        tight = RateLimit(burst=1, period=60)
        both = [*charge("user:a"), *charge("community:x", limit=tight)]
        assert take(tx, both, now).allowed
        refused = take(tx, both, now)
        assert (refused.allowed, refused.retry_after) == (False, 60)
        verdicts = [take(tx, charge("user:a"), now) for _ in range(5)]
        assert [verdict.allowed for verdict in verdicts] == [True] * 4 + [False]

    await kit.database.write(work)


@given(
    steps=st.lists(
        st.tuples(st.floats(0, 100), st.floats(-1e6, 1e6), st.floats(0.25, 8)), max_size=40
    )
)
def test_a_clock_that_steps_gives_nobody_more_and_locks_nobody_out(
    steps: list[tuple[float, float, float]],
) -> None:
    """Time passes for real, and now and then the clock is set to something else.

    Setting it back lets nobody wait longer than they would on an empty bucket; only setting it
    forward can refill a bucket early.
    """
    with closing(sqlite3.connect(":memory:")) as tx:
        tx.row_factory = sqlite3.Row
        tx.execute("CREATE TABLE rate_limits (key TEXT PRIMARY KEY, tat REAL, at REAL)")
        now = 1e9
        for passes, jump, cost in steps:
            now += passes + min(jump, 0.0)
            verdict = take(tx, charge("k", cost), now)
            most = (5 + 8) * LIMIT.period
            assert 0 <= verdict.retry_after <= most
            if verdict.allowed:
                assert verdict.tat - now <= most


async def test_full_buckets_are_forgotten(kit: Kit) -> None:
    def work(tx: sqlite3.Connection) -> list[int]:
        take(tx, charge("user:a"), 1000.0)
        left = []
        for now in (1029.0, 1031.0):
            forget_idle(tx, now)
            left.append(tx.execute("SELECT count(*) FROM rate_limits").fetchone()[0])
        return left

    assert await kit.database.write(work) == [1, 0]
