"""The gateway of the loopback Discord, as the real discord.py lives with it."""

from __future__ import annotations

import aiohttp
import discord
import pytest

from tests.peers.discord import Channel, DiscordPeer, Guild, User
from tests.peers.discord.client import PlainClient, connected

MESSAGES = discord.Intents(guilds=True, guild_messages=True, dm_messages=True)
READING = discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=True)


def contents(client: PlainClient) -> list[str]:
    return [message.content for (message,) in client.events("message")]


async def test_events_come_compressed(peer: DiscordPeer, mia: User, channel: Channel) -> None:
    async with connected(peer, intents=READING) as client:
        (session,) = peer.gateway.connected
        assert session.connection is not None and session.connection.compressed
        peer.world.say(channel, mia, "hello " * 300)
        await peer.world.until(lambda: contents(client))
        ((message,),) = client.events("message")
        assert (message.guild.owner_id, message.author.display_name) == (mia.id, "Mia")
    await peer.world.until(lambda: not peer.gateway.sessions)
    assert peer.world.violations == []


async def test_without_the_intent_messages_are_empty(
    peer: DiscordPeer, mia: User, channel: Channel
) -> None:
    world = peer.world
    async with connected(peer, intents=MESSAGES) as client:
        own = world.say(channel, world.bot, "from me")
        world.say(channel, mia, "secret", files=[("a.wav", b"123")])
        world.say(channel, mia, f"<@{world.bot.id}> for you")
        world.say(channel, mia, "an answer", reply_to=own)
        world.say(world.dm_channel(mia), mia, "in private")
        await world.until(lambda: len(contents(client)) == 5)
        assert contents(client) == [
            "from me",
            "",
            f"<@{world.bot.id}> for you",
            "an answer",
            "in private",
        ]
        messages = [message for (message,) in client.events("message")]
        assert messages[1].attachments == []
        assert client.user in messages[2].mentions
        assert messages[3].reference.resolved.content == "from me"


async def test_a_privileged_intent_that_is_off_is_refused(peer: DiscordPeer) -> None:
    peer.gateway.refuses_message_content = True
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with connected(peer, intents=READING):
            pass
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with connected(peer, intents=discord.Intents(guilds=True, members=True)):
            pass
    assert peer.world.violations == []


@pytest.mark.parametrize("trouble", ["drop", "ask_to_reconnect", "resumable"])
async def test_what_was_missed_is_replayed(
    peer: DiscordPeer, mia: User, channel: Channel, trouble: str
) -> None:
    async with connected(peer, intents=READING) as client:
        peer.world.say(channel, mia, "one")
        if trouble == "resumable":
            peer.gateway.invalidate(resumable=True)
        else:
            getattr(peer.gateway, trouble)()
        peer.world.say(channel, mia, "two")
        await peer.world.until(lambda: client.events("shard_resumed"))
        peer.world.say(channel, mia, "three")
        await peer.world.until(lambda: len(contents(client)) == 3)
        assert contents(client) == ["one", "two", "three"]
        assert (peer.gateway.identified, peer.gateway.resumed) == (1, 1)


async def test_an_ended_session_begins_anew(peer: DiscordPeer, mia: User, channel: Channel) -> None:
    async with connected(peer, intents=READING) as client:
        peer.gateway.invalidate()
        await peer.world.until(lambda: peer.gateway.identified == 2)
        await peer.world.until(lambda: peer.gateway.connected)
        peer.world.say(channel, mia, "hello")
        assert await peer.world.until(lambda: contents(client)) == ["hello"]


async def test_who_stays_away_too_long_cannot_resume(
    peer: DiscordPeer, mia: User, channel: Channel
) -> None:
    async with connected(peer, intents=READING):
        peer.gateway.drop()
        peer.world.advance(600)
        await peer.world.until(lambda: peer.gateway.identified == 2)
        assert peer.gateway.resumed == 0


async def test_a_connection_without_acknowledgements_is_given_up(
    peer: DiscordPeer, mia: User, channel: Channel
) -> None:
    peer.gateway.heartbeat_interval = 0.05
    peer.gateway.acknowledges = False
    async with connected(peer, intents=READING, heartbeat_timeout=0.2):
        await peer.world.until(lambda: peer.gateway.resumed)


async def test_shards_share_the_guilds(peer: DiscordPeer, mia: User) -> None:
    world = peer.world
    world.shards = 2
    guilds: dict[int, Guild] = {}
    for _ in range(2):
        guild = world.add_guild(mia)
        while (guild.id >> 22) % 2 in guilds:
            # Ids count milliseconds above their lowest 22 bits; this one is for the other shard.
            world.guilds.pop(guild.id)
            guild.id += 1 << 22
            guild.roles[0].id = guild.id
            world.guilds[guild.id] = guild
        guilds[(guild.id >> 22) % 2] = guild
    channels = [world.add_channel(guilds[number]) for number in (0, 1)]
    async with connected(peer, intents=READING) as client:
        assert sorted(session.shard for session in peer.gateway.connected) == [(0, 2), (1, 2)]
        for number in (0, 1):
            world.say(channels[number], mia, f"on {number}")
        world.say(world.dm_channel(mia), mia, "in private")
        await world.until(lambda: len(contents(client)) == 3)
        by_shard = {
            session.shard[0]: [
                frame["d"]["content"] for frame in session.events if frame["t"] == "MESSAGE_CREATE"
            ]
            for session in peer.gateway.connected
        }
        assert by_shard == {0: ["on 0", "in private"], 1: ["on 1"]}


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"op": 42, "d": None}, 4001),
        ({"op": 3, "d": None}, 4003),
        ({"op": 3, "d": "x" * 5000}, 4002),
        ({"op": 2, "d": {"token": "loopback-token", "intents": 1 << 40}}, 4013),
        ({"op": 2, "d": {"token": "loopback-token", "intents": 0, "shard": [2, 2]}}, 4010),
    ],
)
async def test_what_breaks_the_protocol_is_noted(
    peer: DiscordPeer, frame: dict[str, object], code: int
) -> None:
    url = f"{peer.gateway.url}?v=10&encoding=json"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        assert (await socket.receive_json())["op"] == 10
        await socket.send_json(frame)
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == code
    assert len(peer.world.violations) == 1
