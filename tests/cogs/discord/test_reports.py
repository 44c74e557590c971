"""What Discord reports, and how the bot behaves while much happens at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.jobs import Job
from bot.moderation.levels import Level
from cogs.discord.adapter import INTENT_REFUSED
from tests.cogs.discord.conftest import Clips
from tests.cogs.discord.house import House, is_status, open_house
from tests.cogs.discord.test_moderating import at_level, made, person, riff
from tests.peers.discord import DiscordPeer, Fault, Guild, Message, Permission


def guild_of(house: House) -> Guild:
    return next(iter(house.peer.world.guilds.values()))


async def settled(house: House, look: Callable[[], bool]) -> None:
    """Wait until something holds that the studio tells of."""
    async with asyncio.timeout(15.0):
        with house.studio.subscribe() as events:
            if look():
                return
            async for _ in events:
                if look():
                    return


async def hidden(house: House, job: Job) -> None:
    """Wait until a riff is taken away."""
    async with asyncio.timeout(15.0):
        with house.studio.subscribe() as events:
            if (await house.studio.view(job.id)).job.hidden:
                return
            async for _ in events:
                if (await house.studio.view(job.id)).job.hidden:
                    return


async def test_a_member_banned_while_their_riff_is_drawn(house: House, clips: Clips) -> None:
    ann = person(house, "ann")
    _, earlier, done = await made(house, clips, ann)
    _, others, _ = await made(house, clips, house.member)
    asked = await riff(house, ann)
    status = await house.status(asked)
    job = await house.begin()
    house.peer.world.ban(guild_of(house), ann)
    await house.state(job, "cancelled")
    await hidden(house, done)
    # What they made before is taken off the channel too, and nobody else's.
    await house.until(lambda: earlier.deleted)
    await house.until(lambda: status.content == "This riff was cancelled.")
    assert house.stopped == [job.id]
    assert not others.deleted
    assert not await house.ledger.record_rendered(job, clips(job)), "nobody hears it"
    house.peer.world.unban(guild_of(house), ann)
    access = house.services.moderation.rules.access
    await settled(house, lambda: access.level(job.requester) is Level.MEMBER)


async def test_a_time_out_counts_here_as_well(house: House) -> None:
    world, ann = house.peer.world, person(house, "ann")
    guild = guild_of(house)
    guild.everyone.permissions |= Permission.VIEW_AUDIT_LOG
    asked = await riff(house, ann)
    job = await house.begin()
    world.time_out(guild, ann, 600.0, by=house.member, reason="too loud")
    await house.state(job, "cancelled")
    ban = house.services.moderation.rules.bans.of(job.requester)
    assert ban is not None
    assert ban.until is not None
    assert (ban.by_platform, ban.reason) == (True, "too loud")
    assert 500 < ban.until - house.clock.now() <= 600
    world.time_out(guild, ann, None, by=house.member)
    bans = house.services.moderation.rules.bans
    await settled(house, lambda: bans.of(job.requester) is None)
    assert not asked.deleted


async def test_a_time_out_that_discord_does_not_tell_of_is_noticed_before_posting(
    house: House, clips: Clips
) -> None:
    """Without the permission to view the audit log."""
    world, ann = house.peer.world, person(house, "ann")
    asked = await riff(house, ann)
    status = await house.status(asked)
    job = await house.begin()
    world.time_out(guild_of(house), ann, 600.0, by=house.member)
    await house.end(job, clips(job))
    await house.state(job, "expired")
    await house.until(lambda: status.content == "This riff was cancelled.")
    assert house.replies(asked) == [status]
    ban = house.services.moderation.rules.bans.of(job.requester)
    assert ban is not None and ban.by_platform


async def test_what_was_hidden_meanwhile_is_taken_back_at_the_next_start(
    peer: DiscordPeer, tmp_path: Path, clips: Clips
) -> None:
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        _, answer, job = await made(house, clips, house.member)
        await house.disconnect()
        await house.services.moderation.people.on_platform_ban(job.requester)
        assert not answer.deleted
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        await house.until(lambda: answer.deleted)


# Without the text of messages ---------------------------------------------------------------


async def test_without_message_content_a_mention_is_enough(
    peer: DiscordPeer, tmp_path: Path, operator_log: list[str], clips: Clips
) -> None:
    peer.gateway.refuses_message_content = True
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        assert INTENT_REFUSED in operator_log
        unheard = house.say("!riff lo-fi beat")
        bot = peer.world.bot
        for line in ("riff jazz", "!riff jazz", "/riff jazz"):
            asked = house.say(f"<@{bot.id}> {line}")
            assert is_status(await house.status(asked))
            job = await house.begin()
            assert job.request.prompt == "jazz"
            await house.end(job, clips(job))
            await house.state(job, "delivered")
        helped = await house.reply(house.say(f"<@{bot.id}>"))
        assert "!riff lo-fi beat" in helped.content.replace("\\", "")
        assert house.replies(unheard) == []
        assert house.replies(house.say(f"<@{bot.id}> how nice of you")) == []
        house.clock.time += 600.0
        assert is_status(await house.slash("riff", prompt="jazz").reply())


# Much at once -------------------------------------------------------------------------------


async def test_sixty_people_at_once_take_turns(house: House, clips: Clips) -> None:
    world = house.peer.world
    raised = "!riffset community-burst 100 --global"
    await house.reply(world.say(house.channel, at_level(house, Level.OWNER), raised))
    people = [world.add_user(f"user{number}") for number in range(60)]
    for one in people:
        world.member(guild_of(house), one)
    greedy = people[0]
    first = [world.slash(house.channel, greedy, "riff", {"prompt": "mine"}) for _ in range(3)]
    await asyncio.gather(*(asked.reply() for asked in first))
    # As many by typing as by menu, all in the same moment.
    typed = [world.say(house.channel, one, "!riff typed") for one in people[1:30]]
    chosen = [world.slash(house.channel, one, "riff", {"prompt": "chosen"}) for one in people[30:]]
    await asyncio.gather(*(asked.reply() for asked in chosen))
    await asyncio.gather(*(house.status(asked) for asked in typed))
    order: list[str] = []
    while (job := await house.ledger.claim("stand-in", 60.0)) is not None:
        order.append(job.requester.user)
        await house.end(job, clips(job))
        await house.state(job, "delivered")
    assert len(order) == 62
    # Nobody waits behind another's second riff.
    assert set(order[:60]) == {str(one.id) for one in people}
    assert order[60:] == [str(greedy.id)] * 2
    answered = [m for m in house.channel.messages.values() if m.attachments]
    assert len(answered) == 62


async def test_an_upload_that_is_cut_off_is_posted_once(house: House, clips: Clips) -> None:
    for is_typed in (True, False):
        if is_typed:
            await house.status(house.say("!riff jazz"))
        else:
            await house.slash("riff", prompt="techno").reply()
        job = await house.begin()
        path = r"/channels/\d+/messages" if is_typed else r"/webhooks/.+/@original"
        cut = Fault("POST" if is_typed else "PATCH", path, "cut", after=200)
        house.peer.rest.faults.append(cut)
        await house.end(job, clips(job))
        await house.attempted(job, 1)
        # Discord forgets what a nonce stood for after some minutes.
        house.peer.world.forget_nonces()
        house.later(job, 600)
        await house.state(job, "delivered")
        assert cut.met == 1
    answers = [m for m in house.channel.messages.values() if m.attachments]
    assert len(answers) == 2


@pytest.mark.parametrize("which", ["typed", "chosen"])
async def test_stopping_takes_little_time_and_loses_nothing(
    peer: DiscordPeer, tmp_path: Path, clips: Clips, which: str
) -> None:
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        asked = house.say("!riff jazz") if which == "typed" else house.slash("riff", prompt="jazz")
        message = await (house.status(asked) if isinstance(asked, Message) else asked.reply())
        assert is_status(message)
        async with asyncio.timeout(10.0):
            await house.disconnect()
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        job = await house.begin()
        await house.end(job, clips(job))
        await house.state(job, "delivered")
        (answer,) = [m for m in house.channel.messages.values() if m.attachments]
        assert answer.author is peer.world.bot


async def test_a_post_that_cannot_be_deleted_now_is_deleted_later(
    house: House, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogs.discord.takedown._TRY_AGAIN", 0.01)
    asked, answer, _ = await made(house, clips, house.member)
    path = rf"/channels/\d+/messages/{answer.id}"
    # discord.py itself tries five times where Discord is in trouble; it gives up on other errors.
    fault = Fault("DELETE", path, status=400, body={"code": 0, "message": "not now"}, times=2)
    house.peer.rest.faults.append(fault)
    house.peer.world.delete(asked)
    await house.until(lambda: answer.deleted)
    assert fault.met == 2
