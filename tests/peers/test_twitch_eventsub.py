"""EventSub of the loopback Twitch: sockets, reconnects, limits, as the real twitchio meets them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import twitchio
from twitchio import eventsub

from tests.peers.twitch import TwitchPeer, User
from tests.peers.twitch.client import PlainClient, connected
from tests.peers.twitch.kinds import KINDS

CHAT = "user:read:chat user:write:chat"


@pytest.fixture
async def client(twitch: TwitchPeer, streamer: User, riffbot: User) -> AsyncIterator[PlainClient]:
    async with connected(twitch, riffbot, twitch.world.grant(riffbot, CHAT)) as client:
        await listen(client, streamer)
        yield client


async def listen(client: PlainClient, channel: User) -> None:
    assert client.bot_id is not None
    chat = eventsub.ChatMessageSubscription(broadcaster_user_id=channel.id, user_id=client.bot_id)
    await client.subscribe_websocket(chat, token_for=client.bot_id)


def texts(client: PlainClient) -> list[str]:
    return [message.text for message in client.events("message")]


async def test_every_kind_is_told_somewhere() -> None:
    world = Path(__file__).parent / "twitch"
    source = "".join(path.read_text() for path in world.glob("*.py") if path.stem != "kinds")
    stems = set(re.findall(r'f?"((?:channel|stream|user)\.[a-z_.]+)(?:"|\{what\}")', source))
    untold = {kind for kind in KINDS if not any(kind.startswith(stem) for stem in stems)}
    assert not untold


async def test_a_notification_may_come_twice(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    twitch.eventsub.repeat(1)
    twitch.world.say(streamer, viewer, "one")
    twitch.world.say(streamer, viewer, "two")
    await twitch.world.until(lambda: len(texts(client)) == 3)
    ids = [message.metadata.message_id for message in client.events("message")]
    assert texts(client) == ["one", "one", "two"] and ids[0] == ids[1] != ids[2]


async def test_a_lost_socket_comes_back(
    twitch: TwitchPeer,
    client: PlainClient,
    streamer: User,
    viewer: User,
) -> None:
    twitch.eventsub.drop()
    world = twitch.world
    await world.until(lambda: twitch.eventsub.connected == 2)
    await world.until(
        lambda: twitch.eventsub.open and world.feed.of_socket(twitch.eventsub.open[0].id)
    )
    world.say(streamer, viewer, "again")
    assert await world.until(lambda: texts(client)) == ["again"]
    assert world.violations == []


class Reader:
    """A WebSocket read by hand, for what twitchio does not do as it should."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def next(self) -> dict[str, Any]:
        """The next message that is no keepalive."""
        while True:
            frame: dict[str, Any] = json.loads(await self.socket.receive_str(timeout=10))
            if frame["metadata"]["message_type"] != "session_keepalive":
                return frame


async def open_socket(session: aiohttp.ClientSession, url: str) -> tuple[Reader, dict[str, Any]]:
    reader = Reader(await session.ws_connect(url))
    welcome = await reader.next()
    assert welcome["metadata"]["message_type"] == "session_welcome"
    return reader, welcome["payload"]["session"]


async def subscribe_by_hand(
    twitch: TwitchPeer, session: aiohttp.ClientSession, socket_id: str, channel: User, bot: User
) -> int:
    token = twitch.world.grant(bot, CHAT)
    response = await session.post(
        f"{twitch.api_url}/eventsub/subscriptions",
        headers={
            "Authorization": f"Bearer {token.access}",
            "Client-Id": twitch.world.app.client_id,
        },
        json={
            "type": "channel.chat.message",
            "version": "1",
            "condition": {"broadcaster_user_id": channel.id, "user_id": bot.id},
            "transport": {"method": "websocket", "session_id": socket_id},
        },
    )
    return response.status


