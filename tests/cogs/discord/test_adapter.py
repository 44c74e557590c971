"""Connecting: what the operator is told, and that the rest of the bot goes on."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

import cogs.discord
from bot.adapters import AdapterError, DeliveryRetry, load_adapters
from bot.config import load_config
from bot.jobs import Delivery
from cogs.discord import adapter as adapter_module
from cogs.discord.adapter import INTENT_REFUSED, SIGN_IN_REFUSED
from tests.cogs.discord.conftest import Clips
from tests.cogs.discord.house import House, open_house
from tests.peers.discord import DiscordPeer, Fault


async def owed(house: House) -> Delivery:
    house.clock.time += 1e6
    (delivery,) = await house.ledger.deliveries.due("discord")
    return delivery


async def test_without_a_token_it_stays_off(
    peer: DiscordPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RIFFBOT_DISCORD_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    async with open_house(peer, tmp_path) as house:
        services = replace(house.services, config=load_config())
        assert cogs.discord.create(services) is None
        assert load_adapters(["cogs.discord"], services) == []


async def test_with_a_token_it_connects(
    peer: DiscordPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIFFBOT_DISCORD_TOKEN", peer.world.token)
    monkeypatch.chdir(tmp_path)
    async with open_house(peer, tmp_path) as house:
        (made,) = load_adapters(["cogs.discord"], replace(house.services, config=load_config()))
        assert made.platform == "discord"
        try:
            await made.start()
            await house.until(lambda: peer.gateway.connected)
        finally:
            await made.stop()
        await house.until(lambda: not peer.gateway.connected)


@pytest.mark.parametrize("token", ["a-wrong-token", "two\nlines", "schlüssel", ""])
async def test_a_wrong_token_is_explained_and_never_shown(
    peer: DiscordPeer, tmp_path: Path, caplog: pytest.LogCaptureFixture, token: str
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_house(peer, tmp_path, token=token) as house:
        with pytest.raises(AdapterError) as caught:
            await house.adapter.start()
        assert str(caught.value) == SIGN_IN_REFUSED
        assert not token or token not in caplog.text


async def test_a_refused_intent_names_the_switch(
    peer: DiscordPeer, tmp_path: Path, operator_log: list[str]
) -> None:
    peer.gateway.refuses_message_content = True
    async with open_house(peer, tmp_path) as house:
        await house.adapter.start()
        await house.until(lambda: INTENT_REFUSED in operator_log)


async def test_a_token_revoked_later_is_explained(house: House, operator_log: list[str]) -> None:
    house.peer.world.token = "a-new-token"
    await house.peer.gateway.close_with(4004)
    await house.until(lambda: SIGN_IN_REFUSED in operator_log)


async def test_discord_being_down_at_first_is_waited_for(
    peer: DiscordPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter_module, "_FIRST_PAUSE", 0.01)
    down = [
        Fault("GET", "/users/@me", status=503, times=2),
        Fault("GET", "/gateway/bot", status=503),
    ]
    peer.rest.faults += down
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        assert all(fault.times == 0 for fault in down)
        await house.reply(house.say("!riffhelp"))


async def test_a_session_that_cannot_be_resumed_is_begun_anew(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: object, **__: object) -> None:
        """discord.py waits five seconds here, as Discord asks of clients."""

    monkeypatch.setattr("cogs.discord.client.RiffbotClient.before_identify_hook", at_once)
    house.peer.gateway.drop()
    house.peer.gateway.sessions.clear()
    await house.until(lambda: house.peer.gateway.connected)
    assert house.peer.gateway.identified == 2
    await house.reply(house.say("!riffhelp"))


async def test_an_outage_of_discord_is_no_fault_of_ours(house: House, clips: Clips) -> None:
    await house.status(house.say("!riff lo-fi beat"))
    job = await house.begin()
    assert house.outbox_task is not None
    house.outbox_task.cancel()
    await house.end(job, clips(job))
    house.peer.rest.faults.append(Fault("POST", r"/channels/\d+/messages", status=503))
    with pytest.raises(DeliveryRetry, match="503"):
        await house.adapter.deliver(await owed(house))


async def test_without_a_connection_deliveries_wait(
    peer: DiscordPeer, tmp_path: Path, clips: Clips
) -> None:
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        await house.status(house.say("!riff lo-fi beat"))
        job = await house.begin()
        await house.disconnect()
        await house.end(job, clips(job))
        with pytest.raises(DeliveryRetry):
            await house.adapter.deliver(await owed(house))


async def test_stopping_lets_the_message_at_hand_end(house: House) -> None:
    await house.reply(house.say("!riffhelp"))
    posting = Fault("POST", r"/channels/\d+/messages", "held", times=2)
    house.peer.rest.faults.append(posting)
    asked = house.say("!riffhelp")
    await house.until(lambda: posting.met)
    stopping = asyncio.create_task(house.adapter.stop())
    await asyncio.sleep(0)
    too_late = house.say("!riffhelp")
    beats = house.peer.gateway.heartbeats
    house.peer.gateway.ask_for_heartbeat()
    await house.until(lambda: house.peer.gateway.heartbeats > beats)
    assert not stopping.done()
    posting.release.set()
    await stopping
    assert len(house.replies(asked)) == 1
    assert house.replies(too_late) == []


async def test_another_server_than_discords_own_can_be_used(
    peer: DiscordPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Route, "BASE", "http://127.0.0.1:9/nobody")
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL("ws://127.0.0.1:9/"))
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        await house.reply(house.say("!riffhelp"))


async def test_a_bot_in_many_servers_has_several_connections(
    peer: DiscordPeer, tmp_path: Path, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: object, **__: object) -> None:
        """discord.py waits five seconds between two connections, as Discord asks of clients."""

    monkeypatch.setattr("cogs.discord.client.RiffbotClient.before_identify_hook", at_once)
    world = peer.world
    world.shards = 2
    owner = world.add_user("Mia")
    channels = []
    for _ in range(2):
        channels.append(world.add_channel(world.add_guild(owner)))
        world._last_id += 1 << 22  # a millisecond later: Discord shares servers out by that
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        await house.until(lambda: len(peer.gateway.connected) == 2)
        for parity in (0, 1):
            channel = next(c for c in channels if (c.guild_id or 0) >> 22 & 1 == parity)
            asked = house.say("!riff jazz", channel)
            await house.status(asked)
            job = await house.begin()
            await house.end(job, clips(job))
            assert (await house.reply(asked)).attachments


async def test_missing_permissions_are_named_at_the_start(
    peer: DiscordPeer, tmp_path: Path, operator_log: list[str]
) -> None:
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        said = await house.until(
            lambda: next((line for line in operator_log if "I lack" in line), None)
        )
        assert "View Audit Log" in said
        assert "Send Messages" not in said
