"""Follows, subscriptions, gifts, cheers, raids and hype trains vote for what was configured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cogs.twitch.house import House
from tests.peers.twitch import User

Happen = Callable[[House, User], object]
HAPPENINGS: dict[str, tuple[str, Happen]] = {
    "follow": ("on-follow", lambda house, who: house.peer.world.follow(house.channel, who)),
    "sub": ("on-subscribe", lambda house, who: house.peer.world.subscribe(house.channel, who)),
    "resub": (
        "on-subscribe",
        lambda house, who: house.peer.world.resubscribe(house.channel, who, "again!"),
    ),
    "gift": (
        "on-gift",
        lambda house, who: house.peer.world.gift(
            house.channel, who, [house.peer.world.add_user("Lucky")]
        ),
    ),
    "cheer": (
        "on-cheer",
        lambda house, who: house.peer.world.cheer(house.channel, who, "Cheer100 so good"),
    ),
    "raid": ("on-raid", lambda house, who: house.peer.world.raid(who, house.channel)),
    "train": ("on-hype-train", lambda house, who: house.peer.world.hype_train(house.channel)),
}


def votes(house: House) -> dict[str, dict[str, Any]]:
    """What is voted for, by prompt."""
    state = house.services.live.all[0].state()
    return {vote["prompt"]: vote for vote in state["votes"]}


async def all_taken_in(house: House) -> None:
    """What was sent before this is through."""
    late = house.peer.world.add_user(f"Late{house.adapter.chat.heard}")
    house.peer.world.say(house.channel, late, "!riffhelp")
    await house.said(f"@{late.name}")


@pytest.mark.parametrize("name", HAPPENINGS)
async def test_what_was_configured_is_voted_for_and_heard(house: House, name: str) -> None:
    setting, happen = HAPPENINGS[name]
    ana = house.peer.world.add_user("Ana")
    await house.configure(setting, "warm strings x2")
    # What roles count has nothing to do with it.
    await house.configure("vote-weights", "moderator=5")
    await house.start_session()
    happen(house, ana)
    vote = await house.until(lambda: votes(house).get("warm strings"))
    whose = "The hype train" if name == "train" else "Ana"
    assert vote["by"] == [whose] and 1.8 < vote["strength"] <= 2.0
    line = await house.said("The music turns to: warm strings.")
    assert line.startswith("@Ana ") == (name != "train")
    await house.until(lambda: house.heard().get("warm strings"))
    assert house.services.live.all[0].state()["mix"][0]["by"] == [whose]


async def test_nothing_happens_by_default(house: House) -> None:
    ana = house.peer.world.add_user("Ana")
    await house.start_session()
    for _, happen in HAPPENINGS.values():
        happen(house, ana)
    await all_taken_in(house)
    assert votes(house) == {}
    said = house.peer.world.said_by(house.channel, house.bot)
    assert not [line for line in said if "turns to" in line]
    house.peer.world.say(house.channel, ana, "!vote rain")
    await house.said("Your vote: rain.")


async def test_a_weight_alone_makes_the_next_vote_count_more(house: House) -> None:
    ana = house.peer.world.add_user("Ana")
    await house.configure("on-follow", "x3")
    await house.start_session()
    house.peer.world.follow(house.channel, ana)
    await all_taken_in(house)
    assert votes(house) == {}
    house.peer.world.say(house.channel, ana, "!vote rain")
    await house.said("Your vote, which counts 3 times: rain.")
    assert votes(house)["rain"]["strength"] > 2.5
    house.peer.world.say(house.channel, ana, "!vote storm")
    await house.said("Your vote: storm.")


@pytest.mark.parametrize("setting", ["warm strings x2", "x2"])
async def test_who_cheers_with_a_vote_gets_that_vote(house: House, setting: str) -> None:
    ana = house.peer.world.add_user("Ana")
    await house.configure("on-cheer", setting)
    await house.start_session()
    house.peer.world.cheer(house.channel, ana, "Cheer100 !vote rain")
    await house.said("Your vote, which counts 2 times: rain.")
    await all_taken_in(house)
    assert votes(house).keys() == {"rain"}
    house.peer.world.say(house.channel, ana, "!vote storm")
    await house.said("Your vote: storm.")


async def test_blocked_words_and_blocked_people_turn_nothing(house: House) -> None:
    world = house.peer.world
    ana, spammer = world.add_user("Ana"), world.add_user("Spammer")
    await house.configure("blocked-words", "trumpets")
    await house.configure("on-follow", "trumpets for ever x2")
    await house.configure("on-raid", "warm strings")
    await house.start_session()
    world.ban(house.channel, spammer)
    bans = house.services.moderation.rules.bans
    await house.until(lambda: bans.those_in("twitch", house.channel.id))
    world.follow(house.channel, ana)
    world.raid(spammer, house.channel)
    await all_taken_in(house)
    assert votes(house) == {} and house.wanted() == set()


async def test_who_gives_in_secret_is_not_named(house: House) -> None:
    world = house.peer.world
    await house.configure("on-gift", "warm strings")
    await house.start_session()
    world.gift(house.channel, None, [world.add_user("Ana")])
    vote = await house.until(lambda: votes(house).get("warm strings"))
    assert vote["by"] == ["Somebody"]


async def test_only_those_who_have_followed_for_long_enough_may_ask(house: House) -> None:
    world = house.peer.world
    ana, ben, cem, dee = (world.add_user(name) for name in ("Ana", "Ben", "Cem", "Dee"))
    await house.configure("who-may-riff", "followers")
    await house.configure("follower-days", "7")
    house.channel.followers[ana.id] = world.now() - 8 * 86_400
    house.channel.followers[ben.id] = world.now() - 6 * 86_400
    for who in (ana, ben, cem):
        world.say(house.channel, who, f"!riff song of {who.name}")
    await house.said("“song of Ana” is ready")
    assert "@Ben" in await house.said("followed for 7 days")
    assert "@Cem" in await house.said("Riffs are for followers here.")
    asked = house.peer.helix.count("GET", "/channels/followers")
    world.follow(house.channel, dee)
    await all_taken_in(house)
    world.say(house.channel, dee, "!riff song of Dee")
    await house.until(lambda: any("@Dee" in line and "7 days" in line for line in world.said_by(
        house.channel, house.bot)))  # fmt: skip
    # The event told of it, and who was looked up is not looked up again.
    world.say(house.channel, ben, "!riff again")
    await house.until(lambda: house.adapter.chat.handled >= 6)
    assert house.peer.helix.count("GET", "/channels/followers") <= asked + 1
    assert len(await house.states()) == 1


async def test_subscribers_need_not_follow(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    house.channel.subscribers[ana.id] = "1000"
    await house.configure("who-may-riff", "followers")
    world.say(house.channel, ana, "!riff rain")
    await house.said("is ready")
