"""The HTTP API: what the page talks to, and what scripts may use too.

    POST   /api/riffs          {"prompt", …options of !riff} → 202 Riff; "to" makes a blend, "mix" a
                               mix, "source" (and "mask") a remix of an upload
    GET    /api/riffs/{id}     → Riff
    DELETE /api/riffs/{id}     → 204: cancelled
    POST   /api/chat           {"text": "!riff …"} → 202 {"riff": Riff} or 200 {"reply": …}, which
                               may bring a "file": {"name", "type", "data" (base64)}
    GET    /api/room           → {"riffs": [Riff, …]}, the local chat's latest
    POST   /api/session        → {"session", "user", "name", "role"}
    POST   /api/owner          {"token"} → {"role": "owner"}
    GET    /clips/{id}.mp3     also .wav and .png; ?download=1 for a readable file name
    GET    /healthz            → 200 once a riff can be taken, else 503

Refusals are `{"error": sentence, "retry_after"?: seconds}` with 400, 403, 404 or 429.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from bot import grammar
from bot.ask import Ask
from bot.chat import ChatDesk, Said, Taken
from bot.errors import (
    BadInputRefusal,
    BusyRefusal,
    ForbiddenRefusal,
    NotFoundRefusal,
    Refusal,
)
from bot.jobs import Address
from bot.moderation.commands import Reply
from bot.names import file_stem
from bot.studio import Studio
from bot.web.bodies import read_json
from bot.web.clip_page import attachment
from bot.web.identity import COMMUNITY, PLATFORM, SESSION_HEADER, Identity, Visitor
from bot.web.views import MEDIA_TYPES, riff_json
from generation.errors import BadRequestError

Health = Callable[[], dict[str, Any]]

_CLIP = re.compile(r"(?P<job>[A-Za-z0-9]{22})(?P<index>-\d{1,2})?\.(?P<kind>mp3|wav|png)\Z")
_STATUS: dict[type[Exception], int] = {
    BadInputRefusal: 400,
    BadRequestError: 400,
    ForbiddenRefusal: 403,
    NotFoundRefusal: 404,
    BusyRefusal: 429,
}
_NO_COMMAND = "I listen for commands: try !riff lo-fi beat, or !riffhelp."


class Api:
    """Handlers of the HTTP API."""

    def __init__(
        self,
        studio: Studio,
        identity: Identity,
        clips: Path,
        health: Health,
        chat: ChatDesk,
    ) -> None:
        self._studio = studio
        self._chat = chat
        self._identity = identity
        self._clips = clips
        self._health = health

    def routes(self) -> list[web.RouteDef]:
        """Every route of the API."""
        return [
            web.post("/api/session", self.open_session),
            web.post("/api/owner", self.sign_in_owner),
            web.post("/api/chat", self.chat),
            web.get("/api/room", self.room),
            web.post("/api/riffs", self.make_riff),
            web.get("/api/riffs/{id}", self.show_riff),
            web.delete("/api/riffs/{id}", self.cancel_riff),
            web.get("/clips/{name}", self.clip_file),
            web.get("/healthz", self.healthz),
        ]

    async def open_session(self, request: web.Request) -> web.Response:
        """Confirm the caller's session, or open one."""
        session = request.headers.get(SESSION_HEADER)
        if session is None or self._identity.user_of(session) is None:
            session = self._identity.new_session()
        visitor = self._identity.visitor(request, session)
        return web.json_response(
            {"session": session, "user": visitor.user, "name": visitor.name, "role": visitor.role}
        )

    async def sign_in_owner(self, request: web.Request) -> web.Response:
        """Trade the one-time token for the owner's cookie."""
        data = await read_json(request)
        token = data.get("token")
        if not (isinstance(token, str) and self._identity.redeem(token)):
            raise ForbiddenRefusal(
                "This sign-in link was used already or is not from this start of Riffbot; "
                "restart it for a new one."
            )
        response = web.json_response({"role": "owner"})
        self._identity.set_owner(response)
        return response

    async def chat(self, request: web.Request) -> web.Response:
        """A line typed into the local chat."""
        text = (await read_json(request)).get("text")
        if not isinstance(text, str):
            raise BadInputRefusal('Please send {"text": "!riff lo-fi beat"}.')
        visitor = self._visitor(request)
        said = Said(visitor.requester, text, Address(PLATFORM, {}))
        answer = await self._chat.answer(said)
        if isinstance(answer, Taken):
            return web.json_response({"riff": riff_json(answer.view, visitor.user)}, status=202)
        # Only who typed it reads the answer.
        reply = Reply(_NO_COMMAND) if answer is None else answer
        body: dict[str, Any] = {"reply": reply.text}
        if (file := reply.file) is not None:
            data = base64.b64encode(file.data).decode()
            body["file"] = {"name": file.name, "type": file.media_type, "data": data}
        return web.json_response(body)

    async def room(self, request: web.Request) -> web.Response:
        """The local chat's latest riffs, oldest first."""
        user = self._visitor(request).user
        views = await self._studio.recent(PLATFORM, COMMUNITY)
        return web.json_response({"riffs": [riff_json(view, user) for view in views]})

    async def make_riff(self, request: web.Request) -> web.Response:
        """Take a riff from a script."""
        ask = grammar.ask_from_json(await read_json(request))
        return web.json_response(await self._submit(request, ask), status=202)

    async def show_riff(self, request: web.Request) -> web.Response:
        """One riff; knowing its id is permission enough."""
        view = await self._studio.view(request.match_info["id"])
        return web.json_response(riff_json(view, self._visitor(request).user))

    async def cancel_riff(self, request: web.Request) -> web.Response:
        """Cancel one's own riff; moderators and the owner may cancel anybody's."""
        await self._chat.cancel(self._visitor(request).requester, request.match_info["id"])
        return web.Response(status=204)

    async def clip_file(self, request: web.Request) -> web.StreamResponse:
        """A clip's sound or picture."""
        match = _CLIP.match(request.match_info["name"])
        if match is None:
            raise NotFoundRefusal("There is no such clip.")
        kind = match["kind"]
        job = (await self._studio.view(match["job"])).job
        index = int(match["index"][1:]) - 1 if match["index"] else 0
        files = next((clip.files for clip in job.clips if clip.index == index), {})
        path = self._clips / files[kind] if kind in files else None
        if path is None or not await asyncio.to_thread(path.is_file):
            raise NotFoundRefusal("This clip is not here (any more).")
        headers = {
            "Content-Type": MEDIA_TYPES[kind],
            "Cache-Control": "private, max-age=31536000, immutable",
        }
        if request.query.get("download"):
            stem = file_stem(job.request.prompt, job.request.seed)
            headers["Content-Disposition"] = attachment(f"{stem}{match['index'] or ''}.{kind}")
        return web.FileResponse(path, headers=headers)

    async def healthz(self, request: web.Request) -> web.Response:
        """200 once a riff can be taken: the worker has loaded, compiled and warmed up."""
        health = self._health()
        return web.json_response(health, status=200 if health["state"] == "ready" else 503)

    def _visitor(self, request: web.Request) -> Visitor:
        return self._identity.visitor(request)

    async def _submit(self, request: web.Request, ask: Ask) -> dict[str, Any]:
        visitor = self._visitor(request)
        view = await self._studio.submit(visitor.requester, ask, Address(PLATFORM, {}))
        return riff_json(view, visitor.user)


@web.middleware
async def answer_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one place that turns refusals into HTTP answers."""
    try:
        return await handler(request)
    except (Refusal, BadRequestError) as error:
        # Only the one who asked reads this answer.
        sentence = error.privately if isinstance(error, ForbiddenRefusal) else str(error)
        body: dict[str, Any] = {"error": sentence}
        headers = {}
        if isinstance(error, BusyRefusal):
            body["retry_after"] = round(error.retry_after, 1)
            headers["Retry-After"] = str(max(1, round(error.retry_after)))
        return web.json_response(body, status=_STATUS[type(error)], headers=headers)
    except web.HTTPNotFound:
        return web.json_response({"error": "There is nothing at this address."}, status=404)
    except web.HTTPMethodNotAllowed as error:
        return web.json_response(
            {"error": f"This address does not take {request.method}."},
            status=405,
            headers={"Allow": ", ".join(sorted(error.allowed_methods))},
        )
    except web.HTTPRequestEntityTooLarge:
        return web.json_response({"error": "That is more than I can read at once."}, status=413)
