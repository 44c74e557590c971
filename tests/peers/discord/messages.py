"""Routes about messages in channels."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.peers.discord.http import (
    WORLD,
    ApiError,
    check_filled,
    edit,
    note_pings,
    read_payload,
    respond,
    take_message,
    violation,
)
from tests.peers.discord.models import EPHEMERAL, Attachment, Channel, Message
from tests.peers.discord.permissions import Permission
from tests.peers.discord.state import MESSAGE_CONTENT

ROUTES = web.RouteTableDef()
_CHANNEL = "/channels/{channel}"
_MESSAGE = "/channels/{channel}/messages/{message}"


@ROUTES.get(_CHANNEL)
async def get_channel(request: web.Request) -> web.Response:
    return respond(_channel(request).to_json())


@ROUTES.post(_CHANNEL + "/typing")
async def type_in(request: web.Request) -> web.Response:
    _may(request, _channel(request), Permission.SEND_MESSAGES)
    return web.Response(status=204)


@ROUTES.get(_CHANNEL + "/messages")
async def get_messages(request: web.Request) -> web.Response:
    channel = _readable(request)
    limit = int(request.query.get("limit", "50"))
    before = int(request.query.get("before", str(1 << 63)))
    after = int(request.query.get("after", "0"))
    if not 1 <= limit <= 100:
        raise violation(request, f"a history limit of {limit}")
    ids = sorted(number for number in channel.messages if after < number < before)
    chosen = ids[:limit] if "after" in request.query else ids[-limit:]
    return respond([_shown(request, channel.messages[number]) for number in reversed(chosen)])


@ROUTES.get(_MESSAGE)
async def get_message(request: web.Request) -> web.Response:
    return respond(_shown(request, _message(request, _readable(request))))


@ROUTES.post(_CHANNEL + "/messages")
async def create_message(request: web.Request) -> web.Response:
    world, channel = request.app[WORLD], _channel(request)
    payload, files = await read_payload(request)
    recipient = channel.recipient
    if recipient is not None and not (channel.may_send and recipient.takes_dms):
        raise ApiError(403, 50007, "Cannot send messages to this user")
    _may(request, channel, Permission.SEND_MESSAGES)
    if files:
        _may(request, channel, Permission.ATTACH_FILES)
    uploads = take_message(request, channel, payload, files)
    message = _new_message(request, channel, payload, uploads)
    if payload.get("enforce_nonce") and message.nonce is not None:
        earlier = world.with_nonce(world.bot, message.nonce)
        if earlier is not None:
            return respond(world.event_json(earlier))
    note_pings(request, message, payload)
    world.remember_nonce(message)
    world.post(message)
    return respond(world.event_json(message))


@ROUTES.patch(_MESSAGE)
async def edit_message(request: web.Request) -> web.Response:
    world, message = request.app[WORLD], _message(request, _channel(request))
    payload, files = await read_payload(request)
    if message.author is not world.bot:
        raise ApiError(403, 50005, "Cannot edit a message authored by another user")
    edit(request, message, payload, files)
    world.tell("MESSAGE_UPDATE", world.event_json(message), message.channel)
    return respond(message.to_json())


@ROUTES.delete(_MESSAGE)
async def delete_message(request: web.Request) -> web.Response:
    world, channel = request.app[WORLD], _channel(request)
    message = _message(request, channel)
    if message.author is not world.bot:
        if channel.guild_id is None:
            raise ApiError(403, 50003, "Cannot execute action on a DM channel")
        _may(request, channel, Permission.MANAGE_MESSAGES)
    world.delete(message)
    return web.Response(status=204)


def _shown(request: web.Request, message: Message) -> dict[str, Any]:
    """A message as this app may read it: the intent holds for REST too."""
    world = request.app[WORLD]
    data = world.message_json(message)
    allowed = world.privileged & MESSAGE_CONTENT
    return data if allowed else world.without_content(data, message.channel)


def _channel(request: web.Request) -> Channel:
    world = request.app[WORLD]
    channel = world.channels.get(int(request.match_info["channel"]))
    if channel is None or channel.deleted:
        raise ApiError(404, 10003, "Unknown Channel")
    if channel.between or (
        channel.guild_id is not None
        and not (
            world.guilds[channel.guild_id].has_bot
            and world.permissions(world.bot, channel) & Permission.VIEW_CHANNEL
        )
    ):
        raise ApiError(403, 50001, "Missing Access")
    return channel


def _readable(request: web.Request) -> Channel:
    channel = _channel(request)
    may = request.app[WORLD].permissions(request.app[WORLD].bot, channel)
    in_guild = channel.guild_id is not None
    if not channel.may_read_history or (in_guild and not may & Permission.READ_MESSAGE_HISTORY):
        raise ApiError(403, 50001, "Missing Access")
    return channel


def _may(request: web.Request, channel: Channel, permission: Permission) -> None:
    world = request.app[WORLD]
    allowed = world.permissions(world.bot, channel) & permission
    if not allowed or (permission == Permission.SEND_MESSAGES and not channel.may_send):
        raise ApiError(403, 50013, "Missing Permissions")


def _message(request: web.Request, channel: Channel) -> Message:
    message = channel.messages.get(int(request.match_info["message"]))
    if message is None:
        raise ApiError(404, 10008, "Unknown Message")
    return message


def _new_message(
    request: web.Request, channel: Channel, payload: dict[str, Any], uploads: list[Attachment]
) -> Message:
    world = request.app[WORLD]
    nonce = payload.get("nonce")
    reference = None
    if (asked := payload.get("message_reference")) is not None:
        if not channel.may_read_history:
            raise ApiError(403, 160002, "Cannot reply without permission to read message history")
        reference = int(asked["message_id"])
        if reference not in channel.messages:
            if asked.get("fail_if_not_exists", True):
                raise ApiError(400, 50035, "Invalid Form Body: Unknown message")
            reference = None
    message = Message(
        id=world.snowflake(),
        channel=channel,
        author=world.bot,
        content=payload.get("content") or "",
        nonce=None if nonce is None else str(nonce),
        reference=reference,
        attachments=uploads,
        embeds=payload.get("embeds") or [],
        components=payload.get("components") or [],
        flags=int(payload.get("flags") or 0),
    )
    if message.flags & EPHEMERAL:
        raise violation(request, "an ephemeral message that answers no interaction")
    check_filled(message)
    return message
