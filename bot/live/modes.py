"""Where the music is to go: each mode chooses a target mix; the way there is everybody's."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.errors import BadInputRefusal, BusyRefusal
from bot.live.ballot import Ballot, Voter
from bot.live.mix import Mix, normalised, strongest
from bot.live.rules import LiveRules, ModeName

_LONGEST_QUEUE = 100
_OWN_IN_QUEUE = 3
_FADED = 0.05
"""Strength below which a topic is forgotten: a vote of weight 1 after some four half-lives."""

_THERE = 0.985
"""Share from which on a prompt of the queue has arrived."""


@dataclass(frozen=True, slots=True)
class Aim:
    """Where to go from here.

    Attributes:
        target: the mix to end at; empty leaves things as they are.
        speed: share that may change hands in one loop.
        one_seed: the noise is held while the words change, as Riffusion's own app does.
    """

    target: Mix
    speed: float
    one_seed: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """What a mode looks at.

    Attributes:
        now: seconds of the session.
        mix: what sounds, or is about to.
        since: seconds of the session since when it does.
        ballot: all votes.
    """

    now: float
    mix: Mix
    since: float
    ballot: Ballot


class Mode(Protocol):
    """Chooses targets."""

    name: ModeName

    def aim(self, scene: Scene) -> Aim:
        """Where to go, as things stand."""

    def needs(self) -> set[str]:
        """Topics that are not to be forgotten though nobody votes for them."""

    def forget(self, topic: str, into: str | None = None) -> None:
        """A topic is gone, or has become another."""

    def to_json(self) -> dict[str, Any]:
        """What a restart has to know."""


class Crowd:
    """The strongest few topics, by what their votes are worth."""

    name: ModeName = "crowd"

    def __init__(self, rules: LiveRules, members: Sequence[tuple[str, float]] = ()) -> None:
        """`members`: topics that are in, each with the second since when."""
        self._rules = rules
        self._since = dict(members)

    def aim(self, scene: Scene) -> Aim:
        """The strongest topics, in proportion; where nobody votes any more, what sounds stays."""
        rules = self._rules
        strengths = {
            topic: worth
            for topic, worth in scene.ballot.strengths(scene.now).items()
            if worth >= _FADED or topic in self._since
        }
        if not any(worth >= _FADED for worth in strengths.values()):
            return Aim({}, rules.speed)
        firm = [topic for topic, at in self._since.items() if scene.now - at < rules.minimum_hold]
        chosen = strongest(strengths, list(self._since), firm, rules.strongest, rules.lead_over)
        self._since = {topic: self._since.get(topic, scene.now) for topic in chosen}
        return Aim(normalised({topic: strengths[topic] for topic in chosen}), rules.speed)

    def needs(self) -> set[str]:
        """None: a topic without votes leaves."""
        return set()

    def forget(self, topic: str, into: str | None = None) -> None:
        """It is out at once."""
        since = self._since.pop(topic, None)
        if since is not None and into is not None:
            self._since[into] = min(since, self._since.get(into, since))

    def to_json(self) -> dict[str, Any]:
        """Who is in."""
        return {"members": list(self._since.items())}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A prompt in the queue."""

    topic: str
    voter: Voter


