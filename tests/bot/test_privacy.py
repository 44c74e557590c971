"""Somebody sees everything that is kept about them, and after deleting it nothing is left."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.chat import Said, Taken
from bot.errors import BadInputRefusal, ForbiddenRefusal
from bot.events import JobChanged
from bot.housekeeping import Housekeeping
from bot.jobs import Job, Requester
from bot.moderation.commands import Reply
from bot.moderation.removal import Removal
from generation.request import Source
from tests.bot.conftest import Kit, person
from tests.bot.desk import HOME, Desk, files_of, open_desk
from tests.waiting import DEADLINE

ANN, BOB = person("ann"), person("bob")
ANN_ELSEWHERE = replace(ANN, community="other")
MOD = replace(person("mod"), roles=frozenset({"moderator"}))
FILES = {"mp3": b"sound", "png": b"picture"}


@pytest.fixture
async def desk(kit: Kit, tmp_path: Path) -> Desk:
    return await open_desk(kit, tmp_path)


async def exported(desk: Desk, who: Requester) -> dict[str, Any]:
    answer = await desk.says(who, "!privacy export")
    assert isinstance(answer, Reply) and answer.private and answer.file is not None
    with zipfile.ZipFile(io.BytesIO(answer.file.data)) as archive:
        (name,) = archive.namelist()
        return dict(json.loads(archive.read(name)))


async def test_the_export_holds_all_of_theirs_and_nothing_of_others(desk: Desk) -> None:
    source = Source("init", await desk.services.sources.put(b"a tune of ann's"))
    await desk.says(ANN, "!remix rainy words", Said(ANN, "", HOME, source=source))
    await desk.render(FILES)
    await desk.riff(ANN_ELSEWHERE, "!riff other place")
    await desk.riff(BOB, "!riff secret of bob")
    await desk.reply(ANN, "!riffset steps 9 --mine")
    await desk.reply(MOD, "!timeout ann 10m too loud")
    data = await exported(desk, ANN)
    prompts = [riff["request"]["prompt"] for riff in data["riffs"]]
    assert prompts == ["rainy words", "other place"]
    assert data["riffs"][0]["sources"] == [source.sha256]
    assert data["riffs"][0]["clips"][0]["files"]
    assert [(one["key"], one["value"]) for one in data["settings"]] == [("steps", 9)]
    assert data["blocks"][0]["reason"] == "too loud"
    assert {entry["action"] for entry in data["log"]} == {"set", "timeout"}
    assert "secret" not in json.dumps(data)


async def test_deleting_asks_first(desk: Desk) -> None:
    job = await desk.riff(ANN, "!riff rain")
    assert "1 riff" in await desk.reply(ANN, "!privacy delete")
    assert (await desk.services.studio.view(job.id)).job.state == "queued"
    with pytest.raises(BadInputRefusal, match="!privacy export"):
        await desk.says(ANN, "!privacy please")


async def test_nothing_is_left_afterwards(desk: Desk, kit: Kit) -> None:
    source = Source("init", await desk.services.sources.put(b"a tune"))
    answer = await desk.says(ANN, "!remix zebrafish", Said(ANN, "", HOME, source=source))
    assert isinstance(answer, Taken)
    first = await desk.render(FILES)
    second = await desk.riff(ANN_ELSEWHERE, "!riff aardvark")
    await desk.reply(ANN, "!riffset steps 9 --mine")
    assert kit.stopped == []

    with kit.events.subscribe() as events:
        text = await desk.reply(ANN, "!privacy delete yes")
        waited_for = {first.id, second.id}
        async with asyncio.timeout(DEADLINE):
            async for event in events:
                waited_for -= {event.job_id} if isinstance(event, JobChanged) else set()
                if not waited_for:
                    break
    assert text == "Deleted: 2 riffs and 3 files."
    for job in (first, second):
        view = await desk.services.studio.view(job.id)
        assert view.job.request.prompt not in ("zebrafish", "aardvark")
        assert view.job.clips == ()
    assert (await desk.services.studio.view(second.id)).job.state == "cancelled"
    assert not any((desk.services.clips / name).exists() for name in first.clips[0].files.values())
    assert not desk.services.sources.path(source.sha256).exists()
    assert (await desk.services.moderation.rules.settings.resolve(ANN)).sound.steps is None
    left = await exported(desk, ANN)
    assert (left["riffs"], left["settings"]) == ([], [])
    await kit.database.close()
    stored = kit.path.read_bytes()
    assert not [word for word in (b"zebrafish", b"aardvark", b"Ann") if word in stored]


async def test_what_is_asked_for_meanwhile_goes_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, late = Removal.end, list[Job]()

    async def end_and_be_asked(self: Removal, job_ids: Iterable[str]) -> list[str]:
        ended = await end(self, job_ids)
        if not late:
            late.append(await desk.riff(ANN, "!riff one more"))
        return ended

    monkeypatch.setattr(Removal, "end", end_and_be_asked)
    await desk.riff(ANN, "!riff rain")
    assert await desk.reply(ANN, "!privacy delete yes") == "Deleted: 2 riffs and 0 files."
    assert (await desk.services.studio.view(late[0].id)).job.state == "cancelled"
    assert await desk.kit.ledger.claim("worker-1", 60) is None


async def test_what_others_built_on_stays_theirs(desk: Desk) -> None:
    for who in (ANN, BOB):
        source = Source("init", await desk.services.sources.put(b"a tune"))
        await desk.says(who, "!remix jazz", Said(who, "", HOME, source=source))
        await desk.render()
    await desk.says(ANN, "!privacy delete yes")
    assert desk.services.sources.path(source.sha256).exists()
    assert len((await exported(desk, BOB))["riffs"]) == 1


async def test_a_block_and_a_moderators_limit_outlive_it(desk: Desk, kit: Kit) -> None:
    await desk.riff(ANN, "!riff rain")
    await desk.reply(MOD, '!block ann "grumble"')
    await desk.says(ANN, "!privacy delete yes")
    with pytest.raises(ForbiddenRefusal):
        await desk.says(ANN, "!riff more rain")
    (ban,) = desk.services.moderation.rules.bans.those_in("local", "chat")
    assert (ban.user, ban.reason) == ("ann", "")
    log = await desk.services.moderation.rules.audit.latest("local", "chat")
    assert [entry.action for entry in log][:2] == ["privacy-delete", "block"]
    assert "grumble" not in str(log) and "Ann" not in str(log)


async def test_the_empty_rows_go_with_the_next_tidying(
    desk: Desk, kit: Kit, tmp_path: Path
) -> None:
    job = await desk.riff(ANN, "!riff rain")
    await desk.says(ANN, "!privacy delete yes")
    keeper = Housekeeping(kit.database, kit.clock, files_of(kit, tmp_path), desk.services.sources)
    await keeper.tidy()
    assert await kit.ledger.job(job.id) is not None
    kit.clock.time += 3700
    await keeper.tidy()
    assert await kit.ledger.job(job.id) is None


async def test_one_riff_is_deleted_by_its_requester_or_a_moderator(desk: Desk) -> None:
    people = desk.services.moderation.people
    job = await desk.riff(ANN, "!riff rain")
    for stranger in (BOB, replace(MOD, community="other")):
        with pytest.raises(ForbiddenRefusal):
            await people.delete_riff(stranger, job.id)
    await people.delete_riff(ANN, job.id)
    view = await desk.services.studio.view(job.id)
    assert (view.job.state, view.job.hidden) == ("cancelled", True)
    other = await desk.riff(ANN, "!riff wind")
    await people.delete_riff(MOD, other.id)
    log = await desk.services.moderation.rules.audit.latest("local", "chat")
    assert [(entry.action, entry.target) for entry in log] == [("riff-delete", other.id)]
