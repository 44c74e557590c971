"""Chats of the loopback Twitch, as the real twitchio lives with them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import twitchio
from twitchio import eventsub

from tests.peers.twitch import ChatModes, TwitchPeer, User
from tests.peers.twitch.client import PlainClient, connected

CHAT = "user:read:chat user:write:chat"


@pytest.fixture
async def client(twitch: TwitchPeer, streamer: User, riffbot: User) -> AsyncIterator[PlainClient]:
    """The bot, listening to the streamer's chat."""
    async with connected(twitch, riffbot, twitch.world.grant(riffbot, CHAT)) as client:
        for kind in (
            eventsub.ChatMessageSubscription,
            eventsub.ChatMessageDeleteSubscription,
            eventsub.ChatClearUserMessagesSubscription,
            eventsub.ChatClearSubscription,
            eventsub.ChatSettingsUpdateSubscription,
        ):
            await client.subscribe_websocket(
                kind(broadcaster_user_id=streamer.id, user_id=riffbot.id), token_for=riffbot.id
            )
        yield client


async def send(client: PlainClient, channel: User, text: str) -> str | None:
    """Say something as the bot; returns why it was dropped, None if it was sent."""
    assert client.bot_id is not None
    broadcaster = client.create_partialuser(channel.id)
    try:
        await broadcaster.send_message(text, sender=client.bot_id, token_for=client.bot_id)
    except twitchio.MessageRejectedError as rejected:
        return str(rejected.code)
    return None


async def test_a_chat_is_heard(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    world = twitch.world
    world.add_moderator(streamer, viewer)
    first = world.say(streamer, viewer, "!riff lo-fi Kappa @Mia Cheer100", badges=["premium"])
    world.say(streamer, streamer, "nice", reply_to=first)
    heard = await world.until(lambda: client.events("message")[1:] and client.events("message"))
    assert [message.text for message in heard] == [first.text, "@ana nice"]
    assert heard[0].chatter.moderator and heard[0].id == first.id
    assert [badge.set_id for badge in heard[0].badges] == ["moderator", "premium"]
    kinds = [(fragment.type, fragment.text) for fragment in heard[0].fragments]
    assert kinds == [
        ("text", "!riff lo-fi "),
        ("emote", "Kappa"),
        ("text", " "),
        ("mention", "@Mia"),
        ("text", " Cheer100"),
    ]
    assert heard[1].chatter.broadcaster and heard[1].reply.parent_message_id == first.id
    assert world.violations == []


async def test_bits_are_cheermotes(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    twitch.world.cheer(streamer, viewer, "Cheer100 rain Party5")
    (message,) = await twitch.world.until(lambda: client.events("message"))
    assert message.cheer.bits == 105
    assert [f.cheermote.bits for f in message.fragments if f.type == "cheermote"] == [100, 5]


async def test_answers_appear(
    twitch: TwitchPeer, client: PlainClient, streamer: User, riffbot: User
) -> None:
    assert await send(client, streamer, "Here it is!") is None
    assert twitch.world.said_by(streamer, riffbot) == ["Here it is!"]
    (echo,) = await twitch.world.until(lambda: client.events("message"))
    assert echo.text == "Here it is!" and twitch.world.violations == []


async def test_moderation_is_heard(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    world = twitch.world
    message = world.say(streamer, viewer, "!riff rude")
    world.delete(message)
    world.time_out(streamer, viewer, 60)
    world.clear(streamer)
    world.set_modes(streamer, ChatModes(slow_seconds=10))
    (settings,) = await world.until(lambda: client.events("chat_settings_update"))
    assert settings.slow_mode_wait_time == 10
    assert [each.message_id for each in client.events("message_delete")] == [message.id]
    assert [each.user.id for each in client.events("chat_clear_user")] == [viewer.id]
    assert len(client.events("chat_clear")) == 1
    with pytest.raises(AssertionError, match="may not write"):
        world.say(streamer, viewer, "hello")
    world.advance(61)
    world.say(streamer, viewer, "hello")


async def test_a_text_is_not_repeated_at_once(
    twitch: TwitchPeer, client: PlainClient, streamer: User
) -> None:
    assert await send(client, streamer, "hello") is None
    assert await send(client, streamer, "hello") == "msg_duplicate"
    assert ["twice" in violation for violation in twitch.world.violations] == [True]
    twitch.world.advance(31)
    assert await send(client, streamer, "hello") is None


@pytest.mark.parametrize(("moderates", "most"), [(False, 20), (True, 100)])
async def test_too_many_messages_are_dropped(
    twitch: TwitchPeer,
    client: PlainClient,
    streamer: User,
    riffbot: User,
    moderates: bool,
    most: int,
) -> None:
    if moderates:
        twitch.world.add_moderator(streamer, riffbot)
    for number in range(most):
        assert await send(client, streamer, f"number {number}") is None
    assert twitch.world.violations == []
    assert await send(client, streamer, "one more") == "msg_ratelimit"
    assert len(twitch.world.violations) == 1


@pytest.mark.parametrize("text", ["a" * 501, "/ban ana", ".timeout ana", "two\nlines"])
async def test_bad_messages_are_violations(
    twitch: TwitchPeer, client: PlainClient, streamer: User, text: str
) -> None:
    with contextlib.suppress(twitchio.HTTPException, ValueError):
        await send(client, streamer, text)
    # twitchio itself keeps too long a text from being sent.
    assert len(twitch.world.violations) == (0 if len(text) > 500 else 1)


@pytest.mark.parametrize(
    ("modes", "code"),
    [
        (ChatModes(followers_only=True), "followers_only_mode"),
        (ChatModes(subscribers_only=True), "subscribers_only_mode"),
        (ChatModes(emotes_only=True), "emote_only_mode"),
        (ChatModes(slow_seconds=5), "slow_mode"),
    ],
)
async def test_chats_may_be_restricted(
    twitch: TwitchPeer, client: PlainClient, streamer: User, modes: ChatModes, code: str
) -> None:
    await send(client, streamer, "hello")
    twitch.world.set_modes(streamer, modes)
    assert await send(client, streamer, "hello again") == code
    assert twitch.world.violations == []


async def test_a_banned_bot_neither_writes_nor_listens(
    twitch: TwitchPeer, client: PlainClient, streamer: User, riffbot: User
) -> None:
    twitch.world.ban(streamer, riffbot)
    await twitch.world.until(lambda: len(client.events("subscription_revoked")) == 5)
    with pytest.raises(twitchio.HTTPException) as error:
        await send(client, streamer, "hello")
    assert error.value.status == 403 and twitch.world.violations == []


async def test_a_shared_chat_says_where_a_message_is_from(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    other = twitch.world.add_user("Bob")
    original = twitch.world.say(other, viewer, "!riff rain")
    twitch.world.share(original, streamer)
    (heard,) = await twitch.world.until(lambda: client.events("message"))
    assert heard.source_broadcaster.id == other.id and heard.source_id == original.id
