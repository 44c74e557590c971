from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.live.ballot import MOST_WEIGHT, Ballot, Vote
from tests.bot.live.simulation import voter


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 3), st.floats(0.1, 200), st.floats(0, 300)),
        max_size=60,
    ),
    st.floats(300, 400),
)
def test_everybody_counts_once_by_weight_and_age(
    votes: list[tuple[int, int, float, float]], now: float
) -> None:
    ballot = Ballot(45)
    latest: dict[int, tuple[int, float, float]] = {}
    for who, topic, weight, at in sorted(votes, key=lambda vote: vote[3]):
        ballot.cast(Vote(voter(str(who)), f"t{topic}", weight, at))
        latest[who] = (topic, weight, at)
    expected: dict[str, float] = {}
    for topic, weight, at in latest.values():
        worth = min(weight, MOST_WEIGHT) * 0.5 ** ((now - at) / 45)
        expected[f"t{topic}"] = expected.get(f"t{topic}", 0.0) + worth
    assert ballot.strengths(now) == pytest.approx(expected)


def test_a_clock_that_stands_still_makes_no_vote_worth_more() -> None:
    ballot = Ballot(45)
    vote = Vote(voter("ann"), "t1", 2.0, 100.0)
    ballot.cast(vote)
    assert ballot.worth(vote, 90.0) == 2.0


def test_a_vote_of_no_weight_takes_the_last_one_back() -> None:
    ballot = Ballot(45)
    ballot.cast(Vote(voter("ann"), "t1", 1.0, 0.0))
    ballot.cast(Vote(voter("ann"), "t2", 0.0, 1.0))
    assert ballot.strengths(1.0) == {}


def test_old_votes_are_forgotten() -> None:
    ballot = Ballot(10)
    for number in range(1000):
        ballot.cast(Vote(voter(str(number)), "t1", 1.0, float(number)))
    ballot.forget(1000.0)
    assert len(ballot) == 70


def test_merged_topics_share_their_votes() -> None:
    ballot = Ballot(45)
    ballot.cast(Vote(voter("ann"), "t1", 1.0, 0.0))
    ballot.cast(Vote(voter("bea"), "t2", 2.0, 0.0))
    ballot.merge("t2", "t1")
    assert ballot.strengths(0.0) == {"t1": 3.0}
    assert [one.name for one in ballot.voters_of("t1", 0.0)] == ["Bea", "Ann"]
