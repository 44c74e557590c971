"""What platforms are made with: the parts of a running bot that adapters may use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.config import Config
from bot.lineage import Lineage
from bot.moderation.desk import Moderation
from bot.store.sources import Sources
from bot.studio import Studio


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that an adapter speaks to.

    Attributes:
        config: what the operator chose.
        studio: where riffs are asked for.
        moderation: settings, people and the queue, for those who may.
        lineage: riffs that start from an earlier clip.
        sources: the sounds and pictures that people bring along.
    """

    config: Config
    studio: Studio
    moderation: Moderation
    lineage: Lineage
    sources: Sources

    @property
    def clips(self) -> Path:
        """The folder that the paths in `Clip.files` are relative to."""
        return self.config.data / "clips"