class Queue:
    """One prompt after another, each transition over a number of loops."""

    name: ModeName = "queue"

    def __init__(
        self, rules: LiveRules, waiting: Sequence[Waiting] = (), goal: str | None = None
    ) -> None:
        self._rules = rules
        self._waiting = deque(waiting)
        self._goal = goal
        self._arrived: float | None = None
        self._hurried = False

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """What is to come, next first."""
        return tuple(self._waiting)

    def add(self, item: Waiting) -> int:
        """Put a prompt at the end; returns its place, from 1.

        Raises:
            BusyRefusal: the queue is full, or holds enough of this voter's.
        """
        if len(self._waiting) >= _LONGEST_QUEUE:
            raise BusyRefusal("The live queue is full; please try again later.", 60.0)
        own = sum(other.voter.key == item.voter.key for other in self._waiting)
        if own >= _OWN_IN_QUEUE:
            raise BusyRefusal(
                f"{own} of your prompts are in the live queue already; wait for one to be heard.",
                60.0,
            )
        self._waiting.append(item)
        return len(self._waiting)

    def aim(self, scene: Scene) -> Aim:
        """The next prompt, once the last one was heard for a while."""
        rules = self._rules
        speed = 1 / rules.queue_loops
        if self._goal is not None:
            if scene.mix.get(self._goal, 0.0) < _THERE:
                self._arrived = None
                return Aim({self._goal: 1.0}, speed, one_seed=True)
            if self._arrived is None:
                self._arrived = scene.since
            rest = rules.queue_rest * rules.grid.seconds
            if scene.now - self._arrived < rest and not self._hurried:
                return Aim({self._goal: 1.0}, speed, one_seed=True)
        if not self._waiting:
            return Aim({} if self._goal is None else {self._goal: 1.0}, speed, one_seed=True)
        self._goal, self._arrived, self._hurried = self._waiting.popleft().topic, None, False
        return Aim({self._goal: 1.0}, speed, one_seed=True)

    def skip(self) -> bool:
        """Go on to the next prompt without delay; False where there is none."""
        if not self._waiting:
            return False
        self._goal, self._arrived, self._hurried = self._waiting.popleft().topic, None, False
        return True

    def withdraw(self, unwanted: Sequence[tuple[str, str]]) -> None:
        """Drop what these voters put in."""
        self._waiting = deque(one for one in self._waiting if one.voter.key not in unwanted)

    def needs(self) -> set[str]:
        """All that is to come."""
        return {item.topic for item in self._waiting} | ({self._goal} if self._goal else set())

    def forget(self, topic: str, into: str | None = None) -> None:
        """It is skipped."""
        if self._goal == topic:
            self._goal, self._arrived = into, None
        changed = (
            Waiting(into, item.voter) if into and item.topic == topic else item
            for item in self._waiting
        )
        self._waiting = deque(item for item in changed if item.topic != topic)

    def to_json(self) -> dict[str, Any]:
        """What waits and what plays."""
        waiting = [
            [item.topic, item.voter.platform, item.voter.user, item.voter.name]
            for item in self._waiting
        ]
        return {"waiting": waiting, "goal": self._goal}


class Duel:
    """Two prompts, whose shares are their scores; votes are `1` and `2`."""

    name: ModeName = "duel"

    def __init__(self, rules: LiveRules, sides: tuple[str, str]) -> None:
        """`sides`: the two topics."""
        self._rules = rules
        self.sides = sides

    def side(self, text: str) -> str:
        """The topic of a vote.

        Raises:
            BadInputRefusal: neither 1 nor 2.
        """
        plain = text.strip().lstrip("#")
        if plain not in ("1", "2"):
            raise BadInputRefusal("This is a duel: vote 1 or 2.")
        return self.sides[int(plain) - 1]

    def aim(self, scene: Scene) -> Aim:
        """Shares by score; half and half before anybody voted."""
        strengths = scene.ballot.strengths(scene.now)
        scores = {side: strengths.get(side, 0.0) for side in self.sides}
        if sum(scores.values()) < _FADED:
            return Aim({} if scene.mix else dict.fromkeys(self.sides, 0.5), self._rules.speed)
        return Aim(normalised(scores), self._rules.speed)

    def needs(self) -> set[str]:
        """Both sides."""
        return set(self.sides)

    def forget(self, topic: str, into: str | None = None) -> None:
        """A side that is gone leaves the field to the other."""
        first, second = self.sides
        if topic in self.sides:
            other = second if topic == first else first
            new = into or other
            self.sides = (new, second) if topic == first else (first, new)

    def to_json(self) -> dict[str, Any]:
        """Both sides."""
        return {"sides": list(self.sides)}


class Hold:
    """What sounds goes on; votes are counted, but wait."""

    name: ModeName = "hold"

    def aim(self, scene: Scene) -> Aim:
        """Nowhere."""
        return Aim({}, 1.0)

    def needs(self) -> set[str]:
        """None."""
        return set()

    def forget(self, topic: str, into: str | None = None) -> None:
        """Nothing is kept."""

    def to_json(self) -> dict[str, Any]:
        """Nothing."""
        return {}


def mode_from_json(name: str, data: dict[str, Any], rules: LiveRules) -> Mode:
    """The mode that `to_json` wrote down; the crowd where it cannot be read."""
    if name == "hold":
        return Hold()
    if name == "queue":
        waiting = [Waiting(topic, Voter(*who)) for topic, *who in data.get("waiting", ())]
        return Queue(rules, waiting, data.get("goal"))
    if name == "duel" and len(data.get("sides", ())) == 2:
        return Duel(rules, (data["sides"][0], data["sides"][1]))
    return Crowd(rules, [(topic, at) for topic, at in data.get("members", ())])
