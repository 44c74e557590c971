"""Buttons under a clip, from the press to what comes of it, over real sockets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.jobs import Job, Requester
from cogs.discord.status import CANCELLED
from tests.cogs.discord.conftest import Clips
from tests.cogs.discord.house import PUBLIC_URL, RIFFS_AT_ONCE, House, is_status, open_house
from tests.peers.discord import DiscordPeer, Message
from tests.peers.discord.models import walk

LABELS = ["Again", "Edit", "Variation", "Extend", "Blend with…", "Save", "Delete"]


async def posted(house: House, clips: Clips, **options: object) -> tuple[Job, Message]:
    """A riff of the member's and the message with its clip."""
    asked = house.slash("riff", **{"prompt": "lo-fi beat", "seed": 7, **options})
    message = await asked.reply()
    job = await house.begin()
    await house.end(job, clips(job))
    return await house.state(job, "delivered"), message


def labels(message: Message) -> list[str]:
    return [part["label"] for part in walk(message.components) if part.get("label")]


async def test_a_clip_has_its_buttons_however_it_was_asked_for(house: House, clips: Clips) -> None:
    _, message = await posted(house, clips)
    assert labels(message) == LABELS
    said = house.say("!riff rain --seed 7")
    await house.status(said)
    job = await house.begin()
    await house.end(job, clips(job))
    answer = await house.reply(said)
    assert labels(answer) == LABELS
    ids = [part["custom_id"] for part in walk(answer.components) if "custom_id" in part]
    assert all(job.id in one for one in ids)


async def test_a_status_can_be_cancelled_and_a_failure_has_no_buttons(house: House) -> None:
    asked = house.slash("riff", prompt="lo-fi beat")
    message = await asked.reply()
    assert labels(message) == ["Cancel"]
    job = await house.begin()
    await house.fail(job, "It did not work.")
    await house.until(lambda: "did not work" in message.content)
    assert labels(message) == []


async def test_what_waits_is_cancelled_by_its_button(house: House) -> None:
    world = house.peer.world
    asked, said = house.slash("riff", prompt="rain"), house.say("!riff snow")
    statuses = [await asked.reply(), await house.status(said)]
    otto = world.add_user("Otto")
    refused = await world.press(statuses[0], otto, "Cancel").answered()
    assert refused.ephemeral
    assert refused.message is not None
    assert "Only the one who asked" in refused.message.content
    for status, prompt in zip(statuses, ("rain", "snow"), strict=True):
        told = await world.press(status, house.member, "Cancel").answered()
        assert told.message is not None
        assert told.message.content == f"Cancelled “{prompt}”."
        await house.until(lambda status=status: status.content == CANCELLED)  # type: ignore[misc]
        assert labels(status) == []


async def test_of_several_clips_one_is_chosen(house: House, clips: Clips) -> None:
    asked = house.slash("riff", prompt="lo-fi beat", seed=7, clips=2)
    message = await asked.reply()
    job = await house.begin()
    (clip,) = clips(job)
    recipes = [
        {"request": json.dumps(replace(job.request, clips=1, seed=7 + index).to_json())}
        for index in range(2)
    ]
    await house.end(job, tuple(replace(clip, index=n, recipe=one) for n, one in enumerate(recipes)))
    await house.state(job, "delivered")
    world = house.peer.world
    choice = await world.press(message, house.member, "Variation").answered()
    assert choice.ephemeral
    assert choice.message is not None
    assert labels(choice.message) == ["Variation 1", "Variation 2"]
    await world.press(choice.message, house.member, "Variation 2").reply()
    varied = await house.begin()
    assert (varied.request.kind, varied.request.seed) == ("variation", 8)


