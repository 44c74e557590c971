"""What applies where nobody said otherwise: the settings of a requester's scope.

Scoped settings (global → community → channel → user) will be resolved here; until then the
operator's configuration is the only scope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.jobs import Requester
from bot.limits import RateLimit


@dataclass(frozen=True, slots=True)
class RiffSettings:
    """The values that apply to one request.

    `steps` and `guidance_scale` of None leave the choice to the checkpoint.
    """

    rate: RateLimit
    queued_per_user: int
    queued_in_all: int
    steps: int | None = None
    guidance_scale: float | None = None


class Settings(Protocol):
    """Finds the settings that apply to a requester."""

    async def resolve(self, requester: Requester) -> RiffSettings:
        """The settings in force for this requester right now."""


class FixedSettings:
    """The same settings for everybody."""

    def __init__(self, settings: RiffSettings) -> None:
        self._settings = settings

    async def resolve(self, requester: Requester) -> RiffSettings:
        """The one set there is."""
        return self._settings
