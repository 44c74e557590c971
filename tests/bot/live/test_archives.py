"""What live sessions leave behind: kept as long as somebody needs it, and not for ever."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.live.archives import GRACE, Archives
from bot.live.export import UNFINISHED
from bot.live.session import LiveSession
from bot.live.store import LiveStore
from bot.store.clipfiles import Budget, ClipFiles
from tests.bot.conftest import Kit
from tests.bot.live.house import MODERATOR, House, open_house, someone
from tests.waiting import soon

ANN, BEA = someone("ann"), someone("bea")
DAY = 86_400.0


@pytest.fixture
async def house(kit: Kit, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(kit, tmp_path) as house:
        yield house


def archives(kit: Kit, tmp_path: Path, budget: Budget, free: int = 10**12) -> Archives:
    store = LiveStore(kit.database, kit.clock)
    return Archives(tmp_path / "sessions", store, kit.clock, budget, free_bytes=lambda _: free)


def write(kit: Kit, folder: Path, name: str, age: float, size: int = 10) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(bytes(size))
    os.utime(path, (kit.clock.now() - age,) * 2)
    return path


@pytest.mark.parametrize(
    ("budget", "free", "left"),
    [
        (Budget(10**9, None), 10**12, 4),
        (Budget(25, None), 10**12, 2),
        (Budget(10**9, 2.5 * DAY), 10**12, 3),
        (Budget(10**9, None, reserve=100), 95, 3),
        (Budget(0, 0.0), 10**12, 1),  # the last one was written a moment ago
    ],
)
async def test_exports_are_kept_within_a_budget(
    kit: Kit, tmp_path: Path, budget: Budget, free: int, left: int
) -> None:
    keeper = archives(kit, tmp_path, budget, free)
    ages = (3 * DAY, 2 * DAY, DAY, GRACE / 2)
    made = [write(kit, keeper.root, f"live-x{age:.0f}.zip", age) for age in ages]
    theirs = write(kit, keeper.root, "my favourites.zip", 9 * DAY)
    assert await keeper.prune() == 10 * (4 - left)
    assert [path.exists() for path in made] == [False] * (4 - left) + [True] * left
    assert theirs.exists()


async def test_a_start_clears_away_what_was_being_written(kit: Kit, tmp_path: Path) -> None:
    keeper = archives(kit, tmp_path, Budget(10**9, None))
    await keeper.clean_up()  # there is no folder yet
    whole = write(kit, keeper.root, "live-a.zip", DAY)
    unfinished = keeper.root / f"{UNFINISHED}xyz"
    unfinished.mkdir()
    (unfinished / "live-b.flac").write_bytes(b"half")
    await keeper.clean_up()
    assert whole.exists() and not unfinished.exists()


async def test_sessions_that_ended_long_ago_are_forgotten(
    house: House, kit: Kit, tmp_path: Path
) -> None:
    keeper = archives(kit, tmp_path, Budget(10**9, 30 * DAY))
    there = someone("mod2", "moderator", community="other")
    for who in (MODERATOR, there):
        await house.says(who, "!live start")
    await house.says(MODERATOR, "!live stop")
    kit.clock.time += 20 * DAY
    await house.says(MODERATOR, "!live start")
    await house.says(MODERATOR, "!live stop")
    kit.clock.time += 11 * DAY
    assert len(await sessions_of(kit)) == 3
    await keeper.prune()
    # One ended lately, and one is on still.
    left = await sessions_of(kit)
    assert [ended for ended in left.values() if ended is None] == [None]
    assert len(left) == 2
    assert set(await segments_of(kit)) <= set(left)


async def sessions_of(kit: Kit) -> dict[str, float | None]:
    rows = await kit.database.read(
        lambda db: db.execute("SELECT id, ended_at FROM live_sessions").fetchall()
    )
    return {row["id"]: row["ended_at"] for row in rows}


async def segments_of(kit: Kit) -> list[str]:
    rows = await kit.database.read(
        lambda db: db.execute("SELECT session_id FROM live_segments").fetchall()
    )
    return [row["session_id"] for row in rows]


def strict(house: House, kit: Kit) -> ClipFiles:
    """The same clips folder, of which nothing may be kept that nobody needs."""
    files = ClipFiles(house.services.clips, kit.path.parent / "work", kit.database, kit.clock,
                      Budget(0, 0.0))  # fmt: skip
    files.holders.append(house.services.live.needed)
    return files


def sounds_in(session: LiveSession) -> dict[str, bool]:
    """Whether the files of everything on the timeline are there, by take."""
    return {
        one.take.id: session.sounds.is_there(one.take)
        for one in session.performance.timeline
        if one.kind == "mix"
    }


async def test_what_a_session_plays_stays_and_what_was_fetched_stays_for_good(
    house: House, kit: Kit
) -> None:
    files = strict(house, kit)
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote rain")
    await house.until(lambda: house.heard() == {"rain": 1.0})
    session = house.session()
    fetched = session.performance.timeline.at(session.playhead).take
    await house.says(BEA, "!clip 0")
    await house.says(BEA, "!vote techno synth")
    await house.until(lambda: len(sounds_in(session)) >= 3)
    await files.prune()
    assert all(sounds_in(session).values())
    takes = {one.take.id: one.take for one in session.performance.timeline if one.kind == "mix"}
    await house.says(MODERATOR, "!live stop")
    kit.clock.time += 1
    await files.prune()
    left = {name for name, take in takes.items() if session.sounds.is_there(take)}
    assert left == {fetched.id}


async def test_a_session_that_goes_on_after_a_restart_finds_its_sound(
    kit: Kit, tmp_path: Path
) -> None:
    async with open_house(kit, tmp_path) as house:
        await house.says(MODERATOR, "!live start")
        await house.says(ANN, "!vote rain")
        await house.until(lambda: house.heard() == {"rain": 1.0})
    kit.clock.time += 100 * DAY
    async with open_house(kit, tmp_path) as house:
        # Tidying up may come before the session.
        await strict(house, kit).prune()
        await house.until(lambda: house.services.live.at(("local", "chat")))
        assert set(sounds_in(house.session()).values()) == {True}


async def test_what_is_being_exported_stays_until_it_is_written(
    house: House, kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = strict(house, kit)
    keeper = Archives(tmp_path / "sessions", LiveStore(kit.database, kit.clock), kit.clock,
                      Budget(0, 0.0), house.services.live.being_exported)  # fmt: skip
    await house.says(MODERATOR, "!live start")
    await house.says(ANN, "!vote rain")
    await house.until(lambda: house.heard() == {"rain": 1.0})
    await house.says(MODERATOR, "!live stop")
    kit.clock.time += DAY
    begun, go_on = asyncio.Event(), asyncio.Event()
    to_thread = asyncio.to_thread

    async def held_up(work, *arguments):  # type: ignore[no-untyped-def]
        if getattr(work, "__name__", "") == "export":
            begun.set()
            await go_on.wait()
        return await to_thread(work, *arguments)

    monkeypatch.setattr("bot.live.sessions.asyncio.to_thread", held_up)
    exporting = asyncio.create_task(house.says(MODERATOR, "!live export mp3"))
    await soon(begun.wait())
    await files.prune()
    await keeper.prune()
    go_on.set()
    assert "Here is the session" in await soon(exporting)
    assert len(await sessions_of(kit)) == 1
    assert any(house.services.clips.glob("xx/*.wav"))
    await files.prune()
    await keeper.prune()
    assert await sessions_of(kit) == {}
    assert not any(house.services.clips.glob("xx/*.wav"))
