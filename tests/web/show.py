"""A live session on a real clock behind the real web server, for a browser to look at.

Everything is the bot's own but the worker: it writes small music in a moment, so that tests measure
the stage and not the model.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import shutil
import threading
import wave
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from bot.chat import ChatDesk, Said
from bot.clock import SystemClock
from bot.events import JobChanged
from bot.jobs import Job
from bot.live.grid import SAMPLE_RATE
from bot.live.session import LiveSession
from bot.live.timeline import Segment
from bot.services import Services
from bot.store.claims import StoredFile
from bot.web import server
from bot.web.identity import Identity
from bot.web.server import LocalWeb
from generation.request import Clip
from generation.spectrogram import SpectrogramParams, image_from_waveform
from tests.bot.conftest import Kit, open_kit
from tests.bot.live.house import ADMIN, HOME, MODERATOR, length_of, open_house, someone
from tests.clock import HandClock

T = TypeVar("T")
FloatArray = npt.NDArray[np.float32]

_CHORDS = ((0, 4, 7, 11), (0, 3, 7, 10), (0, 5, 7, 12), (0, 3, 8, 10), (0, 4, 9, 14))
_STEPS_A_BEAT = 4
_PATIENCE = 240.0


class Quartz(SystemClock):
    """The computer's own clock, but for a pace of its own: 1.01 gains a second in a hundred."""

    def __init__(self, pace: float) -> None:
        self._pace, self._began = pace, super().monotonic()

    def monotonic(self) -> float:
        """Seconds, at that pace."""
        return self._began + self._pace * (super().monotonic() - self._began)


class Show:
    """A house with its web server on an event loop in another thread; Playwright has this one."""

    def __init__(self, folder: Path, drawing: float = 0.1, pace: float = 1.0) -> None:
        """`drawing`: seconds that the worker takes for a clip. `pace`: of the server's clock."""
        self._folder, self._drawing, self._pace = folder, drawing, pace
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._ready = threading.Event()
        self._over = asyncio.Event()
        self._main: asyncio.Future[None] | None = None
        self.chat: ChatDesk
        self.services: Services
        self.web: LocalWeb
        self.key = ""
        self.owner = ADMIN
        self.entered: dict[int, Segment] = {}

    @property
    def url(self) -> str:
        """Of the stage."""
        return f"{self.web.url}stage/{self.key}"

    @property
    def session(self) -> LiveSession:
        """The one that is on."""
        found = self.services.live.at(self._where)
        assert found is not None
        return found

    @property
    def _where(self) -> tuple[str, str]:
        """The community whose session it is: its owner's."""
        return self.owner.platform, self.owner.community

    def open(self) -> None:
        """Start everything but the session."""
        _files_of([("warm up", 1.0)], SAMPLE_RATE)  # the first picture compiles what draws it
        self._thread.start()
        self._task = asyncio.run_coroutine_threadsafe(self._run(), self._loop)
        if not self._ready.wait(_PATIENCE):
            raise RuntimeError("the show did not begin") from self._task.exception(1)

    def close(self) -> None:
        """Stop everything."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._task.result(_PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)

    def do(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something on the show's own loop, and return what comes of it."""

        async def doing() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(doing(), self._loop).result(_PATIENCE)

    def says(self, user: str, text: str) -> str:
        """A viewer types; `mod` and `boss` may do more."""
        who = {"mod": MODERATOR, "boss": ADMIN}.get(user) or someone(user)
        answer = self.do(lambda: self.chat.answer(Said(who, text, HOME)))
        return getattr(answer, "text", "")

    def renew_key(self) -> None:
        """What is open under the old key is closed."""
        self.key = self.do(lambda: self.services.live.key(self.owner, renew=True))

    def restart_web(self) -> None:
        """The web server goes, and comes back on the same port."""
        self.close_web()
        self.open_web()

    def close_web(self) -> None:
        """The web server goes."""
        self.do(self.web.stop)

    def open_web(self) -> None:
        """It comes back on the same port."""

        async def serve() -> None:
            self.web = await self._serve(self.web.port)

        self.do(serve)

    def upgrade(self) -> None:
        """The web server comes back with other files."""
        copy = self._folder / "static"
        shutil.copytree(server._STATIC, copy, copy_function=shutil.copy)
        static, server._STATIC = server._STATIC, copy
        try:
            self.restart_web()
        finally:
            server._STATIC = static

    async def _run(self) -> None:
        """All of the bot but the worker, which is `_draw_all`."""
        clock = cast(HandClock, Quartz(self._pace))
        kit = await open_kit(self._folder / "riffbot.sqlite3", clock)
        async with open_house(kit, self._folder, port=0) as house:
            self.services, self.chat = house.services, house.chat
            self.web = await self._serve(0)
            drawing = self._start(self._draw_all(kit))
            await self._play()
            drawing.cancel()
            await self.web.stop()
        await kit.database.close()

    async def _play(self) -> None:
        """Let others use it until it is over."""
        self.key = await self.services.live.key(self.owner)
        keeping = self._start(self._keep_segments())
        self._ready.set()
        await self._over.wait()
        keeping.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    async def _serve(self, port: int) -> LocalWeb:
        web = LocalWeb(self.services, Identity(b"s" * 32), lambda: {"state": "ready"})
        web._config = web._config.model_copy(update={"port": port})
        await web.start()
        return web

    async def _draw_all(self, kit: Kit) -> None:
        while True:
            job = await kit.ledger.claim("worker-1", 60)
            if job is None:
                await asyncio.sleep(0.05)
                continue
            kit.events.publish(JobChanged(job.id))
            await asyncio.sleep(self._drawing)  # a worker takes its time
            await self._draw(kit, job)
            kit.events.publish(JobChanged(job.id))

    async def _draw(self, kit: Kit, job: Job) -> None:
        samples = length_of(job.request)
        shares = [(point.prompt, point.weight) for point in job.request.points] or [
            (job.request.prompt, 1.0)
        ]
        contents = await asyncio.to_thread(_files_of, shares, samples)
        folder = self.services.clips / "xx"
        folder.mkdir(parents=True, exist_ok=True)
        stored = []
        for kind, data in contents.items():
            (folder / f"{job.id}.{kind}").write_bytes(data)
            stored.append(StoredFile(f"xx/{job.id}.{kind}", len(data)))
        files = {kind: f"xx/{job.id}.{kind}" for kind in contents}
        recipe = {"seed": str(job.request.seed), "model": "stand-in",
                  "request": json.dumps(job.request.to_json())}  # fmt: skip
        clip = Clip(0, files, samples / SAMPLE_RATE, SAMPLE_RATE, samples, recipe)
        await kit.ledger.record_rendered(job, [clip], stored)

    async def _keep_segments(self) -> None:
        """All that was ever on the timeline, for comparing afterwards."""
        while True:
            session = self.services.live.at(self._where)
            for segment in session.performance.timeline if session else ():
                self.entered[segment.number] = segment
            await asyncio.sleep(0.1)


