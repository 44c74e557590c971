"""Channel points of the loopback Twitch, as the real twitchio handles them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import twitchio
from twitchio import eventsub

from tests.peers.twitch import NotRedeemableError, TwitchPeer, User
from tests.peers.twitch.client import PlainClient, connected

MANAGE = "channel:manage:redemptions"


@pytest.fixture
async def client(twitch: TwitchPeer, streamer: User, riffbot: User) -> AsyncIterator[PlainClient]:
    """It listens to redemptions, as the streamer allows."""
    async with connected(twitch, riffbot, twitch.world.grant(streamer, MANAGE)) as client:
        for kind in (
            eventsub.ChannelPointsRedeemAddSubscription,
            eventsub.ChannelPointsRedeemUpdateSubscription,
            eventsub.ChannelPointsRewardAddSubscription,
            eventsub.ChannelPointsRewardUpdateSubscription,
            eventsub.ChannelPointsRewardRemoveSubscription,
        ):
            await client.subscribe_websocket(
                kind(broadcaster_user_id=streamer.id), token_for=streamer.id
            )
        yield client


async def make(client: PlainClient, streamer: User, **options: Any) -> twitchio.CustomReward:
    options = {"title": "Riff", "cost": 500, "prompt": "What should it sound like?", **options}
    return await client.create_partialuser(streamer.id).create_custom_reward(**options)


async def test_a_redemption_is_fulfilled(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    world = twitch.world
    await make(client, streamer)
    made = world.redeem(streamer, viewer, "Riff", "lo-fi")
    (heard,) = await world.until(lambda: client.events("custom_redemption_add"))
    assert (heard.id, heard.user_input, heard.reward.title) == (made.id, "lo-fi", "Riff")
    await heard.fulfill(token_for=streamer.id)
    assert made.status == "FULFILLED" and world.balance(streamer, viewer) == 99_500
    (update,) = await world.until(lambda: client.events("custom_redemption_update"))
    assert update.status == "fulfilled"
    assert [message.reward_id for message in streamer.messages] == [made.reward.id]
    with pytest.raises(twitchio.HTTPException):
        await heard.refund(token_for=streamer.id)
    assert world.violations == []


async def test_a_redemption_is_refunded(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    world = twitch.world
    await make(client, streamer)
    made = world.redeem(streamer, viewer, "Riff", "rude")
    (heard,) = await world.until(lambda: client.events("custom_redemption_add"))
    await heard.refund(token_for=streamer.id)
    assert made.status == "CANCELED" and world.balance(streamer, viewer) == 100_000
    assert world.violations == []


async def test_rewards_are_listed_changed_and_removed(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    world = twitch.world
    world.add_reward(streamer, None, {"title": "Hydrate", "cost": 100})
    reward = await make(client, streamer)
    user = client.create_partialuser(streamer.id)
    assert len(await user.fetch_custom_rewards()) == 2
    (mine,) = await user.fetch_custom_rewards(manageable=True)
    assert mine.id == reward.id
    changed = await mine.update(cost=700, paused=True)
    assert changed.cost == 700 and changed.paused
    with pytest.raises(NotRedeemableError, match="paused"):
        world.redeem(streamer, viewer, "Riff", "lo-fi")
    await mine.update(paused=False)
    waiting = world.redeem(streamer, viewer, "Riff", "lo-fi")
    unfulfilled = [each async for each in mine.fetch_redemptions(status="UNFULFILLED")]
    assert [each.id for each in unfulfilled] == [waiting.id]
    await mine.delete()
    assert waiting.status == "FULFILLED"
    await world.until(lambda: client.events("custom_reward_remove"))
    assert len(client.events("custom_reward_update")) == 2 and world.violations == []


async def test_anothers_reward_is_left_alone(
    twitch: TwitchPeer, client: PlainClient, streamer: User
) -> None:
    by_hand = twitch.world.add_reward(streamer, None, {"title": "Hydrate", "cost": 100})
    (found,) = await client.create_partialuser(streamer.id).fetch_custom_rewards()
    assert found.id == by_hand.id
    with pytest.raises(twitchio.HTTPException) as error:
        await found.update(cost=1)
    assert error.value.status == 403 and len(twitch.world.violations) == 1


async def test_who_is_no_affiliate_has_none(twitch: TwitchPeer, riffbot: User) -> None:
    small = twitch.world.add_user("Small")
    async with connected(twitch, riffbot, twitch.world.grant(small, MANAGE)) as client:
        with pytest.raises(twitchio.HTTPException) as error:
            await make(client, small)
        assert error.value.status == 403 and twitch.world.violations == []


@pytest.mark.parametrize(
    "options",
    [{"title": "a" * 46}, {"cost": 0}, {"prompt": "a" * 201}],
)
async def test_limits_of_rewards(
    twitch: TwitchPeer, client: PlainClient, streamer: User, options: dict[str, Any]
) -> None:
    # twitchio refuses some of them itself.
    with pytest.raises((twitchio.HTTPException, ValueError)):
        await make(client, streamer, **options)
    assert not streamer.rewards


async def test_two_rewards_cannot_share_a_title(
    twitch: TwitchPeer, client: PlainClient, streamer: User
) -> None:
    await make(client, streamer)
    with pytest.raises(twitchio.HTTPException, match="DUPLICATE"):
        await make(client, streamer, title="riff")


async def test_cooldowns_and_counts(
    twitch: TwitchPeer, client: PlainClient, streamer: User, viewer: User
) -> None:
    world = twitch.world
    await make(client, streamer, global_cooldown=60, max_per_user=2)
    world.redeem(streamer, viewer, "Riff", "one")
    with pytest.raises(NotRedeemableError, match="cools down"):
        world.redeem(streamer, viewer, "Riff", "two")
    world.advance(61)
    world.redeem(streamer, viewer, "Riff", "two")
    world.advance(61)
    with pytest.raises(NotRedeemableError, match="used up"):
        world.redeem(streamer, viewer, "Riff", "three")
