"""More channels than one socket may carry: a conduit whose shards are lines of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cogs.twitch.house import House, open_house
from tests.peers.twitch import TwitchPeer


@pytest.fixture(autouse=True)
def three_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the 15 subscriptions of one channel."""
    monkeypatch.setattr("cogs.twitch.eventsub._PER_SHARD", 5)


def statuses(peer: TwitchPeer) -> list[str]:
    (conduit,) = peer.world.conduits.values()
    return [shard.status for shard in conduit.shards]


async def answers(house: House, what: str) -> None:
    """All that is said is heard, whichever shard it comes over."""
    world = house.peer.world
    for number in range(6):
        viewer = world.add_user(f"{what}{number}")
        world.say(house.channel, viewer, f"!riff {what} {number}")
    for number in range(6):
        await house.said(f"“{what} {number}” is ready")


async def test_shards_that_are_refused_are_asked_for_again(
    peer: TwitchPeer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trouble = ("internal_error", "That did not work, try again")
    peer.world.transports.shard_errors = [trouble] * 2
    async with open_house(peer, tmp_path, per_socket=5) as house:
        assert statuses(peer) == ["enabled"] * 3
        assert caplog.text.count("is not attached yet: That did not work") >= 1
        assert peer.helix.count("PATCH", "/eventsub/conduits/shards") >= 2
        await answers(house, "one")
        peer.world.transports.shard_errors = [trouble]
        peer.eventsub.drop()
        await house.until(lambda: not house.peer.eventsub.open)
        await house.until(lambda: statuses(peer) == ["enabled"] * 3)
        await answers(house, "two")


async def test_a_conduit_that_twitch_dropped_is_made_anew(peer: TwitchPeer, tmp_path: Path) -> None:
    async with open_house(peer, tmp_path, per_socket=5) as house:
        await answers(house, "one")
        peer.world.conduits.clear()
        peer.world.feed.subscriptions.clear()
        peer.eventsub.drop()
        await house.until(lambda: peer.world.conduits and statuses(peer) == ["enabled"] * 3)
        await house.until(lambda: len(peer.world.feed.subscriptions) == 15)
        await answers(house, "two")
