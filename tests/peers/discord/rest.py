"""The HTTP side of the loopback Discord (API v10)."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.peers.discord.state import (
    MESSAGE_CONTENT_FLAG,
    Attachment,
    Channel,
    Message,
    World,
    event_json,
)

MAX_CONTENT = 2000
MAX_NONCE = 25
MAX_FILES = 10
MAX_ALT_TEXT = 1024
ROUTES = web.RouteTableDef()
WORLD = web.AppKey("world", World)
_UPLOAD = re.compile(r"files\[(\d+)\]\Z")


class ApiError(Exception):
    """An error as Discord's API reports it."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(slots=True)
class Fault:
    """Misbehaviour for the next `times` requests of a method whose path matches.

    `status` answers with an error (and `body`) without doing anything; `lost` does what was asked
    and then cuts the connection, so that the client never learns of it; `held` waits for
    `release` before doing it.
    """

    method: str
    path: str
    kind: Literal["status", "lost", "held"] = "status"
    status: int = 500
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    release: asyncio.Event = field(default_factory=asyncio.Event)
    met: int = 0


def rate_limited(method: str, path: str, retry_after: float, times: int = 1) -> Fault:
    """A 429 as Discord sends it. The Via header tells it from one of Cloudflare's."""
    body = {"message": "You are being rate limited.", "retry_after": retry_after, "global": False}
    headers = {"Via": "1.1 google", "Retry-After": str(max(1, round(retry_after)))}
    return Fault(method, path, status=429, body=body, headers=headers, times=times)