@pytest.mark.parametrize("keeps_id", [True, False])
async def test_a_reconnect_loses_nothing(
    twitch: TwitchPeer, streamer: User, viewer: User, riffbot: User, keeps_id: bool
) -> None:
    twitch.eventsub.keeps_session_id = keeps_id
    world = twitch.world
    async with aiohttp.ClientSession() as session:
        old, about = await open_socket(session, twitch.eventsub_url)
        assert await subscribe_by_hand(twitch, session, about["id"], streamer, riffbot) == 202
        world.say(streamer, viewer, "one")
        twitch.eventsub.ask_to_reconnect()
        world.say(streamer, viewer, "two")
        frames = [await old.next() for _ in range(3)]
        kinds = [frame["metadata"]["message_type"] for frame in frames]
        assert kinds == ["notification", "session_reconnect", "notification"]
        url = frames[1]["payload"]["session"]["reconnect_url"]
        new, again = await open_socket(session, url)
        assert (again["id"] == about["id"]) is keeps_id
        world.say(streamer, viewer, "three")
        assert (await new.next())["payload"]["event"]["message"]["text"] == "three"
        await old.socket.close()
        await world.until(lambda: twitch.eventsub.connections == 1)
        world.say(streamer, viewer, "four")
        assert (await new.next())["payload"]["event"]["message"]["text"] == "four"
    assert world.violations == [] and twitch.eventsub.reconnected == 1


