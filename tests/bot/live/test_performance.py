"""Sessions on a virtual clock. That the timeline has no hole and the mix keeps its speed limit is
checked at every tick of every one (`Simulation._check`)."""

from __future__ import annotations

import random
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import BadInputRefusal, BusyRefusal, NotFoundRefusal
from bot.live.arrangement import Guest
from bot.live.grid import SAMPLE_RATE
from bot.live.mix import distance
from bot.live.modes import Queue
from bot.live.rules import LiveRules
from bot.live.timeline import Take
from tests.bot.live.simulation import Simulation, voter

STYLES = ("techno synth", "lo-fi beat", "jazz piano", "rain", "rock guitar", "ambient pad")


def heard(simulation: Simulation) -> dict[str, float]:
    """What sounds, by prompt."""
    segment = simulation.performance.timeline.at(simulation.sample)
    return {share.prompt: share.share for share in segment.shares}


def test_the_first_vote_is_heard_within_seconds() -> None:
    session = Simulation()
    session.play(3)
    assert heard(session) == {}
    session.vote("ann", "techno synth")
    session.play(4)
    assert heard(session) == {"techno synth": 1.0}
    assert session.performance.timeline.last.shares[0].by == ("Ann",)
    wait = session.performance.statistics.quantile(1.0)
    assert wait is not None and wait < 4


def test_a_storm_of_votes_by_200_viewers() -> None:
    session, dice = Simulation(seconds=1.8), random.Random(7)
    for now in session.run(300):
        for _ in range(dice.randrange(3)):
            favourite = STYLES[int(now / 50) % len(STYLES)]
            prompt = favourite if dice.random() < 0.6 else dice.choice(STYLES)
            session.vote(f"viewer{dice.randrange(200)}", prompt)
    statistics = session.performance.statistics
    assert statistics.votes > 2500
    assert statistics.misses == 0
    median, late = statistics.quantile(0.5), statistics.quantile(0.95)
    assert median is not None and median <= 4
    assert late is not None and late <= 8
    assert statistics.heard > 500


def test_one_voter_against_a_thousand() -> None:
    session = Simulation()
    for number in range(1000):
        session.vote(f"viewer{number}", "jazz piano")
    for _ in session.run(60):
        session.vote("loud", "death metal")
    strengths = session.performance.ballot.strengths(session.now)
    ids = {topic.prompt: topic.id for topic in session.performance.topics.all()}
    assert strengths[ids["death metal"]] <= 1
    assert strengths[ids["jazz piano"]] == pytest.approx(1000 * 0.5 ** (session.now / 45), rel=0.01)
    assert heard(session)["jazz piano"] > 0.99


def test_weights_count_as_the_rules_say() -> None:
    session = Simulation(LiveRules(half_life=600))
    session.vote("ann", "rain", 3)
    session.vote("bea", "techno synth", 1)
    session.play(30)
    assert heard(session) == pytest.approx({"rain": 0.75, "techno synth": 0.25}, abs=0.02)


def test_a_crowd_that_changes_its_mind_every_two_seconds_still_moves_the_music() -> None:
    session = Simulation(LiveRules(minimum_hold=0, half_life=5), seconds=2.5)
    entered = 0
    for now in session.run(120):
        for number in range(20):
            session.vote(f"viewer{number}", STYLES[int(now / 2) % 2])
        entered = session.performance.timeline.last.number
    assert entered > 20


def test_a_settled_crowd_leaves_the_worker_alone() -> None:
    session = Simulation(LiveRules(refresh_loops=0))
    session.vote("ann", "rain")
    session.vote("bea", "techno synth")
    session.play(30)
    clips = session.performance.statistics.clips
    session.play(600)
    assert session.performance.statistics.clips <= clips + 1
    assert set(heard(session)) == {"rain", "techno synth"}


def test_a_mix_at_rest_is_drawn_anew_now_and_then() -> None:
    session = Simulation(LiveRules(refresh_loops=4))
    session.vote("ann", "rain")
    session.play(100)
    walks = [segment.walk for segment in session.performance.timeline]
    assert walks[-1] > 1
    assert max(b - a for a, b in pairwise(walks)) == pytest.approx(0.25)
    assert session.performance.statistics.misses == 0


def test_a_worker_that_is_dead_for_20_seconds() -> None:
    session = Simulation()
    session.vote("ann", "rain")
    session.play(20)
    session.worker.alive = False
    session.vote("bea", "techno synth")
    session.play(20)
    assert heard(session) == {"rain": 1.0}
    assert session.performance.statistics.misses >= 3
    assert session.performance.quality.level > 0
    session.worker.alive = True
    session.play(20)
    assert heard(session)["techno synth"] > 0.3


