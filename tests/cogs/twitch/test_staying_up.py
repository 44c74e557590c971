"""Lost sockets, tokens that end, duplicates, floods, many channels."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
from pathlib import Path

import pytest

from cogs.twitch.tokens import FILE_NAME
from tests.cogs.twitch.house import House, open_house, sign_in
from tests.peers.twitch import Fault, TwitchPeer


async def test_a_token_that_ends_in_mid_stream_is_renewed_and_kept(
    house: House, tmp_path: Path
) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    before = house.adapter.tokens.bot
    world.expire(house.bot)
    for number in range(5):
        world.say(house.channel, ana, f"!riff song {number}")
    await house.said("song 4")
    after = house.adapter.tokens.bot
    assert before is not None and after is not None and before.access != after.access
    file = tmp_path / FILE_NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = {one["user_id"]: one["access"] for one in json.loads(file.read_text())["accounts"]}
    assert kept[house.bot.id] == after.access


async def test_a_lost_sign_in_is_reported_and_stops_nobody_else(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    world = house.peer.world
    caplog.set_level(logging.DEBUG)
    noa = world.add_user("Noa", "partner")
    sign_in(house.adapter, house.peer, noa, "channel")
    events = house.adapter.events
    assert events is not None
    await house.until(lambda: not events.missing)
    world.disconnect(noa)
    await house.until(lambda: house.adapter.tokens.get(noa.id).lost)  # type: ignore[union-attr]
    ana = world.add_user("Ana")
    world.say(house.channel, ana, "!riff rain")
    await house.said("is ready")
    assert "no longer accepts the sign-in of noa" in caplog.text
    secrets = {token.access for token in world.tokens.values()} | set(world.refreshes)
    secrets.add(str(world.app.secret))
    assert not [one for one in secrets if one in caplog.text]


async def test_nothing_is_lost_when_twitch_moves_a_connection(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    for number in range(30):
        if number == 10:
            house.peer.eventsub.ask_to_reconnect()
        world.say(house.channel, ana, f"!riffhelp {number}")
        await asyncio.sleep(0)
    await house.until(lambda: house.adapter.chat.handled == 30)
    await house.until(lambda: house.peer.eventsub.reconnected >= 2)
    world.say(house.channel, ana, "!riffhelp again")
    await house.until(lambda: house.adapter.chat.handled == 31)


async def test_a_dead_connection_is_made_anew(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    events = house.adapter.events
    assert events is not None
    count, connected = events.count, house.peer.eventsub.connected
    house.peer.eventsub.drop()
    await house.until(lambda: house.peer.eventsub.connected == connected + 2)
    await house.until(lambda: events.count == count and not events.missing)
    world.say(house.channel, ana, "!riff rain")
    await house.said("is ready")


async def test_what_comes_twice_is_done_once(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    house.peer.eventsub.repeat(3)
    for number in range(3):
        world.say(house.channel, ana, f"!riffhelp {number}")
    await house.said("steers")
    assert house.adapter.chat.handled == 3
    assert house.adapter.events is not None and house.adapter.events.duplicates >= 3


async def test_helix_in_trouble_delays_answers_and_loses_none(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    house.peer.helix.faults.append(Fault("POST", "/chat/messages", status=503, times=2))
    world.say(house.channel, ana, "!riff rain")
    await house.said("is ready")
    assert sum("is ready" in line for line in world.said_by(house.channel, house.bot)) == 1


async def test_an_answer_that_may_be_out_is_not_said_again(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    await house.configure("verbosity", "quiet")
    house.peer.helix.faults.append(Fault("POST", "/chat/messages", kind="lost"))
    world.say(house.channel, ana, "!riff rain")
    await house.said("is ready")
    world.say(house.channel, ana, "!riff storm")
    await house.said("storm")
    said = world.said_by(house.channel, house.bot)
    assert sum("“rain” is ready" in line for line in said) == 1


@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.soak)])
async def test_a_flood_loses_nothing_and_leaves_the_loop_responsive(
    house: House, seconds: int
) -> None:
    """500 messages a second, every fifth a vote."""
    world = house.peer.world
    crowd = [world.add_user(f"Viewer{number}") for number in range(200)]
    await house.start_session()
    most, flooding = 0, True

    async def pulse() -> None:
        """Somebody else on the same loop gets their turn among the messages."""
        nonlocal most
        while flooding:
            before = house.adapter.chat.heard
            await asyncio.sleep(0)
            most = max(most, house.adapter.chat.heard - before)

    async def flood() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for tick in range(20 * seconds):
            for number in range(25):
                viewer = crowd[(tick * 25 + number) % len(crowd)]
                vote = number % 5 == 0
                world.say(house.channel, viewer, f"!vote prompt {tick % 7}" if vote else "hi all")
            await asyncio.sleep(max(0.0, began + (tick + 1) * 0.05 - loop.time()))

    pulsing = asyncio.create_task(pulse())
    await flood()
    await house.until(lambda: house.adapter.chat.handled == 100 * seconds, 15.0 * seconds)
    flooding = False
    await pulsing
    assert house.services.live.all[0].performance.statistics.votes == 100 * seconds
    assert house.adapter.chat.heard >= 500 * seconds
    assert most < 250
    said = world.said_by(house.channel, house.bot)
    assert said and all(len(line) <= 500 for line in said)


async def test_every_channel_has_its_own_session_and_settings(house: House) -> None:
    world = house.peer.world
    noa, ana = world.add_user("Noa", "partner"), world.add_user("Ana")
    sign_in(house.adapter, house.peer, noa, "channel")
    events = house.adapter.events
    assert events is not None
    await house.until(lambda: events.count and not events.missing)
    await house.until(lambda: world.feed.enabled(app=world.app, user=noa))
    world.say(noa, noa, "!riffset live-bpm 80")
    await house.said("live-bpm is now 80", noa)
    for channel, prompt in ((noa, "harp"), (house.channel, "drums")):
        world.say(channel, channel, "!live start")
        await house.said("The live session is on", channel)
        world.say(channel, ana, f"!vote {prompt}")
        await house.said(f"Your vote: {prompt}", channel)
    tempo = {one.where[1]: one.rules.bpm for one in house.services.live.all}
    assert tempo == {noa.id: 80.0, house.channel.id: 120.0}


async def test_more_than_a_socket_carries_goes_over_a_conduit(
    peer: TwitchPeer, tmp_path: Path
) -> None:
    async with open_house(peer, tmp_path, per_socket=20) as house:
        world = peer.world
        ana = world.add_user("Ana")
        channels = [world.add_user(f"Chan{number}", "partner") for number in range(9)]
        for channel in channels:
            sign_in(house.adapter, peer, channel, "channel")
        events = house.adapter.events
        assert events is not None
        await house.until(lambda: len(world.feed.enabled(app=world.app, user=None)) == 150)
        await house.until(lambda: not events.missing)
        for channel in (house.channel, channels[-1]):
            world.say(channel, ana, "!riff rain")
            await house.said("is ready", channel)
        peer.eventsub.drop()
        await house.until(lambda: not peer.eventsub.open)
        await house.until(lambda: [c for c in world.conduits.values() if c.next_shard()])
        world.say(channels[0], ana, "!riff storm")
        await house.said("is ready", channels[0])
    async with open_house(peer, tmp_path, per_socket=20) as house:
        world.say(channels[3], ana, "!riff thunder")
        await house.said("is ready", channels[3])
        assert len(world.feed.enabled(app=world.app, user=None)) == 150


async def test_the_live_session_follows_the_stream(house: House) -> None:
    await house.configure("live-follows-stream", "on")
    house.peer.world.go_live(house.channel)
    await house.until(lambda: house.services.live.all)
    house.peer.world.go_offline(house.channel)
    await house.until(lambda: not house.services.live.all)
