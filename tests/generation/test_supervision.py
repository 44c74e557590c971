"""When a child is given up and when the next one starts, with time played by hand."""

from __future__ import annotations

import signal

from hypothesis import given
from hypothesis import strategies as st

from generation.supervision import Backoff, Breaker, Pulse, describe_exit


def pulse(**patience: float) -> Pulse:
    defaults = {"start_timeout": 100.0, "silence_timeout": 10.0, "stall_timeout": 60.0}
    return Pulse(**{**defaults, **patience}, interval=1.0, now=0.0)


def test_a_start_may_be_silent_until_its_own_timeout() -> None:
    watched = pulse()
    assert all(watched.complaint(float(second)) is None for second in range(101))
    assert watched.complaint(101.0) == "was not ready after 100 s"


def test_a_ready_child_that_falls_silent_is_noticed() -> None:
    watched = pulse()
    watched.ready()
    assert all(watched.complaint(float(second)) is None for second in range(11))
    assert watched.complaint(11.0) == "gave no sign of life for 10 s"


def test_a_child_that_beats_but_draws_nothing_is_noticed() -> None:
    watched = pulse()
    watched.ready()
    for second in range(61):
        watched.beat(busy=True, steps=7)
        assert watched.complaint(float(second)) is None
    watched.beat(busy=True, steps=7)
    assert watched.complaint(61.0) == "made no progress for 60 s"


def test_an_idle_child_is_never_hung_and_a_slow_one_is_not() -> None:
    watched = pulse()
    watched.ready()
    for second in range(1000):
        watched.beat(busy=False, steps=7)
        assert watched.complaint(float(second)) is None
    for second in range(1000, 2000):
        watched.beat(busy=True, steps=second // 50)
        assert watched.complaint(float(second)) is None


def test_a_word_from_the_drawing_thread_is_progress() -> None:
    watched = pulse()
    watched.ready()
    for second in range(200):
        watched.beat(busy=True, steps=7)
        if second % 50 == 0:
            watched.heard()
        assert watched.complaint(float(second)) is None


def test_a_computer_that_slept_does_not_blame_the_child() -> None:
    watched = pulse()
    watched.ready()
    watched.beat(busy=True, steps=1)
    assert watched.complaint(1.0) is None
    assert watched.complaint(8 * 3600.0) is None
    watched.beat(busy=True, steps=1)
    assert watched.complaint(8 * 3600.0 + 1) is None


def test_a_clock_that_steps_back_does_no_harm() -> None:
    watched = pulse()
    watched.ready()
    assert watched.complaint(100.0) is None
    assert watched.complaint(-1e6) is None
    for second in range(20):
        watched.complaint(-1e6 + second)
    assert watched.complaint(-1e6 + 20) == "gave no sign of life for 10 s"


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(first=1, longest=10)
    assert backoff.pause(0) == 0
    pauses = []
    for _ in range(6):
        backoff.failed()
        pauses.append(backoff.pause(0))
    assert pauses == [1, 2, 4, 8, 10, 10]
    backoff.succeeded()
    assert backoff.pause(0) == 0


@given(failures=st.integers(1, 5000), chance=st.floats(0, 1))
def test_chance_takes_up_to_half_off_a_pause(failures: int, chance: float) -> None:
    backoff = Backoff(first=1, longest=60)
    for _ in range(failures):
        backoff.failed()
    assert backoff.pause(0) / 2 <= backoff.pause(chance) <= backoff.pause(0) <= 60


def breaker() -> Breaker:
    return Breaker(deaths=3, window=100, cooldown=10, longest=35)


def test_deaths_far_apart_do_not_open_the_breaker() -> None:
    watched = breaker()
    for day in range(50):
        watched.died(day * 60.0)
    assert (watched.state, watched.pause()) == ("closed", 0)


def test_it_opens_tries_one_and_closes_when_that_one_works() -> None:
    watched = breaker()
    for now in (0.0, 1.0, 2.0):
        watched.died(now)
    assert (watched.state, watched.pause()) == ("open", 10)
    watched.probe()
    assert (watched.state, watched.pause()) == ("half-open", 0)
    watched.probing_since(12.0)
    watched.proved()
    assert watched.state == "closed"
    watched.died(13.0)
    watched.died(14.0)
    assert watched.state == "closed", "old deaths are forgotten"


def test_each_probe_that_fails_doubles_the_cooldown() -> None:
    watched = breaker()
    for now in (0.0, 1.0, 2.0):
        watched.died(now)
    pauses = [watched.pause()]
    for now in (12.0, 32.0, 67.0):
        watched.probe()
        watched.probing_since(now - 1)
        watched.died(now)
        assert watched.state == "open"
        pauses.append(watched.pause())
    assert pauses == [10, 20, 35, 35]


def test_a_probe_that_lived_long_is_no_longer_on_probation() -> None:
    watched = breaker()
    for now in (0.0, 1.0, 2.0):
        watched.died(now)
    watched.probe()
    watched.probing_since(12.0)
    watched.died(12.0 + 101.0)
    assert watched.state == "closed"


@given(st.lists(st.tuples(st.sampled_from(["died", "proved", "wait"]), st.floats(0, 200))))
def test_whatever_happens_it_tries_again_within_the_longest_cooldown(
    events: list[tuple[str, float]],
) -> None:
    watched, now = breaker(), 0.0
    for event, passed in events:
        now += passed
        assert 0 <= watched.pause() <= 35
        if watched.state == "open":  # nothing runs that could die: the next thing is a probe
            watched.probe()
            watched.probing_since(now)
        elif event == "died":
            watched.died(now)
        elif event == "proved":
            watched.proved()
            assert watched.state == "closed"


def test_an_end_is_said_in_words() -> None:
    assert describe_exit(3) == "ended with status 3"
    assert describe_exit(-signal.SIGSEGV) == "was killed by SIGSEGV"
    assert describe_exit(-99) == "was killed by signal 99"