def test_a_clip_that_takes_30_seconds() -> None:
    session = Simulation(seconds=lambda step: 30.0 if step.number == 3 else 2.0)
    session.vote("ann", "rain")
    session.play(15)
    session.vote("bea", "techno synth")
    for _ in session.run(60):
        session.vote("cid", "techno synth")
    assert heard(session)["techno synth"] > 0.6
    misses = session.performance.statistics.misses
    session.play(60)
    assert session.performance.statistics.misses == misses


def test_an_engine_that_is_too_slow_for_its_quality_draws_less_well_instead_of_late() -> None:
    session, dice = Simulation(seconds=lambda step: 0.25 * (step.denoising + 3)), random.Random(3)
    for _ in session.run(300):
        if dice.random() < 0.1:
            session.vote(f"viewer{dice.randrange(50)}", dice.choice(STYLES))
    assert session.performance.quality.level > 0
    assert session.performance.statistics.misses <= 1


@pytest.mark.parametrize("gap", [5.0, 61.0, 86_400.0])
def test_a_computer_that_slept_goes_on(gap: float) -> None:
    session = Simulation()
    session.vote("ann", "rain")
    session.play(20)
    session.step(gap)
    session.vote("bea", "techno synth")
    session.play(30)
    assert "techno synth" in heard(session)


def test_a_transition_of_the_queue_holds_one_seed() -> None:
    session = Simulation(LiveRules(queue_loops=4, queue_rest=2))
    session.performance.set_mode("queue")
    session.vote("ann", "rain")
    session.vote("bea", "techno synth")
    session.play(6)
    seen: list[float] = []
    for _ in session.run(40):
        alpha = heard(session).get("techno synth", 0.0)
        assert all(step.one_seed for step in session.performance.steps)
        if not seen or seen[-1] != alpha:
            seen.append(alpha)
    assert seen == pytest.approx([0, 0.25, 0.5, 0.75, 1.0], abs=0.02)


def test_the_queue_is_fair_and_finite() -> None:
    session = Simulation()
    session.performance.set_mode("queue")
    for number in range(3):
        session.vote("ann", f"song {number}")
    with pytest.raises(BusyRefusal, match="3 of your prompts"):
        session.vote("ann", "song 4")
    for number in range(97):
        session.vote(f"viewer{number}", "rain")
    with pytest.raises(BusyRefusal, match="full"):
        session.vote("bea", "techno synth")
    mode = session.performance.mode
    assert isinstance(mode, Queue) and len(mode.waiting) == 100


def test_a_duel_goes_by_its_score() -> None:
    session = Simulation()
    session.performance.set_mode("duel", ("rain", "techno synth"))
    session.play(10)
    assert heard(session) == pytest.approx({"rain": 0.5, "techno synth": 0.5})
    for number in range(9):
        session.vote(f"viewer{number}", "2")
    session.vote("loner", "#1")
    session.play(20)
    assert heard(session) == pytest.approx({"rain": 0.1, "techno synth": 0.9}, abs=0.03)
    with pytest.raises(BadInputRefusal, match="1 or 2"):
        session.vote("ann", "jazz piano")
    with pytest.raises(BadInputRefusal, match="two prompts"):
        session.performance.set_mode("duel", ("rain", "Rain"))


def test_hold_holds_and_crowd_lets_go() -> None:
    session = Simulation()
    session.vote("ann", "rain")
    session.play(10)
    session.performance.set_mode("hold")
    for number in range(10):
        session.vote(f"viewer{number}", "techno synth")
    session.play(30)
    assert heard(session) == {"rain": 1.0}
    session.performance.set_mode("crowd")
    session.play(30)
    assert heard(session)["techno synth"] > 0.8


def test_skip_drops_what_leads() -> None:
    session = Simulation()
    with pytest.raises(NotFoundRefusal):
        session.performance.skip(session.sample)
    for name, prompt in (("ann", "rain"), ("bea", "rain"), ("cid", "techno synth")):
        session.vote(name, prompt)
    session.play(15)
    assert session.performance.skip(session.sample) == "rain"
    session.play(20)
    assert heard(session) == {"techno synth": 1.0}


def test_a_guest_sounds_for_its_loops_with_its_name_and_the_mix_returns() -> None:
    session = Simulation(LiveRules(guest_loops=2, refresh_loops=0))
    session.vote("ann", "rain")
    session.play(12)
    grid = session.performance.grid
    take = Take("guest", grid.loop)
    session.performance.invite(Guest(take, "sea shanty", voter("bea")))
    session.play(3)
    session.vote("cid", "techno synth")
    session.play(25)
    timeline = list(session.performance.timeline)
    guest = next(one for one in timeline if one.kind == "guest")
    assert guest.title == "sea shanty"
    assert guest.shares[0].by == ("Bea",)
    back = timeline[timeline.index(guest) + 1]
    assert back.start - guest.start == 2 * grid.loop
    assert "techno synth" in heard(session)


