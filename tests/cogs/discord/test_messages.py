"""`!riff` from a channel or direct message to the answer, over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.grammar import HELP
from generation.request import Progress
from tests.cogs.discord.conftest import Clips
from tests.cogs.discord.house import RIFFS_AT_ONCE, House, is_status, open_house
from tests.peers.discord import DiscordPeer, Fault, rate_limited


async def test_a_riff_is_answered_with_its_sound_and_picture(house: House, clips: Clips) -> None:
    asked = house.say("!riff lo-fi beat --seed 7")
    status = await house.status(asked)
    assert "number 1 in line" in status.content
    assert status.pinged == set()

    job = await house.begin()
    assert (job.request.prompt, job.request.seed) == ("lo-fi beat", 7)
    assert job.requester.community == str(house.channel.guild_id)
    assert job.requester.user == str(house.member.id)
    clip = clips(job)
    await house.end(job, clip)

    answer = await house.reply(asked)
    assert [a.filename for a in answer.attachments] == ["lo-fi-beat-7.mp3", "lo-fi-beat-7.png"]
    for attachment, kind in zip(answer.attachments, ("mp3", "png"), strict=True):
        assert attachment.data == (house.data / "clips" / clip[0].files[kind]).read_bytes()
    assert "lo-fi beat" in (answer.attachments[1].description or "")
    assert answer.content == "-# lo-fi beat · seed 7 · 12 steps · 0.2 s · machine-made in 4.2 s"
    assert answer.nonce == job.id
    assert answer.pinged == {house.member.id}
    await house.until(lambda: status.deleted)
    await house.state(job, "delivered")
    assert house.replies(asked) == [answer]


async def test_direct_messages_work_too(house: House, clips: Clips) -> None:
    channel = house.peer.world.dm_channel(house.member)
    asked = house.say("!riff lo-fi beat", channel)
    await house.status(asked)
    job = await house.begin()
    assert job.requester.community == ""
    await house.end(job, clips(job))
    assert len((await house.reply(asked)).attachments) == 2


async def test_the_status_follows_the_riff(house: House, clips: Clips) -> None:
    asked = house.say("!riff lo-fi beat")
    status = await house.status(asked)
    job = await house.begin()
    await house.until(lambda: "Starting" in status.content)
    house.report(job, Progress("drawing", 5, 10))
    await house.until(lambda: "Drawing… 44%" in status.content)
    house.report(job, Progress("sounding", 1, 2))
    await house.until(lambda: "Turning the picture into sound… 90%" in status.content)
    await house.end(job, clips(job))
    await house.until(lambda: status.deleted)


async def test_edits_keep_their_pace(peer: DiscordPeer, tmp_path: Path, clips: Clips) -> None:
    async with open_house(peer, tmp_path, edit_interval=3600.0) as house:
        await house.connect()
        asked = house.say("!riff lo-fi beat")
        status = await house.status(asked)
        job = await house.begin()
        for done in range(100):
            house.report(job, Progress("drawing", done, 100))
        await house.end(job, clips(job))
        await house.until(lambda: status.deleted)
        assert ("PATCH", f"/channels/{house.channel.id}/messages/{status.id}") not in (
            peer.rest.requests
        )


async def test_edits_give_way_to_a_rate_limit(house: House, clips: Clips) -> None:
    edits = rate_limited("PATCH", r"/channels/\d+/messages/\d+", retry_after=0.05)
    house.peer.rest.faults.append(edits)
    asked = house.say("!riff lo-fi beat")
    status = await house.status(asked)
    job = await house.begin()
    await house.until(lambda: "Starting" in status.content)
    assert edits.met == 1
    await house.end(job, clips(job))
    await house.reply(asked)


async def test_a_deleted_status_does_not_cost_the_result(house: House, clips: Clips) -> None:
    asked = house.say("!riff lo-fi beat")
    status = await house.status(asked)
    house.peer.world.delete(status)
    job = await house.begin()
    house.report(job, Progress("drawing", 5, 10))
    await house.end(job, clips(job))
    assert len((await house.reply(asked)).attachments) == 2
    await house.state(job, "delivered")


async def test_a_status_posted_after_the_answer_is_taken_back(house: House, clips: Clips) -> None:
    # discord.py sends one request at a time until it has seen the limits of a channel.
    await house.reply(house.say("!riffhelp"))
    posting = Fault("POST", r"/channels/\d+/messages", "held")
    house.peer.rest.faults.append(posting)
    asked = house.say("!riff lo-fi beat")
    await house.until(lambda: posting.met)
    job = await house.begin()
    await house.end(job, clips(job))
    answer = await house.reply(asked)
    await house.state(job, "delivered")
    posting.release.set()
    deleted = f"/channels/{house.channel.id}/messages/"
    await house.until(
        lambda: any(m == "DELETE" and p.startswith(deleted) for m, p in house.peer.rest.requests)
    )
    await house.until(lambda: house.replies(asked) == [answer])


async def test_a_cancelled_riff_says_so(house: House) -> None:
    asked = house.say("!riff lo-fi beat")
    status = await house.status(asked)
    job = await house.begin()
    await house.studio.cancel(job.id, job.requester, may_cancel_any=False)
    await house.until(lambda: status.content == "This riff was cancelled.")


async def test_help(house: House) -> None:
    answer = await house.reply(house.say("!riffhelp"))
    assert answer.content.replace("\\", "") == HELP
    assert answer.pinged == set()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("!riff", "Tell me what it should sound like, for example: lo-fi beat with rain."),
        ("!riff beat --stebs 4", "I do not know --stebs; did you mean --steps?"),
        ("!riff beat --steps 999", "The number of steps has to be between 1 and 100, not 999."),
        ("!rif beat", "There is no !rif; did you mean !riff?"),
        ("!riff beat --seed @everyone", "The seed has to be a whole number, not '\\@everyone'."),
        ("!riff " + "x" * 501, "That prompt has 501 characters; 500 is the most I can read."),
    ],
)
async def test_what_cannot_be_done_is_one_sentence(house: House, text: str, sentence: str) -> None:
    answer = await house.reply(house.say(text))
    assert answer.content.startswith(sentence)
    assert answer.pinged == set()
    assert not answer.pings_everyone


async def test_the_rate_limit_is_a_sentence(house: House) -> None:
    for _ in range(RIFFS_AT_ONCE):
        await house.status(house.say("!riff lo-fi beat"))
    answer = await house.reply(house.say("!riff lo-fi beat"))
    assert answer.content == "That is a lot of riffs at once! Try again in 30 seconds."


async def test_a_prompt_pings_nobody_and_formats_nothing(house: House, clips: Clips) -> None:
    other = house.peer.world.add_user("Otto")
    prompt = f"@everyone <@{other.id}> **loud** `code` ||secret|| https://a.example"
    asked = house.say(f"!riff {prompt} --seed 1")
    await house.status(asked)
    job = await house.begin()
    assert job.request.prompt == prompt
    await house.end(job, clips(job))
    answer = await house.reply(asked)
    assert answer.pinged == {house.member.id}
    assert not answer.pings_everyone
    assert answer.content.startswith(
        rf"-# \@everyone \<\@{other.id}> \*\*loud\*\* \`code\` \|\|secret\|\| https\://a.example ·"
    )
    assert all(
        set(a.filename) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") for a in answer.attachments
    )


async def test_only_people_who_mean_us_are_answered(house: House) -> None:
    world = house.peer.world
    robot = world.add_user("Robot", bot=True)
    hook = world.add_user("Hook")
    ignored = [
        world.say(house.channel, robot, "!riff lo-fi beat"),
        world.say(house.channel, hook, "!riff lo-fi beat", webhook_id=hook.id),
        house.say("I like !riff lo-fi beat"),
        house.say("!play something"),
        house.say("riff lo-fi beat"),
    ]
    await house.reply(house.say("!riffhelp"))
    assert [m for message in ignored for m in house.replies(message)] == []
    assert await house.ledger.claim("stand-in", 60.0) is None


async def test_who_speaks_to_us_by_name_is_never_left_without_an_answer(house: House) -> None:
    bot = house.peer.world.bot
    for words in ("", "what can you do?"):
        assert "!riff lo-fi beat" in (await house.reply(house.say(f"<@{bot.id}> {words}"))).content


async def test_another_prefix(peer: DiscordPeer, tmp_path: Path) -> None:
    async with open_house(peer, tmp_path, prefix="??") as house:
        await house.connect()
        asked = house.say("!riff lo-fi beat")
        answer = await house.reply(house.say("??rif lo-fi beat"))
        assert answer.content == "There is no ??rif; did you mean ??riff?"
        assert is_status(await house.status(house.say("??riff lo-fi beat")))
        assert house.replies(asked) == []


async def test_a_fault_is_a_sentence_and_a_log_entry_that_share_an_id(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise OSError("disk on fire in /secret/path")

    monkeypatch.setattr(house.studio, "submit", broken)
    answer = await house.reply(house.say("!riff lo-fi beat"))
    assert answer.content.startswith("Sorry, something went wrong on my side")
    assert "secret" not in answer.content
    fault = answer.content.split("fault ")[1].rstrip(").")
    assert any(fault in r.getMessage() and r.exc_info for r in caplog.records)


async def test_what_comes_along_is_built_on(house: House, clips: Clips, sound: bytes) -> None:
    world = house.peer.world
    attached = world.say(house.channel, house.member, "!remix jazz", files=[("a.mp3", sound)])
    await house.status(attached)
    (source,) = (await house.begin()).request.sources
    assert house.services.sources.path(source.sha256).read_bytes() == sound
    # The same by replying to somebody's sound.
    theirs = world.say(house.channel, world.add_user("Otto"), "hear!", files=[("b.mp3", sound)])
    replied = world.say(house.channel, house.member, "!remix rock --strength 0.3", reply_to=theirs)
    await house.status(replied)
    job = await house.begin()
    assert (job.request.prompt, job.request.sources) == ("rock", (source,))


async def test_a_reply_to_a_clip_means_that_clip(house: House, clips: Clips) -> None:
    answers = []
    for prompt in ("jazz", "techno"):
        asked = house.say(f"!riff {prompt}")
        await house.status(asked)
        job = await house.begin()
        await house.end(job, clips(job))
        await house.state(job, "delivered")
        answers.append(await house.reply(asked))
    again = house.peer.world.say(house.channel, house.member, "!again", reply_to=answers[0])
    await house.status(again)
    assert (await house.begin()).request.prompt == "jazz"