async def test_twitchio_follows_a_reconnect(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    twitch.eventsub.ask_to_reconnect()
    await twitch.world.until(lambda: twitch.eventsub.reconnected)
    await twitch.world.until(lambda: twitch.eventsub.connections == 1)
    twitch.world.say(streamer, viewer, "hello")
    assert await twitch.world.until(lambda: texts(client)) == ["hello"]
    assert twitch.world.violations == []


async def test_twitchio_still_forgets_a_socket_that_reconnected(
    twitch: TwitchPeer, client: PlainClient, riffbot: User
) -> None:
    """When this fails, twitchio has mended it, and what bots do about it may go."""
    assert len(client.websocket_subscriptions()) == 1
    twitch.eventsub.ask_to_reconnect()
    await twitch.world.until(lambda: twitch.eventsub.reconnected)
    await twitch.world.until(lambda: twitch.eventsub.connections == 1)
    assert client.websocket_subscriptions() == {}


async def test_bad_reconnects_are_closed(twitch: TwitchPeer) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(f"{twitch.eventsub_url}?challenge=x&id=y")
        message = await socket.receive(timeout=10)
        assert message.data == 4007 and len(twitch.world.violations) == 1


async def test_who_does_not_reconnect_in_time_is_closed(
    twitch: TwitchPeer, streamer: User, riffbot: User
) -> None:
    twitch.eventsub.reconnect_within = 0.05
    async with aiohttp.ClientSession() as session:
        reader, about = await open_socket(session, twitch.eventsub_url)
        await subscribe_by_hand(twitch, session, about["id"], streamer, riffbot)
        twitch.eventsub.ask_to_reconnect()
        await reader.next()
        assert (await reader.socket.receive(timeout=10)).data == 4004
        again = await subscribe_by_hand(twitch, session, about["id"], streamer, riffbot)
        assert again == 400 and twitch.world.violations == []


async def test_unused_and_talkative_sockets_are_closed(twitch: TwitchPeer) -> None:
    twitch.eventsub.subscribe_within = 0.05
    async with aiohttp.ClientSession() as session:
        unused, _ = await open_socket(session, twitch.eventsub_url)
        assert (await unused.socket.receive(timeout=10)).data == 4003
        twitch.eventsub.subscribe_within = 10.0
        talkative, _ = await open_socket(session, twitch.eventsub_url)
        await talkative.socket.send_str("hello")
        assert (await talkative.socket.receive(timeout=10)).data == 4001
    assert len(twitch.world.violations) == 2


async def test_silence_is_broken_by_keepalives(twitch: TwitchPeer) -> None:
    twitch.eventsub.keepalive_seconds = 0.02
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(f"{twitch.eventsub_url}?keepalive_timeout_seconds=30")
        kinds = [
            json.loads(await socket.receive_str(timeout=10))["metadata"]["message_type"]
            for _ in range(3)
        ]
        assert kinds == ["session_welcome", "session_keepalive", "session_keepalive"]
        twitch.eventsub.keeps_alive = False
        assert twitch.world.violations == []


async def test_revocations_are_told(
    twitch: TwitchPeer, client: PlainClient, streamer: User, riffbot: User
) -> None:
    twitch.world.disconnect(riffbot)
    (revoked,) = await twitch.world.until(lambda: client.events("subscription_revoked"))
    assert revoked.reason.value == "authorization_revoked"
    with pytest.raises(twitchio.HTTPException):
        await client.fetch_users(ids=[streamer.id], token_for=riffbot.id)
    assert twitch.world.violations == []


@pytest.mark.parametrize(
    ("kind", "scopes"),
    [
        (eventsub.ChatMessageSubscription, "user:write:chat"),
        (eventsub.ChannelFollowSubscription, "user:read:chat"),
    ],
)
async def test_scopes_are_needed(
    twitch: TwitchPeer, streamer: User, riffbot: User, kind: Any, scopes: str
) -> None:
    async with connected(twitch, riffbot, twitch.world.grant(riffbot, scopes)) as client:
        condition = {"broadcaster_user_id": streamer.id, "user_id": riffbot.id}
        if kind is eventsub.ChannelFollowSubscription:
            condition["moderator_user_id"] = condition.pop("user_id")
        with pytest.raises(twitchio.HTTPException) as error:
            await client.subscribe_websocket(kind(**condition), token_for=riffbot.id)
        assert error.value.status == 403 and "needs" in twitch.world.violations[0]


async def test_what_nobody_allowed_costs(twitch: TwitchPeer, riffbot: User) -> None:
    world = twitch.world
    async with connected(twitch, riffbot, world.grant(riffbot, CHAT)) as client:
        for number in range(11):
            channel = world.add_user(f"Channel{number}")
            online = eventsub.StreamOnlineSubscription(broadcaster_user_id=channel.id)
            if number < 10:
                made = await client.subscribe_websocket(online, token_for=riffbot.id)
                assert made is not None and made["total_cost"] == number + 1
        assert world.violations == []
        with pytest.raises(twitchio.HTTPException) as error:
            await client.subscribe_websocket(online, token_for=riffbot.id)
        assert error.value.status == 429 and "cost more" in world.violations[0]
        world.grant(channel, "channel:bot")
        made = await client.subscribe_websocket(online, token_for=riffbot.id)
        assert made is not None and made["total_cost"] == 10


async def test_conduits_carry_many_channels(
    twitch: TwitchPeer, streamer: User, viewer: User, riffbot: User
) -> None:
    world = twitch.world
    channels = [streamer, world.add_user("Bob", "affiliate")]
    for channel in channels:
        world.grant(channel, "channel:bot")
    world.grant(riffbot, "user:read:chat user:bot")
    subscriptions = [
        eventsub.ChatMessageSubscription(broadcaster_user_id=channel.id, user_id=riffbot.id)
        for channel in channels
    ]
    heard: list[str] = []

    class Many(twitchio.AutoClient):
        async def event_message(self, payload: twitchio.ChatMessage) -> None:
            heard.append(payload.text)
            world.notify()

    client = Many(
        client_id=world.app.client_id,
        client_secret=world.app.secret or "",
        bot_id=riffbot.id,
        fetch_client_user=False,
        subscriptions=subscriptions,
        shard_ids=[0, 1],
    )
    try:
        await client.login(load_tokens=False, save_tokens=False)
        assert len(world.feed.subscriptions) == 2
        world.say(channels[0], viewer, "one")
        world.say(channels[1], viewer, "two")
        await world.until(lambda: len(heard) == 2)
        assert sorted(heard) == ["one", "two"] and world.violations == []
    finally:
        await client.close(save_tokens=False)


async def test_many_messages_come_in_order(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    for number in range(1000):
        twitch.world.say(streamer, viewer, f"!vote {number}")
        if number % 50 == 0:
            await asyncio.sleep(0)
    await twitch.world.until(lambda: len(texts(client)) == 1000)
    assert texts(client) == [f"!vote {number}" for number in range(1000)]
