"""What a session goes by."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from bot.errors import BadInputRefusal
from bot.live.grid import Grid

ModeName = Literal["crowd", "queue", "duel", "hold"]
MODES: tuple[ModeName, ...] = ("crowd", "queue", "duel", "hold")

MOST_PROMPTS = 6
"""Prompts in a target; with those that leave, eight at most are in one mix."""


@dataclass(frozen=True, slots=True)
class LiveRules:
    """The rules of one session. Times are in seconds, of sound where sound is meant.

    Attributes:
        bpm: tempo, 60 to 200. beats: in a loop; 8 at 120 is 4 seconds.
        half_life: after which a vote counts half, 5 to 600.
        strongest: how many topics the crowd's mix holds, 1 to 6.
        speed: share of the mix that may change hands within one loop, 0.05 to 1.
        lead_over: how many times as strong a newcomer has to be as the member whose place it
            takes, at least 1.
        minimum_hold: that a topic stays in the mix, once in, before votes push it out.
        rest: difference between mix and target that is left alone, 0 to 0.5.
        refresh_loops: loops after which a mix at rest is drawn a little differently; 0 never.
        queue_loops: loops that a transition of the queue takes; queue_rest: loops until the next.
        guest_loops: loops that a riff asked for during the session sounds for; 0 keeps them out.
        steps: denoising steps at full quality. look_ahead: clips planned ahead at full quality.
        lead: between the decision that something enters and its first sound.
        patience: that an entry waits for a bar line instead of taking the next beat.
        fade_beats: length of a join.
        loudness: integrated, in LUFS.
    """

    bpm: float = 120.0
    beats: int = 8
    half_life: float = 45.0
    strongest: int = 4
    speed: float = 0.35
    lead_over: float = 1.25
    minimum_hold: float = 20.0
    rest: float = 0.05
    refresh_loops: int = 8
    queue_loops: int = 4
    queue_rest: int = 4
    guest_loops: int = 2
    steps: int = 12
    look_ahead: int = 2
    lead: float = 0.35
    patience: float = 0.75
    fade_beats: float = 0.5
    loudness: float = -16.0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise BadInputRefusal(
                    f"{name.replace('_', '-')} has to be from {low:g} to {high:g}, not {value:g}."
                )

    @property
    def grid(self) -> Grid:
        """The session's beat grid."""
        return Grid(self.bpm, self.beats)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> LiveRules:
        """Read what `to_json` wrote; what another version knew besides is left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})


_RANGES: dict[str, tuple[float, float]] = {
    "bpm": (60, 200),
    "beats": (4, 32),
    "half_life": (5, 600),
    "strongest": (1, MOST_PROMPTS),
    "speed": (0.05, 1),
    "lead_over": (1, 10),
    "minimum_hold": (0, 3600),
    "rest": (0, 0.5),
    "refresh_loops": (0, 1000),
    "queue_loops": (1, 64),
    "queue_rest": (0, 1000),
    "guest_loops": (0, 16),
    "steps": (1, 100),
    "look_ahead": (1, 8),
    "lead": (0.05, 5),
    "patience": (0, 10),
    "fade_beats": (0.05, 1),
    "loudness": (-30, -14),
}
