"""The next steps of the way from what sounds to the target, and which of them are still right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from bot.live.grid import SAMPLE_RATE, Grid, samples
from bot.live.mix import Mix, distance, towards
from bot.live.modes import Aim
from bot.live.quality import Rung
from bot.live.rules import LiveRules
from bot.live.timeline import Take

StepState = Literal["ordered", "begun", "made"]

_THERE = 0.01
"""Distance at which a movement that is under way ends."""
_SLACK = 1.5
"""How many times as long as expected a clip may take before it is late."""
_OFF, _OFF_BEGUN = 0.08, 0.25
"""How far a step may be from what would be planned now, before and after its drawing began."""
_WALK = 0.25
"""How far the noise of a mix at rest moves each time, where 1 is another noise altogether."""


@dataclass(slots=True)
class Step:
    """A clip on order.

    Attributes:
        number: unique within the session.
        mix: what it will sound like.
        walk: where its noise is on its walk.
        one_seed: its topics share a noise.
        due: sample at which it should begin to sound; moved on by a loop when that is missed.
        planned: second of the session at which it was reckoned.
        denoising: steps.
    """

    number: int
    mix: Mix
    walk: float
    one_seed: bool
    due: int
    planned: float
    denoising: int
    state: StepState = "ordered"
    begun: float = 0.0
    take: Take | None = None
    late: bool = False


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the planner looks at.

    Attributes:
        now: sample of the session; `expected`: samples until an ordered clip is ready.
        mix, start, walk: of the segment that came last, and the sample at which it began.
        hurry: somebody waits to be heard.
        may_interrupt: what is begun or made may be dropped.
    """

    now: int
    mix: Mix
    start: int
    walk: float
    aim: Aim
    expected: int
    rung: Rung
    hurry: bool
    may_interrupt: bool


@dataclass(slots=True)
class Plan:
    """What to do: steps to drop, and steps to order, in order."""

    drop: list[Step] = field(default_factory=list)
    order: list[Step] = field(default_factory=list)
    at_rest: bool = False


class Planner:
    """Keeps the steps on order in line with the aim."""

    def __init__(self, rules: LiveRules) -> None:
        self._rules = rules
        self._grid: Grid = rules.grid
        self._moving = False
        self._count = 0

    def plan(self, steps: Sequence[Step], look: Outlook) -> Plan:
        """Which of the steps on order to drop, and which to add."""
        plan = Plan()
        target = look.aim.target or look.mix
        kept = self._sound(steps, look, target, plan)
        at = kept[-1].mix if kept else look.mix
        enough = _THERE if self._moving else self._rules.rest
        self._moving = distance(look.mix, target) > enough
        if not self._moving:
            plan.at_rest = not kept
            if not kept:
                self._refresh(look, plan)
            return plan
        while self._has_room(kept + plan.order, look) and distance(at, target) > _THERE:
            before = plan.order[-1] if plan.order else (kept[-1] if kept else None)
            due = self._due(look, before)
            limit = look.aim.speed * self._loops_until(look, before, due)
            at = towards(at, target, limit)
            plan.order.append(self._step(look, at, look.walk, due))
        return plan

    def _has_room(self, steps: Sequence[Step], look: Outlook) -> bool:
        """Whether another step may be planned. While people vote, the next one is planned when the
        last one is made, so that it knows of every vote up to then."""
        if look.hurry and any(step.state != "made" for step in steps):
            return False
        return len(steps) < look.rung.look_ahead

    def _sound(self, steps: Sequence[Step], look: Outlook, target: Mix, plan: Plan) -> list[Step]:
        """The steps that lead where they should; the first that does not ends the line."""
        kept: list[Step] = []
        at: Mix = look.mix
        for index, step in enumerate(steps):
            if not self._leads(step, at, look, target):
                stays = step.state != "ordered" and not look.may_interrupt and look.aim.target
                kept += [step] if stays else []
                plan.drop += steps[index + bool(stays) :]
                break
            kept.append(step)
            at = step.mix
        return kept

    def _leads(self, step: Step, at: Mix, look: Outlook, target: Mix) -> bool:
        if step.one_seed != look.aim.one_seed and look.aim.target:
            return False
        if distance(step.mix, at) < _THERE and step.walk != look.walk:
            return distance(at, target) <= self._rules.rest  # drawn anew, where nothing moves
        moved = distance(at, step.mix)
        wanted = towards(at, target, moved) if moved > _THERE else target
        allowed = _OFF if step.state == "ordered" else _OFF_BEGUN
        nearer = distance(step.mix, target) <= distance(at, target)
        return nearer and distance(step.mix, wanted) <= allowed

    def _due(self, look: Outlook, before: Step | None) -> int:
        """When a step that is ordered now should sound."""
        ready = look.now + int(_SLACK * look.expected) + samples(self._rules.lead)
        if before is not None:
            return max(before.due + self._grid.loop, ready)
        if look.hurry or not look.mix:
            return self._grid.join_after(ready, samples(self._rules.patience))
        return max(look.start + self._grid.loop, self._grid.join_after(ready, 0))

    def _loops_until(self, look: Outlook, before: Step | None, due: int) -> float:
        """For how many loops, one at most, the mix may have moved when a step sounds."""
        if before is not None:
            return 1.0
        if look.hurry:
            # It enters as soon as it is ready, which is before it is overdue.
            due = look.now + look.expected + samples(self._rules.lead)
        return min(1.0, max(0.1, (due - look.start) / self._grid.loop))

    def _refresh(self, look: Outlook, plan: Plan) -> None:
        """A mix at rest for long is drawn again, from a noise near its last one."""
        rules = self._rules
        if not rules.refresh_loops or not look.mix:
            return
        due = look.start + rules.refresh_loops * self._grid.loop
        ready = look.now + int(_SLACK * look.expected) + samples(rules.lead)
        if due <= ready + self._grid.loop // 2:
            due = max(due, self._grid.bar_after(ready))
            plan.order.append(self._step(look, look.mix, look.walk + _WALK, due))

    def _step(self, look: Outlook, mix: Mix, walk: float, due: int) -> Step:
        self._count += 1
        planned = look.now / SAMPLE_RATE
        return Step(self._count, mix, walk, look.aim.one_seed, due, planned, look.rung.steps)


def earliest_entry(step: Step, mix: Mix, start: int, speed: float, grid: Grid) -> int:
    """The first sample at which a step may sound without the mix moving faster than allowed."""
    moved = distance(mix, step.mix) if mix else 0.0
    return start + int(min(1.0, moved / speed) * grid.loop) if moved > _THERE else start
