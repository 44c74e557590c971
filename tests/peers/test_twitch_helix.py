"""The rest of the loopback Twitch's Helix, and what happens on channels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import twitchio
from twitchio import eventsub

from tests.peers.twitch import Fault, TwitchPeer, User
from tests.peers.twitch.client import PlainClient, connected

SCOPES = (
    "bits:read channel:moderate channel:read:hype_train channel:read:subscriptions"
    " channel:read:vips moderation:read moderator:read:followers moderator:manage:banned_users"
    " moderator:manage:chat_messages"
)


@pytest.fixture
async def client(twitch: TwitchPeer, streamer: User, riffbot: User) -> AsyncIterator[PlainClient]:
    """With a token of the streamer's."""
    async with connected(twitch, riffbot, twitch.world.grant(streamer, SCOPES)) as client:
        yield client


async def look(client: PlainClient, user: User) -> str:
    """Any call with the token of a user; returns their id."""
    (found,) = await client.fetch_users(ids=[user.id], token_for=user.id)
    return found.id


async def test_what_happens_is_told(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    world = twitch.world
    mine = {"broadcaster_user_id": streamer.id}
    for payload in (
        eventsub.StreamOnlineSubscription(**mine),
        eventsub.StreamOfflineSubscription(**mine),
        eventsub.ChannelFollowSubscription(**mine, moderator_user_id=streamer.id),
        eventsub.ChannelSubscribeSubscription(**mine),
        eventsub.ChannelSubscribeMessageSubscription(**mine),
        eventsub.ChannelSubscriptionGiftSubscription(**mine),
        eventsub.ChannelSubscriptionEndSubscription(**mine),
        eventsub.ChannelCheerSubscription(**mine),
        eventsub.ChannelBitsUseSubscription(**mine),
        eventsub.ChannelRaidSubscription(to_broadcaster_user_id=streamer.id),
        eventsub.HypeTrainBeginSubscription(**mine),
        eventsub.HypeTrainProgressSubscription(**mine),
        eventsub.HypeTrainEndSubscription(**mine),
        eventsub.ChannelBanSubscription(**mine),
        eventsub.ChannelUnbanSubscription(**mine),
        eventsub.ChannelModeratorAddSubscription(**mine),
        eventsub.ChannelModeratorRemoveSubscription(**mine),
        eventsub.ChannelVIPAddSubscription(**mine),
        eventsub.ChannelVIPRemoveSubscription(**mine),
    ):
        await client.subscribe_websocket(payload, token_for=streamer.id)
    world.go_live(streamer)
    world.follow(streamer, viewer)
    world.subscribe(streamer, viewer)
    world.resubscribe(streamer, viewer, "two months!")
    world.gift(streamer, None, [viewer])
    world.unsubscribe(streamer, viewer)
    world.cheer(streamer, viewer, "Cheer50")
    world.raid(viewer, streamer, 7)
    train = world.hype_train(streamer)
    world.advance_train(train, 2)
    world.end_train(train)
    world.add_vip(streamer, viewer)
    world.remove_vip(streamer, viewer)
    world.add_moderator(streamer, viewer)
    world.remove_moderator(streamer, viewer)
    world.ban(streamer, viewer)
    world.unban(streamer, viewer)
    world.go_offline(streamer)
    await world.until(lambda: client.events("stream_offline"))
    told = [event for event, payload in client.heard if "websocket" not in event]
    assert (
        told
        == (
            "stream_online follow subscription subscription_message subscription_gift subscription"
            " subscription_end cheer bits_use raid hype_train hype_train_progress hype_train_end"
            " vip_add vip_remove moderator_add moderator_remove ban unban stream_offline"
        ).split()
    )
    assert client.events("raid")[0].viewer_count == 7
    assert client.events("hype_train_progress")[0].level == 2
    assert client.events("subscription_gift")[0].anonymous
    assert world.violations == []


async def test_lists(twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User) -> None:
    world, user = twitch.world, client.create_partialuser(streamer.id)
    world.follow(streamer, viewer)
    world.subscribe(streamer, viewer)
    world.add_moderator(streamer, viewer)
    world.go_live(streamer, "Loops")
    followers = await user.fetch_followers()
    assert followers.total == 1 and [each.user.id async for each in followers.followers] == [
        viewer.id
    ]
    subscribers = await user.fetch_broadcaster_subscriptions()
    assert [each.user.id async for each in subscribers.subscriptions] == [viewer.id]
    assert [each.id async for each in user.fetch_moderators()] == [viewer.id]
    streams = [each async for each in client.fetch_streams(user_ids=[streamer.id, viewer.id])]
    assert [each.title for each in streams] == ["Loops"]
    (channel,) = await client.fetch_channels([streamer.id])
    assert channel.title == "Loops"
    assert {each.id for each in await client.fetch_users(ids=[streamer.id], logins=["ana"])} == {
        streamer.id,
        viewer.id,
    }
    assert world.violations == []


async def test_a_moderator_moderates(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    world, user = twitch.world, client.create_partialuser(streamer.id)
    message = world.say(streamer, viewer, "spam")
    await user.delete_chat_messages(moderator=streamer.id, message_id=message.id)
    await user.timeout_user(moderator=streamer.id, user=viewer.id, duration=60, reason="spam")
    assert message.deleted and world.is_banned(streamer, viewer) and world.violations == []


async def test_a_used_up_bucket_refills(
    twitch: TwitchPeer, client: PlainClient, streamer: User
) -> None:
    twitch.helix.points = 3
    for _ in range(3):
        await look(client, streamer)
    with pytest.raises(twitchio.HTTPException) as error:
        await look(client, streamer)
    assert error.value.status == 429 and twitch.world.violations == []
    twitch.world.advance(5)
    with pytest.raises(twitchio.HTTPException):
        await look(client, streamer)
    assert len(twitch.world.violations) == 1
    twitch.world.advance(20)
    assert await look(client, streamer) == streamer.id


async def test_faults(twitch: TwitchPeer, client: PlainClient, streamer: User) -> None:
    twitch.helix.faults.append(Fault("GET", "/users", status=500))
    with pytest.raises(twitchio.HTTPException) as error:
        await look(client, streamer)
    assert error.value.status == 500
    held = Fault("GET", "/users", kind="held")
    twitch.helix.faults.append(held)
    asking = asyncio.ensure_future(look(client, streamer))
    await twitch.world.until(lambda: held.met)
    assert not asking.done()
    held.release.set()
    assert await asking == streamer.id
    assert twitch.helix.count("GET", "/users") == 2


async def test_anothers_token_is_no_use(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    with pytest.raises(twitchio.HTTPException) as error:
        await client.http.get_moderators(viewer.id, streamer.id)
    assert error.value.status == 401 and len(twitch.world.violations) == 1
