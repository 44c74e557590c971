"""`/cancel`, `/history`, `/privacy` and `/soundboard`, over real sockets."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from bot.jobs import Job
from tests.cogs.discord.conftest import Clips
from tests.cogs.discord.house import House
from tests.peers.discord import Interaction, Message
from tests.peers.discord.permissions import Permission


async def said(asked: Interaction) -> str:
    """What the asker alone is told."""
    answer = await asked.answered()
    assert answer.ephemeral
    assert answer.message is not None
    return answer.message.content


async def made(house: House, clips: Clips, prompt: str = "lo-fi beat") -> Job:
    await house.slash("riff", prompt=prompt, seed=7).reply()
    job = await house.begin()
    await house.end(job, clips(job))
    return await house.state(job, "delivered")


async def test_one_cancels_what_one_chose(house: House) -> None:
    assert "no riff here" in await said(house.slash("cancel"))
    for prompt in ("rain", "snow"):
        await house.slash("riff", prompt=prompt).reply()
    assert "“snow”: number 2 in line" in await said(house.slash("cancel"))
    world = house.peer.world
    (choice,) = await world.autocomplete(
        house.member, "cancel", "riff", "SNO", channel=house.channel
    )
    assert await said(house.slash("cancel", riff=str(choice.value))) == "Cancelled “snow”."
    otto = world.add_user("Otto")
    (left,) = await world.autocomplete(house.member, "cancel", "riff", "", channel=house.channel)
    stolen = world.slash(house.channel, otto, "cancel", {"riff": str(left.value)})
    assert "Only the one who asked" in await said(stolen)
    assert await said(house.slash("cancel", riff="1")) == "Cancelled “rain”."


async def test_history_is_ones_own(house: House, clips: Clips) -> None:
    assert "no riffs here yet" in await said(house.slash("history"))
    await made(house, clips)
    assert "“lo-fi beat”, seed 7" in await said(house.slash("history"))
    otto = house.peer.world.add_user("Otto")
    assert "no riffs" in await said(house.peer.world.slash(house.channel, otto, "history"))


async def test_one_gets_what_is_kept_and_has_it_deleted(house: House, clips: Clips) -> None:
    job = await made(house, clips, "zebrafish")
    assert "/privacy what: export" in await said(house.slash("privacy", what="about"))
    asked = house.slash("privacy", what="export")
    message = await house.until(lambda: next((m for m in asked.messages if m.attachments), None))
    assert message.ephemeral
    with zipfile.ZipFile(io.BytesIO(message.attachments[0].data)) as archive:
        data = json.loads(archive.read("riffbot-export.json"))
    assert [riff["request"]["prompt"] for riff in data["riffs"]] == ["zebrafish"]
    asked = house.slash("privacy", what="delete")
    assert "1 riff" in await said(asked)
    assert (await house.studio.view(job.id)).job.request.prompt == "zebrafish"
    question = await asked.reply()
    pressed = house.peer.world.press(question, house.member, "Delete everything")
    told: Message = await house.until(
        lambda: next((m for m in pressed.messages if "Deleted" in m.content), None)
    )
    assert told.content.startswith("Deleted: 1 riff and ")
    assert (await house.studio.view(job.id)).job.request.prompt != "zebrafish"
    left = [m for m in house.channel.messages.values() if "zebrafish" in m.content]
    await house.until(lambda: all(m.deleted for m in left))


async def test_a_riff_goes_on_the_soundboard(house: House, clips: Clips, wav: bytes) -> None:
    job = await made(house, clips)
    (house.services.clips / job.id[:2] / f"{job.id}.wav").write_bytes(wav)
    path = f"{job.id[:2]}/{job.id}.wav"
    await house.database.write(
        lambda tx: tx.execute(
            "UPDATE clips SET clip = json_set(clip, '$.files.wav', ?) WHERE job_id = ?",
            (path, job.id),
        )
    )
    world = house.peer.world
    guild = world.guilds[house.channel.guild_id or 0]
    assert "I may not add sounds" in await said(house.slash("soundboard"))
    role = world.add_role(guild, "expressive", Permission.CREATE_GUILD_EXPRESSIONS)
    world.give_role(guild, world.bot, role)
    otto = world.add_user("Otto")
    denied = world.slash(house.channel, otto, "soundboard", {"clip": job.id})
    assert "permission to create expressions" in await said(denied)
    asked = house.slash("soundboard", name="my beat")
    await house.until(lambda: [m for m in asked.messages if "soundboard now" in m.content])
    (sound,) = guild.sounds
    assert sound["name"] == "my beat"


@pytest.mark.parametrize("where", ["dm", "guild"])
async def test_nobody_waits_for_an_answer(house: House, where: str) -> None:
    place = house.member if where == "dm" else None
    for name, options in (("cancel", {}), ("history", {}), ("privacy", {"what": "about"})):
        assert await said(house.slash(name, place, **options))
    if where == "dm":
        assert "Soundboards belong to servers" in await said(house.slash("soundboard", place))
