"""*Remix this* on messages with a sound, with a clip of ours, and with nothing of the kind."""

from __future__ import annotations

from tests.cogs.discord.conftest import Clips
from tests.cogs.discord.house import House, is_status


async def test_a_sound_in_any_message_can_be_remixed(
    house: House, clips: Clips, sound: bytes
) -> None:
    world = house.peer.world
    somebody = world.add_user("Otto")
    files = [("cover.png", b"picture"), ("my loop.mp3", sound)]
    message = world.say(house.channel, somebody, "listen!", files=files)
    opened = world.menu(message, house.member, "Remix this")
    assert (await opened.modal())["title"] == "Remix this"
    asked = world.submit(opened, {"prompt": "heavy metal", "strength": "0.4"})
    assert is_status(await asked.reply())
    job = await house.begin()
    assert (job.request.kind, job.request.prompt) == ("remix", "heavy metal")
    assert job.request.strength == 0.4
    (source,) = job.request.sources
    assert house.services.sources.path(source.sha256).read_bytes() == sound
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    assert asked.original is not None
    assert len(asked.original.attachments) == 2


async def test_a_clip_of_ours_is_built_on_by_its_recipe(house: House, clips: Clips) -> None:
    asked = house.say("!riff jazz --bpm 90")
    await house.status(asked)
    job = await house.begin()
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    answer = await house.reply(asked)
    world = house.peer.world
    opened = world.menu(answer, house.member, "Remix this")
    await opened.modal()
    assert is_status(await world.submit(opened, {"prompt": "techno"}).reply())
    remix = await house.begin()
    assert (remix.request.kind, remix.request.prompt, remix.request.bpm) == ("remix", "techno", 90)


async def test_what_cannot_be_remixed_is_said(house: House, sound: bytes) -> None:
    world = house.peer.world
    message = house.say("just words")
    refused = await world.menu(message, house.member, "Remix this").answered()
    assert refused.ephemeral
    assert refused.message is not None
    assert refused.message.content.startswith("There is no sound or picture")
    message = world.say(house.channel, house.member, "", files=[("loop.mp3", sound)])
    opened = world.menu(message, house.member, "Remix this")
    await opened.modal()
    refused = await world.submit(opened, {"prompt": "x", "strength": "very"}).answered()
    assert refused.ephemeral
    assert refused.message is not None
    assert "strength has to be a number" in refused.message.content
