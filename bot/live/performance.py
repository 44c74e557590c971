"""The session as one deterministic machine: told what happens, it answers with what to do.

It knows no clock, task, file or database. `now` is always the playhead, in samples since the
session began; it never runs backwards. Everything that happens is a method; `tick` is the passage
of time, and its answer is what has to be done about it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bot.errors import BadInputRefusal, NotFoundRefusal
from bot.live.arrangement import Arrangement, Correlate, Guest
from bot.live.ballot import Ballot, Vote, Voter
from bot.live.grid import SAMPLE_RATE, samples
from bot.live.mix import Mix
from bot.live.modes import Aim, Crowd, Duel, Hold, Mode, Queue, Scene, Waiting
from bot.live.planner import Outlook, Planner, Step, earliest_entry
from bot.live.quality import Quality
from bot.live.rules import LiveRules
from bot.live.statistics import Statistics
from bot.live.timeline import Segment, Share, Take, Timeline
from bot.live.topics import Topic, Topics

_SLACK = samples(0.25)
"""How much earlier than it must be an entry is settled: the time between two ticks, and some."""
_SWEEP = samples(10.0)
_MOST_GUESTS = 20


@dataclass(slots=True)
class Todo:
    """What a tick asks for.

    Attributes:
        make: steps whose clips are to be ordered; drop: steps whose orders are to be cancelled.
        entered: segments that are settled now; retracted: numbers of segments that will not come.
        missed: steps that are late.
    """

    make: list[Step] = field(default_factory=list)
    drop: list[Step] = field(default_factory=list)
    entered: list[Segment] = field(default_factory=list)
    retracted: list[int] = field(default_factory=list)
    missed: list[Step] = field(default_factory=list)


class Performance:
    """One session's music."""

    def __init__(
        self,
        rules: LiveRules,
        safe: Take,
        seed: int,
        *,
        correlate: Correlate | None = None,
        segments: tuple[Segment, ...] = (),
    ) -> None:
        """The safe loop sounds from the first sample on, until something was voted for.

        Args:
            rules: of the session.
            safe: what plays at first and in a panic.
            seed: decides about all noise.
            correlate: of two sounds; without it joins are for sounds that are not alike.
            segments: of an earlier run, which goes on.
        """
        self.rules = rules
        self.seed = seed
        self.grid = rules.grid
        self.topics = Topics(seed)
        self.ballot = Ballot(rules.half_life)
        self.mode: Mode = Crowd(rules)
        self.quality = Quality(rules)
        self.statistics = Statistics()
        self.arrangement = Arrangement(rules, safe, correlate, segments)
        self.steps: list[Step] = []
        self.guests: deque[Guest] = deque()
        self.halted = False
        self.rest_until = 0
        self.hushed_topics: set[str] = set()
        self.hushed_names: set[str] = set()
        self.hushed_sources: set[str] = set()
        self.renamed: dict[str, str] = {}
        self._aim = Aim({}, rules.speed)
        self._planner = Planner(rules)
        self._interrupted = False
        self._swept = 0
        self._todo = Todo()

    # What people do -------------------------------------------------------------------------

    def vote(self, now: int, voter: Voter, prompt: str, weight: float, message: str = "") -> Topic:
        """Count a vote, or put a prompt into the queue.

        Raises:
            BadInputRefusal: not something that can be voted for in this mode.
            BusyRefusal: the queue is full.
        """
        seconds = now / SAMPLE_RATE
        if isinstance(self.mode, Duel):
            topic = self.topics[self.mode.side(prompt)]
        else:
            topic = self.topics.find(prompt)
        if isinstance(self.mode, Queue):
            self.mode.add(Waiting(topic.id, voter))
        self.hushed_topics.discard(topic.id)
        self.hushed_names.discard(voter.name)
        self.ballot.cast(Vote(voter, topic.id, weight, seconds, message))
        if weight > 0:
            self.statistics.voted(seconds, topic.id)
        return topic

    def set_mode(self, name: str, prompts: tuple[str, ...] = ()) -> None:
        """Change the mode; a duel needs two prompts.

        Raises:
            BadInputRefusal: no such mode, or not two prompts.
        """
        match name:
            case "crowd":
                self.mode = Crowd(self.rules, [(topic, 0.0) for topic in self.last_mix])
            case "queue":
                self.mode = Queue(self.rules)
            case "hold":
                self.mode = Hold()
            case "duel":
                topics = [self.topics.find(prompt) for prompt in prompts]
                if len(topics) != 2 or topics[0] is topics[1]:
                    raise BadInputRefusal(
                        "A duel is between two prompts: !live duel techno synth | lo-fi beat"
                    )
                self.mode = Duel(self.rules, (topics[0].id, topics[1].id))
                self.ballot.withdraw(lambda vote: True)
            case _:
                raise BadInputRefusal("A session goes by crowd, queue, duel or hold.")

    def skip(self, now: int) -> str:
        """End what leads: the guest that sounds, the queue's prompt, the mix's strongest topic.

        Returns:
            What was skipped, in words.

        Raises:
            NotFoundRefusal: there is nothing to skip.
        """
        sounding = self.timeline.at(now)
        if sounding.kind == "guest":
            self.arrangement.end_guest(now)
            return sounding.title
        mix = self.last_mix
        if isinstance(self.mode, Queue):
            if not self.mode.skip():
                raise NotFoundRefusal("There is nothing in the live queue.")
            return self.title_of(mix) if mix else "the safe loop"
        if not mix:
            raise NotFoundRefusal("There is nothing to skip yet.")
        topic = max(mix, key=lambda one: mix[one])
        self.ballot.withdraw(lambda vote: vote.topic == topic)
        self.mode.forget(topic)
        return self.topics[topic].prompt

    def invite(self, guest: Guest) -> None:
        """Let a riff be heard as soon as it can be; when too many wait, the oldest goes."""
        if self.rules.guest_loops and not self.halted:
            self.guests.append(guest)
            while len(self.guests) > _MOST_GUESTS:
                self.guests.popleft()

    def panic(self, now: int, safe: Take | None = None) -> None:
        """Fade to the safe loop at once; nothing is made until `calm`."""
        self.halted = True
        self.guests.clear()
        self._drop(list(self.steps))
        self.arrangement.interrupt(now, safe=safe)

    def calm(self) -> None:
        """Go on after a panic."""
        self.halted = False

    def silence(
        self, now: int, unwanted: Callable[[Vote], bool], whom: Voter | None = None
    ) -> None:
        """Take words away: at once from every view, from the music at the next join.

        What others vote for as well stays.

        Args:
            now: the playhead.
            unwanted: which votes go.
            whom: somebody whose guests and name go too.
        """
        gone = self.ballot.withdraw(unwanted)
        left = {vote.topic for vote in self.ballot.all()}
        owner = ""
        if whom is not None:
            owner = whom.id
            self.guests = deque(guest for guest in self.guests if guest.by.key != whom.key)
            self.hushed_names |= {vote.voter.name for vote in gone} | {whom.name}
            if isinstance(self.mode, Queue):
                mine = {one.topic for one in self.mode.waiting if one.voter.key == whom.key}
                self.mode.withdraw([whom.key])
                left |= {one.topic for one in self.mode.waiting}
                gone += [Vote(whom, topic, 1, 0) for topic in mine]
        self._banish(now, {vote.topic for vote in gone} - left, owner)

    def _banish(self, now: int, banned: set[str], owner: str) -> None:
        self.hushed_topics |= banned
        for topic in banned:
            self.mode.forget(topic)
        self._drop([step for step in self.steps if not banned.isdisjoint(step.mix)])
        coming = self.timeline.window(now, self.timeline.last.start + 1)
        if any(
            not banned.isdisjoint(self._by_new_names(one.mix)) or (owner and one.owner == owner)
            for one in (*coming, self.timeline.last)
        ):
            self.arrangement.interrupt(now, banned or {""})

    def unwelcome(self, now: int, job_id: str) -> None:
        """A riff is to be heard no longer: as a guest it goes at the next join."""
        self.guests = deque(guest for guest in self.guests if guest.source != job_id)
        coming = self.timeline.window(now, self.timeline.last.start + 1)
        if any(one.kind == "guest" and one.source == job_id for one in coming):
            self.hushed_sources.add(job_id)
            self.arrangement.end_guest(now)

    def merge(self, topic: str, into: str) -> None:
        """Two topics turned out to say the same."""
        if topic not in self.topics or into not in self.topics or topic == into:
            return
        if isinstance(self.mode, Duel) and {topic, into} <= set(self.mode.sides):
            return
        self.topics.merge(topic, into)
        self.ballot.merge(topic, into)
        self.mode.forget(topic, into)
        self.statistics.merge(topic, into)
        self.renamed = {old: into if new == topic else new for old, new in self.renamed.items()}
        self.renamed[topic] = into
        for step in self.steps:
            step.mix = self._by_new_names(step.mix)

    # What the studio does -------------------------------------------------------------------

    def begun(self, now: int, number: int) -> None:
        """A step is being drawn."""
        step = self._find(number)
        if step is not None and step.state == "ordered":
            step.state, step.begun = "begun", now / SAMPLE_RATE

    def made(self, number: int, take: Take, seconds: float) -> bool:
        """A step's clip is there; `seconds` is how long it took from its beginning.

        Returns:
            False if nobody waits for it any more.
        """
        step = self._find(number)
        if step is None:
            return False
        self.statistics.clips += 1
        self.quality.made(seconds, step.denoising)
        step.state, step.take = "made", take
        return True

    def lost(self, number: int) -> None:
        """A step will not be made: it failed, expired or was cancelled by somebody else."""
        self.steps = [step for step in self.steps if step.number != number]

    # Time -----------------------------------------------------------------------------------

    def tick(self, now: int) -> Todo:
        """Let time pass up to `now`."""
        if not self.halted:
            start = self._start / SAMPLE_RATE
            scene = Scene(now / SAMPLE_RATE, self.last_mix, start, self.ballot)
            self._aim = self.mode.aim(scene)
            self._welcome(now)
            self._enter(now)
            self._count_misses(now)
            if now >= self.rest_until:
                self._plan(now)
        self._tidy(now)
        todo, self._todo = self._todo, Todo()
        news = self.arrangement.news()
        todo.entered, todo.retracted = news.entered, news.retracted
        return todo

    def _welcome(self, now: int) -> None:
        settled = self.timeline.last.start <= now
        if self.guests and settled and self.timeline.last.kind != "guest":
            self.arrangement.welcome(self.guests.popleft(), now)

    def _enter(self, now: int) -> None:
        """Let the next steps in that are made and whose time has come."""
        while self.steps and self.steps[0].take is not None:
            step, mix = self.steps[0], self.last_mix
            entry = self._entry_of(step, mix, now)
            if entry > now + samples(self.rules.lead) + _SLACK and not self._leads_back(entry, now):
                return
            self.steps.pop(0)
            assert step.take is not None
            shares = self._shares(step.mix, entry / SAMPLE_RATE)
            segment = self.arrangement.play(step.take, entry, shares, step.walk)
            self._interrupted = False
            middle = (entry + segment.fade / 2) / SAMPLE_RATE
            self.statistics.entered(middle, step.planned, mix, step.mix)

    def _entry_of(self, step: Step, mix: Mix, now: int) -> int:
        soonest = self.arrangement.soonest(now)
        last = self.timeline.last
        if self.arrangement.returns and last.start >= now + samples(self.rules.lead):
            soonest = last.start  # it comes back in another shape
        bound = earliest_entry(step, mix, self._start, self._aim.speed, self.grid)
        soonest = max(soonest, bound)
        if mix and not self.statistics.waits(step.planned, step.mix):
            soonest = max(soonest, step.due)
        return self.grid.join_after(soonest, samples(self.rules.patience))

    def _leads_back(self, entry: int, now: int) -> bool:
        """The return after a guest is about to be settled: what is ready takes its place."""
        last = self.timeline.last
        near = last.start <= now + samples(self.rules.lead) + _SLACK
        return self.arrangement.returns and near and entry == last.start

    def _count_misses(self, now: int) -> None:
        for step in self.steps:
            if step.take is not None or step.due > now + samples(self.rules.lead):
                continue
            if not step.late:
                self.quality.missed()
            step.late = True
            # Every further loop without it is another one that should have sounded otherwise.
            step.due += self.grid.loop
            self.statistics.misses += 1
            self._todo.missed.append(step)

    def _plan(self, now: int) -> None:
        mix, seconds = self.last_mix, now / SAMPLE_RATE
        segment = self.arrangement.mix_segment
        self.statistics.weighed(self._aim.target or mix)
        look = Outlook(
            now=now,
            mix=mix,
            start=self._start,
            walk=segment.walk if segment else 0.0,
            aim=self._aim,
            expected=samples(self.quality.seconds()),
            rung=self.quality.rung,
            hurry=self.statistics.waits(seconds, self._aim.target),
            may_interrupt=not self._interrupted,
        )
        plan = self._planner.plan(self.steps, look)
        if any(step.state != "ordered" for step in plan.drop):
            self._interrupted = True
        self._drop(plan.drop)
        self.steps += plan.order
        self._todo.make += plan.order
        if plan.at_rest:
            self.statistics.at_rest(mix)

    def _tidy(self, now: int) -> None:
        if now < self._swept + _SWEEP:
            return
        self._swept = now
        self.ballot.forget(now / SAMPLE_RATE)
        self.arrangement.trim(now)
        wanted = {vote.topic for vote in self.ballot.all()} | set(self.last_mix)
        wanted |= self.mode.needs() | {topic for step in self.steps for topic in step.mix}
        # An earlier mix may be what is gone back to.
        heard = {topic for segment in self.timeline for topic in segment.mix}
        wanted |= {self.renamed.get(topic, topic) for topic in heard}
        self.topics.keep_only(wanted)
        self.renamed = {old: new for old, new in self.renamed.items() if new in wanted}
        self.hushed_topics &= heard | wanted

    # What there is --------------------------------------------------------------------------

    @property
    def timeline(self) -> Timeline:
        """What sounds."""
        return self.arrangement.timeline

    def takes(self) -> Iterator[Take]:
        """All that sounds, sounded lately, or waits to be heard."""
        yield from (segment.take for segment in self.timeline)
        yield from (step.take for step in self.steps if step.take is not None)
        yield from (guest.take for guest in self.guests)
        yield from self.arrangement.takes()

    @property
    def last_mix(self) -> dict[str, float]:
        """The mix of the step that came last, or is settled to come; none before the first."""
        segment = self.arrangement.mix_segment
        return {} if segment is None else self._by_new_names(segment.mix)

    @property
    def aim(self) -> Aim:
        """Where it goes."""
        return self._aim

    def title_of(self, mix: Mix) -> str:
        """A mix in words, the largest share first: `60% techno synth + 40% lo-fi beat`."""
        ordered = sorted(mix.items(), key=lambda item: -item[1])
        if len(ordered) == 1:
            return self.topics[ordered[0][0]].prompt
        return " + ".join(f"{share:.0%} {self.topics[one].prompt}" for one, share in ordered)

    @property
    def _start(self) -> int:
        segment = self.arrangement.mix_segment
        return segment.start if segment else 0

    def _shares(self, mix: Mix, now: float) -> tuple[Share, ...]:
        ordered = sorted(mix.items(), key=lambda item: -item[1])
        found = []
        for topic, share in ordered:
            voters = self.ballot.voters_of(topic, now)
            names, ids = tuple(one.name for one in voters), tuple(one.id for one in voters)
            found.append(Share(topic, self.topics[topic].prompt, share, names, ids))
        return tuple(found)

    def _drop(self, steps: list[Step]) -> None:
        numbers = {step.number for step in steps}
        self.steps = [step for step in self.steps if step.number not in numbers]
        self.statistics.dropped += len(steps)
        unordered = {step.number for step in self._todo.make} & numbers
        self._todo.make = [step for step in self._todo.make if step.number not in unordered]
        self._todo.drop += [step for step in steps if step.number not in unordered]

    def _find(self, number: int) -> Step | None:
        return next((step for step in self.steps if step.number == number), None)

    def _by_new_names(self, mix: Mix) -> dict[str, float]:
        found: dict[str, float] = {}
        for topic, share in mix.items():
            name = self.renamed.get(topic, topic)
            found[name] = found.get(name, 0.0) + share
        return found