@contextmanager
def open_show(folder: Path, **settings: Any) -> Iterator[Show]:
    """A show, for as long as the block runs."""
    show = Show(folder, **settings)
    show.open()
    try:
        yield show
    finally:
        show.close()


@cache
def music(prompt: str, samples: int) -> FloatArray:
    """A loop of a prompt's own: two chords, plucked notes and a soft drum; it has no seam."""
    draw = np.random.default_rng(int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4]))
    root = 45 + int(draw.integers(12))
    chords = [_CHORDS[int(one)] for one in draw.integers(len(_CHORDS), size=2)]
    total = np.zeros(samples, dtype=np.float32)
    half = np.sin(np.pi * np.arange(samples // 2, dtype=np.float32) / (samples // 2)) ** 0.5
    for index, chord in enumerate(chords):
        at = index * (samples // 2)
        for note in chord:
            total[at : at + len(half)] += 0.16 * half * _tone(root + 12 + note, len(half))
    steps = 8 * _STEPS_A_BEAT
    for step in draw.permutation(steps)[:12]:
        note = root + 24 + chords[2 * step // steps][step % 4]
        _strike(total, step * samples // steps, 0.3 * _tone(note, 22_000), 200, 5000)
    for beat in range(8):
        _strike(total, beat * samples // 8, 0.5 * _tone(root - 12, 16_000), 150, 3500)
    return np.asarray(0.2 * total / np.sqrt(np.mean(total**2)))


@cache
def _tone(note: int, samples: int) -> FloatArray:
    angle = 2 * np.pi * 440 * 2 ** ((note - 69) / 12) * np.arange(samples) / SAMPLE_RATE
    sound = np.sin(angle) + 0.3 * np.sin(2 * angle) + 0.1 * np.sin(3 * angle)
    return np.asarray(sound, dtype=np.float32)


def _strike(total: FloatArray, at: int, tone: FloatArray, rise: float, fall: float) -> None:
    since = np.arange(len(tone), dtype=np.float32)
    ringing = (1 - np.exp(-since / rise)) * np.exp(-since / fall) * tone
    np.add.at(total, (at + np.arange(len(tone))) % len(total), ringing)


def _files_of(shares: list[tuple[str, float]], samples: int) -> dict[str, bytes]:
    total = sum(weight for _, weight in shares)
    sound = sum(np.sqrt(weight / total) * music(prompt, samples) for prompt, weight in shares)
    waveform = np.clip(sound, -0.98, 0.98).astype(np.float32)[None, :]
    sheet, picture = io.BytesIO(), io.BytesIO()
    with wave.open(sheet, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.rint(waveform[0] * 32767).astype("<i2").tobytes())
    image_from_waveform(waveform, SpectrogramParams()).save(picture, "png")
    return {"wav": sheet.getvalue(), "png": picture.getvalue()}
