"""A session without clock, worker or sound: hours of it pass in moments.

The worker draws one clip at a time, the one that is due first, as the studio's live lane does. What
has to hold at every instant is checked at every tick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from bot.live.ballot import Voter
from bot.live.grid import SAMPLE_RATE
from bot.live.mix import distance
from bot.live.performance import Performance, Todo
from bot.live.planner import Step
from bot.live.rules import LiveRules
from bot.live.timeline import Segment, Take

TICK = 0.1
SAFE = Take("safe", LiveRules().grid.loop)


def voter(name: str) -> Voter:
    return Voter("local", name, name.title())


@dataclass
class Worker:
    """Draws; `seconds` says how long a step takes, and nothing is drawn while it is not `alive`."""

    seconds: Callable[[Step], float]
    alive: bool = True
    waiting: list[Step] = field(default_factory=list)
    drawing: Step | None = None
    done_at: float = 0.0
    since: float = 0.0
    busy: float = 0.0

    def pass_time(self, performance: Performance, now: float) -> None:
        if not self.alive:
            if self.drawing is not None:  # its job goes back into the queue
                self.waiting.insert(0, self.drawing)
                self.drawing = None
            return
        if self.drawing is not None and now >= self.done_at:
            step, self.drawing = self.drawing, None
            self.busy += self.done_at - self.since
            take = Take(f"clip-{step.number}", performance.grid.loop)
            performance.made(step.number, take, self.done_at - self.since)
        if self.drawing is None and self.waiting:
            self.waiting.sort(key=lambda step: step.due)
            self.drawing = self.waiting.pop(0)
            self.since, self.done_at = now, now + self.seconds(self.drawing)
            performance.begun(int(now * SAMPLE_RATE), self.drawing.number)

    def obey(self, todo: Todo) -> None:
        gone = {step.number for step in todo.drop}
        self.waiting = [step for step in self.waiting if step.number not in gone] + todo.make
        if self.drawing is not None and self.drawing.number in gone:
            self.drawing = None


class Simulation:
    """A performance and its worker, on a clock that the test moves."""

    def __init__(
        self,
        rules: LiveRules | None = None,
        seconds: float | Callable[[Step], float] = 2.2,
        seed: int = 1,
    ) -> None:
        self.rules = rules or LiveRules()
        self.performance = Performance(self.rules, SAFE, seed)
        draw = seconds if callable(seconds) else (lambda step: float(seconds))
        self.worker = Worker(draw)
        self.now = 0.0
        self.entered: list[Segment] = []
        self._takes: set[str] = set()
        self._heard: dict[int, set[str]] = {}

    @property
    def sample(self) -> int:
        return int(self.now * SAMPLE_RATE)

    def vote(self, name: str, prompt: str, weight: float = 1.0) -> str:
        return self.performance.vote(self.sample, voter(name), prompt, weight).id

    def run(self, seconds: float) -> Iterator[float]:
        """Let time pass; yields after every tick, so that things can happen meanwhile."""
        end = self.now + seconds
        while self.now < end:
            self.step()
            yield self.now

    def play(self, seconds: float) -> None:
        for _ in self.run(seconds):
            pass

    def step(self, seconds: float = TICK) -> None:
        self.now += seconds
        self.worker.pass_time(self.performance, self.now)
        todo = self.performance.tick(self.sample)
        self.worker.obey(todo)
        self._check(todo)

    def _check(self, todo: Todo) -> None:
        gone = set(todo.retracted)
        self.entered = [one for one in self.entered if one.number not in gone]
        for segment in todo.entered:
            # Whoever plays it has been told in time.
            assert segment.number == 1 or segment.start > self.sample
            self.entered.append(segment)
            self._heard[segment.number] = set(self._takes)
            self._takes.add(segment.take.id)
        timeline = self.performance.timeline.window(self.sample - 10 * SAMPLE_RATE, 10**15)
        assert self.performance.timeline.window(self.sample, self.sample + 1), "a hole"
        for before, after in pairwise(timeline):
            assert after.start >= before.start + before.fade
            assert after.fade > 0
        for segment in timeline:
            if segment.shares:
                assert abs(sum(share.share for share in segment.shares) - 1) < 1e-6
            assert len(segment.shares) <= 8
        self._check_speed()

    def _check_speed(self) -> None:
        grid = self.performance.grid
        steps = [one for one in self.entered if one.kind != "guest"]
        for before, after in pairwise(steps):
            loops = min(1.0, (after.start - before.start) / grid.loop)
            fastest = max(self.rules.speed, 1 / self.rules.queue_loops)
            if "safe" in (before.kind, after.kind) or after.take.id in self._heard[before.number]:
                continue  # back to an earlier mix, because a moderator wants this one gone
            moved = distance(self._plain(before), self._plain(after))
            assert moved <= fastest * loops + 0.02, (moved, loops, before, after)
        self.entered = self.entered[-3:]

    def _plain(self, segment: Segment) -> dict[str, float]:
        renamed = self.performance.renamed
        found: dict[str, float] = {}
        for topic, share in segment.mix.items():
            name = renamed.get(topic, topic)
            found[name] = found.get(name, 0.0) + share
        return found
