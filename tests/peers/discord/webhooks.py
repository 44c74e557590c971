"""Routes that answer interactions: the callback, the original response and follow-ups."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.peers.discord.commands import GUILD_INSTALL, check_choices
from tests.peers.discord.components import modal
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
from tests.peers.discord.interaction import (
    ANSWER_WITHIN,
    CHOICES,
    COMMAND,
    COMPONENT,
    DEFERRED_MESSAGE,
    DEFERRED_UPDATE,
    FITTING,
    MESSAGE,
    MODAL,
    TOKEN_LIVES,
    UPDATE,
    Choice,
    Interaction,
    Response,
)
from tests.peers.discord.models import (
    CHAT_INPUT_COMMAND,
    CONTEXT_MENU_COMMAND,
    EPHEMERAL,
    LOADING,
    ORDINARY,
    Message,
)

ROUTES = web.RouteTableDef()
_WEBHOOK = "/webhooks/{application}/{token}"
_FOLLOWUPS_OF_USER_INSTALLS = 5


@ROUTES.post("/interactions/{interaction}/{token}/callback")
async def answer(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    payload, files = await read_payload(request)
    found = world.interactions.by_token.get(request.match_info["token"])
    if found is None or found.id != int(request.match_info["interaction"]):
        raise ApiError(404, 10062, "Unknown interaction")
    if found.response is not None:
        if not found.answer_lost:
            violation(request, f"{found.title} was answered twice")
        raise ApiError(400, 40060, "Interaction has already been acknowledged.")
    if found.expired:
        if not found.died:
            age = world.clock.time - found.created_at
            violation(request, f"{found.title} was answered after {age:.1f} s ({ANSWER_WITHIN} s)")
        raise ApiError(404, 10062, "Unknown interaction")
    kind = int(payload.get("type", 0))
    data: dict[str, Any] = payload.get("data") or {}
    if kind not in FITTING[found.kind]:
        raise violation(request, f"{found.title} was answered with type {kind}")
    response = _answered(request, found, kind, data, files)
    found.response, found.acknowledged_at = response, world.clock.time
    if request.query.get("with_response", "").lower() in {"1", "true"}:
        return respond(_callback(found, response))
    return web.Response(status=204)


@ROUTES.post(_WEBHOOK)
async def follow_up(request: web.Request) -> web.Response:
    """A further message; straight after a deferral it fills in the deferred one, as documented."""
    world, found = request.app[WORLD], _interaction(request)
    payload, files = await read_payload(request)
    loading = found.original
    if loading is not None and loading.loading and not loading.deleted:
        _load(request, loading, payload, files)
        return respond(loading.to_json())
    few = str(GUILD_INSTALL) not in found.installs
    if few and len(found.followups) >= _FOLLOWUPS_OF_USER_INSTALLS:
        raise violation(request, "more than 5 follow-ups where only a user installed the app")
    message = _new_message(request, found, payload, files, ORDINARY)
    if found.original is not None and not found.original.deleted:
        message.reference = found.original.id
    found.followups.append(message)
    world.post(message)
    return respond(message.to_json())


@ROUTES.get(_WEBHOOK + "/messages/{message}")
async def get_response(request: web.Request) -> web.Response:
    return respond(_response(request, _interaction(request)).to_json())


@ROUTES.patch(_WEBHOOK + "/messages/{message}")
async def edit_response(request: web.Request) -> web.Response:
    world, found = request.app[WORLD], _interaction(request)
    payload, files = await read_payload(request)
    message = _response(request, found)
    if message.loading:
        _load(request, message, payload, files)
    else:
        edit(request, message, payload, files)
        if not message.ephemeral:
            world.tell("MESSAGE_UPDATE", world.event_json(message), message.channel)
    return respond(message.to_json())


@ROUTES.delete(_WEBHOOK + "/messages/{message}")
async def delete_response(request: web.Request) -> web.Response:
    message = _response(request, _interaction(request))
    request.app[WORLD].delete(message)
    return web.Response(status=204)


def _answered(
    request: web.Request,
    found: Interaction,
    kind: int,
    data: dict[str, Any],
    files: dict[int, tuple[str, bytes]],
) -> Response:
    """Do what a first answer says."""
    world = request.app[WORLD]
    if kind == CHOICES:
        choices = data.get("choices") or []
        if wrong := check_choices(choices):
            raise violation(request, *wrong)
        return Response(kind, choices=tuple(Choice(c["name"], c["value"]) for c in choices))
    if kind == MODAL:
        if wrong := modal(data):
            raise violation(request, *wrong)
        return Response(kind, modal=data)
    if kind in {UPDATE, DEFERRED_UPDATE}:
        if found.message is None:
            raise violation(request, f"{found.title} has no message to update")
        found.original = found.message
        if kind == UPDATE:
            edit(request, found.message, data, files)
            if not found.message.ephemeral:
                event = world.event_json(found.message)
                world.tell("MESSAGE_UPDATE", event, found.channel)
        return Response(kind, found.message.ephemeral, found.message)
    if kind == DEFERRED_MESSAGE:
        if int(data.get("flags") or 0) & ~EPHEMERAL:
            raise violation(request, f"a deferral with flags {data['flags']:#x}")
        message = _blank(request, found, _kind_of(found))
        message.flags |= LOADING | int(data.get("flags") or 0)
    else:
        assert kind == MESSAGE
        message = _new_message(request, found, data, files, _kind_of(found))
    message.seen_by = found.user if message.ephemeral else None
    found.original = message
    world.post(message)
    return Response(kind, message.ephemeral, message)


def _kind_of(found: Interaction) -> int:
    if found.kind != COMMAND:
        return ORDINARY
    return CHAT_INPUT_COMMAND if found.data["type"] == 1 else CONTEXT_MENU_COMMAND


def _blank(request: web.Request, found: Interaction, kind: int) -> Message:
    world = request.app[WORLD]
    return Message(
        world.snowflake(),
        found.channel,
        world.bot,
        "",
        kind=kind,
        webhook_id=world.application_id,
        flags=0 if found.may_be_public else EPHEMERAL,
        about=found.metadata(),
        reference=found.message.id if found.kind == COMPONENT and found.message else None,
    )


def _new_message(
    request: web.Request,
    found: Interaction,
    payload: dict[str, Any],
    files: dict[int, tuple[str, bytes]],
    kind: int,
) -> Message:
    uploads = take_message(request, found.channel, payload, files)
    message = _blank(request, found, kind)
    message.content = payload.get("content") or ""
    message.attachments = uploads
    message.embeds = payload.get("embeds") or []
    message.components = payload.get("components") or []
    message.flags |= int(payload.get("flags") or 0)
    message.seen_by = found.user if message.ephemeral else None
    check_filled(message)
    note_pings(request, message, payload)
    return message


def _load(
    request: web.Request,
    message: Message,
    payload: dict[str, Any],
    files: dict[int, tuple[str, bytes]],
) -> None:
    """Fill in a deferred response. Whether it is ephemeral was decided when it was deferred."""
    world = request.app[WORLD]
    edit(request, message, payload, files)
    message.edits.clear()
    message.flags = (message.flags & EPHEMERAL) | (int(payload.get("flags") or 0) & ~EPHEMERAL)
    note_pings(request, message, payload)
    if not message.ephemeral:
        world.tell("MESSAGE_UPDATE", world.event_json(message), message.channel)


def _interaction(request: web.Request) -> Interaction:
    """The interaction whose token is used.

    Raises:
        ApiError: there is none, it was not answered yet, or its token is dead.
    """
    world = request.app[WORLD]
    found = world.interactions.by_token.get(request.match_info["token"])
    if found is None or int(request.match_info["application"]) != world.application_id:
        raise ApiError(404, 10015, "Unknown Webhook")
    if found.response is None:
        violation(request, f"{found.title} was followed up before it was answered")
        raise ApiError(404, 10015, "Unknown Webhook")
    if found.expired:
        age = world.clock.time - found.created_at
        if not found.died and age > TOKEN_LIVES:
            violation(request, f"the token of {found.title} was used after {age / 60:.1f} minutes")
        raise ApiError(401, 50027, "Invalid Webhook Token")
    return found


def _response(request: web.Request, found: Interaction) -> Message:
    which = request.match_info["message"]
    if which == "@original":
        message = found.original
    else:
        posted = [found.message, found.original, *found.followups]
        message = next((m for m in posted if m is not None and str(m.id) == which), None)
    if message is None or message.deleted:
        raise ApiError(404, 10008, "Unknown Message")
    return message


def _callback(found: Interaction, response: Response) -> dict[str, Any]:
    """The interaction callback response object."""
    about: dict[str, Any] = {"id": str(found.id), "type": found.kind}
    data: dict[str, Any] = {"interaction": about}
    if response.message is not None:
        about["response_message_id"] = str(response.message.id)
        about["response_message_loading"] = response.message.loading
        about["response_message_ephemeral"] = response.ephemeral
    data["resource"] = {"type": response.type}
    if response.message is not None and response.type in {MESSAGE, UPDATE}:
        data["resource"]["message"] = response.message.to_json()
    return data