@pytest.mark.parametrize("label", ["Again", "Variation", "Extend"])
async def test_what_follows_is_a_riff_of_who_pressed(
    house: House, clips: Clips, label: str
) -> None:
    first, message = await posted(house, clips)
    for path in (house.services.clips / first.id[:2]).glob("*.mp3"):
        path.with_suffix(".wav").write_bytes(b"wav")
    await _add_file(house, first, "wav")
    otto = house.peer.world.add_user("Otto")
    pressed = house.peer.world.press(message, otto, label)
    assert is_status(await pressed.reply())
    job = await house.begin()
    assert job.requester.user == str(otto.id)
    assert job.request.prompt == "lo-fi beat"
    kinds = {"Again": "text", "Variation": "variation", "Extend": "extend"}
    assert job.request.kind == kinds[label]
    assert (job.request.seed != 7) or label == "Variation"
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    assert labels(await pressed.reply()) == LABELS
    assert labels(message) == LABELS


async def test_editing_shows_the_present_values_and_takes_others(
    house: House, clips: Clips
) -> None:
    _, message = await posted(house, clips, bpm=90.0, negative="vocals")
    world = house.peer.world
    edit = world.press(message, house.member, "Edit")
    modal = await edit.modal()
    values = {p["custom_id"]: p.get("value") for p in walk(modal["components"]) if p["type"] == 4}
    assert values["prompt"] == "lo-fi beat"
    assert (values["seed"], values["negative"], values["more"]) == ("7", "vocals", "--bpm 90")
    sent = world.submit(edit, {"prompt": "jazz", "negative": "", "steps": "9"})
    await sent.reply()
    job = await house.begin()
    assert (job.request.prompt, job.request.seed, job.request.steps) == ("jazz", 7, 9)
    assert (job.request.negative, job.request.bpm) == ("", 90)


async def test_a_mistake_in_the_form_is_told_to_who_made_it(house: House, clips: Clips) -> None:
    _, message = await posted(house, clips)
    edit = house.peer.world.press(message, house.member, "Edit")
    await edit.modal()
    answer = await house.peer.world.submit(edit, {"steps": "1000"}).answered()
    assert answer.ephemeral
    assert answer.message is not None
    assert "between 1 and 100" in answer.message.content


async def test_blending_with_something_else(house: House, clips: Clips) -> None:
    _, message = await posted(house, clips)
    house.clock.time += 300  # five loops are as much as five riffs
    pressed = house.peer.world.press(message, house.member, "Blend with…")
    await pressed.modal()
    await house.peer.world.submit(pressed, {"to": "techno"}).reply()
    job = await house.begin()
    assert (job.request.kind, job.request.clips) == ("blend", 5)
    assert [point.prompt for point in job.request.points] == ["lo-fi beat", "techno"]


async def test_a_form_passes_the_policy_and_the_limits(house: House, clips: Clips) -> None:
    _, message = await posted(house, clips)
    owner = house.member
    await house.reply(house.say("!riffset add blocked-words zonk"))
    world = house.peer.world
    edit = world.press(message, owner, "Edit")
    await edit.modal()
    answer = await world.submit(edit, {"prompt": "zonk beat"}).answered()
    assert answer.ephemeral
    assert answer.message is not None
    assert "zonk" in answer.message.content
    for _ in range(RIFFS_AT_ONCE - 1):
        await world.press(message, owner, "Again").reply()
    refused = await world.press(message, owner, "Again").answered()
    assert refused.ephemeral
    assert refused.message is not None
    assert "a lot of riffs" in refused.message.content


async def test_only_its_requester_or_a_moderator_deletes(house: House, clips: Clips) -> None:
    world = house.peer.world
    otto = world.add_user("Otto")
    guild = world.guilds[house.channel.guild_id or 0]
    world.member(guild, otto)
    asked = world.slash(house.channel, otto, "riff", {"prompt": "rain"})
    message = await asked.reply()
    job = await house.begin()
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    stranger = world.add_user("Ida")
    refused = await world.press(message, stranger, "Delete").answered()
    assert refused.ephemeral
    assert refused.message is not None
    assert "Only the one who asked" in refused.message.content
    assert not message.deleted
    world.press(message, otto, "Delete")
    await house.until(lambda: message.deleted)
    assert (await house.studio.view(job.id)).job.hidden


async def test_a_button_works_after_a_restart(
    peer: DiscordPeer, tmp_path: Path, clips: Clips
) -> None:
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        first, message = await posted(house, clips)
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        await peer.world.press(message, house.member, "Again").reply()
        job = await house.begin()
        assert job.request.prompt == first.request.prompt
        await house.end(job, clips(job))
        await house.state(job, "delivered")