def respond(data: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer. The type names no charset, as Discord's do not (discord.py compares it)."""
    body = json.dumps(data).encode()
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


class Rest:
    """The routes over a world, with faults and a log of what was asked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.gateway_url = ""
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []

    def add_to(self, app: web.Application) -> None:
        """Serve under /api/v10 of `app`."""
        api = web.Application(middlewares=[self._serve], client_max_size=64 * 1024**2)
        api[WORLD] = self._world
        api[GATEWAY_URL] = self
        api.add_routes(ROUTES)
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
        try:
            if request.headers.get("Authorization") != f"Bot {self._world.token}":
                raise ApiError(401, 0, "401: Unauthorized")
            response = await handler(request)
        except ApiError as error:
            body = {"message": str(error), "code": error.code}
            response = respond(body, status=error.status)
        response.headers.update(_roomy_bucket(request))
        self._world.notify()
        if fault is not None and fault.kind == "lost" and request.transport is not None:
            request.transport.abort()
        return response

    def _next_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == method and re.fullmatch(fault.path, path):
                fault.times -= 1
                fault.met += 1
                return fault
        return None


GATEWAY_URL = web.AppKey("rest", Rest)


@ROUTES.get("/users/@me")
async def get_me(request: web.Request) -> web.Response:
    return respond(request.app[WORLD].bot.to_json())


@ROUTES.get("/oauth2/applications/@me")
async def get_application(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    return respond(
        {
            "id": str(world.application_id),
            "name": world.bot.name,
            "icon": None,
            "description": "",
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "00",
            "flags": MESSAGE_CONTENT_FLAG,
            "team": None,
            "owner": world.bot.to_json(),
        }
    )


@ROUTES.get("/gateway/bot")
async def get_gateway(request: web.Request) -> web.Response:
    limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
    url = request.app[GATEWAY_URL].gateway_url
    return respond({"url": url, "shards": 1, "session_start_limit": limit})


@ROUTES.post("/users/@me/channels")
async def open_dm(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    user = world.users.get(int((await request.json())["recipient_id"]))
    if user is None:
        raise ApiError(404, 10013, "Unknown User")
    return respond(world.dm_channel(user).to_json())


@ROUTES.get("/channels/{channel}/messages")
async def get_messages(request: web.Request) -> web.Response:
    channel = _channel(request)
    if not channel.may_read_history:
        raise ApiError(403, 50001, "Missing Access")
    limit = int(request.query.get("limit", "50"))
    before = int(request.query.get("before", str(1 << 63)))
    after = int(request.query.get("after", "0"))
    if not 1 <= limit <= 100:
        raise _violation(request, f"a history limit of {limit}")
    ids = sorted(number for number in channel.messages if after < number < before)
    chosen = ids[:limit] if "after" in request.query else ids[-limit:]
    return respond([channel.messages[number].to_json() for number in reversed(chosen)])


@ROUTES.post("/channels/{channel}/messages")
async def create_message(request: web.Request) -> web.Response:
    world, channel = request.app[WORLD], _channel(request)
    payload, uploads = await _read_payload(request)
    if not channel.may_send:
        if channel.recipient is not None:
            raise ApiError(403, 50007, "Cannot send messages to this user")
        raise ApiError(403, 50013, "Missing Permissions")
    message = _new_message(request, channel, payload, uploads)
    if payload.get("enforce_nonce") and message.nonce is not None:
        earlier = world.with_nonce(world.bot, message.nonce)
        if earlier is not None:
            return respond(event_json(earlier))
    message.pinged, message.pings_everyone = world.pings(message, payload.get("allowed_mentions"))
    world.remember_nonce(message)
    world.post(message)
    return respond(event_json(message))


@ROUTES.patch("/channels/{channel}/messages/{message}")
async def edit_message(request: web.Request) -> web.Response:
    message = _own_message(request)
    payload, uploads = await _read_payload(request)
    content = payload.get("content", message.content) or ""
    _check_content(request, content, bool(uploads or message.attachments))
    if "attachments" in payload:
        kept = {int(a["id"]) for a in payload["attachments"]}
        message.attachments = [a for a in message.attachments if a.id in kept] + uploads
    message.edits.append(message.content)
    message.content = content
    request.app[WORLD].tell("MESSAGE_UPDATE", event_json(message), message.channel)
    return respond(message.to_json())


@ROUTES.delete("/channels/{channel}/messages/{message}")
async def delete_message(request: web.Request) -> web.Response:
    request.app[WORLD].delete(_own_message(request))
    return web.Response(status=204)


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


def _channel(request: web.Request) -> Channel:
    channel = request.app[WORLD].channels.get(int(request.match_info["channel"]))
    if channel is None or channel.deleted:
        raise ApiError(404, 10003, "Unknown Channel")
    return channel


def _own_message(request: web.Request) -> Message:
    message = _channel(request).messages.get(int(request.match_info["message"]))
    if message is None:
        raise ApiError(404, 10008, "Unknown Message")
    if message.author is not request.app[WORLD].bot:
        raise ApiError(403, 50005, "Cannot edit a message authored by another user")
    return message


def _new_message(
    request: web.Request, channel: Channel, payload: dict[str, Any], uploads: list[Attachment]
) -> Message:
    world = request.app[WORLD]
    content = payload.get("content") or ""
    _check_content(request, content, bool(uploads))
    if sum(len(upload.data) for upload in uploads) > channel.upload_limit:
        raise ApiError(413, 40005, "Request entity too large")
    nonce = payload.get("nonce")
    if nonce is not None and len(str(nonce)) > MAX_NONCE:
        raise _violation(request, f"a nonce of {len(str(nonce))} characters")
    reference = None
    if (asked := payload.get("message_reference")) is not None:
        if not channel.may_read_history:
            raise ApiError(403, 160002, "Cannot reply without permission to read message history")
        reference = int(asked["message_id"])
        if reference not in channel.messages:
            if asked.get("fail_if_not_exists", True):
                raise ApiError(400, 50035, "Invalid Form Body: Unknown message")
            reference = None
    return Message(
        id=world.snowflake(),
        channel=channel,
        author=world.bot,
        content=content,
        nonce=None if nonce is None else str(nonce),
        reference=reference,
        attachments=uploads,
        flags=payload.get("flags", 0),
    )


def _check_content(request: web.Request, content: str, has_files: bool) -> None:
    if len(content) > MAX_CONTENT:
        raise _violation(request, f"a message of {len(content)} characters")
    if not content and not has_files:
        raise ApiError(400, 50006, "Cannot send an empty message")


async def _read_payload(request: web.Request) -> tuple[dict[str, Any], list[Attachment]]:
    """The JSON of a message and its files, from either kind of body."""
    if request.content_type == "application/json":
        return await request.json(), []
    payload: dict[str, Any] = {}
    files: dict[int, tuple[str, bytes]] = {}
    async for part in await request.multipart():
        data = bytes(await part.read())  # type: ignore[union-attr]
        if part.name == "payload_json":  # type: ignore[union-attr]
            payload = json.loads(data)
        elif match := _UPLOAD.match(part.name or ""):  # type: ignore[union-attr]
            files[int(match[1])] = (part.filename or "", data)  # type: ignore[union-attr]
    if len(files) > MAX_FILES:
        raise _violation(request, f"{len(files)} files in one message")
    about = {int(a["id"]): a for a in payload.get("attachments", []) if int(a["id"]) in files}
    uploads = []
    for number, (name, data) in sorted(files.items()):
        text = about.get(number, {}).get("description")
        if text is not None and len(text) > MAX_ALT_TEXT:
            raise _violation(request, f"alt text of {len(text)} characters")
        uploads.append(Attachment(request.app[WORLD].snowflake(), name, data, text))
    return payload, uploads


def _violation(request: web.Request, what: str) -> ApiError:
    request.app[WORLD].violations.append(f"{request.method} {request.path}: {what}")
    return ApiError(400, 50035, f"Invalid Form Body: {what}")
