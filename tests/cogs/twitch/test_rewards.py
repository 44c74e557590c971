"""Channel points: what is heard is fulfilled, what is not is given back."""

from __future__ import annotations

from pathlib import Path

import pytest

from cogs.twitch.requester import somebody
from cogs.twitch.rewards import TITLES, Kind
from tests.cogs.twitch.house import House, open_house
from tests.peers.twitch import Fault, TwitchPeer
from tests.peers.twitch.points import STARTING_BALANCE


async def rewarded(house: House, kind: Kind, cost: int = 500) -> None:
    """A reward is there, and its redemptions are told."""
    await house.configure(f"reward-{kind}", str(cost))
    await house.until(lambda: house.peer.world.reward_named(house.channel, TITLES[kind][0]))
    await house.until(lambda: house.adapter.rewards._ids.get(house.channel.id, {}).get(kind))


async def test_a_paid_vote_is_heard_and_fulfilled(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    await rewarded(house, "vote")
    await house.start_session()
    redemption = world.redeem(house.channel, ana, "Double vote", "rain")
    await house.until(lambda: redemption.status == "FULFILLED", 30.0)
    assert house.heard()["rain"] > 0
    assert world.balance(house.channel, ana) == STARTING_BALANCE - 500


async def test_a_paid_riff_is_heard_and_fulfilled(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    await rewarded(house, "riff")
    await house.start_session()
    redemption = world.redeem(house.channel, ana, "Riff", "whale song")
    await house.until(lambda: redemption.status == "FULFILLED", 30.0)
    session = house.services.live.all[0]
    assert any(one.kind == "guest" for one in session.performance.timeline)


async def test_what_is_refused_is_refunded_with_the_reason(open_to_all: House) -> None:
    house = open_to_all
    world = house.peer.world
    ana = world.add_user("Ana")
    await rewarded(house, "riff")
    await rewarded(house, "blend")
    await house.configure("blocked-words", "trumpets")
    refused = world.redeem(house.channel, ana, "Riff", "trumpets for ever")
    wrong = world.redeem(house.channel, ana, "Blend", "only one sound")
    await house.until(lambda: refused.status == wrong.status == "CANCELED")
    await house.said("not welcome here")
    await house.said("Name two prompts")
    assert world.balance(house.channel, ana) == STARTING_BALANCE


async def test_what_nobody_could_hear_is_refunded(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    await rewarded(house, "riff")
    await rewarded(house, "vote")
    both = [world.redeem(house.channel, ana, title, "rain") for title in ("Riff", "Double vote")]
    await house.until(lambda: all(one.status == "CANCELED" for one in both))
    assert await house.states() == []


async def test_what_fails_or_is_cancelled_is_refunded(open_to_all: House) -> None:
    house = open_to_all
    world, kit = house.peer.world, house.live.kit
    ana = world.add_user("Ana")
    await rewarded(house, "riff")
    redemption = world.redeem(house.channel, ana, "Riff", "rain")
    job = await house.claimed()
    assert await kit.ledger.record_failed(job, "The worker ran out of memory.")
    house.changed(job.id)
    await house.until(lambda: redemption.status == "CANCELED")
    await house.said("ran out of memory")
    await house.said("Your points are back.")
    moderated = world.redeem(house.channel, ana, "Riff", "storm")
    await house.claimed()
    world.ban(house.channel, ana)
    await house.until(lambda: moderated.status == "CANCELED")
    assert world.balance(house.channel, ana) == STARTING_BALANCE


async def test_rewards_follow_the_settings_and_the_streamers_names(house: House) -> None:
    await rewarded(house, "riff", 300)
    reward = house.peer.world.reward_named(house.channel, "Riff")
    assert reward is not None
    house.peer.world.change_reward(reward, {"title": "Make music!"})
    await house.configure("reward-riff", "700")
    await house.until(lambda: reward.settings["cost"] == 700)
    await house.configure("reward-riff", "0")
    await house.until(lambda: not reward.settings["is_enabled"])
    assert reward.settings["title"] == "Make music!"
    assert len(house.channel.rewards) == 1


async def test_a_channel_that_may_not_have_rewards_is_told_of_once(
    peer: TwitchPeer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    peer.world.add_user("Mia")
    async with open_house(peer, tmp_path) as house:
        await house.configure("reward-riff", "100")
        await house.until(lambda: not house.adapter.rewards.available(house.channel.id))
        ana = peer.world.add_user("Ana")
        peer.world.say(house.channel, ana, "!riffhelp")
        await house.said("steers")
    assert caplog.text.count("affiliates and partners only") == 1


async def test_redemptions_are_settled_after_a_restart(peer: TwitchPeer, tmp_path: Path) -> None:
    ana = peer.world.add_user("Ana")
    address = "https://riffs.example.org"
    async with open_house(peer, tmp_path, public_url=address) as house:
        await rewarded(house, "riff")
        channel = house.channel
        begun = peer.world.redeem(channel, ana, "Riff", "rain")
        await house.claimed()
        assert begun.status == "UNFULFILLED"
    missed = peer.world.redeem(channel, ana, "Riff", "storm")
    async with open_house(peer, tmp_path, public_url=address) as house:
        await house.until(lambda: begun.status == missed.status == "FULFILLED", 30.0)
        assert len(await house.states()) == 2


async def test_points_are_settled_although_twitch_stumbles(open_to_all: House) -> None:
    house = open_to_all
    world = house.peer.world
    ana = world.add_user("Ana")
    await rewarded(house, "riff")
    path = "/channel_points/custom_rewards/redemptions"
    house.peer.helix.faults.append(Fault("PATCH", path, status=503, times=2))
    redemption = world.redeem(house.channel, ana, "Riff", "rain")
    await house.until(lambda: redemption.status == "FULFILLED")


async def test_what_was_not_heard_before_the_session_ended_is_refunded(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    await rewarded(house, "riff")
    await rewarded(house, "vote")
    await house.start_session()
    both = [world.redeem(house.channel, ana, title, "rain") for title in ("Double vote", "Riff")]
    await house.until(lambda: "rain" in house.wanted())
    await house.claimed()
    assert "rain" not in house.heard()
    await house.services.live.stop(somebody(house.channel.id, house.channel.id, "Mia"))
    # The riff is made all the same, but nobody will hear it.
    house.live.kit.clock.time += 120
    await house.live.kit.ledger.tend([], 60.0)
    await house.until(lambda: all(one.status == "CANCELED" for one in both), 30.0)
    assert "@Ana" in await house.said("your points are back")
    assert world.balance(house.channel, ana) == STARTING_BALANCE


async def test_a_riff_that_came_too_late_is_refunded(open_to_all: House) -> None:
    house = open_to_all
    ana = house.peer.world.add_user("Ana")
    await rewarded(house, "riff")
    redemption = house.peer.world.redeem(house.channel, ana, "Riff", "rain")
    await house.queued()
    await house.live.kit.database.write(
        lambda tx: tx.execute("UPDATE jobs SET deadline = 1 WHERE state = 'queued'")
    )
    for job_id in (await house.live.kit.ledger.tend([], 60.0)).changed:
        house.changed(job_id)
    await house.until(lambda: redemption.status == "CANCELED")
    assert "@Ana" in await house.said("not heard in time")


async def test_a_guest_that_is_banned_while_it_waits_is_refunded_at_once(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    await rewarded(house, "riff")
    await house.start_session()
    redemption = world.redeem(house.channel, ana, "Riff", "whale song")
    session = house.services.live.all[0]
    await house.until(lambda: any(one.kind == "guest" for one in session.performance.timeline))
    world.ban(house.channel, ana)
    # The session's time stands still meanwhile, so that nothing sounds.
    await world.until(lambda: redemption.status == "CANCELED")
    said = world.said_by(house.channel, house.bot)
    assert not [line for line in said if "points" in line]


async def test_what_is_heard_is_fulfilled_although_the_chat_takes_no_answer(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    await rewarded(house, "riff")
    await house.start_session()
    house.channel.modes.followers_only = True
    redemption = world.redeem(house.channel, ana, "Riff", "whale song")
    await house.until(lambda: redemption.status == "FULFILLED", 30.0)
    house.channel.modes.followers_only = False


async def test_without_an_answer_or_a_session_nobody_heard_it(open_to_all: House) -> None:
    house = open_to_all
    ana = house.peer.world.add_user("Ana")
    await rewarded(house, "riff")
    house.channel.modes.followers_only = True
    redemption = house.peer.world.redeem(house.channel, ana, "Riff", "whale song")
    await house.until(lambda: redemption.status == "CANCELED", 30.0)
    assert await house.states() == ["expired"]
