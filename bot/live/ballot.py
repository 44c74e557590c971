"""Votes that fade: everybody has one, the last that they cast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

_FORGOTTEN = 7.0
"""Half-lives after which a vote counts less than a hundredth, and is dropped."""

MOST_WEIGHT = 100.0


@dataclass(frozen=True, slots=True)
class Voter:
    """Who votes: the same person is the same voter, whatever they are called meanwhile."""

    platform: str
    user: str
    name: str

    @property
    def id(self) -> str:
        """The same as one text."""
        return f"{self.platform}:{self.user}"

    @property
    def key(self) -> tuple[str, str]:
        """What makes them the same."""
        return self.platform, self.user


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote.

    Attributes:
        topic: id of what it is for.
        weight: what it counts when it is cast, 0 to 100.
        at: seconds of the session.
        message: key of the message that cast it, so that it goes with the message.
    """

    voter: Voter
    topic: str
    weight: float
    at: float
    message: str = ""


class Ballot:
    """All votes that still count.

    All votes fade at the same pace, so sums of topics fade with them: votes are kept as what they
    would be worth at one moment, and looking at thousands of them costs no more than at their
    topics.
    """

    def __init__(self, half_life: float) -> None:
        """`half_life` in seconds."""
        self.half_life = half_life
        self._votes: dict[tuple[str, str], Vote] = {}
        self._sums: dict[str, float] = {}
        self._counts: Counter[str] = Counter()
        self._base = 0.0

    def __len__(self) -> int:
        return len(self._votes)

    def cast(self, vote: Vote) -> None:
        """Count a vote, in place of this voter's last one."""
        self._take_out(vote.voter.key)
        if vote.weight > 0:
            vote = replace(vote, weight=min(vote.weight, MOST_WEIGHT))
            self._votes[vote.voter.key] = vote
            if vote.at - self._base > _FORGOTTEN * self.half_life:
                self._rebase(vote.at)
            else:
                self._add(vote)

    def all(self) -> list[Vote]:
        """Every vote, the oldest first."""
        return list(self._votes.values())

    def worth(self, vote: Vote, now: float) -> float:
        """What a vote counts at present: half after each half-life."""
        return float(vote.weight * 2.0 ** (-max(0.0, now - vote.at) / self.half_life))

    def strengths(self, now: float) -> dict[str, float]:
        """The sum of all votes for each topic."""
        faded = 2.0 ** (-max(0.0, now - self._base) / self.half_life)
        return {topic: max(0.0, value * faded) for topic, value in self._sums.items()}

    def voters_of(self, topic: str, now: float, most: int = 3) -> tuple[Voter, ...]:
        """Who carries a topic, the strongest first."""
        votes = [vote for vote in self._votes.values() if vote.topic == topic]
        votes.sort(key=lambda vote: self.worth(vote, now), reverse=True)
        return tuple(vote.voter for vote in votes[:most])

    def withdraw(self, unwanted: Callable[[Vote], bool]) -> list[Vote]:
        """Drop votes; returns them."""
        gone = [vote for vote in self._votes.values() if unwanted(vote)]
        for vote in gone:
            del self._votes[vote.voter.key]
        if gone:
            self._rebase(self._base)
        return gone

    def merge(self, topic: str, into: str) -> None:
        """Count the votes of one topic for another."""
        for key, vote in self._votes.items():
            if vote.topic == topic:
                self._votes[key] = replace(vote, topic=into)
        self._rebase(self._base)

    def forget(self, now: float) -> None:
        """Drop what counts for nothing any more."""
        oldest = now - _FORGOTTEN * self.half_life
        self._votes = {key: vote for key, vote in self._votes.items() if vote.at >= oldest}
        self._rebase(now)

    def _based(self, vote: Vote) -> float:
        return float(vote.weight * 2.0 ** ((vote.at - self._base) / self.half_life))

    def _take_out(self, key: tuple[str, str]) -> None:
        vote = self._votes.pop(key, None)
        if vote is not None:
            self._sums[vote.topic] -= self._based(vote)
            self._counts[vote.topic] -= 1
            if not self._counts[vote.topic]:
                # To the last bit: a topic that nobody votes for is worth nothing.
                del self._sums[vote.topic], self._counts[vote.topic]

    def _rebase(self, now: float) -> None:
        """Add everything up anew, as it is worth at `now`: rounding cannot gather."""
        self._base = now
        self._sums.clear()
        self._counts.clear()
        for vote in self._votes.values():
            self._add(vote)

    def _add(self, vote: Vote) -> None:
        self._sums[vote.topic] = self._sums.get(vote.topic, 0.0) + self._based(vote)
        self._counts[vote.topic] += 1
