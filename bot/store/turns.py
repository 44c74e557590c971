"""Whose turn it is: fair turns by work done, and a lane for what has a deadline.

Start-time fair queueing (Goyal, Vin and Cheng, "Start-time Fair Queueing", SIGCOMM 1996) at two
levels. Every community carries a *pass*, the virtual time at which its next turn starts; the lowest
goes first, and a turn moves it on by the job's cost over its weight. Within a community its
requesters take turns in the same way. Who comes newly in line starts at the virtual time of the
turn under way, so nobody saves up turns by staying away, and nobody who asked for fifty riffs
stands before somebody who asks for one. Ties go by arrival. A community may choose first-come.

The live lane goes earliest deadline first. While both lanes wait, three live jobs go to one riff:
neither can starve the other.

A moderator's hand comes first: what was moved ahead goes before the rest of its community (and uses
up its requester's turn as always), and riffs of a halted community wait. The live lane has its own
rules and is not halted.

Every step here is a look-up in an index, so a claim costs the logarithm of what waits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

LIVE_RUN = 3
NOT_HALTED = (
    "NOT EXISTS (SELECT 1 FROM halts h WHERE h.platform = '' "
    "OR (h.platform = communities.platform AND h.community = communities.community))"
)
"""Whose riffs may be drawn: a moderator can halt a community, and the owner everybody."""

_IN_LINE = f"SELECT * FROM communities WHERE waiting > 0 AND {NOT_HALTED}"  # noqa: S608
_LOOK_AHEAD = 4
_NO_PASS = -1e300


@dataclass(frozen=True, slots=True)
class Turn:
    """A job whose turn may be next, and the turns that it would use up."""

    job: sqlite3.Row
    community_pass: float = 0.0
    requester_pass: float = 0.0
    community_weight: float = 1.0


def next_lane(live_waits: bool, riffs_wait: bool, live_run: int) -> str:
    """The lane that is served next; `live_run` counts the live jobs since the last riff."""
    return "live" if live_waits and (not riffs_wait or live_run < LIVE_RUN) else "riffs"


def in_turn(tx: sqlite3.Connection) -> Iterator[Turn]:
    """Jobs in the order of their turns: the next one first, then a few that could go along.

    Only the first is exact for any number: of what follows, the four communities, requesters and
    jobs that come first are looked at, which is enough to fill a batch.
    """
    live_run = tx.execute("SELECT live_run FROM queue").fetchone()["live_run"]
    riffs_wait = tx.execute(f"{_IN_LINE} LIMIT 1").fetchone()
    live_waits = tx.execute(
        "SELECT 1 FROM jobs WHERE state = 'queued' AND lane = 'live' LIMIT 1"
    ).fetchone()
    if next_lane(bool(live_waits), bool(riffs_wait), live_run) == "live":
        for job in tx.execute(
            "SELECT * FROM jobs WHERE state = 'queued' AND lane = 'live' "
            "ORDER BY coalesce(deadline, 1e300), seq LIMIT ?",
            (_LOOK_AHEAD**3,),
        ):
            yield Turn(job)
        return
    for community in _first(tx, _IN_LINE, "pass, joined"):
        yield from _of_community(tx, community)


def _of_community(tx: sqlite3.Connection, community: sqlite3.Row) -> Iterator[Turn]:
    where = (community["platform"], community["community"])
    tags = community["pass"], community["weight"]
    waiting = "SELECT * FROM jobs WHERE state = 'queued' AND lane = 'riffs' "
    ahead = waiting + "AND platform = ? AND community = ? AND ahead IS NOT NULL"
    for job in _first(tx, ahead, "ahead, seq", where):
        # Out of its turn: the clock by which newcomers join stays where it is.
        yield Turn(job, tags[0], _NO_PASS, tags[1])
    waiting += "AND ahead IS NULL "
    if community["policy"] == "first-come":
        for job in _first(tx, waiting + "AND platform = ? AND community = ?", "seq", where):
            turn = tx.execute(
                "SELECT pass FROM requesters WHERE platform = ? AND community = ? AND user = ?",
                (*where, job["user"]),
            ).fetchone()
            yield Turn(job, tags[0], turn["pass"], tags[1])
        return
    requesters = "SELECT * FROM requesters WHERE waiting > 0 AND platform = ? AND community = ?"
    for requester in _first(tx, requesters, "pass, joined", where):
        whose = (*where, requester["user"])
        for job in _first(
            tx, waiting + "AND platform = ? AND community = ? AND user = ?", "seq", whose
        ):
            yield Turn(job, tags[0], requester["pass"], tags[1])


def take(tx: sqlite3.Connection, turn: Turn, *, along: bool = False) -> None:
    """Use a turn up: this job is served now.

    Args:
        along: it only goes along in a batch, perhaps before its time: then the virtual clocks,
            by which newcomers join, stay where they are.
    """
    job = turn.job
    if job["lane"] == "live":
        tx.execute("UPDATE queue SET claims = claims + 1, live_run = live_run + (waiting > 0)")
        return
    where = (job["platform"], job["community"])
    community_clock = _NO_PASS if along else turn.community_pass
    requester_clock = _NO_PASS if along else turn.requester_pass
    tx.execute(
        "UPDATE queue SET claims = claims + 1, live_run = 0, clock = max(clock, ?)",
        (community_clock,),
    )
    tx.execute(
        "UPDATE communities SET pass = pass + ?, clock = max(clock, ?) "
        "WHERE platform = ? AND community = ?",
        (job["cost"] / turn.community_weight, requester_clock, *where),
    )
    tx.execute(
        "UPDATE requesters SET pass = pass + ? WHERE platform = ? AND community = ? AND user = ?",
        (job["cost"] / job["weight"], *where, job["user"]),
    )


def forget_idle(tx: sqlite3.Connection) -> None:
    """Drop who has nothing waiting and no turn to make up for; they are the same as never seen."""
    tx.execute(
        "DELETE FROM requesters WHERE waiting = 0 AND pass <= (SELECT clock FROM communities c "
        "WHERE c.platform = requesters.platform AND c.community = requesters.community) "
        "AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.state = 'running' AND j.platform = "
        "requesters.platform AND j.community = requesters.community AND j.user = requesters.user)"
    )
    tx.execute(
        "DELETE FROM communities WHERE waiting = 0 AND policy = 'fair' AND weight = 1 "
        "AND pass <= (SELECT clock FROM queue) AND NOT EXISTS (SELECT 1 FROM requesters r "
        "WHERE r.platform = communities.platform AND r.community = communities.community)"
    )


def _first(
    tx: sqlite3.Connection, select: str, order: str, values: tuple[object, ...] = ()
) -> Iterator[sqlite3.Row]:
    """The first of a line, one first and further ones only when they are asked for."""
    statement = f"{select} ORDER BY {order} LIMIT {_LOOK_AHEAD}"
    yield from tx.execute(statement, values).fetchall()
