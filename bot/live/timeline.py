"""What sounds, from which sample on. There is never a hole: a segment loops until the next."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
SegmentKind = Literal["mix", "guest", "safe"]


@dataclass(frozen=True, slots=True)
class Take:
    """A clip that can be played.

    Attributes:
        id: of the job that made it, or of the loop that ships.
        samples: in one period.
        gain: factor that brings it to the session's loudness.
        files: relative paths by kind, as in `Clip.files`.
        recipe: what made it.
    """

    id: str
    samples: int
    gain: float = 1.0
    files: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Share:
    """A part of what sounds, and who asked for it.

    Attributes:
        topic: id within the session; empty for what nobody voted for.
        by: names of people, the strongest first.
        ids: of the same people, as `platform:user`; never shown.
    """

    topic: str
    prompt: str
    share: float
    by: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of the timeline: a take that loops until the next segment has come in.

    Attributes:
        number: counts up within the session.
        start: sample at which it begins to come in; `fade` samples later it sounds alone.
        origin: sample at which the take's own first sample lies (or would lie).
        correlation: of its sound with that of the segment before, over the join, 0 to 1.
        shares: what it is made of, the largest first.
        walk: place of its noise, for music that is drawn anew while the mix is the same.
        owner: whose guest it is, as `platform:user`, and `source`: of which riff; never shown.
    """

    number: int
    start: int
    fade: int
    origin: int
    take: Take
    kind: SegmentKind = "mix"
    shares: tuple[Share, ...] = ()
    title: str = ""
    correlation: float = 0.0
    walk: float = 0.0
    owner: str = ""
    source: str = ""

    @property
    def mix(self) -> dict[str, float]:
        """Share of each topic."""
        return {share.topic: share.share for share in self.shares if share.topic}

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Segment:
        """Read what `to_json` wrote."""
        values = dict(data)
        values["take"] = Take(**data["take"])
        values["shares"] = tuple(
            Share(one["topic"], one["prompt"], one["share"], tuple(one["by"]), tuple(one["ids"]))
            for one in data["shares"]
        )
        return cls(**values)


def fade_gains(progress: FloatArray, correlation: float) -> tuple[FloatArray, FloatArray]:
    """Gains of what leaves and what comes, `progress` (0 to 1) of the way through a join.

    Equal power for sounds that have nothing to do with each other: cos and sin of a quarter turn.
    Two clips of one mix are often alike, and would swell by up to 3 dB; dividing by the power that
    their correlation r adds, √(1 + 2·r·cos·sin), keeps the level (Fink, Holters, Zölzer,
    "Signal-matched power-complementary cross-fading", DAFx 2016).
    """
    angle = 0.5 * math.pi * np.clip(progress, 0.0, 1.0)
    leaving, coming = np.cos(angle), np.sin(angle)
    level = np.sqrt(1 + 2 * min(1.0, max(0.0, correlation)) * leaving * coming)
    return (
        np.asarray(leaving / level, dtype=np.float32),
        np.asarray(coming / level, dtype=np.float32),
    )


class Timeline:
    """Segments in order."""

    def __init__(self, segments: Sequence[Segment] = ()) -> None:
        """`segments`: of an earlier run, in order."""
        self._segments = list(segments)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    def __len__(self) -> int:
        return len(self._segments)

    @property
    def last(self) -> Segment:
        """The one that comes last; there has to be one."""
        return self._segments[-1]

    @property
    def free_from(self) -> int:
        """The first sample at which another segment may begin."""
        return self.last.start + self.last.fade if self._segments else 0

    def enter(self, segment: Segment) -> None:
        """Add a segment at the end.

        Raises:
            ValueError: the last one has not come in by then.
        """
        if segment.start < self.free_from:
            raise ValueError(f"segment {segment.number} begins before the last one has come in")
        if self._segments and segment.fade <= 0:
            raise ValueError("a join takes at least one sample")
        self._segments.append(segment)

    def retract(self, sample: int) -> list[Segment]:
        """Take back what begins at `sample` or later; the first segment of all stays."""
        index = max(1, bisect.bisect_left(self._segments, sample, key=lambda one: one.start))
        gone, self._segments = self._segments[index:], self._segments[:index]
        return gone

    def at(self, sample: int) -> Segment:
        """The segment that came in last at `sample`: what one says one hears there."""
        index = bisect.bisect_right(self._segments, sample, key=lambda one: one.start)
        return self._segments[max(0, index - 1)]

    def window(self, first: int, end: int) -> list[Segment]:
        """Every segment that sounds between two samples, in order."""
        found = []
        begun = bisect.bisect_right(self._segments, first, key=lambda one: one.start)
        # Besides the one that came in last, the one before it may still be fading out.
        for index in range(max(0, begun - 2), len(self._segments)):
            segment = self._segments[index]
            if segment.start >= end:
                break
            following = self._segments[index + 1 : index + 2]
            if not following or following[0].start + following[0].fade > first:
                found.append(segment)
        return found

    def trim(self, before: int) -> None:
        """Forget what was over before a sample."""
        keep = self.window(before, max(before + 1, self._segments[-1].start + 1))
        self._segments = self._segments[len(self._segments) - len(keep) :]
