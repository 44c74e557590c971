"""Commands in chat, from a viewer's line to what sounds."""

from __future__ import annotations

import re

import pytest

from tests.cogs.twitch.house import House


async def test_a_vote_is_heard_and_credited(house: House) -> None:
    ana = house.peer.world.add_user("Ana")
    await house.start_session()
    house.peer.world.say(house.channel, ana, "!vote techno synth")
    await house.until(lambda: house.heard().get("techno synth"))
    assert "@Ana" in await house.said("Your vote: techno synth")
    session = house.services.live.all[0]
    assert session.state()["mix"][0]["by"] == ["Ana"]


async def test_a_riff_is_answered_with_its_page(open_to_all: House) -> None:
    house = open_to_all
    ana = house.peer.world.add_user("Ana")
    house.peer.world.say(house.channel, ana, "!riff lo-fi beat @mia")
    line = await house.said("is ready")
    assert re.findall(r"@\w+", line) == ["@Ana"]
    assert "https://riffs.example.org/clip/" in line


async def test_a_clip_is_answered_with_its_page(open_to_all: House) -> None:
    house = open_to_all
    ana = house.peer.world.add_user("Ana")
    await house.start_session()
    house.peer.world.say(house.channel, ana, "!clip 0")
    safe = await house.said("0 s ago: ")
    assert "http" not in safe  # the loop that ships has no page
    house.peer.world.say(house.channel, ana, "!vote techno synth")
    await house.until(lambda: house.heard().get("techno synth"))
    house.peer.world.say(house.channel, ana, "!clip 0 s")
    line = await house.said("0 s ago: techno synth")
    link = re.search(r" https://riffs\.example\.org/clip/(\w{22})$", line)
    assert link is not None
    assert (await house.services.studio.view(link[1])).job.clips


async def test_without_a_public_address_it_is_said_who_has_the_clip(house: House) -> None:
    ana = house.peer.world.add_user("Ana")
    await house.start_session()
    house.peer.world.say(house.channel, ana, "!vote techno synth")
    await house.until(lambda: house.heard().get("techno synth"))
    house.peer.world.say(house.channel, ana, "!clip 0")
    line = await house.said("0 s ago: techno synth")
    assert re.search(r"Whoever runs me finds it at http://127\.0\.0\.1:7433/clip/\w{22}$", line)
    # What was taken away is led to by nobody.
    house.peer.world.ban(house.channel, ana)
    await house.until(lambda: "techno synth" not in house.wanted())
    ben = house.peer.world.add_user("Ben")
    house.peer.world.say(house.channel, ben, "!clip 0")
    assert "clip/" not in await house.said("@Ben 0 s ago")


async def test_a_riff_sounds_as_a_guest_on_the_stage(house: House) -> None:
    ana = house.peer.world.add_user("Ana")
    await house.start_session()
    house.peer.world.say(house.channel, ana, "!riff whale song")
    session = house.services.live.all[0]
    await house.until(
        lambda: session.performance.timeline.at(session.playhead).kind == "guest", 30.0
    )
    assert "stage" in await house.said("is ready")


@pytest.mark.parametrize("line", ["!live start", "!live stop", "!riffset steps 8", "!panic"])
async def test_viewers_cannot_moderate(house: House, line: str) -> None:
    ana = house.peer.world.add_user("Ana")
    house.peer.world.say(house.channel, ana, line)
    assert "may do that here" in await house.said("Only")
    assert house.services.live.all == []


async def test_moderators_and_the_broadcaster_can(house: House) -> None:
    world = house.peer.world
    mo = world.add_user("Moe")
    house.channel.moderators.add(mo.id)
    world.say(house.channel, mo, "!live start bpm 90")
    await house.said("The live session is on, at 90")
    world.say(house.channel, house.channel, "!riffset live-prompts 3")
    await house.said("live-prompts is now 3")
    world.say(house.channel, mo, "!live stop")
    await house.said("over")


async def test_what_people_mean_is_read(house: House) -> None:
    world = house.peer.world
    ana, ben = world.add_user("Ana"), world.add_user("Ben")
    await house.start_session()
    first = world.say(house.channel, ana, "what shall we hear?")
    world.say(house.channel, ben, "!vote warm strings Kappa \U000e0000", reply_to=first)
    await house.said("Your vote: warm strings.")
    world.cheer(house.channel, ana, "Cheer100 !vote rain")
    await house.said("Your vote: rain.")


async def test_other_bots_and_small_talk_get_no_answer(house: House) -> None:
    world = house.peer.world
    ana = world.add_user("Ana")
    for line in ("hello!", "!discord", "!so riffbot", "! riff", "my !riff is", "!!!"):
        world.say(house.channel, ana, line)
    world.say(house.channel, ana, "!riffhelp")
    await house.said("!vote warm strings")
    assert all(
        "!riff lo-fi" in line or "!" in line for line in world.said_by(house.channel, house.bot)
    )
    assert house.adapter.chat.handled == 1
