"""The REST side of the loopback Twitch (Helix): routes, points, faults, a log of requests.

    helix.faults.append(Fault("POST", "/chat/messages", status=503))
    helix.points = 5            a small bucket, so that calls get a 429 with Ratelimit headers
    helix.drain()               all buckets are empty now
    helix.requests              (method, path) of every call so far

Every call costs a point of a bucket that refills over a minute, one bucket for each user of each
app. Whoever goes on after a 429 before the time that its Ratelimit-Reset names, is a violation.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.peers.discord.http import Fault
from tests.peers.twitch import (
    helix_channels,
    helix_chat,
    helix_conduits,
    helix_eventsub,
    helix_points,
    helix_users,
)
from tests.peers.twitch.http import WORLD, HelixError, caller, respond, wrong
from tests.peers.twitch.state import World

_MODULES = (helix_users, helix_channels, helix_chat, helix_points, helix_eventsub, helix_conduits)
POINTS, REFILL_SECONDS = 800, 60.0
_PATIENCE = 0.5  # what was under way when a 429 was sent is not held against anybody
_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
}


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float
    refused_at: float | None = None
    open_at: float = 0.0


class Helix:
    """The routes over a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self.points = POINTS
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.refused = 0

    def add_to(self, app: web.Application) -> None:
        """Serve under /helix of `app`."""
        api = web.Application(middlewares=[self._serve])
        api[WORLD] = self._world
        for module in _MODULES:
            api.add_routes(module.ROUTES)
        app.add_subapp("/helix", api)

    def count(self, method: str, path: str) -> int:
        """How many requests of a method went to a path."""
        return self.requests.count((method, path))

    def drain(self) -> None:
        """Nobody has points left; they come back as ever."""
        for bucket in self._buckets.values():
            bucket.left, bucket.at = 0.0, self._world.promised()

    @web.middleware
    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path.removeprefix("/helix")
        self.requests.append((request.method, path))
        self._world.notify()
        fault = self._next_fault(request.method, path)
        if fault is not None and fault.kind == "status":
            return web.json_response(fault.body, status=fault.status, headers=fault.headers)
        if fault is not None and fault.kind == "held":
            await fault.release.wait()
        response = await self._answer(request, handler)
        self._world.notify()
        if fault is not None and fault.kind == "lost" and request.transport is not None:
            request.transport.abort()
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        told: dict[str, str] = {}
        try:
            who = caller(request)
            bucket = self._bucket(who.app.client_id, "" if who.user is None else who.user.id)
            allowed = self._take(request, bucket)
            told = self._headers(bucket)
            if not allowed:
                raise HelixError(429, "Too many requests, wait until Ratelimit-Reset")
            response = await handler(request)
        except HelixError as error:
            reason = _REASONS.get(error.status, "Error")
            body = {"error": reason, "status": error.status, "message": str(error)}
            response = respond(body, error.status)
        except web.HTTPException as error:
            wrong(request, error.status, error.reason)
            raise
        response.headers.update(told)
        return response

    def _bucket(self, client_id: str, user_id: str) -> _Bucket:
        fresh = _Bucket(float(self.points), self._world.promised())
        return self._buckets.setdefault((client_id, user_id), fresh)

    def _take(self, request: web.Request, bucket: _Bucket) -> bool:
        now = self._world.promised()
        bucket.left = min(
            float(self.points), bucket.left + (now - bucket.at) * self.points / REFILL_SECONDS
        )
        bucket.at = now
        if bucket.left >= 1.0:
            bucket.left -= 1.0
            bucket.refused_at = None
            return True
        self.refused += 1
        if bucket.refused_at is None:
            bucket.refused_at = now
            bucket.open_at = self._reset(bucket)
        elif bucket.refused_at + _PATIENCE < now < bucket.open_at:
            wrong(request, 429, "sent before the time that Ratelimit-Reset named")
        return False

    def _reset(self, bucket: _Bucket) -> int:
        """When there is room again (an emptied bucket) or the bucket is full, in whole seconds."""
        missing = 1.0 - bucket.left if bucket.left < 1.0 else self.points - bucket.left
        return math.ceil(bucket.at + missing * REFILL_SECONDS / self.points)

    def _headers(self, bucket: _Bucket) -> dict[str, str]:
        return {
            "Ratelimit-Limit": str(self.points),
            "Ratelimit-Remaining": str(int(bucket.left)),
            "Ratelimit-Reset": str(self._reset(bucket)),
        }

    def _next_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == method and re.fullmatch(fault.path, path):
                fault.times -= 1
                fault.met += 1
                return fault
        return None
