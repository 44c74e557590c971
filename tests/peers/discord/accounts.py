"""Routes about the app itself: its user, its gateway and its commands."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.peers.discord.commands import Command, check_commands
from tests.peers.discord.http import WORLD, ApiError, read_json, respond, violation

ROUTES = web.RouteTableDef()
_COMMANDS = "/applications/{application}/commands"
_GUILD_COMMANDS = "/applications/{application}/guilds/{guild}/commands"


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
            "flags": world.application_flags,
            "team": None,
            "owner": world.bot.to_json(),
        }
    )


@ROUTES.get("/gateway/bot")
async def get_gateway(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
    return respond({"url": world.gateway_url, "shards": world.shards, "session_start_limit": limit})


@ROUTES.post("/users/@me/channels")
async def open_dm(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    user = world.users.get(int((await read_json(request))["recipient_id"]))
    if user is None:
        raise ApiError(404, 10013, "Unknown User")
    return respond(world.dm_channel(user).to_json())


@ROUTES.get(_COMMANDS)
@ROUTES.get(_GUILD_COMMANDS)
async def get_commands(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    return respond([c.to_json(world.application_id) for c in _registered(request).values()])


@ROUTES.put(_COMMANDS)
@ROUTES.put(_GUILD_COMMANDS)
async def put_commands(request: web.Request) -> web.Response:
    """Replace all commands; those whose name and type stay keep their ids."""
    given = await read_json(request)
    if wrong := check_commands(given):
        raise violation(request, *wrong)
    world, registered = request.app[WORLD], _registered(request)
    earlier = {(c.name, c.kind): c.id for c in registered.values()}
    registered.clear()
    for data in given:
        _register(request, data, earlier.get((data["name"], data.get("type") or 1)))
    world.interactions.book.synced += 1
    return respond([c.to_json(world.application_id) for c in registered.values()])


@ROUTES.post(_COMMANDS)
@ROUTES.post(_GUILD_COMMANDS)
async def post_command(request: web.Request) -> web.Response:
    """Register one command, in place of one of the same name and type."""
    data, registered = await read_json(request), _registered(request)
    same = [c for c in registered.values() if (c.name, c.kind) == (data["name"], data.get("type"))]
    others = [c.data for c in registered.values() if c not in same]
    if wrong := check_commands([*others, data]):
        raise violation(request, *wrong)
    made = _register(request, data, same[0].id if same else None)
    return respond(made.to_json(request.app[WORLD].application_id), status=200 if same else 201)


@ROUTES.delete(_COMMANDS + "/{command}")
@ROUTES.delete(_GUILD_COMMANDS + "/{command}")
async def delete_command(request: web.Request) -> web.Response:
    if _registered(request).pop(int(request.match_info["command"]), None) is None:
        raise ApiError(404, 10063, "Unknown application command")
    return web.Response(status=204)


def _registered(request: web.Request) -> dict[int, Command]:
    world = request.app[WORLD]
    if int(request.match_info["application"]) != world.application_id:
        raise ApiError(403, 20012, "You are not authorized to perform this action")
    if "guild" not in request.match_info:
        return world.interactions.book.everywhere
    guild = int(request.match_info["guild"])
    if guild not in world.guilds or not world.guilds[guild].has_bot:
        raise ApiError(403, 50001, "Missing Access")
    return world.interactions.book.in_guild.setdefault(guild, {})


def _register(request: web.Request, data: dict[str, Any], id_: int | None) -> Command:
    made = Command(id_ or request.app[WORLD].snowflake(), data)
    _registered(request)[made.id] = made
    return made
