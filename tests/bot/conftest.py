from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.events import Events, QueueMoved
from bot.jobs import Address, Requester
from bot.limits import RateLimit
from bot.moderation.desk import Moderation, open_rulebook
from bot.policy import OpenPolicy
from bot.settings import FixedSettings, RiffSettings
from bot.store.database import Database
from bot.store.ledger import Ledger
from bot.store.queue import QueueView
from bot.studio import Studio
from generation.request import Clip, Progress
from tests.bot.house import Start, house
from tests.clock import HandClock


@dataclass
class Kit:
    """A real studio on a real SQLite file, whose scheduler is the test itself."""

    clock: HandClock
    database: Database
    ledger: Ledger
    queue: QueueView
    events: Events
    studio: Studio
    path: Path
    woken: list[None] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    progress: dict[str, Progress] = field(default_factory=dict)


SETTINGS = RiffSettings(rate=RateLimit(burst=5, period=30), queued_per_user=8, queued_in_all=20)


async def open_kit(
    path: Path,
    clock: HandClock,
    settings: RiffSettings = SETTINGS,
    allowances: Mapping[str, float] | None = None,
) -> Kit:
    database = await Database.open(path)
    ledger = await Ledger.start(database, clock, "test")
    events = Events()
    queue = QueueView(database, clock, on_news=lambda: events.publish(QueueMoved()))
    woken: list[None] = []
    stopped: list[str] = []
    progress: dict[str, Progress] = {}
    studio = Studio(
        database=database,
        ledger=ledger,
        queue=queue,
        events=events,
        policy=OpenPolicy(),
        settings=FixedSettings(settings, allowances or {}),
        clock=clock,
        wake_scheduler=lambda: woken.append(None),
        cancel_running=stopped.append,
        progress_of=progress.get,
    )
    return Kit(clock, database, ledger, queue, events, studio, path, woken, stopped, progress)


async def moderation_of(kit: Kit) -> Moderation:
    """Moderators for a kit, whose studio asks nobody yet."""
    return Moderation.over(
        await open_rulebook(kit.database, kit.clock),
        database=kit.database,
        clock=kit.clock,
        ledger=kit.ledger,
        events=kit.events,
        cancel_running=kit.stopped.append,
        wake_scheduler=lambda: kit.woken.append(None),
    )


async def moderated(kit: Kit) -> Moderation:
    """Put moderators in charge of a kit's studio."""
    moderation = await moderation_of(kit)
    rules = moderation.rules
    kit.studio = Studio(
        database=kit.database,
        ledger=kit.ledger,
        queue=kit.queue,
        events=kit.events,
        policy=rules.policy,
        settings=rules.settings,
        clock=kit.clock,
        wake_scheduler=lambda: kit.woken.append(None),
        cancel_running=kit.stopped.append,
        progress_of=kit.progress.get,
        halt_notice=rules.halts.notice,
    )
    return moderation


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts bots as child processes; see `tests.bot.house`."""
    async with house() as start:
        yield start


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def kit(tmp_path: Path, clock: HandClock) -> AsyncIterator[Kit]:
    kit = await open_kit(tmp_path / "riffbot.sqlite3", clock)
    yield kit
    await kit.database.close()


def person(user: str, platform: str = "local", community: str = "chat") -> Requester:
    return Requester(platform, community, user, user.title())


def a_clip(index: int = 0) -> Clip:
    return Clip(index, {"mp3": "ab/x.mp3"}, 5.12, 44100, 225_792, {"seed": "7"})


HOME = Address("local", {})
