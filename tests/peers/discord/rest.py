"""The HTTP side of the loopback Discord (API v10): the routes, who may use them, and faults."""

from __future__ import annotations

import re

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.peers.discord import accounts, guilds, messages, webhooks
from tests.peers.discord.http import WORLD, ApiError, Fault, respond, violation
from tests.peers.discord.ratelimits import RateLimit, roomy
from tests.peers.discord.state import World

# Their token in the path is what allows them.
_WITHOUT_AUTHORIZATION = re.compile(r"/(interactions|webhooks)/")


class Rest:
    """The routes over a world, with faults and a log of what was asked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.faults: list[Fault] = []
        self.limits: list[RateLimit] = []
        self.requests: list[tuple[str, str]] = []

    def add_to(self, app: web.Application) -> None:
        """Serve under /api/v10 of `app`."""
        api = web.Application(middlewares=[self._serve])
        api[WORLD] = self._world
        for module in (accounts, guilds, messages, webhooks):
            api.add_routes(module.ROUTES)
        app.add_subapp("/api/v10", api)

    def limit(self, method: str, path: str, count: int, seconds: float) -> RateLimit:
        """From now on, requests of a method whose path matches are limited."""
        made = RateLimit(method, path, count, seconds)
        self.limits.insert(0, made)
        return made

    @web.middleware
    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path.removeprefix("/api/v10")
        self.requests.append((request.method, path))
        self._world.notify()
        fault = self._next_fault(request.method, path)
        if fault is not None and fault.kind == "status":
            return respond(fault.body, status=fault.status, headers=fault.headers)
        if fault is not None and fault.kind == "held":
            await fault.release.wait()
        if fault is not None and fault.kind == "cut":
            await self._cut(request, fault.after)
        limit = next((rate for rate in self.limits if rate.applies_to(request.method, path)), None)
        try:
            self._check(request, path)
            if limit is not None and (refusal := self._too_many(request, limit)) is not None:
                return refusal
            response = await handler(request)
        except ApiError as error:
            body = {"message": str(error), "code": error.code}
            response = respond(body, status=error.status)
        told = roomy(request) if limit is None else limit.headers(request, self._world.clock.real)
        response.headers.update(told)
        self._world.notify()
        if fault is not None and fault.kind == "lost" and request.transport is not None:
            answered = self._world.interactions.by_token.get(request.match_info.get("token", ""))
            if answered is not None:
                answered.answer_lost = True
            request.transport.abort()
        return response

    def _check(self, request: web.Request, path: str) -> None:
        allowed = request.headers.get("Authorization") == f"Bot {self._world.token}"
        if not allowed and not _WITHOUT_AUTHORIZATION.match(path):
            raise ApiError(401, 0, "401: Unauthorized")

    def _too_many(self, request: web.Request, limit: RateLimit) -> web.Response | None:
        now = self._world.clock.real
        wait, told = limit.take(request, now)
        if wait is None:
            return None
        if told:
            violation(request, "sent although its rate limit was known to be used up")
        body = {"message": "You are being rate limited.", "retry_after": wait, "global": False}
        more = {"Retry-After": f"{wait:.3f}", "X-RateLimit-Scope": "user"}
        return respond(body, 429, {**limit.headers(request, now), **more})

    async def _cut(self, request: web.Request, after: int) -> None:
        """End the connection in the middle of an upload."""
        read = 0
        while read < after and (chunk := await request.content.readany()):
            read += len(chunk)
        if request.transport is not None:
            request.transport.abort()
        raise web.HTTPServiceUnavailable

    def _next_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == method and re.fullmatch(fault.path, path):
                fault.times -= 1
                fault.met += 1
                return fault
        return None
