"""The bot with the Twitch adapter on a loopback Twitch; the worker is the test's own.

Everything else is real: twitchio's HTTP client, sockets, database, ledger, moderation, live
sessions, outbox. `House.draw` finishes the next job in line with a short tone.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bot.chat import ChatDesk
from bot.config import Config, TwitchConfig, WebConfig
from bot.events import JobChanged
from bot.jobs import Job
from bot.live.orders import LIVE_ROLE
from bot.moderation.desk import Moderation, open_rulebook
from bot.moderation.scopes import Scope
from bot.outbox import Outbox
from bot.services import Services
from bot.store.clipfiles import Budget
from bot.store.sources import Sources
from bot.studio import Studio
from cogs.twitch.adapter import TwitchAdapter
from cogs.twitch.eventsub import PER_SOCKET
from cogs.twitch.place import PLATFORM
from cogs.twitch.requester import somebody
from cogs.twitch.scopes import BOT_SCOPES, CHANNEL_SCOPES, Role
from cogs.twitch.tokens import Account
from tests.bot.conftest import open_kit
from tests.bot.desk import files_of
from tests.bot.live.house import House as LiveHouse
from tests.clock import HandClock
from tests.peers.twitch import TwitchPeer, User

T = TypeVar("T")
SCOPES: dict[Role, str] = {"bot": " ".join(BOT_SCOPES), "channel": " ".join(CHANNEL_SCOPES)}
RATES = {"burst": 1000.0, "community-burst": 10_000.0, "waiting": 500, "community-waiting": 500}


@dataclass
class House:
    """One boot."""

    peer: TwitchPeer
    bot: User
    channel: User
    live: LiveHouse
    adapter: TwitchAdapter
    outbox: asyncio.Task[None] | None = None

    @property
    def services(self) -> Services:
        return self.live.services

    async def connect(self) -> None:
        """Start the adapter and wait until all is subscribed to."""
        await self.adapter.start()
        events = self.adapter.events
        assert events is not None
        await self.until(lambda: events.count and not events.missing)

    async def until(self, look: Callable[[], T | None], seconds: float = 15.0) -> T:
        """Wait until something is so, while the worker draws and time passes."""
        found = None

        async def watch() -> T:
            while not (found := look()):
                self.live.kit.clock.time += 0.05
                await self.live.draw()
                # The session looks at its clock some times a second, whatever that says.
                await asyncio.sleep(0.01)
            return found

        try:
            found = await asyncio.wait_for(watch(), seconds)
        except TimeoutError:
            raise AssertionError(f"nothing came; {self.peer.world.transcript()}") from None
        return found

    async def said(self, wanted: str, channel: User | None = None) -> str:
        """What the bot said that contains these words."""

        def look() -> str | None:
            lines = self.peer.world.said_by(channel or self.channel, self.bot)
            return next((line for line in lines if wanted in line), None)

        return await self.until(look)

    async def configure(self, name: str, value: str) -> None:
        """The broadcaster changes a setting."""
        owner = somebody(self.channel.id, self.channel.id, self.channel.name)
        settings = self.services.moderation.rules.settings
        await settings.set(owner, Scope(PLATFORM, self.channel.id), name, value)

    async def start_session(self) -> None:
        await self.services.live.start(somebody(self.channel.id, self.channel.id, "Mia"))

    def heard(self) -> dict[str, float]:
        """What sounds, by prompt, as a stage shows it."""
        session = self.services.live.at((PLATFORM, self.channel.id))
        assert session is not None
        return {part["prompt"]: part["share"] for part in session.state()["mix"]}

    def wanted(self) -> set[str]:
        """Prompts that are anywhere on the stage: votes, mix, what comes."""
        session = self.services.live.at((PLATFORM, self.channel.id))
        assert session is not None
        state = session.state()
        parts = [*state["votes"], *state["target"], *state["mix"]]
        return {part["prompt"] for part in parts}

    def changed(self, job_id: str) -> None:
        """The worker did something to a job."""
        self.live.kit.events.publish(JobChanged(job_id))

    async def claimed(self) -> Job:
        """The worker has taken the riff that was asked for."""

        async def watch() -> Job:
            with self.live.kit.events.subscribe() as events:
                job = await self.live.kit.ledger.claim("stand-in", 60.0)
                while job is None:
                    await anext(aiter(events))
                    job = await self.live.kit.ledger.claim("stand-in", 60.0)
            self.changed(job.id)
            return job

        return await asyncio.wait_for(watch(), 15.0)

    async def queued(self) -> None:
        """A riff waits for the worker, which does nothing meanwhile."""
        with self.live.kit.events.subscribe() as events:
            while "queued" not in await self.states():
                await asyncio.wait_for(anext(aiter(events)), 15.0)

    async def states(self) -> list[str]:
        """States of all riffs of people, oldest first."""

        def read(db: sqlite3.Connection) -> list[str]:
            rows = db.execute("SELECT state FROM jobs WHERE platform = ? ORDER BY seq", (PLATFORM,))
            return [str(row["state"]) for row in rows]

        return await self.live.kit.database.read(read)


def sign_in(adapter: TwitchAdapter, peer: TwitchPeer, user: User, *roles: Role) -> None:
    """As if somebody had signed in on the page before."""
    scopes = " ".join(SCOPES[role] for role in roles)
    token = peer.world.grant(user, scopes)
    assert token.refresh is not None
    adapter.tokens.keep(
        Account(
            user.id,
            user.login,
            user.name,
            roles,
            frozenset(scopes.split()),
            token.access,
            token.refresh,
        )
    )


@asynccontextmanager
async def open_house(
    peer: TwitchPeer,
    folder: Path,
    *,
    public_url: str = "",
    per_socket: int = PER_SOCKET,
    secret: bool = True,
    signed_in: bool = True,
    connect: bool = True,
    joined: tuple[str, ...] = (),
) -> AsyncIterator[House]:
    """One boot of the bot over `folder`; a second one over the same folder is a restart."""
    world = peer.world
    channel = world.user_named("mia") or world.add_user("Mia", "affiliate")
    bot = world.user_named("riffbot") or world.add_user("Riffbot")
    kit = await open_kit(folder / "riffbot.sqlite3", HandClock())
    rules = await open_rulebook(kit.database, kit.clock, RATES, {LIVE_ROLE: math.inf})
    kit.studio = Studio(
        database=kit.database,
        ledger=kit.ledger,
        events=kit.events,
        queue=kit.queue,
        policy=rules.policy,
        settings=rules.settings,
        clock=kit.clock,
        wake_scheduler=lambda: None,
        cancel_running=kit.stopped.append,
        progress_of=kit.progress.get,
        halt_notice=rules.halts.notice,
    )
    moderation = Moderation.over(
        rules,
        database=kit.database,
        ledger=kit.ledger,
        events=kit.events,
        clock=kit.clock,
        cancel_running=kit.stopped.append,
        wake_scheduler=lambda: None,
    )
    services = Services.over(
        Config(
            data=folder,
            web=WebConfig(public_url=public_url),
            twitch=TwitchConfig(
                client_id=world.app.client_id,
                api_url=peer.api_url,
                id_url=peer.id_url,
                eventsub_url=peer.eventsub_url,
                channels=joined,
            ),
        ),
        studio=kit.studio,
        moderation=moderation,
        database=kit.database,
        clock=kit.clock,
        events=kit.events,
        files=files_of(kit, folder),
        sources=Sources(folder / "sources", kit.database, kit.clock, Budget(10**9, None)),
    )
    app_secret = world.app.secret if secret else None
    adapter = TwitchAdapter(
        services, app_secret, per_socket=per_socket, now=lambda: world.clock.time
    )
    live = asyncio.create_task(services.live.run())
    house = House(peer, bot, channel, LiveHouse(kit, services, ChatDesk(services)), adapter)
    if signed_in and adapter.tokens.bot is None:
        sign_in(adapter, peer, bot, "bot")
        if not joined:
            sign_in(adapter, peer, channel, "channel")
    outbox = asyncio.create_task(Outbox(kit.ledger, [adapter], kit.events, kit.clock).run())
    try:
        if connect:
            await house.connect()
        yield house
    finally:
        for task in (outbox, live):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await adapter.stop()
        await kit.database.close()
