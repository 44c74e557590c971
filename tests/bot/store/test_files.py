"""Clips and sources on the disk: named by content, within a budget, whole or not there."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.grammar import Ask
from bot.jobs import Job
from bot.store.clipfiles import Budget, ClipFiles
from bot.store.database import DiskFullError
from bot.store.sources import GRACE, Sources
from generation.request import Clip, GenerationRequest, Source
from tests.bot.conftest import HOME, Kit, person

DAY = 86_400.0


def clip_files(kit: Kit, budget: Budget, free: int = 10**12) -> ClipFiles:
    home = kit.path.parent
    for name in ("clips", "work"):
        (home / name).mkdir(exist_ok=True)
    return ClipFiles(home / "clips", home / "work", kit.database, kit.clock, budget, lambda _: free)


async def made(kit: Kit, files: ClipFiles, content: bytes) -> Job:
    """A riff whose one file is rendered, and not delivered yet."""
    await kit.studio.submit(person(content.decode()), Ask("jazz"), HOME)
    job = await kit.ledger.claim("worker", 60)
    assert job is not None
    part = files.work / f"{job.id}.mp3"
    part.write_bytes(content)
    async with files.adopted([Clip(0, {"mp3": str(part)}, 1, 44_100, 1, {})]) as (clips, stored):
        await kit.ledger.record_rendered(job, clips, stored)
    return job


async def deliver(kit: Kit) -> None:
    while due := await kit.ledger.deliveries.due("local"):
        await kit.ledger.deliveries.begin(due[0])
        await kit.ledger.deliveries.record_delivered(due[0], "m")


def kept(files: ClipFiles) -> list[bytes]:
    return sorted(path.read_bytes() for path in files.root.glob("*/*"))


async def test_beyond_the_budget_the_oldest_go_first(kit: Kit) -> None:
    files = clip_files(kit, Budget(bytes=25, seconds=None))
    for content in (b"aaaaaaaaaa", b"bbbbbbbbbb", b"cccccccccc"):
        await made(kit, files, content)
        await deliver(kit)
        kit.clock.time += 1
    assert await files.prune() == 10
    assert kept(files) == [b"bbbbbbbbbb", b"cccccccccc"]
    assert await files.prune() == 0


async def test_what_is_too_old_goes(kit: Kit) -> None:
    files = clip_files(kit, Budget(bytes=10**9, seconds=30 * DAY))
    await made(kit, files, b"old")
    await deliver(kit)
    kit.clock.time += 20 * DAY
    await made(kit, files, b"newer")
    await deliver(kit)
    kit.clock.time += 11 * DAY
    await files.prune()
    assert kept(files) == [b"newer"]


async def test_what_is_owed_or_pinned_stays_whatever_the_budget(kit: Kit) -> None:
    files = clip_files(kit, Budget(bytes=0, seconds=0.0))
    pinned = await made(kit, files, b"pinned")
    await kit.studio.pin(pinned.id)
    await deliver(kit)
    await made(kit, files, b"rendered")
    kit.clock.time += 1
    await files.prune()
    assert kept(files) == [b"pinned", b"rendered"]
    await deliver(kit)
    await kit.studio.pin(pinned.id, pinned=False)
    await files.prune()
    assert kept(files) == []


async def test_equal_clips_share_a_file_until_nobody_needs_it(kit: Kit) -> None:
    files = clip_files(kit, Budget(bytes=0, seconds=None))
    one = await made(kit, files, b"same")
    await kit.studio.pin(one.id)
    await made(kit, files, b"same")
    await deliver(kit)
    assert kept(files) == [b"same"]
    await files.prune()
    assert kept(files) == [b"same"]
    await kit.studio.pin(one.id, pinned=False)
    await files.prune()
    assert kept(files) == []


async def test_room_is_made_for_the_reserve(kit: Kit) -> None:
    files = clip_files(kit, Budget(bytes=10**9, seconds=None, reserve=100), free=95)
    for content in (b"aaaa", b"bbbb"):
        await made(kit, files, content)
        await deliver(kit)
        kit.clock.time += 1
    assert not await files.has_room()
    await files.prune()
    assert kept(files) == []


async def test_a_start_clears_away_halves_and_strangers(kit: Kit) -> None:
    files = clip_files(kit, Budget(bytes=10**9, seconds=None))
    await made(kit, files, b"good")
    unknown = files.root / "ab" / f"{'ab' * 32}.wav"
    half = files.root / "ab" / "x.mp3.part"
    left = files.work / "x.mp3"
    theirs = files.root / "ab" / "notes.txt"
    for path in (unknown, half, left, theirs):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    await files.clean_up()
    assert [path.exists() for path in (unknown, half, left, theirs)] == [False, False, False, True]
    assert kept(files) == [b"good", b"x"]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(fails_at=st.integers(0, 12), code=st.sampled_from([errno.ENOSPC, errno.EDQUOT]))
async def test_a_full_disk_at_any_moment_leaves_whole_files_only(
    tmp_path_factory: pytest.TempPathFactory, fails_at: int, code: int
) -> None:
    """Whichever write it is that finds no room, it can be tried again, and no name lies."""
    from tests.bot.conftest import open_kit  # noqa: PLC0415
    from tests.clock import HandClock  # noqa: PLC0415

    kit = await open_kit(tmp_path_factory.mktemp("full") / "r.sqlite3", HandClock())
    files = clip_files(kit, Budget(bytes=10**9, seconds=None))
    await kit.studio.submit(person("ann"), Ask("jazz"), HOME)
    job = await kit.ledger.claim("worker", 60)
    assert job is not None
    parts = {kind: files.work / f"{job.id}.{kind}" for kind in ("mp3", "wav", "png")}
    for kind, part in parts.items():
        part.write_bytes(kind.encode() * 1000)
    clips = [Clip(0, {kind: str(part) for kind, part in parts.items()}, 1, 44_100, 1, {})]
    calls = 0

    def counted(name: str) -> None:
        nonlocal calls
        calls += 1
        if calls == fails_at + 1:
            raise OSError(code, f"no room for {name}")

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((os, "fsync"), (Path, "hardlink_to"), (Path, "replace")):
            real = getattr(owner, name)

            def first(*args: object, real: object = real, name: str = name) -> object:
                counted(name)
                return real(*args)  # type: ignore[operator]

            patch.setattr(owner, name, first)
        for _ in range(2):
            try:
                async with files.adopted(clips) as (adopted, stored):
                    await kit.ledger.record_rendered(job, adopted, stored)
            except DiskFullError:
                named = [path for path in files.root.glob("*/*") if path.suffix != ".part"]
                for path in named:
                    assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
            else:
                break
    found = await kit.ledger.job(job.id)
    assert found is not None
    assert found.state == "rendered"
    assert len(kept(files)) == 3
    assert list(files.work.iterdir()) == []
    await kit.database.close()


# Sources ------------------------------------------------------------------------------------


def sources(kit: Kit, budget: Budget) -> Sources:
    return Sources(kit.path.parent / "sources", kit.database, kit.clock, budget)


async def test_a_source_is_named_by_its_content(kit: Kit, tmp_path: Path) -> None:
    store = sources(kit, Budget(bytes=10**9, seconds=None))
    sha256 = await store.put(b"a sound")
    assert sha256 == hashlib.sha256(b"a sound").hexdigest()
    assert store.path(sha256).read_bytes() == b"a sound"
    (tmp_path / "same.wav").write_bytes(b"a sound")
    assert await store.put_file(tmp_path / "same.wav") == sha256
    assert [path.name for path in store.root.glob("**/*") if path.is_file()] == [sha256]
    with pytest.raises(FileNotFoundError):
        await store.put_file(tmp_path / "nothing.wav")


async def test_a_source_stays_while_a_riff_needs_it(kit: Kit) -> None:
    store = sources(kit, Budget(bytes=0, seconds=None))
    used, unused, fresh = [await store.put(name.encode()) for name in ("used", "unused", "fresh")]
    request = GenerationRequest("jazz", seed=1, kind="remix", sources=(Source("init", used),))
    job = (await kit.studio.submit_request(person("ann"), request, HOME)).job
    kit.clock.time += GRACE + 1
    await store.put(b"fresh")
    await store.prune()
    assert [store.path(one).exists() for one in (used, unused, fresh)] == [True, False, True]
    await kit.studio.cancel(job.id, person("ann"), may_cancel_any=False)
    await store.prune()
    assert [store.path(one).exists() for one in (used, fresh)] == [False, True]


async def test_without_room_a_source_is_not_there(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(handle: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    store = sources(kit, Budget(bytes=10**9, seconds=None))
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(DiskFullError):
        await store.put(b"x")
    assert [path for path in store.root.rglob("*") if path.is_file()] == []
