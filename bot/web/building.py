"""Building on sounds: uploads, and riffs that follow a clip.

POST   /api/sources                a sound or picture as the body → 201 {"source": hash}
POST   /api/riffs/{id}/{how}       {…options} → 202 Riff; how: again, variation, extend, remix
                                   ("clip": 2 means the second clip of a riff of several)
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bot import grammar
from bot.ask import Follow
from bot.errors import BadInputRefusal, BusyRefusal
from bot.jobs import Address
from bot.lineage import Lineage
from bot.store.database import DiskFullError
from bot.store.sources import Sources
from bot.studio import OUT_OF_SPACE
from bot.web.bodies import read_json
from bot.web.identity import PLATFORM, Identity
from bot.web.views import riff_json
from generation.request import MAX_CLIPS

MAX_UPLOAD = 25 * 2**20
_TRY_LATER = 60.0


class Building:
    """Handlers of these routes."""

    def __init__(self, lineage: Lineage, sources: Sources, identity: Identity) -> None:
        self._lineage = lineage
        self._sources = sources
        self._identity = identity

    def routes(self) -> list[web.RouteDef]:
        """Every route of this part."""
        return [
            web.post("/api/sources", self.upload),
            web.post("/api/riffs/{id}/{how}", self.follow),
        ]

    async def upload(self, request: web.Request) -> web.Response:
        """Keep an upload until a riff names it. What is in it is looked at when it is used."""
        data = bytearray()
        async for chunk in request.content.iter_chunked(64 * 1024):
            data += chunk
            if len(data) > MAX_UPLOAD:
                raise BadInputRefusal(
                    f"That file is too large; the most I take is {MAX_UPLOAD // 2**20} MiB."
                )
        if not data:
            raise BadInputRefusal("That file is empty.")
        try:
            digest = await self._sources.put(bytes(data))
        except DiskFullError as error:
            raise BusyRefusal(OUT_OF_SPACE, retry_after=_TRY_LATER) from error
        return web.json_response({"source": digest}, status=201)

    async def follow(self, request: web.Request) -> web.Response:
        """Build on a clip."""
        data = await read_json(request)
        index = _index(data.pop("clip", 1))
        follow = grammar.follow_from_json(request.match_info["how"], data)
        return web.json_response(
            await self._follow(request, request.match_info["id"], follow, index), status=202
        )

    async def _follow(
        self, request: web.Request, job_id: str, follow: Follow, index: int
    ) -> dict[str, Any]:
        visitor = self._identity.visitor(request)
        view = await self._lineage.follow(
            visitor.requester, job_id, follow, Address(PLATFORM, {}), index
        )
        return riff_json(view, visitor.user)


def _index(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_CLIPS:
        raise BadInputRefusal(f'"clip" is the number of a clip, 1 to {MAX_CLIPS}.')
    return value - 1
