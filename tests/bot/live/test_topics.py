from __future__ import annotations

import pytest

from bot.live.topics import Topics


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("techno synth", "Synth Techno"),
        ("lo-fi beat", "lofi beats!"),
        ("jazz  piano", "some jazz piano, please"),
        ("\uff54\uff45\uff43\uff48\uff4e\uff4f", "techno"),
    ],
)
def test_the_same_in_other_words(one: str, other: str) -> None:
    topics = Topics(1)
    assert topics.find(one) is topics.find(other)
    assert topics.find(one).prompt == " ".join(one.split())


def test_words_that_decide_something_are_kept() -> None:
    topics = Topics(1)
    found = {topics.find(text).id for text in ("techno", "fast techno", "slow techno", "no techno")}
    assert len(found) == 4


def test_signs_alone_are_a_topic_of_their_own() -> None:
    topics = Topics(1)
    assert topics.find("!!!") is topics.find(" !!! ")
    assert topics.find("!!!") is not topics.find("???")


def test_seeds_go_by_words_and_session() -> None:
    assert Topics(1).find("rain").seed == Topics(1).find("Rain").seed
    assert Topics(1).find("rain").seed != Topics(2).find("rain").seed


def test_neighbours_are_one_topic_unless_a_word_decides() -> None:
    topics = Topics(1)
    first, second = topics.find("lo-fi beat"), topics.find("lofi hiphop beat")
    fast, slow = topics.find("fast techno"), topics.find("slow techno")
    assert topics.learn(first.id, (1.0, 0.0)) is None
    assert topics.learn(second.id, (0.9, 0.2)) == first.id
    assert topics.learn(fast.id, (0.0, 1.0)) is None
    assert topics.learn(slow.id, (0.0, 1.0)) is None
    assert topics.learn(fast.id, (0.0, 0.0)) is None
    topics.merge(second.id, first.id)
    assert topics.find("lofi hiphop beats") is first
    topics.keep_only([first.id])
    assert topics.find("lofi hiphop beats") is first
    assert topics.find("fast techno").id not in (fast.id, slow.id)
