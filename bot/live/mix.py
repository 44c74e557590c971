"""Shares of topics, and the way from one mix to another.

A mix is a mapping from topic to share; shares are above 0 and sum to 1, or there are none at all
(before anybody voted). The distance of two mixes is the share that changes hands (total variation,
½·∑|a−b|): 0 is the same, 1 has nothing in common.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

Mix = Mapping[str, float]
"""Share of each topic."""

MOST = 8
"""Topics in one mix: as many points as one request takes."""

_DUST = 1e-6


def normalised(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights as shares; nothing where nothing weighs anything."""
    total = sum(weight for weight in weights.values() if weight > 0)
    if not total > 0:
        return {}
    return {topic: weight / total for topic, weight in weights.items() if weight / total > _DUST}


def distance(a: Mix, b: Mix) -> float:
    """The share that changes hands between two mixes, 0 to 1."""
    if not a or not b:
        return 0.0 if not a and not b else 1.0
    return 0.5 * sum(abs(a.get(topic, 0.0) - b.get(topic, 0.0)) for topic in {*a, *b})


def towards(a: Mix, b: Mix, limit: float) -> dict[str, float]:
    """The mix that lies at most `limit` of the way's length from `a` to `b`.

    What leaves goes smallest first, so that few topics are half-way at the same time; what comes
    takes over in proportion to what it lacks. There are never more than eight topics: newcomers
    wait until one has left.

    Returns:
        A mix `m` with `distance(a, m) <= limit`, and `b` itself where that is near enough.
    """
    if not a or not b or distance(a, b) <= limit + _DUST:
        return dict(b)
    result = dict(a)
    left = limit
    surplus = {topic: share - b.get(topic, 0.0) for topic, share in a.items()}
    for topic in sorted(surplus, key=lambda topic: (topic in b, surplus[topic], topic)):
        given = min(left, max(0.0, surplus[topic]))
        left -= given
        result[topic] -= given
        if result[topic] <= _DUST:
            del result[topic]
        if left <= 0:
            break
    places = MOST - len(result)
    lacks = {topic: share - result.get(topic, 0.0) for topic, share in b.items()}
    takers = [topic for topic in lacks if lacks[topic] > 0 and topic in result]
    newcomers = sorted(
        (topic for topic in lacks if topic not in result), key=lambda t: (-lacks[t], t)
    )
    takers += newcomers[:places]
    wanted = sum(lacks[topic] for topic in takers)
    if not wanted > 0:
        return dict(a)
    share_out = min(limit - left, wanted)
    for topic in takers:
        result[topic] = result.get(topic, 0.0) + share_out * lacks[topic] / wanted
    # Where newcomers had to wait there is something left over: it stays with whom it was.
    return result if abs(sum(result.values()) - 1) < 1e-9 else _given_back(a, result)


def _given_back(a: Mix, result: dict[str, float]) -> dict[str, float]:
    missing = 1 - sum(result.values())
    for topic in sorted(a, key=lambda topic: -a[topic]):
        if missing <= 0:
            break
        if topic in result:
            back = min(missing, max(0.0, a[topic] - result[topic]))
            result[topic] += back
            missing -= back
    return normalised(result)


def strongest(
    strengths: Mapping[str, float],
    held: Sequence[str],
    firm: Sequence[str],
    most: int,
    lead_over: float,
) -> list[str]:
    """Which topics are in the mix.

    Args:
        strengths: of every topic.
        held: those that are in at present.
        firm: those of them that may not be pushed out yet.
        most: how many may be in.
        lead_over: how many times as strong a newcomer must be as the member it pushes out.

    Returns:
        Members that stay and newcomers, the strongest first.
    """
    members = [topic for topic in held if strengths.get(topic, 0.0) > 0]
    members.sort(key=lambda topic: (topic not in firm, -strengths[topic], topic))
    members = members[:most]
    others = heapq.nsmallest(
        most,
        (topic for topic in strengths if topic not in members and strengths[topic] > 0),
        key=lambda topic: (-strengths[topic], topic),
    )
    for topic in others:
        if len(members) < most:
            members.append(topic)
            continue
        loose = [member for member in members if member not in firm]
        if not loose:
            break
        weakest = min(loose, key=lambda member: (strengths[member], member))
        if strengths[topic] <= lead_over * strengths[weakest]:
            break
        members[members.index(weakest)] = topic
    return sorted(members, key=lambda topic: (-strengths[topic], topic))
