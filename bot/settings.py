"""What applies to one request: the settings of its requester's scope, in one typed result.

`bot.moderation.scoped` finds them in global, community, channel and user scope; where nothing is
scoped, `FixedSettings` says the same to everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from bot.jobs import Requester
from bot.limits import RateLimit
from generation.request import MAX_PROMPT_CHARACTERS, Length

UNLIMITED = RateLimit(burst=1e9, period=1e-6)

WhoMayRiff = Literal["everyone", "roles", "subscribers", "followers"]
WhoMaySteer = Literal["everyone", "roles", "subscribers", "followers", "moderators"]
Verbosity = Literal["quiet", "normal", "chatty"]


@dataclass(frozen=True, slots=True)
class SoundSettings:
    """How a riff sounds where its requester leaves that open; None leaves it to the checkpoint.

    Attributes:
        model: name of the checkpoint; empty for the worker's own. Kept for later: there is one
            model at a time so far.
    """

    model: str = ""
    steps: int | None = None
    guidance_scale: float | None = None
    length: Length | None = None
    clips: int = 1
    loop: bool = True
    bpm: float | None = None
    strength: float | None = None


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who may ask, where, and what their roles make of them.

    Attributes:
        follower_days: how long somebody has to follow where `who` is `followers`.
        channels: where the bot answers; empty is everywhere.
    """

    who: WhoMayRiff = "everyone"
    riff_roles: frozenset[str] = frozenset()
    follower_days: float = 0.0
    channels: frozenset[str] = frozenset()
    admin_roles: frozenset[str] = frozenset()
    moderator_roles: frozenset[str] = frozenset()
    blocked_roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WordSettings:
    """Entries of the block and allow lists, as `bot.moderation.rules` reads them."""

    blocked: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    prompt_characters: int = MAX_PROMPT_CHARACTERS


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Rules of the live session. Who steers counts from the next vote on, and the safe loop from
    the next panic; what is about the music, from the next session on.

    Attributes:
        steer: who may steer it.
        vote_weights: how much a vote counts, by role; 1 for everybody else.
        minimum_hold: seconds that a prompt stays in the mix, once in, before votes push it out.
        safe_loop: id of the riff that plays in a panic; empty for the one that ships.
        bpm: tempo. half_life: seconds after which a vote counts half.
        prompts: how many are in the mix. speed: share of it that may change within a loop.
        guest_loops: how often a riff asked for meanwhile sounds; 0 keeps them out.
    """

    steer: WhoMaySteer = "everyone"
    vote_weights: Mapping[str, float] = field(default_factory=dict)
    minimum_hold: float = 20.0
    safe_loop: str = ""
    bpm: float = 120.0
    half_life: float = 45.0
    prompts: int = 4
    speed: float = 0.35
    guest_loops: int = 2


@dataclass(frozen=True, slots=True)
class RiffSettings:
    """The values that apply to one request.

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
        turns: how the community takes turns; None leaves that as it is.
        verbosity: how much to say besides the riff.
        retention_days: days that this community's riffs are kept; 0 is for ever.
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
    turns: Literal["fair", "first-come"] | None = None
    verbosity: Verbosity = "normal"
    retention_days: float = 90.0
    sound: SoundSettings = SoundSettings()
    access: AccessSettings = AccessSettings()
    words: WordSettings = WordSettings()
    live: LiveSettings = field(default_factory=LiveSettings)


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
        return replace(self.settings, allowance=allowance_of(requester, self.allowances))


def allowance_of(requester: Requester, allowances: Mapping[str, float]) -> float:
    """The largest allowance that any of somebody's roles has; 1 for who has none."""
    return max((allowances[role] for role in requester.roles if role in allowances), default=1.0)
