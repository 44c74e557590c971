"""A studio with the Discord adapter on a loopback Discord, and a stand-in for the sound worker.

Everything is real (client, sockets, database, ledger, limits, outbox) except that riffs are not
drawn: `House.render` takes the next job from the ledger and records a small clip for it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bot.config import Config, DiscordConfig, WebConfig
from bot.events import Events, JobChanged, JobProgressed, QueueMoved
from bot.jobs import Job, JobState
from bot.moderation.desk import Moderation, open_rulebook
from bot.outbox import Outbox
from bot.services import Services
from bot.store.clipfiles import Budget, ClipFiles
from bot.store.database import Database
from bot.store.ledger import Ledger
from bot.store.queue import QueueView
from bot.store.sources import Sources
from bot.studio import Studio
from cogs.discord.adapter import DiscordAdapter
from generation.request import Clip, Progress
from tests.clock import HandClock
from tests.peers.discord import Channel, DiscordPeer, Interaction, Message, User

T = TypeVar("T")
RIFFS_AT_ONCE = 3
PUBLIC_URL = "https://riffs.example.org"
SETTINGS = {"burst": RIFFS_AT_ONCE, "period": 30.0, "waiting": 10, "global-waiting": 100}


@dataclass
class House:
    """The parts of one boot."""

    peer: DiscordPeer
    data: Path
    clock: HandClock
    events: Events
    database: Database
    ledger: Ledger
    studio: Studio
    services: Services
    stopped: list[str]
    outbox: Outbox
    progress: dict[str, Progress]
    member: User
    channel: Channel
    adapter: DiscordAdapter
    outbox_task: asyncio.Task[None] | None = field(default=None)

    async def connect(self) -> None:
        """Start the adapter and wait until it hears what is said."""
        await self.adapter.start()
        await self.until(lambda: self.peer.gateway.connected and self.peer.world.commands.synced)
        self.outbox_task = asyncio.create_task(self.outbox.run())

    async def disconnect(self) -> None:
        """Stop as the bot does."""
        if self.outbox_task is not None:
            self.outbox_task.cancel()
            await asyncio.gather(self.outbox_task, return_exceptions=True)
        await self.adapter.stop()

    async def until(self, look: Callable[[], T | None]) -> T:
        return await self.peer.world.until(look)

    def say(self, text: str, channel: Channel | None = None) -> Message:
        """The member writes."""
        return self.peer.world.say(channel or self.channel, self.member, text)

    def slash(
        self, name: str, where: Channel | User | None = None, /, **options: object
    ) -> Interaction:
        """The member uses a slash command; `from_` is the option `from`."""
        given = {key.removesuffix("_"): value for key, value in options.items()}
        return self.peer.world.slash(where or self.channel, self.member, name, given)

    def replies(self, message: Message) -> list[Message]:
        """What the bot answered to a message, and is still there."""
        bot = self.peer.world.bot
        return [
            said
            for said in message.channel.messages.values()
            if said.author is bot and said.reference == message.id
        ]

    async def reply(self, message: Message) -> Message:
        """The bot's first reply to a message that is not a status."""
        return await self.until(
            lambda: next((r for r in self.replies(message) if not is_status(r)), None)
        )

    async def status(self, message: Message) -> Message:
        """The bot's status message for a request."""
        return await self.until(
            lambda: next((r for r in self.replies(message) if is_status(r)), None)
        )

    async def begin(self) -> Job:
        """The worker takes the next job."""
        job = await self.ledger.claim("stand-in", 60.0)
        assert job is not None, "nothing waits"
        self.events.publish(JobChanged(job.id), QueueMoved())
        return job

    def report(self, job: Job, progress: Progress) -> None:
        """The worker says how far it is."""
        self.progress[job.id] = progress
        self.events.publish(JobProgressed(job.id, progress))

    async def end(self, job: Job, clips: tuple[Clip, ...]) -> None:
        """The worker is done; the clips go out."""
        self.clock.time += 4.2
        assert await self.ledger.record_rendered(job, clips)
        self.events.publish(JobChanged(job.id), QueueMoved())

    async def fail(self, job: Job, sentence: str) -> None:
        """The worker gives up; the requester is owed the reason."""
        assert await self.ledger.record_failed(job, sentence)
        self.events.publish(JobChanged(job.id), QueueMoved())

    async def state(self, job: Job, *wanted: JobState) -> Job:
        """Wait until the job is in one of these states."""
        async with asyncio.timeout(15.0):
            with self.studio.subscribe() as events:
                found = (await self.studio.view(job.id)).job
                if found.state in wanted:
                    return found
                async for _ in events:
                    found = (await self.studio.view(job.id)).job
                    if found.state in wanted:
                        return found
        raise AssertionError("unreachable")

    async def attempted(self, job: Job, attempts: int) -> None:
        """Wait until the outbox has tried the job's delivery this often without success."""
        async with asyncio.timeout(15.0):
            with self.studio.subscribe() as events:
                if await self._attempts(job) >= attempts:
                    return
                async for _ in events:
                    if await self._attempts(job) >= attempts:
                        return

    def later(self, job: Job, seconds: float) -> None:
        """Time passes; what was postponed becomes due."""
        self.clock.time += seconds
        self.events.publish(JobChanged(job.id))

    async def _attempts(self, job: Job) -> int:
        def read(db: sqlite3.Connection) -> int:
            row = db.execute(
                "SELECT attempts FROM deliveries WHERE job_id = ? AND begun_at IS NULL", (job.id,)
            ).fetchone()
            return 0 if row is None else int(row["attempts"])

        return await self.database.read(read)


