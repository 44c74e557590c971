"""What all routes of the loopback Discord share: errors, answers, faults and message bodies."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import BodyPartReader, web

from tests.peers.discord import limits
from tests.peers.discord.models import Attachment, Channel, Message
from tests.peers.discord.state import World

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
    `release` before doing it; `cut` ends the connection after `after` bytes of the request's
    body, before anything is done.
    """

    method: str
    path: str
    kind: Literal["status", "lost", "held", "cut"] = "status"
    status: int = 500
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    after: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)
    met: int = 0


def rate_limited(
    method: str, path: str, retry_after: float, times: int = 1, *, everywhere: bool = False
) -> Fault:
    """A 429 as Discord sends it. The Via header tells it from one of Cloudflare's."""
    body = {
        "message": "You are being rate limited.",
        "retry_after": retry_after,
        "global": everywhere,
    }
    headers = {
        "Via": "1.1 google",
        "Retry-After": str(max(1, round(retry_after))),
        "X-RateLimit-Scope": "global" if everywhere else "user",
    }
    if everywhere:
        headers["X-RateLimit-Global"] = "true"
    return Fault(method, path, status=429, body=body, headers=headers, times=times)


def respond(data: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer. The type names no charset, as Discord's do not (discord.py compares it)."""
    body = json.dumps(data).encode()
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def violation(request: web.Request, *what: str) -> ApiError:
    """Note breaches of documented limits, and the error that Discord answers them with."""
    world = request.app[WORLD]
    world.violations += [f"{request.method} {_shown(request.path)}: {each}" for each in what]
    world.notify()
    return ApiError(400, 50035, f"Invalid Form Body: {'; '.join(what)}")


async def read_json(request: web.Request) -> Any:
    """The body of a request that has no files."""
    if request.content_type != "application/json":
        raise violation(request, f"a body of type {request.content_type}")
    try:
        return await request.json()
    except ValueError:
        raise violation(request, "a body that is not JSON") from None


async def read_payload(request: web.Request) -> tuple[dict[str, Any], dict[int, tuple[str, bytes]]]:
    """The JSON of a request and its files by number, from either kind of body."""
    if request.content_type != "multipart/form-data":
        return await read_json(request), {}
    payload: dict[str, Any] = {}
    files: dict[int, tuple[str, bytes]] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise violation(request, "a multipart body inside of another")
        data = bytes(await part.read())
        if part.name == "payload_json":
            payload = json.loads(data)
        elif match := _UPLOAD.match(part.name or ""):
            files[int(match[1])] = (part.filename or "", data)
        else:
            raise violation(request, f"a form field named {part.name!r}")
    return payload, files


def take_message(
    request: web.Request,
    channel: Channel,
    payload: dict[str, Any],
    files: dict[int, tuple[str, bytes]],
) -> list[Attachment]:
    """Check the body of a message and return its uploads.

    Raises:
        ApiError: it breaks a limit (a violation), or its files are larger than `channel` takes.
    """
    about = {int(a["id"]): a for a in payload.get("attachments") or [] if int(a["id"]) in files}
    given = [
        Attachment(number, name, data, about.get(number, {}).get("description"))
        for number, (name, data) in sorted(files.items())
    ]
    if wrong := limits.message(payload, given):
        raise violation(request, *wrong)
    sizes = [len(upload.data) for upload in given]
    if max(sizes, default=0) > channel.upload_limit or sum(sizes) > channel.request_limit:
        raise ApiError(413, 40005, "Request entity too large")
    world = request.app[WORLD]
    return [world.upload(upload.filename, upload.data, upload.description) for upload in given]


def check_filled(message: Message) -> None:
    """Refuse what says nothing."""
    if not (message.content or message.attachments or message.embeds or message.components):
        raise ApiError(400, 50006, "Cannot send an empty message")


def note_pings(request: web.Request, message: Message, payload: dict[str, Any]) -> None:
    """Ping whom a new message pings; a ping that only its text asks for is a violation.

    People type mentions into prompts. A bot names whom it pings in `allowed_mentions`.
    """
    world = request.app[WORLD]
    rules = payload.get("allowed_mentions")
    message.pinged, message.pings_everyone = world.pings(message, rules)
    if by_text := world.pinged_by_text(message, rules):
        violation(request, f"{', '.join(by_text)} pinged by the text {message.content!r}")


def edit(
    request: web.Request,
    message: Message,
    payload: dict[str, Any],
    files: dict[int, tuple[str, bytes]],
) -> None:
    """Change a message as an edit asks; what the edit leaves out stays."""
    uploads = take_message(request, message.channel, payload, files)
    kept = message.attachments
    if payload.get("attachments") is not None:
        ids = {int(attachment["id"]) for attachment in payload["attachments"]}
        kept = [attachment for attachment in kept if attachment.id in ids]
    if len(kept) + len(uploads) > limits.MAX_FILES:
        raise violation(request, f"{len(kept) + len(uploads)} files in one message")
    message.edits.append(message.content)
    message.attachments = kept + uploads
    if "content" in payload:
        message.content = payload["content"] or ""
    for name in ("embeds", "components"):
        if name in payload:
            setattr(message, name, payload[name] or [])
    check_filled(message)


def _shown(path: str) -> str:
    """A path without its interaction token."""
    return re.sub(r"(/(?:interactions|webhooks)/\d+/)[^/]+", r"\1…", path)
