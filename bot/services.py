"""What platforms are made with: the parts of a running bot that adapters may use."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bot.config import Config
from bot.history import History
from bot.lineage import Lineage
from bot.moderation.desk import Moderation
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
        commands: chat commands beside those that `bot.chat` knows, by name; whatever part has
            some enters them here.
    """

    config: Config
    studio: Studio
    moderation: Moderation
    lineage: Lineage
    sources: Sources
    history: History
    commands: dict[str, Handler] = field(default_factory=dict)

    @property
    def clips(self) -> Path:
        """The folder that the paths in `Clip.files` are relative to."""
        return self.config.data / "clips"
