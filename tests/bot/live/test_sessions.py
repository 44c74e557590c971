"""Sessions with everything around them that is real, but for the model (see `house`)."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.chat import Said
from bot.errors import BadInputRefusal, ForbiddenRefusal, NotFoundRefusal
from bot.events import WordsWithdrawn
from bot.live.sessions import weight_of
from bot.live.sounds import Sounds
from bot.live.timeline import Take
from bot.moderation.commands import Reply
from bot.settings import LiveSettings
from generation.errors import BadRequestError
from generation.request import Clip
from tests.bot.conftest import Kit
from tests.bot.live.house import ADMIN, HOME, MODERATOR, House, open_house, someone
from tests.waiting import soon

ANN, BEA, TROLL = someone("ann"), someone("bea"), someone("troll")


@pytest.fixture
async def house(kit: Kit, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(kit, tmp_path) as house:
        yield house


async def test_a_vote_becomes_music(house: House) -> None:
    assert "120 beats" in await house.says(MODERATOR, "!live start")
    assert await house.says(ANN, "!vote techno synth") == "Your vote: techno synth."
    await house.until(lambda: house.heard() == {"techno synth": 1.0})
    request = house.drawn[0]
    assert (request.kind, request.bpm, request.steps) == ("mix", 120, 12)
    assert request.length is not None and request.length.unit == "beats"
    assert "techno synth" in await house.says(BEA, "!mix")
    assert "1 vote, heard in" in await house.says(MODERATOR, "!live stop")
    with pytest.raises(NotFoundRefusal, match="No live session"):
        await house.says(ANN, "!vote rain")


async def test_a_mix_holds_the_noise_of_each_prompt(house: House) -> None:
    await house.says(MODERATOR, "!live start bpm 100")
    await house.says(ANN, "!vote techno synth")
    await house.says(BEA, "!vote rain")
    await house.until(lambda: len(house.heard()) == 2)
    seeds = {point.prompt: point.seed for request in house.drawn for point in request.points}
    assert len(set(seeds.values())) == 2
    for request in house.drawn:
        assert all(point.seed == seeds[point.prompt] for point in request.points)


async def test_transitions_of_the_queue_hold_one_seed(house: House) -> None:
    await house.says(MODERATOR, "!live start")
    await house.says(MODERATOR, "!live queue")
    await house.says(ANN, "!vote techno synth")
    await house.says(BEA, "!vote rain")
    await house.until(lambda: house.heard() == {"rain": 1.0}, step=0.25)
    assert len({point.seed for request in house.drawn for point in request.points}) == 1
    shares = [
        {point.prompt: round(point.weight, 2) for point in request.points}
        for request in house.drawn
    ]
    assert {"techno synth": 0.5, "rain": 0.5} in shares


async def test_who_may_steer_and_start(house: House) -> None:
    with pytest.raises(ForbiddenRefusal):
        await house.says(ANN, "!live start")
    await house.says(MODERATOR, "!live start")
    with pytest.raises(BadInputRefusal, match="already"):
        await house.says(MODERATOR, "!live start")
    for line in ("!live stop", "!live skip", "!live hold", "!live key"):
        with pytest.raises(ForbiddenRefusal):
            await house.says(ANN, line)
    await house.says(MODERATOR, "!riffset steer subscribers")
    with pytest.raises(ForbiddenRefusal, match="Subscribers"):
        await house.says(ANN, "!vote rain")
    await house.says(someone("sub", "subscriber"), "!vote rain")
    await house.says(MODERATOR, "!vote rain")
    await house.says(MODERATOR, "!riffset vote-weights subscriber=3, vip=0")
    with pytest.raises(ForbiddenRefusal):
        await house.says(someone("vip", "vip"), "!vote rain")
    session = house.session()
    await house.says(someone("sub", "subscriber"), "!vote techno synth")
    weights = {vote.voter.user: vote.weight for vote in session.performance.ballot.all()}
    assert weights == {"sub": 3.0, "mod": 1.0}


def test_the_best_role_counts() -> None:
    live = LiveSettings(vote_weights={"vip": 2.0, "subscriber": 3.0})
    assert weight_of(someone("ann", "vip", "subscriber"), live) == 3.0
    assert weight_of(ANN, live) == 1.0


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        ("x" * 121, BadInputRefusal),
        ("rain\u202e", BadInputRefusal),
        ("   ", BadInputRefusal),
        ("darn it", ForbiddenRefusal),
    ],
)
async def test_words_are_checked(house: House, prompt: str, error: type[Exception]) -> None:
    await house.says(MODERATOR, "!live start")
    await house.says(MODERATOR, "!riffset add blocked-words darn")
    with pytest.raises((error, BadRequestError)):
        await house.says(ANN, f"!vote {prompt}")
    with pytest.raises((error, BadRequestError)):
        await house.says(MODERATOR, f"!live duel rain | {prompt}")
    assert len(house.session().performance.ballot) == 0


async def test_what_a_community_allows_is_drawn_whatever_the_shipped_list_says(
    house: House,
) -> None:
    await house.says(MODERATOR, "!riffset add blocked-words darn")
    await house.says(MODERATOR, "!riffset add allowed-words darn techno")
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote darn techno")
    await house.until(lambda: house.heard() == {"darn techno": 1.0})
    assert await house.kit.studio.recent("local", "chat") == []


async def test_words_that_are_forbidden_later_are_not_drawn_again(house: House) -> None:
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote rain")
    await house.until(lambda: house.heard() == {"rain": 1.0})
    await house.says(BEA, "!vote darn techno")
    await house.says(MODERATOR, "!riffset add blocked-words darn")
    performance = house.session().performance
    await house.until(lambda: len(performance.ballot) == 1 and "darn techno" not in house.heard())
    assert all("darn" not in point.prompt for request in house.drawn for point in request.points)


async def test_a_block_takes_the_words_at_once_and_the_sound_at_the_next_join(house: House) -> None:
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote rain")
    await house.until(lambda: house.heard() == {"rain": 1.0})
    await house.says(TROLL, "!vote rude noise")
    await house.until(lambda: "rude noise" in house.heard())
    session = house.session()
    people = house.services.moderation.people
    with session.watching() as watcher:
        states = aiter(watcher)
        await soon(anext(states))
        await people.block(MODERATOR, TROLL, "rude")
        state = await soon(anext(states))
        while "rude noise" in str(state):
            state = await soon(anext(states))
    assert "Troll" not in str(state)
    before = session.playhead
    await house.until(lambda: house.heard() == {"rain": 1.0})
    assert session.playhead - before < 2 * 44_100
    assert len(session.performance.ballot) == 1


async def test_a_deleted_message_takes_its_vote_along(house: House, kit: Kit) -> None:
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote rain", key="m1")
    await house.says(BEA, "!vote techno synth", key="m2")
    ballot = house.session().performance.ballot
    await house.services.moderation.people.on_message_deleted("local", None, "m1")
    await house.until(lambda: len(ballot) == 1)
    assert ballot.all()[0].voter.user == "bea"
    kit.events.publish(WordsWithdrawn("local", "", "ann", "m2"))
    kit.events.publish(WordsWithdrawn("local", "elsewhere", "bea", ""))
    await house.says(ANN, "!vote rain")
    assert len(ballot) == 2


async def test_panic_and_resume(house: House) -> None:
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote rain")
    await house.until(lambda: house.heard() == {"rain": 1.0})
    safe = house.session().performance.timeline.last.take.id
    await house.says(MODERATOR, f"!riffset safe-loop {safe}")
    await house.says(BEA, "!vote techno synth")
    await house.says(MODERATOR, "!panic")
    session = house.session()
    await house.until(lambda: session.performance.timeline.at(session.playhead).kind == "safe")
    last = session.performance.timeline
    await house.until(lambda: last.at(session.playhead).take.id == safe)
    drawn = len(house.drawn)
    await house.until(lambda: session.playhead > last.last.start + 10 * 44_100)
    assert len(house.drawn) == drawn
    await house.says(MODERATOR, "!resume")
    await house.until(lambda: "techno synth" in house.heard())


async def test_a_session_goes_on_after_a_restart(kit: Kit, tmp_path: Path) -> None:
    async with open_house(kit, tmp_path) as house:
        await house.says(MODERATOR, "!live start bpm 90")
        await house.says(ANN, "!vote rain")
        await house.says(BEA, "!vote techno synth")
        await house.until(lambda: len(house.heard()) == 2)
        before, heard = house.session().playhead, house.heard()
        key = await house.services.live.key(ADMIN)
    kit.clock.time += 3600
    async with open_house(kit, tmp_path) as house:
        await house.until(lambda: house.services.live.at(("local", "chat")))
        session = house.session()
        assert session.rules.bpm == 90
        assert before <= session.playhead < before + 30 * 44_100
        assert set(house.heard()) == set(heard)
        assert len(session.performance.ballot) == 2
        assert house.services.live.place_of(key) == ("local", "chat")
        await house.says(someone("cid"), "!vote jazz piano")
        await house.until(lambda: "jazz piano" in house.heard())
        await house.says(MODERATOR, "!live stop")
    async with open_house(kit, tmp_path) as house:
        await asyncio.sleep(0)
        with pytest.raises(NotFoundRefusal):
            await house.says(ANN, "!mix")


async def test_the_end_leaves_nothing_running(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = asyncio.all_tasks()
    reading, read = threading.Event(), threading.Event()

    def take_of(self: Sounds, job_id: str, clip: Clip, loudness: float) -> Take:
        reading.set()
        read.wait(60)
        return real(self, job_id, clip, loudness)

    real = Sounds.take_of
    monkeypatch.setattr(Sounds, "take_of", take_of)
    try:
        async with open_house(kit, tmp_path) as house:
            await house.says(MODERATOR, "!live start")
            await house.says(ANN, "!vote rain")
            await house.until(reading.is_set)
        assert asyncio.all_tasks() == before
    finally:
        read.set()


async def test_several_sessions_keep_to_themselves(house: House) -> None:
    there = someone("mod2", "moderator", community="other")
    await house.says(MODERATOR, "!live start bpm 90")
    await house.says(there, "!live start bpm 150")
    await house.says(ANN, "!vote rain")
    await house.says(someone("zoe", community="other"), "!vote techno synth")
    await house.until(lambda: house.heard() == {"rain": 1.0})
    await house.until(lambda: house.heard("other") == {"techno synth": 1.0})
    assert {request.bpm for request in house.drawn} == {90, 150}
    await house.says(there, "!live stop")
    assert house.heard() == {"rain": 1.0}


async def test_a_riff_is_a_guest_in_the_sessions_time(house: House) -> None:
    await house.says(MODERATOR, "!live start bpm 100")
    await house.says(ANN, "!vote rain")
    await house.until(lambda: house.heard() == {"rain": 1.0})
    assert await house.says(BEA, "!riff sea shanty") == "(a riff)"
    await house.until(lambda: house.heard() == {"sea shanty": 1.0})
    session = house.session()
    guest = session.performance.timeline.at(session.playhead)
    assert (guest.kind, guest.title, guest.shares[0].by) == ("guest", "sea shanty", ("Bea",))
    assert guest.take.samples == session.performance.grid.loop
    await house.until(lambda: house.heard() == {"rain": 1.0})


async def test_a_guest_whose_riff_is_deleted_goes(house: House) -> None:
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote rain")
    await house.until(lambda: house.heard() == {"rain": 1.0})
    await house.says(BEA, "!riff sea shanty", key="m7")
    await house.until(lambda: house.heard() == {"sea shanty": 1.0})
    session = house.session()
    before = session.playhead
    await house.services.moderation.people.on_message_deleted("local", "bea", "m7")
    await house.until(lambda: house.heard() == {"rain": 1.0})
    assert session.playhead - before < 2.5 * 44_100


async def test_that_one_is_what_was_heard(house: House) -> None:
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote rain")
    await house.until(lambda: house.heard() == {"rain": 1.0})
    take = house.session().performance.timeline.last.take
    begun = house.session().playhead
    await house.until(lambda: house.session().playhead > begun + 20 * 44_100, step=1.0)
    answer = await house.chat.answer(Said(BEA, "!clip 20 s ago", HOME))
    assert isinstance(answer, Reply) and answer.file is not None
    assert answer.file.data == (house.services.clips / take.files["wav"]).read_bytes()
    assert "seed" in answer.text
    job = (await house.kit.studio.view(take.id)).job
    assert job.pinned
    with pytest.raises(NotFoundRefusal, match="that far back"):
        await house.says(BEA, "!clip 599")
    with pytest.raises(BadInputRefusal, match="fewer"):
        await house.says(BEA, "!clip 9999")
    with pytest.raises(BadInputRefusal, match="how many"):
        await house.says(BEA, "!clip loud")


async def test_a_key_can_be_ended(house: House) -> None:
    with pytest.raises(ForbiddenRefusal):
        await house.says(MODERATOR, "!live key")
    line = await house.says(ADMIN, "!live key")
    key = line.partition("/stage/")[2].partition(";")[0]
    assert house.services.live.place_of(key) == ("local", "chat")
    assert key in await house.says(ADMIN, "!live key")
    assert key not in await house.says(ADMIN, "!live key new")
    assert house.services.live.place_of(key) is None


async def test_a_studio_that_fails_is_not_asked_without_end(house: House, kit: Kit) -> None:
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote rain")
    failed = 0
    session = house.session()
    for _ in range(400):
        kit.clock.time += 0.1
        job = await kit.ledger.claim("worker-1", 60)
        if job is not None:
            failed += 1
            await kit.ledger.record_failed(job, "no")
            await session.on_job(job.id)
        await asyncio.sleep(0.001)
    assert 1 <= failed <= 6
    await house.until(lambda: house.heard() == {"rain": 1.0}, step=0.5)


async def test_one_session_can_panic_by_itself(house: House) -> None:
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote rain")
    await house.until(lambda: house.heard() == {"rain": 1.0})
    with pytest.raises(ForbiddenRefusal):
        await house.says(ANN, "!live panic")
    await house.says(MODERATOR, "!live panic")
    await house.until(lambda: house.heard() == {})
    assert await house.says(BEA, "!riff sea shanty") == "(a riff)"
    await house.says(MODERATOR, "!live resume")
    await house.until(lambda: house.heard() == {"rain": 1.0})


async def test_the_encoder_tells_what_is_the_same(kit: Kit, tmp_path: Path) -> None:
    async def embed(texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.1 * len(text)] if "beat" in text else [0.0, 1.0] for text in texts]

    async with open_house(kit, tmp_path, embed=embed) as house:
        await house.says(MODERATOR, "!live start")
        await house.says(ANN, "!vote lofi beat")
        await house.says(BEA, "!vote chill beat")
        await house.says(someone("cid"), "!vote church organ")
        await house.until(lambda: set(house.heard()) == {"lofi beat", "church organ"})
        session = house.session()
        assert len(session.performance.ballot.strengths(session.playhead / 44_100)) == 2


async def test_a_whole_session_is_one_file_without_what_was_taken_away(house: House) -> None:
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote rain")
    await house.until(lambda: house.heard() == {"rain": 1.0})
    await house.says(TROLL, "!vote rude noise")
    await house.until(lambda: "rude noise" in house.heard())
    await house.services.moderation.people.block(MODERATOR, TROLL)
    await house.until(lambda: house.heard() == {"rain": 1.0})
    with pytest.raises(ForbiddenRefusal):
        await house.says(ANN, "!live export")
    for ended in (False, True):
        if ended:
            await house.says(MODERATOR, "!live stop")
        answer = await house.chat.answer(Said(MODERATOR, "!live export mp3", HOME))
        assert isinstance(answer, Reply) and answer.private and answer.file is not None
        with zipfile.ZipFile(io.BytesIO(answer.file.data)) as archive:
            told = "".join(
                archive.read(name).decode() for name in archive.namelist() if "mp3" not in name
            )
        assert "rain" in told and "Ann" in told
        assert "rude" not in told and "Troll" not in told


async def test_privacy_knows_what_sessions_keep(house: House, kit: Kit) -> None:
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote rain")
    await house.says(BEA, "!vote techno synth")
    await house.until(lambda: len(house.heard()) == 2)
    session = house.session()
    await session.written()
    file = await house.services.privacy.export(ANN)
    with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
        data = json.loads(archive.read(archive.namelist()[0]))["live"]
    assert [vote["prompt"] for vote in data["votes"]] == ["rain"]
    assert {part["prompt"] for part in data["heard"]} == {"rain"}
    await house.services.privacy.delete(ANN)
    await house.until(lambda: house.heard() == {"techno synth": 1.0})
    await session.written()
    file = await house.services.privacy.export(ANN)
    with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
        data = json.loads(archive.read(archive.namelist()[0]))["live"]
    assert data == {"votes": [], "heard": []}
    await house.says(MODERATOR, "!live stop")
    texts = await kit.database.read(
        lambda db: [str(tuple(row)) for row in db.execute("SELECT segment FROM live_segments")]
    )
    assert texts and all("Ann" not in text and "rain" not in text for text in texts)
