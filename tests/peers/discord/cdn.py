"""The CDN of the loopback Discord: attachments by the address that their message tells."""

from __future__ import annotations

from aiohttp import web

from tests.peers.discord.models import content_type
from tests.peers.discord.state import World


class Cdn:
    """Serves what was uploaded; `down` makes it fail, `gone` forgets single files."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.down = False
        self.gone: set[int] = set()
        self.downloads: list[str] = []

    def add_to(self, app: web.Application) -> None:
        """Serve under /cdn/ of `app`."""
        app.router.add_get("/cdn/attachments/{id}/{filename}", self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization"):
            self._world.violations.append("the bot's token was sent to the CDN")
        self.downloads.append(request.match_info["filename"])
        self._world.notify()
        if self.down:
            return web.Response(status=503)
        found = self._world.attachments.get(int(request.match_info["id"]))
        if found is None or found.id in self.gone:
            return web.Response(status=404)
        kind = content_type(found.filename) or "application/octet-stream"
        return web.Response(body=found.data, headers={"Content-Type": kind})
