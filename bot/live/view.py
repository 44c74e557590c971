"""What a stage may know of a session, as JSON: the one place that decides what is shown.

    {"session", "rate": 44100, "now": sample, "clock": seconds of the server,
     "grid": {"bpm", "beats", "loop"}, "mode", "halted",
     "segments": [Segment, …]     what sounds and what is settled to come, in order
     "mix": [Part, …]             shares of what is heard at present
     "target": [Part, …]          where it goes
     "votes": [{"prompt", "strength", "by"}, …]   strongest first
     "next": [{"title", "state", "due"}, …]       clips on order
     "queue": [{"prompt", "by"}, …]               in the mode of that name
     "guests": [{"title", "by"}, …]               that wait
     "stats": {"votes", "heard", "median", "p95", "misses", "clips", "quality"}}

    Segment = {"number", "kind": mix | guest | safe, "start", "fade", "origin", "samples", "gain",
               "correlation", "title", "shares": [Part, …], "take", "files": [kind, …]}
    Part = {"prompt", "share", "by": [name, …]}

Samples count from the session's beginning. At sample `s` a segment sounds sample
`(s - origin) mod samples` of its take, times `gain`, times the gain of its joins: from `start` to
`start + fade` it comes in while the one before goes, by `bot.live.timeline.fade_gains` with the
correlation of the one that comes. Times of heard-in are seconds or null.
"""

from __future__ import annotations

from typing import Any

from bot.live.grid import SAMPLE_RATE
from bot.live.modes import Queue
from bot.live.performance import Performance
from bot.live.timeline import Segment

REMOVED = "(removed)"
_MOST_VOTES = 12
_MOST_WAITING = 8
_AHEAD = 10**15


def stage_json(performance: Performance, now: int, session_id: str) -> dict[str, Any]:
    """Everything a stage shows, as of sample `now`."""
    grid, seconds = performance.grid, now / SAMPLE_RATE
    segments = performance.timeline.window(now, _AHEAD)
    statistics = performance.statistics
    return {
        "session": session_id,
        "rate": SAMPLE_RATE,
        "now": now,
        "grid": {"bpm": grid.bpm, "beats": grid.beats, "loop": grid.loop},
        "mode": performance.mode.name,
        "halted": performance.halted,
        "segments": [segment_json(performance, one) for one in segments],
        "mix": _shares(performance, performance.timeline.at(now)),
        "target": [
            {"prompt": _prompt(performance, topic), "share": round(share, 4), "by": []}
            for topic, share in sorted(performance.aim.target.items(), key=lambda one: -one[1])
        ],
        "votes": _votes(performance, seconds),
        "next": [
            {"title": _title(performance, step.mix), "state": step.state, "due": step.due}
            for step in performance.steps
        ],
        "queue": _queue(performance),
        "guests": [
            {"title": guest.title, "by": guest.by.name}
            for guest in list(performance.guests)[:_MOST_WAITING]
            if guest.by.name not in performance.hushed_names
        ],
        "stats": {
            "votes": statistics.votes,
            "heard": statistics.heard,
            "median": _rounded(statistics.quantile(0.5)),
            "p95": _rounded(statistics.quantile(0.95)),
            "last": _rounded(statistics.heard_in[-1] if statistics.heard_in else None),
            "misses": statistics.misses,
            "clips": statistics.clips,
            "quality": performance.quality.level,
        },
    }


def segment_json(performance: Performance, segment: Segment) -> dict[str, Any]:
    """One segment, without the words of who was silenced."""
    take = segment.take
    return {
        "number": segment.number,
        "kind": segment.kind,
        "start": segment.start,
        "fade": segment.fade,
        "origin": segment.origin,
        "samples": take.samples,
        "gain": round(take.gain, 6),
        "correlation": round(segment.correlation, 4),
        "title": _segment_title(performance, segment),
        "shares": _shares(performance, segment),
        "take": take.id,
        "files": sorted(take.files),
    }


def _segment_title(performance: Performance, segment: Segment) -> str:
    if segment.kind == "guest" and _is_hushed(performance, segment):
        return REMOVED
    if segment.title:
        return segment.title
    return " + ".join(
        part["prompt"] if part["share"] > 0.995 else f"{part['share']:.0%} {part['prompt']}"
        for part in _shares(performance, segment)
    )


def _is_hushed(performance: Performance, segment: Segment) -> bool:
    if segment.source in performance.hushed_sources:
        return True
    return any(name in performance.hushed_names for share in segment.shares for name in share.by)


def _shares(performance: Performance, segment: Segment) -> list[dict[str, Any]]:
    found = []
    for share in segment.shares:
        topic = performance.renamed.get(share.topic, share.topic)
        gone = topic in performance.hushed_topics
        gone |= segment.kind == "guest" and _is_hushed(performance, segment)
        names = [name for name in share.by if name not in performance.hushed_names]
        found.append(
            {
                "prompt": REMOVED if gone else share.prompt,
                "share": round(share.share, 4),
                "by": [] if gone else names,
            }
        )
    return found


def _votes(performance: Performance, seconds: float) -> list[dict[str, Any]]:
    strengths = performance.ballot.strengths(seconds)
    ordered = sorted(strengths.items(), key=lambda item: -item[1])[:_MOST_VOTES]
    return [
        {
            "prompt": _prompt(performance, topic),
            "strength": round(strength, 2),
            "by": [voter.name for voter in performance.ballot.voters_of(topic, seconds)],
        }
        for topic, strength in ordered
        if topic not in performance.hushed_topics
    ]


def _queue(performance: Performance) -> list[dict[str, Any]]:
    if not isinstance(performance.mode, Queue):
        return []
    return [
        {"prompt": _prompt(performance, item.topic), "by": item.voter.name}
        for item in performance.mode.waiting[:_MOST_WAITING]
    ]


def _prompt(performance: Performance, topic: str) -> str:
    if topic in performance.hushed_topics or topic not in performance.topics:
        return REMOVED
    return performance.topics[topic].prompt


def _title(performance: Performance, mix: dict[str, float] | Any) -> str:
    ordered = sorted(mix.items(), key=lambda item: -item[1])
    return " + ".join(f"{share:.0%} {_prompt(performance, topic)}" for topic, share in ordered)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
