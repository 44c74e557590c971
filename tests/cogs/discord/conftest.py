from __future__ import annotations

import io
import logging
import math
import struct
import subprocess
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import discord
import imageio_ffmpeg
import pytest
from PIL import Image

from bot.jobs import Job
from generation.request import Clip
from tests.cogs.discord.house import House, open_house
from tests.peers.discord import DiscordPeer
from tests.peers.discord.client import point_at

Clips = Callable[[Job], tuple[Clip, ...]]


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A quarter of a second of a tone, as a real MP3."""
    path = tmp_path_factory.mktemp("sound") / "tone.mp3"
    tone = ["-f", "lavfi", "-i", "sine=440:duration=0.25"]
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([ffmpeg, "-loglevel", "error", *tone, str(path)], check=True)
    return path.read_bytes()


@pytest.fixture(scope="session")
def wav() -> bytes:
    """A quarter of a second of a tone, as a WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44_100)
        tone = (round(8000 * math.sin(2 * math.pi * 440 * t / 44_100)) for t in range(11_025))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in tone))
    return buffer.getvalue()


@pytest.fixture
async def peer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DiscordPeer]:
    """A loopback Discord which the real client takes for Discord; it fails on breached limits."""
    async with DiscordPeer() as peer:
        point_at(peer, monkeypatch)
        yield peer
        assert peer.world.violations == []


@pytest.fixture
async def house(peer: DiscordPeer, tmp_path: Path) -> AsyncIterator[House]:
    """The bot, connected."""
    async with open_house(peer, tmp_path) as house:
        await house.connect()
        yield house


@pytest.fixture
def clips(tmp_path: Path, sound: bytes) -> Clips:
    """Makes the clip of a job on disk, as the worker would."""

    def make(job: Job) -> tuple[Clip, ...]:
        folder = tmp_path / "clips" / job.id[:2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{job.id}.mp3").write_bytes(sound)
        Image.new("RGB", (64, 64), "teal").save(folder / f"{job.id}.png")
        files = {kind: f"{job.id[:2]}/{job.id}.{kind}" for kind in ("mp3", "png")}
        return (Clip(0, files, 0.25, 44_100, 11_025, {"steps": "12"}),)

    return make


class _OperatorLog(logging.Handler):
    """Keeps what is logged, and wakes the test that waits for it."""

    def __init__(self, peer: DiscordPeer) -> None:
        super().__init__()
        self._peer = peer
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self._peer.world.notify()


@pytest.fixture
def operator_log(peer: DiscordPeer) -> Iterator[list[str]]:
    """What the operator reads, line by line."""
    handler = _OperatorLog(peer)
    logger = logging.getLogger("cogs")
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)


assert discord.version_info >= (2, 7), "older versions do not send enforce_nonce with a nonce"
