"""How well the session does: votes until they are heard, and clips that were late."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.live.mix import Mix

_KEPT = 2000
_AUDIBLE = 0.02


@dataclass(slots=True)
class Statistics:
    """Counts of one session.

    A vote is heard when the first clip whose mix was reckoned with it begins to sound and differs
    from the one before; `heard_in` is the time from vote to the middle of that join. A vote for
    what sounds already changes nothing and is not measured, nor is one whose topic stays outside
    the mix (`passed_over`).
    """

    votes: int = 0
    heard: int = 0
    passed_over: int = 0
    clips: int = 0
    dropped: int = 0
    misses: int = 0
    heard_in: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _pending: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def voted(self, now: float, topic: str) -> None:
        """A vote was cast."""
        self.votes += 1
        self._pending.append((now, topic))

    def entered(self, at: float, planned: float, before: Mix, mix: Mix) -> float | None:
        """A clip begins to be heard at `at`; its mix was reckoned at `planned`.

        Returns:
            Seconds that the oldest vote it answers waited.
        """
        changed = {topic for topic in {*before, *mix}
                   if abs(before.get(topic, 0.0) - mix.get(topic, 0.0)) > 1e-3}  # fmt: skip
        waits: list[float] = []
        left: deque[tuple[float, str]] = deque(maxlen=_KEPT)
        for when, topic in self._pending:
            if when > planned:
                left.append((when, topic))
            elif mix.get(topic, 0.0) >= _AUDIBLE and changed:
                waits.append(at - when)
            else:
                left.append((when, topic))
        self._pending = left
        self.heard += len(waits)
        self.heard_in.extend(waits)
        return max(waits, default=None)

    def weighed(self, target: Mix) -> None:
        """Votes were reckoned with: those outside the target have no place in the mix now."""
        pending = len(self._pending)
        kept = [one for one in self._pending if one[1] in target]
        self._pending = deque(kept, maxlen=_KEPT)
        self.passed_over += pending - len(kept)

    def waits(self, planned: float, mix: Mix) -> bool:
        """Whether a vote that was cast by `planned` waits to be heard in this mix."""
        return any(when <= planned and topic in mix for when, topic in self._pending)

    def merge(self, topic: str, into: str) -> None:
        """One topic is counted as another from now on."""
        renamed = ((when, into if one == topic else one) for when, one in self._pending)
        self._pending = deque(renamed, maxlen=_KEPT)

    def at_rest(self, mix: Mix) -> None:
        """Nothing is to change: votes for what sounds have what they want."""
        self._pending = deque(
            ((when, topic) for when, topic in self._pending if topic not in mix), maxlen=_KEPT
        )

    def quantile(self, share: float) -> float | None:
        """Of `heard_in`, in seconds; None before any vote was heard."""
        return quantile(self.heard_in, share)


def quantile(values: Sequence[float] | deque[float], share: float) -> float | None:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
