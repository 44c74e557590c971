"""How segments follow each other: steps of the mix, guests, and the way out in a panic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from bot.live.ballot import Voter
from bot.live.grid import samples
from bot.live.rules import LiveRules
from bot.live.timeline import Segment, SegmentKind, Share, Take, Timeline

SAFE_TITLE = "safe loop"
_PANIC_FADE = 0.5
_KEPT_SECONDS = 900.0

Correlate = Callable[[Segment, Take, int, int], float]
"""Likeness of a segment and a take of this origin where the take comes in (a sample): 0 to 1."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A riff that somebody asked for during the session; `source` is its job."""

    take: Take
    title: str
    by: Voter
    source: str = ""

    @property
    def owner(self) -> str:
        """Whose it is, as segments have it."""
        return self.by.id


@dataclass(slots=True)
class News:
    """What became of the timeline since the last look: segments that came, numbers that went."""

    entered: list[Segment] = field(default_factory=list)
    retracted: list[int] = field(default_factory=list)


class Arrangement:
    """The timeline, and the rules by which something is added to it."""

    def __init__(
        self,
        rules: LiveRules,
        safe: Take,
        correlate: Correlate | None = None,
        segments: tuple[Segment, ...] = (),
    ) -> None:
        """Begin with the safe loop, or go on with the segments of an earlier run."""
        self._rules = rules
        self._grid = rules.grid
        self._safe = safe
        self._correlate = correlate
        self._news = News()
        self.timeline = Timeline(segments)
        self._numbers = segments[-1].number if segments else 0
        self.mix_segment: Segment | None = None
        for segment in segments:
            if segment.kind != "guest":
                self.mix_segment = segment if segment.kind == "mix" else None
        if not segments:
            self._put(safe, "safe", 0, 1, title=SAFE_TITLE)

    @property
    def fade(self) -> int:
        """Samples in an ordinary join."""
        return int(self._rules.fade_beats * self._grid.loop / self._grid.beats)

    @property
    def returns(self) -> bool:
        """The last segment is the mix as it was, coming back after a guest."""
        last = self.timeline.last
        return last.kind == "mix" and last is not self.mix_segment

    def takes(self) -> Iterator[Take]:
        """What it may go back to at any time."""
        yield self._safe
        if self.mix_segment is not None:
            yield self.mix_segment.take

    def soonest(self, now: int) -> int:
        """The first sample at which something may be settled to begin."""
        return max(now + samples(self._rules.lead), self.timeline.free_from)

    def news(self) -> News:
        """What is new, once."""
        news, self._news = self._news, News()
        return news

    def play(self, take: Take, entry: int, shares: tuple[Share, ...], walk: float) -> Segment:
        """Let the next step of the mix in. A return that has not begun by then is left out."""
        if self.returns and self.timeline.last.start >= entry:
            self.retract(entry)
        segment = self._put(take, "mix", entry, self.fade, shares, walk=walk)
        self.mix_segment = segment
        return segment

    def welcome(self, guest: Guest, now: int) -> None:
        """Let a guest in on the next bar, and settle at once how the mix comes back."""
        take, grid = guest.take, self._grid
        entry = grid.bar_after(self.soonest(now))
        shares = (Share("", guest.title, 1.0, (guest.by.name,), (guest.by.id,)),)
        self._put(take, "guest", entry, self.fade, shares, title=guest.title, owner=guest.owner,
                  source=guest.source)  # fmt: skip
        length = max(grid.loop, self._rules.guest_loops * take.samples)
        self._come_back(grid.bar_after(entry + length))

    def end_guest(self, now: int) -> None:
        """Let the mix come back earlier."""
        self.retract(now + samples(self._rules.lead))
        if self.timeline.last.kind == "guest":
            self._come_back(self._grid.join_after(self.soonest(now), 0))

    def interrupt(self, now: int, banned: Collection[str] = (), safe: Take | None = None) -> None:
        """Leave what sounds at the next instant that a join can be.

        With topics that are `banned`, for the last mix that had none of them; else, or where there
        is none, for the safe loop.
        """
        self.retract(now + samples(self._rules.lead))
        self._safe = safe or self._safe
        start = self.soonest(now)
        fade = min(self.fade, samples(_PANIC_FADE))
        earlier = [one for one in self.timeline if one.kind == "mix"] if banned else []
        clean = [one for one in earlier if set(banned).isdisjoint(one.mix)]
        if clean:
            back = clean[-1]
            put = self._put(back.take, "mix", start, fade, back.shares, walk=back.walk)
            self.mix_segment = put
        else:
            self._put(self._safe, "safe", start, fade, title=SAFE_TITLE)
            self.mix_segment = None

    def retract(self, sample: int) -> None:
        """Take back what was to begin at `sample` or later."""
        gone = {segment.number for segment in self.timeline.retract(sample)}
        untold = {segment.number for segment in self._news.entered} & gone
        self._news.entered = [one for one in self._news.entered if one.number not in untold]
        self._news.retracted += sorted(gone - untold)
        if self.mix_segment is not None and self.mix_segment.number in gone:
            mixes = [one for one in self.timeline if one.kind == "mix"]
            self.mix_segment = mixes[-1] if mixes else None

    def trim(self, now: int) -> None:
        """Forget what was over long ago."""
        self.timeline.trim(now - samples(_KEPT_SECONDS))

    def _come_back(self, entry: int) -> None:
        back = self.mix_segment
        entry = max(entry, self.timeline.free_from)
        if back is None:
            self._put(self._safe, "safe", entry, self.fade, title=SAFE_TITLE)
        else:
            self._put(back.take, "mix", entry, self.fade, back.shares, walk=back.walk)

    def _put(
        self,
        take: Take,
        kind: SegmentKind,
        start: int,
        fade: int,
        shares: tuple[Share, ...] = (),
        *,
        title: str = "",
        walk: float = 0.0,
        owner: str = "",
        source: str = "",
    ) -> Segment:
        # What is not one loop long has a beat of its own, counted from where it begins.
        origin = 0 if take.samples == self._grid.loop else start
        alike = 0.0
        if self._correlate is not None and len(self.timeline):
            alike = self._correlate(self.timeline.last, take, origin, start)
        self._numbers += 1
        segment = Segment(
            self._numbers,
            start,
            fade,
            origin,
            take,
            kind,
            shares,
            title,
            alike,
            walk,
            owner,
            source,
        )
        self.timeline.enter(segment)
        self._news.entered.append(segment)
        return segment
