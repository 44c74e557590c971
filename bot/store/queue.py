"""Where everybody stands in the queue, and for how long, as the scheduler will serve them."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque

from bot.jobs import Waiting
from bot.store.database import Database

_GUESS_SECONDS = 8.0
_RECENT = 20

_User = tuple[str, str, str]


class QueueView:
    """Reads positions and expected times out of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self) -> dict[str, Waiting]:
        """Position and expected seconds of every queued job, by job id.

        The order is found by playing the scheduler's rule forward: requesters take turns, the one
        served longest ago first, each one's jobs in order of arrival.
        """
        async with self._database.reading() as db:
            async with db.execute(
                "SELECT j.id, j.seq, j.lane, j.platform, j.community, j.user, "
                "coalesce(t.served, 0) AS served FROM jobs j "
                "LEFT JOIN turns t USING (platform, community, user) "
                "WHERE j.state = 'queued' ORDER BY j.lane = 'live' DESC, j.seq"
            ) as cursor:
                queued = list(await cursor.fetchall())
            async with db.execute(
                "SELECT count(*) AS running FROM jobs WHERE state = 'running'"
            ) as cursor:
                row = await cursor.fetchone()
        running = int(row["running"]) if row else 0
        each = await self.seconds_per_job()
        order: list[str] = []
        for lane in ("live", "riffs"):
            order += _take_turns(
                [
                    (j["id"], j["seq"], j["served"], (j["platform"], j["community"], j["user"]))
                    for j in queued
                    if j["lane"] == lane
                ]
            )
        return {
            job_id: Waiting(position, (position + running) * each)
            for position, job_id in enumerate(order, start=1)
        }

    async def seconds_per_job(self) -> float:
        """Mean seconds of the latest renders, or a first guess."""
        async with (
            self._database.reading() as db,
            db.execute(
                "SELECT avg(seconds) AS mean FROM (SELECT rendered_at - started_at AS seconds "
                "FROM jobs WHERE rendered_at IS NOT NULL ORDER BY rendered_at DESC LIMIT ?)",
                (_RECENT,),
            ) as cursor,
        ):
            row = await cursor.fetchone()
        return _GUESS_SECONDS if row is None or row["mean"] is None else float(row["mean"])


def _take_turns(queued: list[tuple[str, int, int, _User]]) -> list[str]:
    """Job ids in the order in which turns will serve them; `queued` is in order of arrival."""
    lines: dict[_User, deque[tuple[int, str]]] = defaultdict(deque)
    served: dict[_User, int] = {}
    for job_id, seq, last_served, user in queued:
        lines[user].append((seq, job_id))
        served[user] = last_served
    turn = max(served.values(), default=0)
    heap = [(served[user], line[0][0], user) for user, line in lines.items()]
    heapq.heapify(heap)
    order: list[str] = []
    while heap:
        _, _, user = heapq.heappop(heap)
        order.append(lines[user].popleft()[1])
        turn += 1
        if lines[user]:
            heapq.heappush(heap, (turn, lines[user][0][0], user))
    return order
