"""What moderators do on Twitch itself takes words off every screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cogs.twitch.house import House, open_house
from tests.peers.twitch import ChatMessage, TwitchPeer, User

Act = Callable[[TwitchPeer, User, User, ChatMessage], None]
ACTS: dict[str, Act] = {
    "ban": lambda peer, channel, user, said: peer.world.ban(channel, user, reason="spam"),
    "timeout": lambda peer, channel, user, said: peer.world.time_out(channel, user, 600),
    "deletion": lambda peer, channel, user, said: peer.world.delete(said),
}


@pytest.mark.parametrize("act", ACTS)
async def test_a_vote_leaves_mix_and_stage_within_a_second(house: House, act: str) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    await house.start_session()
    said = world.say(house.channel, ana, "!vote cowbell storm")
    await house.until(lambda: house.heard().get("cowbell storm"))
    began = time.monotonic()
    ACTS[act](house.peer, house.channel, ana, said)
    await house.until(lambda: "cowbell storm" not in house.wanted())
    assert time.monotonic() - began < 1.0
    # Its sound goes at the next join.
    session = house.services.live.all[0]

    def gone() -> bool:
        shares = session.performance.timeline.at(session.playhead).shares
        return all(share.prompt != "cowbell storm" for share in shares)

    await house.until(gone, 30.0)


@pytest.mark.parametrize("act", ACTS)
async def test_a_riff_leaves_the_queue(house: House, act: str) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    said = world.say(house.channel, ana, "!riff cowbell")
    job = await house.claimed()
    ACTS[act](house.peer, house.channel, ana, said)
    studio = house.services.studio
    with studio.subscribe() as events:
        while (await studio.view(job.id)).job.state != "cancelled":
            await anext(aiter(events))
    assert (await studio.view(job.id)).job.hidden


async def test_who_was_banned_is_let_back_in(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    await house.start_session()
    world.ban(house.channel, ana)
    bans = house.services.moderation.rules.bans
    await house.until(lambda: bans.those_in("twitch", house.channel.id))
    world.unban(house.channel, ana)
    await house.until(lambda: not bans.those_in("twitch", house.channel.id))
    world.say(house.channel, ana, "!vote rain")
    await house.said("Your vote: rain")


async def test_without_the_broadcaster_the_chat_tells(peer: TwitchPeer, tmp_path: Path) -> None:
    async with open_house(peer, tmp_path, joined=("mia",)) as house:
        ana = peer.world.add_user("Ana")
        await house.start_session()
        peer.world.say(house.channel, ana, "!vote cowbell storm")
        await house.until(lambda: "cowbell storm" in house.wanted())
        peer.world.ban(house.channel, ana)
        await house.until(lambda: "cowbell storm" not in house.wanted())
