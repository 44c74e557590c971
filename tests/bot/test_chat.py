"""One place answers commands, so what holds here holds on every platform."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat import Answer, Said, Taken
from bot.errors import BadInputRefusal, ForbiddenRefusal, NotFoundRefusal
from bot.grammar import Command
from bot.jobs import Requester
from bot.moderation.commands import Reply
from generation.request import Source
from tests.bot.conftest import Kit, person
from tests.bot.desk import HOME, Desk, open_desk

ANN, BOB = person("ann"), person("bob")
MOD = replace(person("mod"), roles=frozenset({"moderator"}))
ELSEWHERE = replace(MOD, community="other")


@pytest.fixture
async def desk(kit: Kit, tmp_path: Path) -> Desk:
    return await open_desk(kit, tmp_path)


async def test_a_line_that_is_no_command_is_not_for_us(desk: Desk) -> None:
    assert await desk.says(ANN, "what a nice riff") is None
    with pytest.raises(BadInputRefusal, match="!cancel"):
        await desk.says(ANN, "!cancle 1")


async def test_the_same_message_twice_is_one_riff(desk: Desk) -> None:
    said = Said(ANN, "", HOME, key="message 7")
    first, second = [await desk.says(ANN, "!riff jazz", said) for _ in range(2)]
    assert isinstance(first, Taken) and isinstance(second, Taken)
    assert first.view.job.id == second.view.job.id


async def test_a_follow_means_the_riff_that_is_replied_to(desk: Desk) -> None:
    first, second = [await desk.riff(ANN, f"!riff {word}") for word in ("rain", "wind")]
    await desk.render()
    await desk.render()
    said = Said(ANN, "", HOME, key="m", replied_job=first.id)
    by_reply = await desk.says(ANN, "!again", said)
    latest = await desk.says(ANN, "!again")
    assert isinstance(by_reply, Taken) and isinstance(latest, Taken)
    assert by_reply.view.job.request.prompt == "rain"
    assert latest.view.job.request.prompt == second.request.prompt
    repeated = await desk.says(ANN, "!again", said)
    assert isinstance(repeated, Taken) and repeated.view.job.id == by_reply.view.job.id


async def test_what_came_along_is_remixed_or_extended(desk: Desk) -> None:
    source = Source("init", "a" * 64)
    said = Said(ANN, "", HOME, source=source)
    for text, kind in (("!remix jazz --strength 0.4", "remix"), ("!extend jazz", "extend")):
        answer = await desk.says(ANN, text, said)
        assert isinstance(answer, Taken)
        request = answer.view.job.request
        assert (request.kind, request.prompt, request.sources) == (kind, "jazz", (source,))
    with pytest.raises(BadInputRefusal, match="Say what to make of it"):
        await desk.says(ANN, "!remix", said)
    with pytest.raises(BadInputRefusal, match="my clips"):
        await desk.says(ANN, "!again", said)


async def test_the_queue_shows_ones_own_riffs_first(desk: Desk) -> None:
    await desk.riff(BOB, "!riff techno")
    await desk.riff(ANN, "!riff rain")
    text = await desk.reply(ANN, "!queue")
    assert text.startswith("Yours:\n1. “rain”: number 2 in line (1 person ahead), about ")
    assert "1. “techno” by Bob" in text
    assert (await desk.reply(MOD, "!queue")).startswith("1. “techno” by Bob")
    with pytest.raises(ForbiddenRefusal):
        await desk.says(ANN, "!queue skip 1")
    assert await desk.reply(MOD, "!queue skip 1") == "Skipped “techno” by Bob."


async def test_one_cancels_by_number_or_id_and_only_ones_own(desk: Desk) -> None:
    with pytest.raises(NotFoundRefusal, match="no riff here"):
        await desk.says(ANN, "!cancel")
    jobs = [await desk.riff(ANN, f"!riff {word}") for word in ("rain", "wind", "snow")]
    with pytest.raises(BadInputRefusal, match=r"(?s)!cancel 1.*2\. “wind”"):
        await desk.says(ANN, "!cancel")
    assert await desk.reply(ANN, "!cancel 2") == "Cancelled “wind”."
    with pytest.raises(NotFoundRefusal, match="1 to 2"):
        await desk.says(ANN, "!cancel 3")
    with pytest.raises(ForbiddenRefusal):
        await desk.says(BOB, f"!cancel {jobs[0].id}")
    with pytest.raises(ForbiddenRefusal):
        await desk.says(ELSEWHERE, f"!cancel {jobs[0].id}")
    assert await desk.reply(MOD, f"!cancel {jobs[0].id}") == "Cancelled “rain”."
    assert await desk.reply(ANN, "!cancel") == "Cancelled “snow”."


async def test_all_of_ones_own_are_cancelled_at_once(desk: Desk) -> None:
    for word in ("rain", "wind"):
        await desk.riff(ANN, f"!riff {word}")
    other = await desk.riff(BOB, "!riff snow")
    assert await desk.reply(ANN, "!cancel all") == "Cancelled 2 of your riffs."
    assert (await desk.services.studio.view(other.id)).job.state == "queued"


async def test_history_lists_what_can_be_made_again(desk: Desk) -> None:
    with pytest.raises(NotFoundRefusal, match="no riffs here yet"):
        await desk.says(ANN, "!history")
    for seed, word in ((5, "rain"), (6, "wind")):
        await desk.riff(ANN, f"!riff {word} --seed {seed}")
        await desk.render()
    await desk.riff(ANN, "!riff still waiting")
    lines = (await desk.reply(ANN, "!history")).splitlines()
    assert [line[: line.rindex(",")] for line in lines] == ["“wind”, seed 6", "“rain”, seed 5"]


async def test_other_parts_add_commands(desk: Desk) -> None:
    async def vote(said: Said, command: Command) -> Answer:
        return Reply(f"{said.requester.name} voted {command.rest}")

    desk.services.commands["vote"] = vote
    assert await desk.reply(ANN, "!vote jazz") == "Ann voted jazz"
    with pytest.raises(BadInputRefusal, match="did you mean !vote"):
        await desk.says(ANN, "!vot jazz")


async def test_prompts_are_completed_from_ones_own(desk: Desk) -> None:
    history = desk.services.history
    for who, prompt in ((ANN, "Rain"), (ANN, "jazz rain"), (ANN, "rain"), (BOB, "rainbow")):
        await desk.riff(who, f"!riff {prompt}")
    assert await history.prompts(ANN, "RAI") == ["rain", "jazz rain"]
    assert await history.prompts(ANN) == ["rain", "jazz rain"]
    assert await history.prompts(ANN, limit=1) == ["rain"]
    assert await history.prompts(Requester("discord", "chat", "ann", "Ann"), "r") == []


async def test_what_was_taken_away_is_in_no_list(desk: Desk) -> None:
    await desk.riff(ANN, "!riff rain")
    await desk.render()
    await desk.services.moderation.people.block(MOD, ANN)
    history = desk.services.history
    assert await history.prompts(ANN) == []
    assert await history.past_riffs(ANN) == []
