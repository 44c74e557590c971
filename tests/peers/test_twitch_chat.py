"""Chats of the loopback Twitch, as the real twitchio lives with them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import twitchio
from twitchio import eventsub

from tests.peers.twitch import TwitchPeer, User
from tests.peers.twitch.client import PlainClient, connected, point_at

CHAT = "user:read:chat user:write:chat"


@pytest.fixture
async def twitch(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TwitchPeer]:
    async with TwitchPeer() as peer:
        point_at(peer, monkeypatch)
        yield peer


@pytest.fixture
def mia(twitch: TwitchPeer) -> User:
    return twitch.world.add_user("Mia", "affiliate")


@pytest.fixture
def ana(twitch: TwitchPeer) -> User:
    return twitch.world.add_user("Ana")


@pytest.fixture
def bot(twitch: TwitchPeer) -> User:
    return twitch.world.add_user("Riffbot")


@pytest.fixture
async def client(twitch: TwitchPeer, mia: User, bot: User) -> AsyncIterator[PlainClient]:
    async with connected(twitch, bot, twitch.world.grant(bot, CHAT)) as client:
        await client.subscribe_websocket(
            eventsub.ChatMessageSubscription(broadcaster_user_id=mia.id, user_id=bot.id),
            token_for=bot.id,
        )
        yield client


async def send(client: PlainClient, channel: User, text: str) -> twitchio.SentMessage:
    broadcaster = client.create_partialuser(channel.id)
    return await broadcaster.send_message(text, sender=client.bot_id, token_for=client.bot_id)


async def test_a_chat_is_heard(
    twitch: TwitchPeer, client: PlainClient, mia: User, ana: User
) -> None:
    world = twitch.world
    world.add_moderator(mia, ana)
    first = world.say(mia, ana, "!riff lo-fi Kappa @Mia Cheer100")
    world.say(mia, mia, "nice", reply_to=first)
    heard = await world.until(lambda: client.events("message")[1:] and client.events("message"))
    assert [message.text for message in heard] == [first.text, "@ana nice"]
    assert heard[0].chatter.moderator and heard[0].id == first.id
    kinds = [(fragment.type, fragment.text) for fragment in heard[0].fragments]
    assert kinds[:4] == [
        ("text", "!riff lo-fi "),
        ("emote", "Kappa"),
        ("text", " "),
        ("mention", "@Mia"),
    ]
    assert heard[1].chatter.broadcaster and heard[1].reply.parent_message_id == first.id
    assert world.violations == []


async def test_answers_appear(
    twitch: TwitchPeer, client: PlainClient, mia: User, bot: User
) -> None:
    sent = await send(client, mia, "Here it is!")
    assert sent.sent and twitch.world.said_by(mia, bot) == ["Here it is!"]
    (echo,) = await twitch.world.until(lambda: client.events("message"))
    assert echo.id == sent.id and twitch.world.violations == []
