"""What people type about the live session: `!live`, `!vote`, `!mix`, `!clip`.

!live                         how things stand
!live start [bpm 90]          begin; stop: end
!live crowd | queue | hold    how it is steered
!live duel PROMPT | PROMPT    vote 1 or 2
!live skip                    end what leads
!live panic | resume          to the safe loop at once, and back
!live export [mp3]            all of it as one file, with cues and credits
!live key [new]               the address of the stage; `new` ends the old one
!vote PROMPT                  steer
!mix                          what sounds, and where it goes
!clip [SECONDS]               what sounded so long ago, as it was heard
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

from bot.chat import Handler, Said
from bot.errors import BadInputRefusal, NotFoundRefusal
from bot.grammar import Command
from bot.live.export import ExportFormat
from bot.live.rules import MODES
from bot.live.session import LiveSession
from bot.live.sessions import LiveSessions
from bot.live.timeline import Segment
from bot.live.view import REMOVED, segment_json
from bot.moderation.commands import Reply, ReplyFile

HELP = (
    "!live start begins, !live stop ends; !live crowd, queue, hold or duel ONE | OTHER says how it "
    "is steered; !live skip, !live key. Everybody: !vote PROMPT, !mix, !clip SECONDS."
)
_CLIP_SECONDS = 5.0
_LONGEST_AGO = 600.0
_MOST_ATTACHED = 8_000_000
_NUMBER = re.compile(r"\d{1,4}(\.\d+)?")
_BPM = re.compile(r"(?:--)?(?:bpm[ =]*)?(\d{2,3}(?:\.\d+)?)(?:\s*bpm)?", re.IGNORECASE)


class LiveCommands:
    """Answers them, on every platform alike."""

    def __init__(self, live: LiveSessions, clips: Path, exports: Path, stage_url: str) -> None:
        """`clips`: the clips folder; `exports`: where whole sessions are written.
        `stage_url`: where the stage is, up to its key."""
        self._exports = exports
        self._live = live
        self._clips = clips
        self._stage_url = stage_url

    def handlers(self) -> dict[str, Handler]:
        """Every command, by name, for `Services.commands`."""
        return {"live": self.live, "vote": self.vote, "mix": self.mix, "clip": self.clip}

    async def live(self, said: Said, command: Command) -> Reply:
        """`!live …`: moderators start, stop and steer."""
        by = said.requester
        what, _, rest = command.rest.strip().partition(" ")
        rest = rest.strip()
        match what.lower():
            case "":
                return Reply(_standing(self._live.of(by)))
            case "help":
                return Reply(HELP)
            case "start":
                session = await self._live.start(by, **_choices(rest))
                return Reply(
                    f"The live session is on, at {session.rules.bpm:g} beats a minute. "
                    "!vote PROMPT steers it, and !live key tells the address of its stage."
                )
            case "stop":
                session = await self._live.stop(by)
                return Reply(f"The live session is over. {_summary(session)}")
            case "skip":
                return Reply(f"Skipped {self._live.skip(by)}.")
            case "panic":
                await self._live.panic(by)
                return Reply("The music fades to the safe loop; !live resume goes on.")
            case "resume":
                self._live.resume(by)
                return Reply("The live session goes on.")
            case "export":
                return await self._export(said, rest)
            case "key":
                key = await self._live.key(by, renew=rest.lower() in ("new", "renew", "revoke"))
                address = f"{self._stage_url}{key}"
                return Reply(
                    f"The stage is at {address}; whoever has this address may look and listen.",
                    private=True,
                )
            case name if name in MODES:
                return await self._mode(said, name, rest)
            case "mode":
                name, _, rest = rest.partition(" ")
                return await self._mode(said, name.lower(), rest.strip())
        raise BadInputRefusal(f"I do not know !live {what[:20]}. {HELP}")

    async def vote(self, said: Said, command: Command) -> Reply:
        """`!vote techno synth`: everybody who may steer."""
        if not command.rest.strip():
            raise BadInputRefusal("Say what to vote for, such as !vote techno synth.")
        topic = await self._live.vote(said.requester, command.rest.strip(), message=said.key or "")
        return Reply(f"Your vote: {topic.prompt}.")

    async def mix(self, said: Said, command: Command) -> Reply:
        """`!mix`: what sounds, and where it goes."""
        _, segment = self._live.heard(said.requester, 0.0)
        state = self._live.of(said.requester).state()
        shown = next(one for one in state["segments"] if one["number"] == segment.number)
        line = f"Now: {shown['title']}."
        if state["target"]:
            parts = ", ".join(f"{one['share']:.0%} {one['prompt']}" for one in state["target"])
            line += f" Going to: {parts}."
        return Reply(line)

    async def clip(self, said: Said, command: Command) -> Reply:
        """`!clip 20`: the stored file of what sounded then, with what made it."""
        rest = command.rest.strip().lower().removesuffix("ago").strip().removesuffix("s").strip()
        if rest and not _NUMBER.fullmatch(rest):
            raise BadInputRefusal("Say how many seconds ago, such as !clip 20.")
        ago = float(rest) if rest else _CLIP_SECONDS
        if ago > _LONGEST_AGO:
            raise BadInputRefusal(f"I remember {_LONGEST_AGO:g} seconds; ask for fewer.")
        session, segment = self._live.heard(said.requester, ago)
        title = _title(session, segment)
        file = await asyncio.to_thread(self._file, segment, title)
        if file is None:
            raise NotFoundRefusal("The file of that clip is not kept any more.")
        await self._live.keep(segment)
        # Words that were taken away are not shown on its page either, so nothing leads there.
        has_page = segment.kind != "safe" and REMOVED not in title
        line = f"{ago:g} s ago: {title}. {_recipe(segment)}"
        return Reply(line, file=file, riff=segment.take.id if has_page else "")

    async def _export(self, said: Said, rest: str) -> Reply:
        choice = rest.lower() or "flac"
        if choice not in ("flac", "mp3"):
            raise BadInputRefusal("A session is exported as flac or mp3.")
        kind: ExportFormat = "mp3" if choice == "mp3" else "flac"
        file = await self._live.export(said.requester, self._exports, kind)
        size = (await asyncio.to_thread(file.stat)).st_size
        if size <= _MOST_ATTACHED:
            data = await asyncio.to_thread(file.read_bytes)
            attached = ReplyFile(file.name, "application/zip", data)
            return Reply("Here is the session, with cues and credits.", True, file=attached)
        return Reply(f"The session is written to {file} ({size / 1e6:.0f} MB).", private=True)

    async def _mode(self, said: Said, name: str, rest: str) -> Reply:
        prompts = tuple(part.strip() for part in rest.split("|") if part.strip())
        if name == "duel":
            await self._live.check(said.requester, *prompts)
        self._live.set_mode(said.requester, name, prompts)
        if name == "duel":
            return Reply(f"A duel: 1 is {prompts[0]}, 2 is {prompts[1]}. !vote 1 or !vote 2.")
        return Reply(f"The live session goes by {name} now.")

    def _file(self, segment: Segment, title: str) -> ReplyFile | None:
        kinds = [kind for kind in ("mp3", "wav") if kind in segment.take.files]
        for kind in kinds:
            path = self._clips / segment.take.files[kind]
            if path.is_file():
                media = "audio/mpeg" if kind == "mp3" else "audio/wav"
                name = re.sub(r"[^\w-]+", "-", title).strip("-")[:60] or "clip"
                return ReplyFile(f"{name}.{kind}", media, path.read_bytes())
        return None


def _choices(rest: str) -> dict[str, float]:
    if not rest:
        return {}
    match = _BPM.fullmatch(rest)
    if match is None:
        raise BadInputRefusal("Only a tempo can go with it, such as !live start bpm 90.")
    return {"bpm": float(match[1])}


def _standing(session: LiveSession) -> str:
    state = session.state()
    sounding = session.performance.timeline.at(session.playhead)
    line = f"Now: {_title(session, sounding)}. Steered by: {state['mode']}."
    if state["halted"]:
        line += " Everything is stopped; !resume goes on."
    return f"{line} {_summary(session)}"


def _summary(session: LiveSession) -> str:
    statistics = session.performance.statistics
    median, late = statistics.quantile(0.5), statistics.quantile(0.95)
    votes = f"{statistics.votes} vote{'' if statistics.votes == 1 else 's'}"
    if median is None or late is None:
        return f"{votes}."
    return (
        f"{votes}, heard in {median:.1f} s (95% within {late:.1f} s), {statistics.misses} misses."
    )


def _title(session: LiveSession, segment: Segment) -> str:
    shown = [one for one in session.state()["segments"] if one["number"] == segment.number]
    if shown:
        return str(shown[0]["title"])
    return str(segment_json(session.performance, segment)["title"])


def _recipe(segment: Segment) -> str:
    """What makes it again, in a line."""
    recipe = dict(segment.take.recipe)
    facts = [f"{name} {recipe[name]}" for name in ("seed", "steps", "bpm", "model") if
             recipe.get(name)]  # fmt: skip
    try:
        points = json.loads(recipe.get("request", "{}")).get("points", ())
        seeds = sorted({str(point["seed"]) for point in points if point.get("seed") is not None})
        if seeds and "seed" not in recipe:
            facts.append("seeds " + " ".join(seeds))
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    return f"Recipe: {', '.join(facts)}." if facts else ""
