"""Moderators on Discord: what they type, their slash commands, and the settings panel."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.jobs import Job, Requester
from bot.moderation.levels import Level
from tests.bot.moderation.test_commands import AFTER, COMMANDS
from tests.cogs.discord.conftest import Clips
from tests.cogs.discord.house import House, open_house
from tests.peers.discord import (
    Channel,
    DiscordPeer,
    Interaction,
    Message,
    NotOfferedError,
    Permission,
    User,
)
from tests.peers.discord.threads import open_thread

REFUSED = ("Only ", "You may not ask")
NOTHING = Permission(0)
POWERS = {
    Level.MEMBER: NOTHING,
    Level.MODERATOR: Permission.MODERATE_MEMBERS,
    Level.ADMIN: Permission.MANAGE_GUILD,
}

UNDO = {
    "!block ann": ["!unblock ann"],
    "!unblock blocked": ["!block blocked"],
    "!timeout ann 10m spam": ["!unblock ann"],
    "!queue pause": ["!queue resume"],
    "!queue pause everywhere": ["!queue resume everywhere"],
    "!queue cap 5": ["!queue cap 50", "!queue clear"],
    "!panic": ["!resume"],
    "!panic everywhere": ["!resume everywhere"],
}


def person(house: House, name: str, powers: Permission = NOTHING) -> User:
    """A member of the guild with a role that allows this."""
    world = house.peer.world
    (guild,) = world.guilds.values()
    user = world.add_user(name)
    world.member(guild, user).roles.append(world.add_role(guild, f"of {name}", powers))
    return user


def at_level(house: House, level: Level) -> User:
    user = person(house, level.name.title(), POWERS.get(level, NOTHING))
    if level is Level.OWNER:
        client = house.adapter._client
        assert client is not None
        client.operators = frozenset({user.id})
    return user


async def say(house: House, who: User, text: str) -> Message:
    return await house.reply(house.peer.world.say(house.channel, who, text))


async def whispered(asked: Interaction) -> str:
    await house_until(asked)
    (message,) = asked.messages
    assert message.ephemeral
    return message.content


async def house_until(asked: Interaction) -> None:
    await asked.world.until(lambda: asked.messages and not asked.messages[-1].loading)


async def riff(house: House, who: User, prompt: str = "jazz") -> Message:
    asked = house.peer.world.say(house.channel, who, f"!riff {prompt}")
    await house.status(asked)
    return asked


@pytest.mark.parametrize("level", Level)
async def test_every_typed_command_at_every_level(house: House, level: Level) -> None:
    ann, bob = person(house, "ann"), person(house, "bob")
    owner = at_level(house, Level.OWNER)
    who = owner if level is Level.OWNER else at_level(house, level)
    if level is Level.BLOCKED:
        await riff(house, who)
        await say(house, owner, f"!block <@{who.id}>")
    await say(house, owner, "!riffset add blocked-words quux")
    for command, needed in COMMANDS.items():
        if command.startswith(("!queue", "!block", "!timeout", "!panic")):
            await say(house, owner, "!queue clear")
            house.clock.time += 600.0
            await riff(house, ann)
            await riff(house, bob)
        answer = await say(house, who, command)
        assert answer.content.startswith(REFUSED) == (level < needed), f"{command}: {answer}"
        for undo in UNDO.get(command, ()) if level >= needed else ():
            await say(house, owner, undo)
    for command, (before, needed) in AFTER.items():
        await say(house, owner, before)
        answer = await say(house, who, command)
        assert answer.content.startswith(REFUSED) == (level < needed), f"{command}: {answer}"
        await say(house, owner, command)


async def test_a_person_is_named_by_mention(house: House) -> None:
    moderator, ann = at_level(house, Level.MODERATOR), person(house, "ann")
    await riff(house, ann)
    answer = await say(house, moderator, f"!timeout <@{ann.id}> 10m too loud")
    assert answer.content == "ann is blocked for 10m; 1 riff was cancelled."
    refused = await say(house, ann, "!riff jazz")
    assert refused.content == "You may not ask for anything here at present."
    (told,) = house.peer.world.dm_channel(ann).messages.values()
    assert told.content.endswith("The reason given: too loud")
    # Nobody is pinged by being named, and moderators are above those whom they block.
    other = at_level(house, Level.ADMIN)
    answer = await say(house, moderator, f"!block <@{other.id}>")
    assert "above" in answer.content
    assert answer.pinged == set()


async def test_private_answers_are_written_directly(house: House) -> None:
    moderator = at_level(house, Level.MODERATOR)
    answer = await say(house, moderator, "!riffset add blocked-words zonk")
    answer = await say(house, moderator, "!riffset show blocked-words")
    assert "zonk" not in answer.content
    dm = house.peer.world.dm_channel(moderator)
    assert any("zonk" in message.content for message in dm.messages.values())
    dm.may_send = False
    answer = await say(house, moderator, "!riffset show blocked-words")
    assert answer.content == "blocked-words has 1 entries. " + answer.content.split(". ", 1)[1]
    assert "zonk" not in answer.content


async def test_a_long_answer_is_a_file(house: House) -> None:
    answer = await say(house, house.member, "!riffset show")
    if len(answer.content) > 100:
        assert len(answer.content) <= 2000
    moderator = at_level(house, Level.MODERATOR)
    words = ", ".join(f"zonk{number}{'x' * 90}" for number in range(60))
    for part in (words[:1500].rpartition(",")[0], words[-1500:].partition(",")[2]):
        await say(house, moderator, f"!riffset add blocked-words {part}")
    await say(house, moderator, "!riffset export")
    dm = house.peer.world.dm_channel(moderator)
    files = [m.attachments for m in dm.messages.values() if m.attachments]
    assert files
    assert b"blocked-words" in files[-1][0].data


async def test_silence_where_moderators_want_none(house: House) -> None:
    moderator = at_level(house, Level.MODERATOR)
    world = house.peer.world
    (guild,) = world.guilds.values()
    other = world.add_channel(guild, "music")
    world.tell("CHANNEL_CREATE", other.to_json(), other)
    answer = await say(house, moderator, f"!riffset channels <#{other.id}>")
    assert str(other.id) in answer.content
    ignored = house.say("!riff lo-fi beat")
    near_miss = house.say("!rif lo-fi beat")
    answered = world.say(other, house.member, "!riff lo-fi beat")
    await house.status(answered)
    assert house.replies(ignored) == house.replies(near_miss) == []
    # A slash command is answered, but for the asker's eyes only.
    sentence = await whispered(house.slash("riff", prompt="beat"))
    assert sentence == "I answer in other channels of this community only."
    # Moderators are heard everywhere, or they could not take it back.
    assert "no longer set" in (await say(house, moderator, "!riffset reset channels")).content


@pytest.mark.parametrize("told", [True, False])
async def test_what_is_set_for_a_channel_holds_in_its_threads(house: House, told: bool) -> None:
    moderator = at_level(house, Level.MODERATOR)
    await say(house, moderator, "!riffset steps 9 --here")
    thread = open_thread(house.peer.world, house.channel, told=told)
    await house.status(house.say("!riff typed", thread))
    await house.slash("riff", thread, prompt="chosen").reply()
    for prompt in ("typed", "chosen"):
        job = await house.begin()
        assert (job.request.prompt, job.request.steps) == (prompt, 9)


# Slash commands -----------------------------------------------------------------------------

SLASHED: list[tuple[str, dict[str, object], Level]] = [
    ("riffset", {"action": "show"}, Level.MEMBER),
    ("riffset", {"setting": "steps"}, Level.MEMBER),
    ("riffset", {"setting": "blocked-words"}, Level.MODERATOR),
    ("riffset", {"setting": "steps", "value": "20", "where": "me alone"}, Level.MEMBER),
    ("riffset", {"setting": "steps", "value": "20"}, Level.MODERATOR),
    ("riffset", {"setting": "steps", "action": "reset"}, Level.MODERATOR),
    ("riffset", {"setting": "shipped-list", "value": "off"}, Level.ADMIN),
    ("riffset", {"setting": "steps", "value": "20", "where": "everywhere"}, Level.OWNER),
    ("riffset", {"action": "log"}, Level.MODERATOR),
    ("riffset", {"action": "export"}, Level.MODERATOR),
    ("riffset", {"action": "import", "value": "steps = 20"}, Level.ADMIN),
    ("queue", {}, Level.MEMBER),
    ("queue", {"action": "skip"}, Level.MODERATOR),
    ("queue", {"action": "clear"}, Level.MODERATOR),
    ("queue", {"action": "cap", "number": 50}, Level.MODERATOR),
    ("queue", {"action": "pause"}, Level.MODERATOR),
    ("queue", {"action": "resume"}, Level.MODERATOR),
    ("queue", {"action": "pause", "everywhere": True}, Level.OWNER),
    ("queue", {"action": "resume", "everywhere": True}, Level.OWNER),
    ("block", {"user": "ann"}, Level.MODERATOR),
    ("unblock", {"user": "ann"}, Level.MODERATOR),
    ("timeout", {"user": "ann", "length": "1s"}, Level.MODERATOR),
    ("panic", {}, Level.MODERATOR),
    ("resume", {}, Level.MODERATOR),
]


@pytest.mark.parametrize("level", Level)
async def test_every_slash_command_at_every_level(house: House, level: Level) -> None:
    ann, owner = person(house, "ann"), at_level(house, Level.OWNER)
    who = owner if level is Level.OWNER else at_level(house, level)
    # Admins can have Discord show every command to everybody: then the bot has to know better.
    for command in house.peer.world.commands.everywhere.values():
        command.data["default_member_permissions"] = None
    if level is Level.BLOCKED:
        await riff(house, who)
        await say(house, owner, f"!block <@{who.id}>")
    for name, options, needed in SLASHED:
        given = {key: ann if value == "ann" else value for key, value in options.items()}
        asked = house.peer.world.slash(house.channel, who, name, given)
        sentence = await whispered(asked)
        assert sentence.startswith(REFUSED) == (level < needed), f"{name} {options}: {sentence}"


async def test_slash_commands_mean_what_is_typed(house: House) -> None:
    world, moderator, ann = house.peer.world, at_level(house, Level.MODERATOR), person(house, "ann")

    async def use(name: str, **options: object) -> str:
        return await whispered(world.slash(house.channel, moderator, name, options))

    first, second = await riff(house, ann, "jazz"), await riff(house, house.member, "rock")
    assert "jazz" in await use("queue")
    assert "Moved" in await use("queue", action="move", place=2, to=1)
    assert "rock" in await use("queue", action="skip", place=1)
    assert await use("block", user=ann, reason="loud") == "ann is blocked; 1 riff was cancelled."
    assert await use("unblock", user=ann) == "ann may ask for riffs again."
    assert "blocked for 10m" in await use("timeout", user=ann, length="10m")
    assert await use("panic") == "Everything is stopped; 0 riffs were cancelled. !resume goes on."
    assert await use("resume") == "Riffs go on."
    assert "steps is now 20 for this community" in await use("riffset", setting="steps", value="20")
    answer = await use("riffset", setting="steps", value="9", where="me alone")
    assert answer == "steps is now 9 for you."
    assert "set for you" in await use("riffset", setting="steps", action="explain")
    toml = ("settings.toml", b"bpm = 90\nsteps = 12\n")
    refused = await use("riffset", action="import", file=toml)
    assert refused.startswith("Only admins")
    admin = at_level(house, Level.ADMIN)
    asked = world.slash(
        house.channel, admin, "riffset", {"action": "import", "rehearse": True, "file": toml}
    )
    assert "This would change" in await whispered(asked)
    settings = house.services.moderation.rules.settings
    community = Requester("discord", str(house.channel.guild_id), "1", "Somebody")
    assert settings.settings_of(community).sound.bpm is None
    assert not first.deleted
    assert not second.deleted


async def test_members_are_not_shown_what_they_may_not_use(house: House) -> None:
    ann = person(house, "ann")
    for name in ("block", "unblock", "timeout", "panic", "resume"):
        with pytest.raises(NotOfferedError):
            house.peer.world.slash(house.channel, ann, name, {"user": ann})
    # What Discord shows to everybody is decided here.
    asked = house.peer.world.slash(house.channel, ann, "queue", {"action": "pause"})
    assert await whispered(asked) == "Only moderators may do that here."


async def test_settings_complete_their_names_and_values(house: House) -> None:
    world, moderator = house.peer.world, at_level(house, Level.MODERATOR)
    names = await world.autocomplete(
        moderator, "riffset", "setting", "who may", channel=house.channel
    )
    assert names[0].value == "who-may-riff"
    values = await world.autocomplete(
        moderator, "riffset", "value", "", channel=house.channel,
        options={"setting": "who-may-riff"},
    )  # fmt: skip
    assert {choice.value for choice in values} == {"everyone", "roles", "subscribers", "followers"}


# The panel ----------------------------------------------------------------------------------


async def panel(house: House, who: User, channel: Channel) -> Message:
    opened = house.peer.world.slash(channel, who, "riffset")
    message = await opened.reply()
    assert message.ephemeral
    return message


async def pick(house: House, shown: Message, who: User, menu: str, value: object) -> str:
    pressed = house.peer.world.press(shown, who, menu, values=[value])
    await pressed.answered()
    return shown.content


async def test_the_panel_sets_with_menus_and_a_form(house: House) -> None:
    moderator, world = at_level(house, Level.MODERATOR), house.peer.world
    shown = await panel(house, moderator, house.channel)
    assert "steps is auto" in await pick(house, shown, moderator, "Setting", "steps")
    opened = world.press(shown, moderator, "Change…")
    assert (await opened.modal())["title"] == "steps"
    await world.submit(opened, {"Value": "20"}).answered()
    assert shown.content.startswith("steps is now 20 for this community.")
    await pick(house, shown, moderator, "For whom", "user")
    opened = world.press(shown, moderator, "Change…")
    await opened.modal()
    refused = world.submit(opened, {"Value": "1000"})
    assert "1 to 100" in await whispered(refused)
    await pick(house, shown, moderator, "What about", "who")
    await pick(house, shown, moderator, "Setting", "who-may-riff")
    said = await pick(house, shown, moderator, "Value", "roles")
    assert said.startswith("who-may-riff is now roles")
    await pick(house, shown, moderator, "Setting", "channels")
    assert str(house.channel.id) in await pick(house, shown, moderator, "Channels", house.channel)
    await world.press(shown, moderator, "Reset").answered()
    assert "no longer set" in shown.content


async def test_a_members_panel_changes_only_what_is_theirs(house: House) -> None:
    ann = person(house, "ann")
    shown = await panel(house, ann, house.channel)
    await pick(house, shown, ann, "Setting", "seamless")
    refused = house.peer.world.press(shown, ann, "Value", values=["no"])
    assert await whispered(refused) == "Only moderators may do that here."
    await pick(house, shown, ann, "For whom", "user")
    assert "for you" in await pick(house, shown, ann, "Value", "no")


async def test_a_panel_of_an_earlier_run_says_so(
    peer: DiscordPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        shown = await panel(house, house.member, house.channel)
    monkeypatch.setattr("cogs.discord.client._UNANSWERED_AFTER", 0.05)
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        pressed = peer.world.press(shown, house.member, "Setting", values=["steps"])
        assert "restarted" in await whispered(pressed)


# What Discord reports -----------------------------------------------------------------------


async def made(house: House, clips: Clips, who: User) -> tuple[Message, Message, Job]:
    asked = await riff(house, who)
    job = await house.begin()
    await house.end(job, clips(job))
    answer = await house.reply(asked)
    return asked, answer, await house.state(job, "delivered")


async def test_a_deleted_request_takes_its_answer_along(house: House, clips: Clips) -> None:
    asked, answer, job = await made(house, clips, house.member)
    house.peer.world.delete(asked)
    await house.until(lambda: answer.deleted)
    assert (await house.studio.view(job.id)).job.hidden


async def test_a_deleted_request_is_not_drawn(house: House) -> None:
    asked = await riff(house, house.member)
    status = await house.status(asked)
    job = await house.begin()
    house.peer.world.delete(asked)
    await house.state(job, "cancelled")
    await house.until(lambda: status.content == "This riff was cancelled.")
    assert house.stopped == [job.id]


async def test_a_deleted_answer_is_no_longer_in_history(house: House, clips: Clips) -> None:
    _, answer, job = await made(house, clips, house.member)
    house.peer.world.delete(answer)
    with house.studio.subscribe() as events:
        if not (await house.studio.view(job.id)).job.hidden:
            async for _ in events:
                if (await house.studio.view(job.id)).job.hidden:
                    break
    assert await house.studio.recent("discord", str(house.channel.guild_id)) == []
