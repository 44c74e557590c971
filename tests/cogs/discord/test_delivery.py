"""Answers arrive, and arrive once: through outages, lost responses, restarts, lost channels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.jobs import Job
from cogs.discord.delivery import ELSEWHERE
from tests.cogs.discord.conftest import Clips
from tests.cogs.discord.house import PUBLIC_URL, House, open_house
from tests.peers.discord import Channel, DiscordPeer, Fault, Message

POSTS = r"/channels/\d+/messages"
NO_ACCESS = {"code": 50001, "message": "Missing Access"}


async def ask(house: House, text: str = "!riff lo-fi beat --seed 7") -> tuple[Message, Job]:
    """A riff is asked for, and the worker takes it."""
    asked = house.say(text)
    await house.status(asked)
    return asked, await house.begin()


def from_bot(channel: Channel) -> list[Message]:
    return [message for message in channel.messages.values() if message.author.bot]


async def test_an_outage_of_discord_delays_the_answer(house: House, clips: Clips) -> None:
    asked, job = await ask(house)
    house.peer.rest.faults.append(Fault("POST", POSTS, status=503))
    await house.end(job, clips(job))
    await house.attempted(job, 1)
    assert [len(m.attachments) for m in house.replies(asked)] == [0]
    house.later(job, 10)
    answer = await house.reply(asked)
    await house.state(job, "delivered")
    assert house.replies(asked) == [answer]


async def test_a_lost_response_is_no_second_answer_thanks_to_the_nonce(
    house: House, clips: Clips
) -> None:
    asked, job = await ask(house)
    house.peer.rest.faults += [
        Fault("POST", POSTS, "lost"),
        Fault("GET", POSTS, status=403, body=NO_ACCESS),
    ]
    await house.end(job, clips(job))
    await house.attempted(job, 1)
    house.later(job, 10)
    await house.state(job, "delivered")
    assert all(fault.met == 1 for fault in house.peer.rest.faults)
    assert house.replies(asked) == [await house.reply(asked)]


async def test_a_lost_response_is_no_second_answer_after_nonces_are_forgotten(
    house: House, clips: Clips
) -> None:
    asked, job = await ask(house)
    house.peer.rest.faults.append(Fault("POST", POSTS, "lost"))
    await house.end(job, clips(job))
    await house.attempted(job, 1)
    house.peer.world.forget_nonces()
    house.later(job, 600)
    await house.state(job, "delivered")
    assert house.replies(asked) == [await house.reply(asked)]


async def test_an_answer_to_a_deleted_message_is_found_again(house: House, clips: Clips) -> None:
    asked, job = await ask(house)
    # Deleted while nobody told us, or the riff would go as well.
    del house.channel.messages[asked.id]
    house.peer.rest.faults.append(Fault("POST", POSTS, "lost"))
    await house.end(job, clips(job))
    await house.attempted(job, 1)
    house.peer.world.forget_nonces()
    house.later(job, 600)
    await house.state(job, "delivered")
    (answer,) = from_bot(house.channel)
    assert len(answer.attachments) == 2
    assert answer.reference is None


async def test_a_restart_between_rendered_and_delivered(
    peer: DiscordPeer, tmp_path: Path, clips: Clips
) -> None:
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        asked, job = await ask(house)
        assert house.outbox_task is not None
        house.outbox_task.cancel()
        await house.end(job, clips(job))
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        answer = await house.reply(asked)
        await house.state(job, "delivered")
        # The status of the earlier boot is gone as well.
        assert house.replies(asked) == [answer]


async def test_a_restart_between_posting_and_recording_it(
    peer: DiscordPeer, tmp_path: Path, clips: Clips
) -> None:
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        asked, job = await ask(house)
        peer.rest.faults.append(Fault("POST", POSTS, "lost"))
        await house.end(job, clips(job))
        answer = await house.reply(asked)
    peer.world.forget_nonces()
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        house.later(job, 600)
        await house.state(job, "delivered")
        assert house.replies(asked) == [answer]


async def test_a_riff_that_waited_through_a_restart(
    peer: DiscordPeer, tmp_path: Path, clips: Clips
) -> None:
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        asked = house.say("!riff lo-fi beat")
        await house.status(asked)
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        job = await house.begin()
        await house.end(job, clips(job))
        answer = await house.reply(asked)
        await house.state(job, "delivered")
        assert house.replies(asked) == [answer]


async def test_a_dropped_gateway_loses_neither_riff_nor_answer(house: House, clips: Clips) -> None:
    asked, job = await ask(house)
    house.peer.gateway.drop()
    missed = house.say("!riff jazz")
    await house.end(job, clips(job))
    assert len((await house.reply(asked)).attachments) == 2
    await house.status(missed)
    assert (house.peer.gateway.identified, house.peer.gateway.resumed) == (1, 1)
    second = await house.begin()
    assert second.request.prompt == "jazz"
    await house.end(second, clips(second))
    assert len((await house.reply(missed)).attachments) == 2


async def test_a_deleted_channel_is_answered_directly(house: House, clips: Clips) -> None:
    _, job = await ask(house)
    house.channel.deleted = True
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    (answer,) = from_bot(house.peer.world.dm_channel(house.member))
    line = "-# lo-fi beat · seed 7 · 12 steps · 0.2 s · machine-made in 4.2 s"
    assert answer.content == ELSEWHERE + line
    assert len(answer.attachments) == 2


async def test_a_closed_thread_is_answered_directly(house: House, clips: Clips) -> None:
    _, job = await ask(house)
    body = {"code": 50083, "message": "Thread is archived"}
    where = rf"/channels/{house.channel.id}/messages"
    house.peer.rest.faults.append(Fault("POST", where, status=400, body=body))
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    (answer,) = from_bot(house.peer.world.dm_channel(house.member))
    assert answer.content.startswith(ELSEWHERE)


async def test_a_direct_answer_is_not_repeated_either(house: House, clips: Clips) -> None:
    _, job = await ask(house)
    house.channel.may_send = False
    dm = house.peer.world.dm_channel(house.member)
    house.peer.rest.faults.append(Fault("POST", rf"/channels/{dm.id}/messages", "lost"))
    await house.end(job, clips(job))
    await house.attempted(job, 1)
    house.peer.world.forget_nonces()
    house.later(job, 600)
    await house.state(job, "delivered")
    assert len(from_bot(dm)) == 1


async def test_where_nothing_can_be_written_the_riff_expires(house: House, clips: Clips) -> None:
    _, job = await ask(house)
    house.channel.may_send = False
    house.peer.world.dm_channel(house.member).may_send = False
    await house.end(job, clips(job))
    await house.state(job, "expired")


async def test_a_refused_direct_message_expires(house: House, clips: Clips) -> None:
    channel = house.peer.world.dm_channel(house.member)
    asked = house.say("!riff lo-fi beat", channel)
    await house.status(asked)
    job = await house.begin()
    channel.may_send = False
    await house.end(job, clips(job))
    await house.state(job, "expired")


async def test_without_history_the_requester_is_named(house: House, clips: Clips) -> None:
    house.channel.may_read_history = False
    house.say("!riff lo-fi beat --seed 7")
    status = await house.until(lambda: next(iter(from_bot(house.channel)), None))
    assert status.pinged == set()
    job = await house.begin()
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    (answer,) = from_bot(house.channel)
    assert answer.content.startswith(f"<@{house.member.id}> -# lo-fi beat")
    assert answer.pinged == {house.member.id}
    assert len(answer.attachments) == 2


async def test_what_is_too_large_is_left_out(house: House, clips: Clips) -> None:
    asked, job = await ask(house)
    house.channel.upload_limit = 10
    await house.end(job, clips(job))
    answer = await house.reply(asked)
    assert answer.attachments == []
    assert answer.content.startswith("Its files are larger than Discord lets me upload here.")
    assert f"{PUBLIC_URL}/clip/{job.id}" in answer.content


@pytest.mark.parametrize("told", [True, False])
async def test_a_sound_that_is_too_large_goes_at_a_lower_bit_rate(
    house: House, clips: Clips, wav: bytes, told: bool
) -> None:
    """Interactions tell the limit; of messages it is learnt by being refused."""
    house.channel.upload_limit = 9_000
    if told:
        asked = house.slash("riff", prompt="lo-fi beat", seed=7)
        answer = await asked.reply()
    else:
        said = house.say("!riff lo-fi beat --seed 7")
        await house.status(said)
    job = await house.begin()
    (clip,) = clips(job)
    (house.services.clips / clip.files["mp3"]).write_bytes(bytes(50_000))
    (house.services.clips / job.id[:2] / f"{job.id}.wav").write_bytes(wav)
    files = {**clip.files, "wav": f"{job.id[:2]}/{job.id}.wav"}
    await house.end(job, (replace(clip, files=files),))
    await house.state(job, "delivered")
    if not told:
        answer = await house.reply(said)
    (upload,) = answer.attachments
    assert upload.filename == "lo-fi-beat-7.mp3"
    assert 0 < len(upload.data) <= 9_000
    assert answer.content.startswith("-# lo-fi beat")


async def test_lost_files_are_told(house: House, clips: Clips) -> None:
    asked, job = await ask(house)
    (clip,) = clips(job)
    (house.data / "clips" / clip.files["mp3"]).unlink()
    await house.end(job, (clip,))
    answer = await house.reply(asked)
    assert answer.content == (
        "Your riff “lo-fi beat” is ready, but its files are gone from my disk. "
        "Asking for it again with seed 7 makes the same one."
    )


async def test_a_failed_riff_says_why(house: House) -> None:
    asked, job = await ask(house)
    await house.fail(job, "Sorry, *this* one crashed the worker.")
    answer = await house.reply(asked)
    assert answer.content == r"Sorry, \*this\* one crashed the worker."
    assert answer.pinged == {house.member.id}
    await house.until(lambda: house.replies(asked) == [answer])
