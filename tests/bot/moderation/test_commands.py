"""What moderators type, and who may: one table for every platform."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from bot.ask import Ask
from bot.errors import BadInputRefusal, ForbiddenRefusal, NotFoundRefusal, Refusal
from bot.events import HaltChanged
from bot.grammar import MODERATION, read_command
from bot.jobs import Requester
from bot.moderation.commands import Commands
from bot.moderation.desk import Moderation
from bot.moderation.halts import PAUSED
from bot.moderation.levels import Level
from tests.bot.conftest import HOME, Kit, moderated
from tests.bot.moderation.conftest import ADMIN, MEMBER, MODERATOR, OWNER, somebody
from tests.waiting import soon

BLOCKED = somebody("blocked")
ANN, BOB = somebody(user="ann"), somebody(user="bob")
PEOPLE = {
    Level.BLOCKED: BLOCKED,
    Level.MEMBER: MEMBER,
    Level.MODERATOR: MODERATOR,
    Level.ADMIN: ADMIN,
    Level.OWNER: OWNER,
}

# Every command, and the least level that may give it. A platform adds its own way of asking.
COMMANDS = {
    "!riffset": Level.MEMBER,
    "!riffset show": Level.MEMBER,
    "!riffset steps": Level.MEMBER,
    "!riffset explain steps": Level.MEMBER,
    "!riffset show blocked-words": Level.MODERATOR,
    "!riffset explain allowed-words": Level.MODERATOR,
    "!riffset steps 20 --mine": Level.MEMBER,
    "!riffset reset steps --mine": Level.MEMBER,
    "!riffset burst 2 --mine": Level.MODERATOR,
    "!riffset steps=20": Level.MODERATOR,
    "!riffset set steps 20": Level.MODERATOR,
    "!riffset reset steps": Level.MODERATOR,
    "!riffset add blocked-words zonk": Level.MODERATOR,
    "!riffset remove blocked-words quux": Level.MODERATOR,
    "!riffset shipped-list off": Level.ADMIN,
    "!riffset admin-roles 77": Level.ADMIN,
    "!riffset steps 20 --global": Level.OWNER,
    "!riffset reset steps --global": Level.OWNER,
    "!riffset export": Level.MODERATOR,
    "!riffset export --global": Level.OWNER,
    "!riffset import steps = 20": Level.ADMIN,
    "!riffset import --dry-run steps = 20": Level.ADMIN,
    "!riffset import --global steps = 20": Level.OWNER,
    "!riffset log": Level.MODERATOR,
    "!block ann": Level.MODERATOR,
    "!unblock blocked": Level.MODERATOR,
    "!timeout ann 10m spam": Level.MODERATOR,
    "!queue": Level.MEMBER,
    "!queue pause": Level.MODERATOR,
    "!queue pause everywhere": Level.OWNER,
    "!queue skip": Level.MODERATOR,
    "!queue skip 1": Level.MODERATOR,
    "!queue move 2 1": Level.MODERATOR,
    "!queue clear": Level.MODERATOR,
    "!queue clear ann": Level.MODERATOR,
    "!queue cap 5": Level.MODERATOR,
    "!panic": Level.MODERATOR,
    "!panic everywhere": Level.OWNER,
}
AFTER = {
    "!queue resume": ("!queue pause", Level.MODERATOR),
    "!queue resume everywhere": ("!queue pause everywhere", Level.OWNER),
    "!resume": ("!panic", Level.MODERATOR),
    "!resume everywhere": ("!panic everywhere", Level.OWNER),
}


@dataclass
class Room:
    kit: Kit
    moderation: Moderation
    commands: Commands

    async def say(self, who: Requester, text: str) -> str:
        command = read_command(text, MODERATION)
        assert command is not None
        return (await self.commands.answer(who, command.name, command.rest)).text

    async def ask(self, *people: Requester) -> list[str]:
        views = [await self.kit.studio.submit(who, Ask("jazz"), HOME) for who in people]
        return [view.job.id for view in views]

    async def state(self, job_id: str) -> str:
        return (await self.kit.studio.view(job_id)).job.state


@pytest.fixture
async def room(kit: Kit) -> Room:
    moderation = await moderated(kit)
    return Room(kit, moderation, Commands(moderation))


async def prepared(room: Room) -> list[str]:
    """A room in which every command of the table has something to act on."""
    ids = await room.ask(ANN, BOB)
    await room.moderation.people.on_platform_ban(BLOCKED)
    await room.say(MODERATOR, "!riffset add blocked-words quux")
    return ids


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("command", [*COMMANDS, *AFTER])
async def test_every_command_at_every_level(room: Room, command: str, level: Level) -> None:
    await prepared(room)
    before, needed = AFTER.get(command, (None, None))
    if before is not None:
        await room.say(OWNER, before)
    needed = COMMANDS.get(command) if needed is None else needed
    assert needed is not None
    log = await room.moderation.rules.audit.latest("local", "chat", 100)
    if level >= needed:
        assert await room.say(PEOPLE[level], command)
    else:
        with pytest.raises(ForbiddenRefusal):
            await room.say(PEOPLE[level], command)
        assert await room.moderation.rules.audit.latest("local", "chat", 100) == log


async def test_what_changes_something_is_in_the_log(room: Room) -> None:
    await room.ask(ANN, ANN, ANN, BOB, BOB)
    for command in (
        "!riffset steps 20", "!queue pause", "!queue resume", "!queue skip", "!queue move 2 1",
        "!queue clear bob", "!queue cap 7", "!timeout ann 10m too loud", "!unblock ann", "!panic",
        "!resume",
    ):  # fmt: skip
        await room.say(MODERATOR, command)
    entries = await room.moderation.rules.audit.latest("local", "chat", 100)
    assert [entry.action for entry in reversed(entries)] == [
        "set", "queue-pause", "queue-resume", "queue-skip", "queue-move", "queue-clear", "set",
        "timeout", "unblock", "panic", "resume",
    ]  # fmt: skip
    assert {entry.by.name for entry in entries} == {"Moderator"}
    shown = await room.say(MODERATOR, "!riffset log")
    assert "Moderator: set community-waiting: not set \u2192 7" in shown


# People -------------------------------------------------------------------------------------


async def test_blocking_ends_and_hides_everything_of_theirs(room: Room) -> None:
    running, waiting, other = await room.ask(ANN, ANN, BOB)
    job = await room.kit.ledger.claim("worker-1", 60)
    assert job is not None
    assert job.id == running
    with room.kit.studio.subscribe() as events:
        await room.say(MODERATOR, "!block ann being loud")
        told = set()
        async for event in events:
            told.add(getattr(event, "job_id", None))
            if told >= {running, waiting}:
                break
    assert room.kit.stopped == [running]
    assert [await room.state(one) for one in (running, waiting, other)] == [
        "cancelled", "cancelled", "queued",
    ]  # fmt: skip
    view = await room.kit.studio.view(running)
    assert "jazz" not in repr(view)
    assert "Ann" not in repr(view.job.requester.name)
    assert [v.job.id for v in await room.kit.studio.recent("local", "chat")] == [other]
    with pytest.raises(ForbiddenRefusal) as caught:
        await room.ask(ANN)
    assert "being loud" in caught.value.privately
    assert "being loud" not in str(caught.value)
    await room.say(MODERATOR, "!unblock ann")
    assert len(await room.kit.studio.recent("local", "chat")) == 3
    await room.ask(ANN)


async def test_a_time_out_ends_by_itself(room: Room) -> None:
    await room.ask(ANN)
    await room.say(MODERATOR, "!timeout ann 10m spam")
    room.kit.clock.time += 599
    with pytest.raises(ForbiddenRefusal):
        await room.ask(ANN)
    room.kit.clock.time += 2
    await room.ask(ANN)


async def test_a_ban_holds_after_a_restart(room: Room) -> None:
    await room.ask(ANN)
    await room.say(MODERATOR, "!block ann")
    again = await moderated(room.kit)
    assert again.rules.access.level(ANN) is Level.BLOCKED


async def test_nobody_slips_in_between_check_and_ledger(room: Room) -> None:
    """The policy said yes, then the block was committed, then the job would be."""
    rules = room.moderation.rules
    await room.moderation.people.on_platform_ban(ANN)
    rules.bans.forget(next(iter(rules.bans.those_in("local", "chat"))))  # not yet in memory
    with pytest.raises(ForbiddenRefusal):
        await room.ask(ANN)
    assert await room.kit.studio.recent("local", "chat") == []


async def test_only_people_below_oneself_can_be_blocked(room: Room) -> None:
    people = room.moderation.people
    with pytest.raises(ForbiddenRefusal, match="above"):
        await people.block(MODERATOR, somebody("moderator", "other"))
    with pytest.raises(ForbiddenRefusal):
        await people.block(MODERATOR, ADMIN)
    with pytest.raises(BadInputRefusal, match="yourself"):
        await people.block(MODERATOR, MODERATOR)
    await people.block(ADMIN, somebody("moderator", "other"))
    await people.on_platform_ban(OWNER)
    assert room.moderation.rules.access.level(OWNER) is Level.OWNER


async def test_what_platforms_report_has_the_same_effect(room: Room) -> None:
    people = room.moderation.people
    (job_id,) = await room.ask(ANN)
    await people.on_platform_ban(ANN, seconds=60)
    assert await room.state(job_id) == "cancelled"
    await people.on_platform_unban(ANN)
    view = await room.kit.studio.submit(ANN, Ask("rain"), HOME, key="message-5")
    assert await people.on_message_deleted("local", "ann", "message-5") == view.job.id
    assert await room.state(view.job.id) == "cancelled"
    assert "rain" not in repr(await room.kit.studio.view(view.job.id))
    assert await people.on_message_deleted("local", "ann", "message-6") is None
    # A platform that lifts its ban does not lift a moderator's.
    await people.block(MODERATOR, ANN)
    await people.on_platform_unban(ANN)
    assert room.moderation.rules.access.level(ANN) is Level.BLOCKED


async def test_people_are_found_by_name_or_id(room: Room) -> None:
    two = Requester("local", "chat", "u1", "Amber Otter"), Requester("local", "chat", "u2", "Amber")
    await room.ask(*two)
    named = room.moderation.people.named
    assert (await named(MODERATOR, "amber otter 5m spam"))[0].user == "u1"
    assert (await named(MODERATOR, '@"Amber" spam'))[1] == "spam"
    assert (await named(MODERATOR, "Amber spam"))[0].user == "u2"
    assert (await named(MODERATOR, "u1"))[0].name == "Amber Otter"
    with pytest.raises(NotFoundRefusal):
        await named(MODERATOR, "nobody")
    await room.ask(Requester("local", "chat", "u3", "Amber"))
    with pytest.raises(BadInputRefusal, match="u2 or u3"):
        await named(MODERATOR, "Amber")


# Queue and panic ----------------------------------------------------------------------------


async def test_a_paused_queue_takes_riffs_and_serves_none(room: Room) -> None:
    await room.say(MODERATOR, "!queue pause")
    (job_id,) = await room.ask(ANN)
    (elsewhere,) = await room.ask(somebody(user="eve", community="elsewhere"))
    view = await room.kit.studio.view(job_id)
    assert (view.waiting, view.notice) == (None, PAUSED)
    claimed = await room.kit.ledger.claim("worker-1", 60)
    assert claimed is not None
    assert claimed.id == elsewhere
    assert await room.kit.ledger.claim("worker-1", 60) is None
    await room.say(MODERATOR, "!queue resume")
    claimed = await room.kit.ledger.claim("worker-1", 60)
    assert claimed is not None
    assert claimed.id == job_id


async def test_a_panic_empties_the_queue_and_takes_nothing_new(room: Room) -> None:
    running, waiting = await room.ask(ANN, BOB)
    await room.kit.ledger.claim("worker-1", 60)
    await room.say(MODERATOR, "!riffset safe-loop rain-1")
    with room.kit.studio.subscribe() as events:
        assert "2 riffs were cancelled" in await room.say(MODERATOR, "!panic")

        async def halt() -> HaltChanged:
            async for event in events:
                if isinstance(event, HaltChanged):
                    return event
            raise AssertionError

        assert await soon(halt()) == HaltChanged(("local", "chat"), "panic", "rain-1")
    assert {await room.state(running), await room.state(waiting)} == {"cancelled"}
    with pytest.raises(Refusal, match="stopped"):
        await room.ask(ANN)
    await moderated(room.kit)  # a restart
    with pytest.raises(Refusal, match="stopped"):
        await room.ask(ANN)
    with pytest.raises(BadInputRefusal, match="!resume"):
        await room.say(MODERATOR, "!queue resume")
    await room.say(MODERATOR, "!resume")


async def test_a_halt_of_everything_is_the_owners(room: Room) -> None:
    await room.say(OWNER, "!queue pause everywhere")
    await room.ask(ANN)
    assert await room.kit.ledger.claim("worker-1", 60) is None
    with pytest.raises(BadInputRefusal, match="owner"):
        await room.say(MODERATOR, "!queue resume")
    await room.say(OWNER, "!queue resume everywhere")
    assert await room.kit.ledger.claim("worker-1", 60) is not None


async def served(room: Room) -> list[str]:
    found = []
    while (job := await room.kit.ledger.claim("worker-1", 60)) is not None:
        found.append(job.id)
    return found


@pytest.mark.parametrize("turns", ["fair", "first-come"])
@pytest.mark.parametrize(("start", "to"), [(5, 1), (1, 4), (3, 2), (2, 2), (4, 5)])
async def test_a_moved_riff_is_served_where_it_was_moved(
    room: Room, turns: str, start: int, to: int
) -> None:
    await room.say(MODERATOR, f"!riffset turns {turns}")
    await room.ask(ANN, ANN, ANN, BOB, BOB)
    control = room.moderation.control
    order = [job.id for job in await control.waiting(MODERATOR)]
    await room.say(MODERATOR, f"!queue move {start} {to}")
    order.insert(to - 1, order.pop(start - 1))
    expected = [job.id for job in await control.waiting(MODERATOR)]
    assert expected[: max(start, to)] == order[: max(start, to)]
    positions = await room.kit.queue.waiting()
    assert sorted(expected, key=lambda one: positions[one].position) == expected
    assert await served(room) == expected


async def test_skipping_and_clearing(room: Room) -> None:
    first, second, third, fourth = await room.ask(ANN, BOB, ANN, BOB)
    await room.kit.ledger.claim("worker-1", 60)
    assert "\u201cjazz\u201d by Ann" in await room.say(MODERATOR, "!queue skip")
    assert room.kit.stopped == [first]
    await room.say(MODERATOR, "!queue skip 1")
    assert await room.state(second) == "cancelled"
    assert "1 riff was" in await room.say(MODERATOR, "!queue clear ann")
    assert [await room.state(one) for one in (third, fourth)] == ["cancelled", "queued"]
    with pytest.raises(NotFoundRefusal):
        await room.say(MODERATOR, "!queue skip 2")


async def test_a_cap_counts_at_once(room: Room) -> None:
    await room.say(MODERATOR, "!queue cap 1")
    await room.ask(ANN)
    with pytest.raises(Refusal, match="waiting already"):
        await room.ask(BOB)


# Settings -----------------------------------------------------------------------------------


async def test_what_was_exported_can_be_imported(room: Room) -> None:
    for text in (
        "steps 20", "bpm auto", "length 4bars", "who-may-riff roles", "riff-roles a b, c\"d",
        "add blocked-words /d[a4]rn,{1,2}/, kick it", "vote-weights moderator=2.5",
    ):  # fmt: skip
        await room.say(ADMIN, f"!riffset {text}")
    toml = await room.say(ADMIN, "!riffset export")
    assert await room.say(ADMIN, f"!riffset import\n{toml}") == "That changes nothing."
    changed = re.sub(r"(?m)^steps = 20$", "steps = 30", toml)
    before = await room.moderation.rules.audit.latest("local", "chat", 100)
    diff = await room.say(ADMIN, f"!riffset import --dry-run\n{changed}")
    assert "steps: 20 \u2192 30" in diff
    assert await room.moderation.rules.audit.latest("local", "chat", 100) == before
    assert "bpm" not in diff
    await room.say(ADMIN, "!riffset import steps = 40")
    assert (await room.moderation.rules.settings.resolve(MEMBER)).sound.steps == 40
    assert "steps = 40" in await room.say(ADMIN, "!riffset export")
    assert "kick it" not in await room.say(ADMIN, "!riffset export")


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("steps = -1", "1 to 100"),
        ("stpes = 1", "nearest is steps"),
        ("steps = [", "not valid TOML"),
        ("x = " + "[" * 3000, "not valid TOML"),
        ("blocked-words = ['/(/']", "regular expression"),
        ("global-burst = 5", "everywhere only"),
        ("burst = 1e8", "at most 5"),
    ],
)
async def test_a_bad_import_changes_nothing(room: Room, toml: str, words: str) -> None:
    with pytest.raises(BadInputRefusal, match=words):
        await room.say(ADMIN, f"!riffset import bpm = 90\n{toml}")
    assert await room.moderation.rules.audit.latest("local", "chat") == []


async def test_explaining_says_who_decided(room: Room) -> None:
    assert "default" in await room.say(MEMBER, "!riffset explain steps")
    await room.say(MODERATOR, "!riffset steps 20")
    assert "20, which was set for this community" in await room.say(
        MEMBER, "!riffset explain steps"
    )
    await room.say(MEMBER, "!riffset steps 9 --mine")
    assert "9, which was set for you" in await room.say(MEMBER, "!riffset explain steps")


async def test_a_text_that_nobody_chose_is_not_set(room: Room) -> None:
    listed = await room.say(MEMBER, "!riffset show")
    assert "safe-loop not set" in listed and "on-follow not set" in listed
    assert "model auto" in listed
    assert "or not set." in await room.say(MEMBER, "!riffset explain on-follow")
    await room.say(OWNER, "!riffset on-follow warm strings x2 --global")
    for words in ("not set", "auto"):
        assert "on-follow is now not set" in await room.say(ADMIN, f"!riffset on-follow {words}")
        assert "on-follow not set" in await room.say(MEMBER, "!riffset show")
        answer = await room.say(ADMIN, "!riffset reset on-follow")
        assert "what applies is warm strings x2" in answer


async def test_rules_are_never_told_in_public(room: Room) -> None:
    for name, rest in (("riffset", "add blocked-words zonk"), ("riffset", "show blocked-words")):
        reply = await room.commands.answer(MODERATOR, name, rest)
        assert "zonk" not in (reply.public if reply.private else reply.text)
    assert "zonk" not in await room.say(MEMBER, "!riffset show")


def test_platforms_that_do_not_answer_them_do_not_see_these_commands() -> None:
    assert read_command("!block ann") is None
    assert read_command("!panic") is None
