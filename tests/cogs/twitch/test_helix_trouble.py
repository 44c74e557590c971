"""Helix limits calls, refuses them or is down: nothing is lost, and all of it happens in time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cogs.twitch.house import House, open_house
from tests.cogs.twitch.test_rewards import rewarded
from tests.peers.twitch import Fault, TwitchPeer

SEND, SETTLE = "/chat/messages", "/channel_points/custom_rewards/redemptions"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other more quickly."""
    monkeypatch.setattr("cogs.twitch.http._FIRST_PAUSE", 0.002)
    monkeypatch.setattr("cogs.twitch.mouth._PAUSE", 0.02)
    monkeypatch.setattr("cogs.twitch.rewards._PAUSES", (0.02,))
    monkeypatch.setattr("cogs.twitch.eventsub.AGAIN_SECONDS", 0.05)


async def test_what_is_limited_waits_until_there_is_room(open_to_all: House) -> None:
    house = open_to_all
    world, helix = house.peer.world, house.peer.helix
    await rewarded(house, "riff")
    crowd = [world.add_user(f"Viewer{number}") for number in range(6)]
    helix.points = 60
    helix.drain()
    redemption = world.redeem(house.channel, crowd[0], "Riff", "paid song")
    for number, viewer in enumerate(crowd):
        world.say(house.channel, viewer, f"!riff song {number}")
    for number in range(6):
        await house.said(f"“song {number}” is ready")
    await house.until(lambda: redemption.status == "FULFILLED")
    said = " ".join(world.said_by(house.channel, house.bot))
    assert all(said.count(f"“song {number}” is ready") == 1 for number in range(6))
    # The fixture of the peer sees to it that nobody came before the time.
    assert helix.refused > 0


@pytest.mark.usefixtures("impatient")
async def test_a_429_that_is_no_rate_limit_holds_nothing_up(
    peer: TwitchPeer, tmp_path: Path
) -> None:
    headers = {
        "Ratelimit-Limit": "800",
        "Ratelimit-Remaining": "700",
        "Ratelimit-Reset": str(int(time.time()) + 3600),
    }
    fault = Fault("POST", "/eventsub/subscriptions", status=429, headers=headers, times=3)
    peer.helix.faults.append(fault)
    async with open_house(peer, tmp_path) as house:
        peer.world.say(house.channel, peer.world.add_user("Ana"), "!riff rain")
        await house.said("is ready")
    assert fault.met == 3


@pytest.mark.usefixtures("impatient")
async def test_subscriptions_are_made_however_long_helix_is_down(
    peer: TwitchPeer, tmp_path: Path
) -> None:
    peer.helix.faults.append(Fault("POST", "/eventsub/subscriptions", status=503, times=90))
    async with open_house(peer, tmp_path) as house:
        world = peer.world
        assert len(world.feed.enabled(app=world.app, user=house.channel)) == 12
        world.say(house.channel, world.add_user("Ana"), "!riff rain")
        await house.said("is ready")


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.usefixtures("impatient")
async def test_answers_and_points_outlast_an_outage(open_to_all: House, status: int) -> None:
    house = open_to_all
    world = house.peer.world
    ana = world.add_user("Ana")
    await rewarded(house, "riff")
    # More often than one call is tried.
    down = [
        Fault("POST", SEND, status=status, times=9),
        Fault("PATCH", SETTLE, status=status, times=9),
    ]
    house.peer.helix.faults += down
    redemption = world.redeem(house.channel, ana, "Riff", "rain")
    world.say(house.channel, ana, "!riff storm")
    await house.said("“rain” is ready")
    await house.said("“storm” is ready")
    await house.until(lambda: redemption.status == "FULFILLED")
    said = " ".join(world.said_by(house.channel, house.bot))
    assert said.count("“rain” is ready") == said.count("“storm” is ready") == 1
    assert [fault.met for fault in down] == [9, 9]


@pytest.mark.usefixtures("impatient")
async def test_a_token_that_ends_during_an_outage_costs_no_answer(house: House) -> None:
    world = house.peer.world
    house.peer.helix.faults.append(Fault("POST", SEND, status=503, times=3))
    world.expire(house.bot)
    world.say(house.channel, world.add_user("Ana"), "!riff rain")
    await house.said("is ready")


@pytest.mark.usefixtures("impatient")
async def test_what_is_no_answer_at_all_ends_nothing(house: House) -> None:
    """As of a proxy on the way, whose page is no JSON."""
    path = "/channel_points/custom_rewards"
    nothing = Fault("GET", path, status=200, body=None)  # type: ignore[arg-type]
    house.peer.helix.faults.append(nothing)
    await rewarded(house, "riff")
    assert nothing.met == 1
