from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from bot.limits import RateLimit, forget_idle, give_back, judge, take
from tests.bot.conftest import Kit

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


def test_more_than_the_burst_never_conforms() -> None:
    assert judge(LIMIT, None, 0.0, cost=6).retry_after == math.inf


async def test_charges_last_and_can_be_given_back(kit: Kit) -> None:
    now = kit.clock.now()
    async with kit.database.transaction() as tx:
        verdicts = [await take(tx, "user:a", LIMIT, now) for _ in range(6)]
        assert [verdict.allowed for verdict in verdicts] == [True] * 5 + [False]
        assert (await take(tx, "user:b", LIMIT, now)).allowed
        await give_back(tx, "user:a", LIMIT)
        assert (await take(tx, "user:a", LIMIT, now)).allowed
        assert not (await take(tx, "user:a", LIMIT, now)).allowed


async def test_a_clock_set_back_locks_nobody_out(kit: Kit) -> None:
    async with kit.database.transaction() as tx:
        await take(tx, "user:a", LIMIT, 2_000_000_000.0)
        verdict = await take(tx, "user:a", LIMIT, 1_000_000_000.0)
        assert verdict.retry_after <= LIMIT.period


async def test_full_buckets_are_forgotten(kit: Kit) -> None:
    async with kit.database.transaction() as tx:
        await take(tx, "user:a", LIMIT, 1000.0)
        await forget_idle(tx, 1029.0)
        assert await (await tx.execute("SELECT count(*) FROM rate_limits")).fetchone() is not None
        await forget_idle(tx, 1031.0)
        row = await (await tx.execute("SELECT count(*) AS n FROM rate_limits")).fetchone()
    assert row is not None
    assert row["n"] == 0
