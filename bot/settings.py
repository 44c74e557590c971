"""What applies where nobody said otherwise: the settings of a requester's scope.

Scoped settings (global → community → channel → user) will be resolved here; until then the
operator's configuration is the only scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from bot.jobs import Requester
from bot.limits import RateLimit

UNLIMITED = RateLimit(burst=1e9, period=1e-6)


@dataclass(frozen=True, slots=True)
class RiffSettings:
    """The values that apply to one request. `steps` and `guidance_scale` of None leave the choice
    to the checkpoint.

    Attributes:
        rate: of one user; a default riff costs 1.
        queued_per_user: riffs of one user that may wait, wherever they asked.
        queued_in_all: riffs that may wait altogether.
        community_rate: of everybody in one community together.
        global_rate: of everybody.
        queued_per_community: riffs of one community that may wait.
        largest: what one riff may cost at most.
        default_steps: the denoising steps of a default riff, by which costs are reckoned.
        allowance: how many times what others have this requester has: 2 is charged half and may
            have twice as many waiting; infinity is exempt from everything but the full queue.
        weight: share of turns within the community.
    """

    rate: RateLimit
    queued_per_user: int
    queued_in_all: int
    community_rate: RateLimit = UNLIMITED
    global_rate: RateLimit = UNLIMITED
    queued_per_community: int = 1_000_000
    largest: float = 20.0
    default_steps: int = 12
    allowance: float = 1.0
    weight: float = 1.0
    steps: int | None = None
    guidance_scale: float | None = None


class Settings(Protocol):
    """Finds the settings that apply to a requester."""

    async def resolve(self, requester: Requester) -> RiffSettings:
        """The settings in force for this requester right now."""


@dataclass(frozen=True, slots=True)
class FixedSettings:
    """The same settings for everybody, but for the allowances of roles: the largest one counts."""

    settings: RiffSettings
    allowances: Mapping[str, float] = field(default_factory=dict)

    async def resolve(self, requester: Requester) -> RiffSettings:
        """The one set there is, with this requester's allowance."""
        given = [self.allowances[role] for role in requester.roles if role in self.allowances]
        if not given:
            return self.settings
        return replace(self.settings, allowance=max(given, default=1.0))