async def test_a_pruned_clip_says_so_and_can_be_made_again(house: House, clips: Clips) -> None:
    first, message = await posted(house, clips)
    for path in (house.services.clips / first.id[:2]).iterdir():
        path.unlink()
    world = house.peer.world
    for label in ("Extend", "Save"):
        answer = await world.press(message, house.member, label).answered()
        assert answer.ephemeral
        assert answer.message is not None
        assert "no longer kept" in answer.message.content
        assert labels(answer.message) == ["Make it again"]
        offer = answer.message
    await world.press(offer, house.member, "Make it again").reply()
    job = await house.begin()
    assert job.request == first.request


async def test_a_riff_that_was_taken_away_is_not_built_on(house: House, clips: Clips) -> None:
    first, message = await posted(house, clips)
    await house.database.write(
        lambda tx: tx.execute("UPDATE jobs SET hidden = 'message' WHERE id = ?", (first.id,))
    )
    for label in ("Again", "Edit", "Save"):
        answer = await house.peer.world.press(message, house.member, label).answered()
        assert answer.ephemeral
        assert answer.message is not None
        assert answer.message.content == "That riff was taken away."


async def test_saving_hands_the_file_to_who_asked(house: House, clips: Clips, wav: bytes) -> None:
    first, message = await posted(house, clips)
    (house.services.clips / first.id[:2] / f"{first.id}.wav").write_bytes(wav)
    await _add_file(house, first, "wav")
    world = house.peer.world
    chosen = await world.press(message, house.member, "Save").answered()
    assert chosen.ephemeral
    assert chosen.message is not None
    assert labels(chosen.message) == ["WAV", "FLAC", "Loop ×4"]
    for label, name in (("WAV", "lo-fi-beat-7.wav"), ("Loop ×4", "lo-fi-beat-7-x4.mp3")):
        saved = world.press(chosen.message, house.member, label)
        await house.until(
            lambda saved=saved: [m for m in saved.messages if m.attachments]  # type: ignore[misc]
        )
        (file,) = next(m for m in saved.messages if m.attachments).attachments
        assert file.filename == name
        assert all(m.ephemeral for m in saved.messages)


@pytest.mark.parametrize("told", [True, False])
async def test_what_cannot_be_uploaded_is_linked(
    house: House, clips: Clips, wav: bytes, told: bool
) -> None:
    first, message = await posted(house, clips)
    (house.services.clips / first.id[:2] / f"{first.id}.wav").write_bytes(wav)
    await _add_file(house, first, "wav")
    world = house.peer.world
    chosen = (await world.press(message, house.member, "Save").answered()).message
    assert chosen is not None
    # An interaction tells the limit; where that changes meanwhile, Discord refuses.
    if told:
        house.channel.upload_limit = 100
    saved = world.press(chosen, house.member, "FLAC")
    house.channel.upload_limit = 100
    link = f"{PUBLIC_URL}/clip/{first.id}"
    found = await house.until(lambda: next((m for m in saved.messages if link in m.content), None))
    assert found.ephemeral
    assert "larger than Discord lets me upload" in found.content


async def test_a_blocked_person_gets_nothing_from_buttons(house: House, clips: Clips) -> None:
    _, message = await posted(house, clips)
    world = house.peer.world
    otto = world.add_user("Otto")
    whom = Requester("discord", str(house.channel.guild_id), str(otto.id), "Otto")
    await house.services.moderation.people.on_platform_ban(whom, "spam")
    answer = await world.press(message, otto, "Again").answered()
    assert answer.ephemeral
    assert answer.message is not None
    assert answer.message.content.startswith("You may not ask for anything here")


async def _add_file(house: House, job: Job, kind: str) -> None:
    """Tell the ledger of one more file of a clip."""
    path = f"{job.id[:2]}/{job.id}.{kind}"
    await house.database.write(
        lambda tx: tx.execute(
            "UPDATE clips SET clip = json_set(clip, '$.files.' || ?, ?) WHERE job_id = ?",
            (kind, path, job.id),
        )
    )