def is_status(message: Message) -> bool:
    """Status messages begin with an hourglass."""
    return message.content.startswith("\N{HOURGLASS WITH FLOWING SAND}")


@asynccontextmanager
async def open_house(
    peer: DiscordPeer,
    data: Path,
    *,
    prefix: str = "!",
    edit_interval: float = 0.01,
    token: str | None = None,
) -> AsyncIterator[House]:
    """One boot of the bot over `data`; a second one over the same folder is a restart."""
    clock, events, progress = HandClock(), Events(), dict[str, Progress]()
    stopped: list[str] = []
    world = peer.world
    if not world.guilds:
        member = world.add_user("Mia")
        world.add_channel(world.add_guild(member))
    guild = next(iter(world.guilds.values()))
    database = await Database.open(data / "riffbot.db")
    ledger = await Ledger.start(database, clock, "test")
    rules = await open_rulebook(database, clock, SETTINGS)
    studio = Studio(
        database=database,
        ledger=ledger,
        queue=QueueView(database, clock),
        events=events,
        policy=rules.policy,
        settings=rules.settings,
        clock=clock,
        wake_scheduler=lambda: None,
        cancel_running=stopped.append,
        progress_of=progress.get,
        halt_notice=rules.halts.notice,
    )
    moderation = Moderation.over(
        rules,
        database=database,
        clock=clock,
        ledger=ledger,
        events=events,
        cancel_running=stopped.append,
        wake_scheduler=lambda: None,
    )
    sources = Sources(data / "sources", database, clock, Budget(10**9, None))
    services = Services.over(
        Config(
            data=data,
            web=WebConfig(public_url=PUBLIC_URL),
            discord=DiscordConfig(
                prefix=prefix, api_url=peer.api_url, gateway_url=peer.gateway.url
            ),
        ),
        studio=studio,
        moderation=moderation,
        database=database,
        clock=clock,
        events=events,
        files=ClipFiles(data / "clips", data / "work", database, clock, Budget(10**9, None)),
        sources=sources,
    )
    adapter = DiscordAdapter(
        services, world.token if token is None else token, edit_interval=edit_interval
    )
    outbox = Outbox(ledger, [adapter], events, clock)
    house = House(
        peer=peer,
        data=data,
        clock=clock,
        events=events,
        database=database,
        ledger=ledger,
        studio=studio,
        services=services,
        stopped=stopped,
        outbox=outbox,
        progress=progress,
        member=guild.owner,
        channel=guild.channels[0],
        adapter=adapter,
    )
    try:
        yield house
    finally:
        await house.disconnect()
        await database.close()
