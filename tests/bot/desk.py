"""A kit with moderators and a chat desk, as every adapter is made with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bot.chat import Answer, ChatDesk, Said, Taken
from bot.config import Config
from bot.jobs import Address, Job, Requester
from bot.services import Services
from bot.store.claims import StoredFile
from bot.store.clipfiles import Budget, ClipFiles
from bot.store.sources import Sources
from generation.request import Clip
from tests.bot.conftest import Kit, moderated

HOME = Address("local", {})


@dataclass
class Desk:
    """Says lines as somebody, and does what the worker would."""

    kit: Kit
    services: Services
    chat: ChatDesk

    async def says(self, who: Requester, text: str, said: Said | None = None) -> Answer | None:
        return await self.chat.answer(replace(said or Said(who, text, HOME), text=text))

    async def riff(self, who: Requester, text: str) -> Job:
        """A riff that was taken."""
        answer = await self.says(who, text)
        assert isinstance(answer, Taken), answer
        return answer.view.job

    async def reply(self, who: Requester, text: str) -> str:
        """What is replied."""
        answer = await self.says(who, text)
        assert answer is not None and not isinstance(answer, Taken)
        return answer.text

    async def render(self, contents: dict[str, bytes] | None = None) -> Job:
        """Finish the next riff in line, with files of these contents."""
        job = await self.kit.ledger.claim("worker-1", 60)
        assert job is not None
        files = {}
        for kind, data in (contents or {}).items():
            path = self.services.clips / job.id[:2] / f"{job.id}.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            files[kind] = f"{job.id[:2]}/{job.id}.{kind}"
        clip = Clip(0, files, 5.12, 44100, 225_792, {"seed": str(job.request.seed)})
        stored = [StoredFile(files[kind], len(data)) for kind, data in (contents or {}).items()]
        assert await self.kit.ledger.record_rendered(job, [clip], stored)
        found = await self.kit.ledger.job(job.id)
        assert found is not None
        return found


async def open_desk(kit: Kit, data: Path) -> Desk:
    """Everything real but the worker."""
    moderation = await moderated(kit)
    sources = Sources(data / "sources", kit.database, kit.clock, Budget(10**9, None))
    services = Services.over(
        Config(data=data),
        studio=kit.studio,
        moderation=moderation,
        database=kit.database,
        clock=kit.clock,
        events=kit.events,
        files=files_of(kit, data),
        sources=sources,
    )
    return Desk(kit, services, ChatDesk(services))


def files_of(kit: Kit, data: Path) -> ClipFiles:
    """The clips folder below `data`."""
    (data / "clips").mkdir(exist_ok=True)
    return ClipFiles(data / "clips", data / "work", kit.database, kit.clock, Budget(10**9, None))
