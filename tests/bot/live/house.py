"""Live sessions over a real studio, database and clips folder, on a clock that the test turns.

The worker is the test's own: it claims jobs as the scheduler does and writes real WAV files.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bot.chat import Answer, ChatDesk, Said, Taken
from bot.config import Config, WebConfig
from bot.events import JobChanged
from bot.jobs import Address, Job, Requester
from bot.live.grid import SAMPLE_RATE
from bot.live.orders import LIVE_ROLE, Embed
from bot.live.session import LiveSession
from bot.moderation.desk import Moderation, open_rulebook
from bot.moderation.levels import ADMIN_ROLE, MODERATOR_ROLE
from bot.services import Services
from bot.store.claims import StoredFile
from bot.store.clipfiles import Budget
from bot.store.sources import Sources
from bot.studio import Studio
from generation.loops import tempo_samples
from generation.request import Clip, GenerationRequest
from tests.bot.conftest import Kit
from tests.bot.desk import files_of
from tests.waiting import soon

HOME = Address("local", {})


def someone(user: str, *roles: str, community: str = "chat") -> Requester:
    return Requester("local", community, user, user.title(), frozenset(roles))


MODERATOR = someone("mod", MODERATOR_ROLE)
ADMIN = someone("boss", ADMIN_ROLE)


def tone(samples: int, hertz: float, level: float = 0.3) -> bytes:
    """A WAV file of a sine that goes round a whole number of times."""
    rounds = round(hertz * samples / SAMPLE_RATE)
    sound = level * np.sin(2 * np.pi * rounds * np.arange(samples) / samples)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.rint(sound * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def length_of(request: GenerationRequest) -> int:
    if request.bpm is None or request.length is None:
        return 225_792
    return tempo_samples(int(request.length.value), request.bpm, SAMPLE_RATE)


@dataclass
class House:
    """The bot, but for its worker."""

    kit: Kit
    services: Services
    chat: ChatDesk
    drawn: list[GenerationRequest] = field(default_factory=list)

    async def says(self, who: Requester, text: str, key: str | None = None) -> str:
        answer: Answer | None = await self.chat.answer(Said(who, text, HOME, key))
        assert answer is not None
        return "(a riff)" if isinstance(answer, Taken) else answer.text

    def session(self, community: str = "chat") -> LiveSession:
        session = self.services.live.at(("local", community))
        assert session is not None
        return session

    async def draw(self) -> Job | None:
        """Finish the next job in line, if there is one."""
        job = await self.kit.ledger.claim("worker-1", 60)
        if job is None:
            return None
        self.drawn.append(job.request)
        self.kit.events.publish(JobChanged(job.id))
        samples = length_of(job.request)
        data = tone(samples, 200 + 40 * (len(self.drawn) % 10))
        path = self.services.clips / "xx" / f"{job.id}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        stored = StoredFile(f"xx/{job.id}.wav", len(data))
        recipe = {"seed": str(job.request.seed), "model": "stand-in",
                  "request": json.dumps(job.request.to_json())}  # fmt: skip
        clip = Clip(0, {"wav": stored.path}, samples / SAMPLE_RATE, SAMPLE_RATE, samples, recipe)
        await self.kit.ledger.record_rendered(job, [clip], [stored])
        self.kit.events.publish(JobChanged(job.id))
        return job

    async def until(self, wanted: Callable[[], object], *, step: float = 0.1) -> None:
        """Let time pass and the worker draw, until something is so."""

        async def watch() -> None:
            while not wanted():
                self.kit.clock.time += step
                await self.draw()
                # The session looks at its clock some times a second, whatever that says.
                await asyncio.sleep(0.01)

        await soon(watch(), 60)

    def heard(self, community: str = "chat") -> dict[str, float]:
        """What sounds, by prompt, as a stage shows it."""
        state = self.session(community).state()
        return {part["prompt"]: part["share"] for part in state["mix"]}


@asynccontextmanager
async def open_house(
    kit: Kit, folder: Path, *, port: int = 7433, embed: Embed | None = None
) -> AsyncIterator[House]:
    """A house whose sessions run; with the block they stop as at a restart."""
    rules = await open_rulebook(kit.database, kit.clock, None, {LIVE_ROLE: math.inf})
    moderation = Moderation.over(
        rules,
        database=kit.database,
        clock=kit.clock,
        ledger=kit.ledger,
        events=kit.events,
        cancel_running=kit.stopped.append,
        wake_scheduler=lambda: None,
    )
    kit.studio = Studio(
        database=kit.database,
        ledger=kit.ledger,
        queue=kit.queue,
        events=kit.events,
        policy=rules.policy,
        settings=rules.settings,
        clock=kit.clock,
        wake_scheduler=lambda: None,
        cancel_running=kit.stopped.append,
        progress_of=kit.progress.get,
        halt_notice=rules.halts.notice,
    )
    services = Services.over(
        Config(data=folder, web=WebConfig(port=port)),
        studio=kit.studio,
        moderation=moderation,
        database=kit.database,
        clock=kit.clock,
        events=kit.events,
        files=files_of(kit, folder),
        sources=Sources(folder / "sources", kit.database, kit.clock, Budget(10**9, None)),
        embed=embed,
    )
    running = asyncio.create_task(services.live.run())
    try:
        yield House(kit, services, ChatDesk(services))
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
