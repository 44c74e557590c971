"""Moderators' commands in a Twitch chat: refused to viewers, done for those who may."""

from __future__ import annotations

import pytest

from bot.moderation.levels import Level
from tests.bot.moderation.test_commands import AFTER, COMMANDS
from tests.cogs.twitch.house import House
from tests.peers.twitch import User

REFUSED = ("Only ", "You may not ask")
# Nobody owns the bot by what they are on Twitch: its owner's commands are refused to broadcasters.
LEVELS = (Level.BLOCKED, Level.MEMBER, Level.MODERATOR, Level.ADMIN)
UNDO = {
    "!block ann": "!unblock ann",
    "!unblock blocked": "!block blocked",
    "!timeout ann 10m spam": "!unblock ann",
    "!queue pause": "!queue resume",
    "!queue cap 5": "!queue cap 50",
    "!panic": "!resume",
}


async def answer(house: House, who: User, text: str) -> str:
    """What somebody is told, without their name before it."""
    world = house.peer.world
    world.advance(32.0)  # there is room for an answer, and it may be the same as before
    before = len(world.said_by(house.channel, house.bot))
    world.say(house.channel, who, text)

    def told() -> str:
        # The rest of a long answer before may come along in front.
        lines = world.said_by(house.channel, house.bot)[before:]
        return next((rest for line in lines if (rest := line.partition(f"@{who.name} ")[2])), "")

    return await world.until(told)


@pytest.mark.parametrize("level", LEVELS)
async def test_every_typed_command_at_every_level(house: House, level: Level) -> None:
    world, mia = house.peer.world, house.channel
    ann, bob, blocked, viewer = (world.add_user(n) for n in ("ann", "bob", "blocked", "Viewer"))
    moderator = world.add_user("Moderator")
    mia.moderators.add(moderator.id)
    who = {Level.BLOCKED: blocked, Level.MEMBER: viewer, Level.MODERATOR: moderator}.get(level, mia)
    for one in (ann, bob, blocked):
        await answer(house, one, "!riff jazz")
    await answer(house, mia, "!block blocked")
    await answer(house, mia, "!riffset add blocked-words quux")
    for command, needed in COMMANDS.items():
        may = level >= needed
        if may and command.startswith(("!queue", "!block", "!timeout", "!panic")):
            await answer(house, mia, "!queue clear")
            for one in (ann, bob):
                house.live.kit.clock.time += 600.0
                await answer(house, one, "!riff jazz")
        told = await answer(house, who, command)
        assert told.startswith(REFUSED) != may, f"{command}: {told}"
        if may and command in UNDO:
            await answer(house, mia, UNDO[command])
    for command, (before, needed) in AFTER.items():
        if needed <= Level.ADMIN:
            await answer(house, mia, before)
        told = await answer(house, who, command)
        assert told.startswith(REFUSED) == (level < needed), f"{command}: {told}"
        if level < needed <= Level.ADMIN:
            await answer(house, mia, command)
