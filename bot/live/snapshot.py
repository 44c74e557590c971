"""A performance as plain JSON, so that a restart goes on from where it was."""

from __future__ import annotations

from typing import Any

from bot.live.ballot import Vote, Voter
from bot.live.modes import mode_from_json
from bot.live.performance import Performance
from bot.live.topics import Topic


def snapshot(performance: Performance) -> dict[str, Any]:
    """Votes, topics, mode; the timeline is kept segment by segment."""
    topics = [
        {"id": one.id, "prompt": one.prompt, "seed": one.seed, "words": sorted(one.words)}
        for one in performance.topics.all()
    ]  # fmt: skip
    votes = [
        [vote.voter.platform, vote.voter.user, vote.voter.name, vote.topic, vote.weight, vote.at,
         vote.message]
        for vote in performance.ballot.all()
    ]  # fmt: skip
    return {
        "topics": topics,
        "votes": votes,
        "mode": performance.mode.name,
        "mode_state": performance.mode.to_json(),
        "renamed": performance.renamed,
        "hushed_topics": sorted(performance.hushed_topics),
        "hushed_names": sorted(performance.hushed_names),
        "hushed_sources": sorted(performance.hushed_sources),
        "halted": performance.halted,
    }


def restore(performance: Performance, data: dict[str, Any]) -> None:
    """Bring a new performance to where `snapshot` was taken."""
    for one in data.get("topics", ()):
        words = frozenset(one["words"])
        performance.topics.restore(Topic(one["id"], one["prompt"], one["seed"], words))
    # What sounds may be of topics that nobody voted for lately.
    for segment in performance.timeline:
        for share in segment.shares:
            if share.topic and share.topic not in performance.topics:
                found = performance.topics.find(share.prompt)
                performance.renamed[share.topic] = found.id
    for platform, user, name, topic, weight, at, message in data.get("votes", ()):
        if topic in performance.topics:
            voter = Voter(platform, user, name)
            performance.ballot.cast(Vote(voter, topic, weight, at, message))
    performance.renamed.update(data.get("renamed", {}))
    performance.hushed_topics = set(data.get("hushed_topics", ()))
    performance.hushed_names = set(data.get("hushed_names", ()))
    performance.hushed_sources = set(data.get("hushed_sources", ()))
    performance.halted = bool(data.get("halted"))
    name = data.get("mode", "crowd")
    performance.mode = mode_from_json(name, data.get("mode_state", {}), performance.rules)
