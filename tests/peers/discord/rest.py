"""The HTTP side of the loopback Discord (API v10): the routes, who may use them, and faults."""

from __future__ import annotations

import re

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.peers.discord import accounts, guilds, messages, webhooks
from tests.peers.discord.http import WORLD, ApiError, Fault, respond
from tests.peers.discord.state import World

# Their token in the path is what allows them.
_WITHOUT_AUTHORIZATION = re.compile(r"/(interactions|webhooks)/")


class Rest:
    """The routes over a world, with faults and a log of what was asked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []

    def add_to(self, app: web.Application) -> None:
        """Serve under /api/v10 of `app`."""
        api = web.Application(middlewares=[self._serve], client_max_size=64 * 1024**2)
        api[WORLD] = self._world
        for module in (accounts, guilds, messages, webhooks):
            api.add_routes(module.ROUTES)
        app.add_subapp("/api/v10", api)

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
        try:
            self._check(request, path)
            response = await handler(request)
        except ApiError as error:
            body = {"message": str(error), "code": error.code}
            response = respond(body, status=error.status)
        response.headers.update(_roomy_bucket(request))
        self._world.notify()
        if fault is not None and fault.kind == "lost" and request.transport is not None:
            request.transport.abort()
        return response

    def _check(self, request: web.Request, path: str) -> None:
        allowed = request.headers.get("Authorization") == f"Bot {self._world.token}"
        if not allowed and not _WITHOUT_AUTHORIZATION.match(path):
            raise ApiError(401, 0, "401: Unauthorized")

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


def _roomy_bucket(request: web.Request) -> dict[str, str]:
    """Rate limit headers that leave room. Without any, clients send one request at a time."""
    resource = request.match_info.route.resource
    return {
        "Via": "1.1 google",
        "X-RateLimit-Bucket": f"{request.method} {'' if resource is None else resource.canonical}",
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "49",
        "X-RateLimit-Reset-After": "1.000",
    }
