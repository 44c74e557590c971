"""The offer of a better checkpoint: a real terminal, a real download from a loopback hub."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.upgrade import offer_better
from generation.hub import RIFFUSION
from generation.worker import WorkerOptions
from tests.generation.small_checkpoint import write_tiny
from tests.generation.workers import Watched
from tests.peers.hub.server import Hub, Repository
from tests.standin_engine import STAND_IN
from tests.waiting import soon

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = write_tiny(tmp_path_factory.mktemp("better") / "tiny")
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    with Hub({RIFFUSION: Repository(files)}) as one:
        yield one


@asynccontextmanager
async def worker(home: Path) -> AsyncIterator[Watched]:
    """A worker that would rather have Riffusion's checkpoint, until that is in the hub's folder."""
    settings = {
        "better": RIFFUSION,
        "better_until": str(home / "hub" / "models--riffusion--riffusion-model-v1"),
    }
    watched = Watched(WorkerOptions(engine=STAND_IN, engine_settings=settings), home)
    running = asyncio.create_task(watched.worker.run())
    try:
        yield watched
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture
def home(peer: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_ENDPOINT", peer.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    return tmp_path


async def answered(watched: Watched, home: Path, answer: bytes) -> None:
    """Offer at a terminal where somebody types an answer ahead."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer)
        await soon(offer_better(watched.worker, home, theirs), 240)
    finally:
        os.close(ours)
        os.close(theirs)


async def test_a_yes_downloads_and_the_worker_starts_anew(home: Path) -> None:
    async with worker(home) as watched:
        first = await watched.ready()
        await answered(watched, home, b"y\n")
        await watched.until_other(first)
        await watched.ready()
        assert not watched.worker.model.get("better")
        assert "broken" not in watched.states


async def test_a_no_is_remembered(home: Path, peer: Hub) -> None:
    async with worker(home) as watched:
        first = await watched.ready()
        await answered(watched, home, b"n\n")
        asked = len(peer.requests)
        await answered(watched, home, b"y\n")
        assert len(peer.requests) == asked
        assert watched.worker.pid == first
        assert not any(peer.got("unet/diffusion_pytorch_model.safetensors"))


async def test_without_a_terminal_it_is_only_said(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with worker(home) as watched:
        await soon(offer_better(watched.worker, home, None), 60)
        assert "riffbot download" in caplog.text
