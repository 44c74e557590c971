"""What platforms are made with: the parts of a running bot that adapters may use."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bot.clock import Clock
from bot.config import Config, RetentionConfig
from bot.events import Events
from bot.exports import Exports
from bot.history import History
from bot.lineage import Lineage
from bot.live.archives import Archives
from bot.live.commands import LiveCommands
from bot.live.orders import Embed
from bot.live.session import Parts
from bot.live.sessions import LiveSessions
from bot.live.store import LiveStore
from bot.moderation.desk import Moderation
from bot.privacy import Privacy
from bot.store.clipfiles import Budget, ClipFiles
from bot.store.database import Database
from bot.store.receipts import Receipts
from bot.store.sources import Sources
from bot.studio import Studio

if TYPE_CHECKING:
    from bot.chat import Handler


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that an adapter speaks to.

    Attributes:
        config: what the operator chose.
        studio: where riffs are asked for.
        moderation: settings, people and the queue, for those who may.
        lineage: riffs that start from an earlier clip.
        sources: the sounds and pictures that people bring along.
        history: what somebody asked for before.
        exports: other files of a clip, made when they are asked for.
        privacy: what is kept about somebody.
        receipts: where answers were posted.
        live: the live sessions.
        archives: live sessions that were exported.
        commands: chat commands beside those that `bot.chat` knows, by name; whatever part has
            some enters them here.
    """

    config: Config
    studio: Studio
    moderation: Moderation
    lineage: Lineage
    sources: Sources
    history: History
    exports: Exports
    privacy: Privacy
    receipts: Receipts
    live: LiveSessions
    archives: Archives
    commands: dict[str, Handler] = field(default_factory=dict)

    @classmethod
    def over(
        cls,
        config: Config,
        *,
        studio: Studio,
        moderation: Moderation,
        database: Database,
        clock: Clock,
        events: Events,
        files: ClipFiles,
        sources: Sources,
        embed: Embed | None = None,
    ) -> Services:
        """Make what is not there yet out of what is."""
        exports = Exports(config.data / "exports", config.data / "clips")
        privacy = Privacy(
            database=database,
            clock=clock,
            events=events,
            rules=moderation.rules,
            removal=moderation.removal,
            files=files,
            sources=sources,
            exports=exports,
        )
        lineage = Lineage(studio, sources, config.data / "clips")
        history, receipts = History(database), Receipts(database)
        rules, clips = moderation.rules, config.data / "clips"
        store = LiveStore(database, clock)
        live = LiveSessions(Parts(studio, rules.policy, store, clock, clips, embed), rules, events)
        privacy.parts.append(live.personal_data())
        files.holders.append(live.needed)
        budget = budget_of(config.retention, config.retention.sessions_gigabytes)
        archives = Archives(config.data / "sessions", store, clock, budget, live.being_exported)
        return cls(
            config,
            studio,
            moderation,
            lineage,
            sources,
            history,
            exports,
            privacy,
            receipts,
            live,
            archives,
            LiveCommands(live, clips, archives.root, config.web.stage_url).handlers(),
        )

    @property
    def clips(self) -> Path:
        """The folder that the paths in `Clip.files` are relative to."""
        return self.config.data / "clips"


def budget_of(retention: RetentionConfig, gigabytes: float) -> Budget:
    """How much of one kind of files is kept."""
    return Budget(
        bytes=int(gigabytes * 1e9),
        seconds=retention.days * 86_400 if retention.days else None,
        reserve=int(retention.reserve_megabytes * 1e6),
    )