def test_a_guest_of_another_length_keeps_its_own_time() -> None:
    session = Simulation(LiveRules(guest_loops=1))
    session.vote("ann", "rain")
    session.play(12)
    session.performance.invite(Guest(Take("guest", 225_792), "old riff", voter("bea")))
    session.play(4)
    guest = next(one for one in session.performance.timeline if one.kind == "guest")
    assert guest.origin == guest.start
    assert session.performance.timeline.at(session.sample) is guest
    assert session.performance.skip(session.sample) == "old riff"
    session.play(2)
    assert heard(session) == {"rain": 1.0}


def test_panic_fades_at_once_and_makes_nothing_until_it_is_over() -> None:
    session = Simulation()
    session.vote("ann", "rain")
    session.play(10)
    session.vote("bea", "techno synth")
    session.play(1)
    assert session.performance.steps
    session.performance.panic(session.sample)
    session.play(1)
    assert session.performance.timeline.at(session.sample).kind == "safe"
    session.play(20)
    assert session.performance.timeline.at(session.sample).kind == "safe"
    assert not session.worker.waiting and session.worker.drawing is None
    session.performance.calm()
    session.play(10)
    assert heard(session)


def test_a_blocked_viewers_words_go_with_their_sound() -> None:
    session = Simulation()
    session.vote("ann", "rain")
    session.play(15)
    session.vote("troll", "rude noise", 5)
    session.play(8)
    assert "rude noise" in heard(session)
    troll = voter("troll")
    session.performance.silence(session.sample, lambda vote: vote.voter.key == troll.key, troll)
    assert "Troll" in session.performance.hushed_names
    assert len(session.performance.hushed_topics) == 1
    session.play(1.5)
    assert heard(session) == {"rain": 1.0}
    for _ in session.run(60):
        assert "rude noise" not in heard(session)
    strengths = session.performance.ballot.strengths(session.now)
    assert len(strengths) == 1


def test_what_others_want_too_stays_when_somebody_is_blocked() -> None:
    session = Simulation()
    session.vote("ann", "rain")
    session.vote("troll", "rain")
    session.play(10)
    before = session.performance.timeline.last.number
    session.performance.silence(session.sample, lambda vote: vote.voter.user == "troll",
                                voter("troll"))  # fmt: skip
    session.play(3)
    assert session.performance.timeline.last.number == before


def test_topics_that_turn_out_to_be_one_are_mixed_as_one() -> None:
    session = Simulation()
    first, second = session.vote("ann", "lo-fi beat"), session.vote("bea", "chill study music")
    session.play(15)
    session.performance.merge(second, first)
    session.play(20)
    assert heard(session) == {"lo-fi beat": 1.0}
    assert session.vote("cid", "chill study music") == first


def test_memory_stays_flat_however_many_come_by() -> None:
    session = Simulation(LiveRules(half_life=5), seconds=1.0)
    for number, _ in enumerate(session.run(200)):
        session.vote(f"viewer{number}", f"song {number}")
    # Seven half-lives of ten votes a second, and what is swept up every ten seconds.
    assert len(session.performance.ballot) <= 460
    assert len(session.performance.topics) <= 900


ACTIONS = ("vote", "storm", "guest", "skip", "panic", "calm", "block", "crowd", "queue", "hold",
           "duel", "die", "live", "gap")  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, 5), st.floats(0.1, 9)), max_size=25
    ),
    st.floats(0.5, 8),
)
def test_whatever_happens_there_is_no_hole_and_no_jump(
    script: list[tuple[str, int, float]], seconds: float
) -> None:
    session = Simulation(seconds=seconds)
    performance = session.performance
    for action, which, wait in script:
        with suppress(BadInputRefusal, BusyRefusal, NotFoundRefusal):
            _act(session, action, which)
        session.play(wait)
    assert len(performance.timeline) >= 1
    assert all(step.due > 0 for step in performance.steps)
    assert distance(performance.last_mix, performance.last_mix) == 0


def _act(session: Simulation, action: str, which: int) -> None:
    performance, now = session.performance, session.sample
    match action:
        case "vote":
            session.vote(f"viewer{which}", STYLES[which])
        case "storm":
            for number in range(50):
                session.vote(f"crowd{number}", STYLES[(which + number % 2) % 6])
        case "guest":
            length = performance.grid.loop if which % 2 else 3 * SAMPLE_RATE
            performance.invite(Guest(Take("g", length), f"guest {which}", voter(f"viewer{which}")))
        case "skip":
            performance.skip(now)
        case "panic":
            performance.panic(now)
        case "calm":
            performance.calm()
        case "block":
            whom = voter(f"viewer{which}")
            performance.silence(now, lambda vote: vote.voter.key == whom.key, whom)
        case "die" | "live":
            session.worker.alive = action == "live"
        case "gap":
            session.step(40.0)
        case "duel":
            performance.set_mode("duel", (STYLES[which], "sea shanty"))
        case _:
            performance.set_mode(action)
