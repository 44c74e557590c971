"""Routes of conduits: an app's subscriptions, spread over sockets."""

from __future__ import annotations

from aiohttp import web

from tests.peers.twitch.http import Caller, HelixError, caller, data, one, page, read_json, wrong
from tests.peers.twitch.models import Json
from tests.peers.twitch.transports import Conduit, Shard

ROUTES = web.RouteTableDef()
MAX_CONDUITS, MAX_SHARDS = 5, 20_000


@ROUTES.get("/eventsub/conduits")
async def get_conduits(request: web.Request) -> web.Response:
    who = _app(request)
    return data([_shown(conduit) for conduit in _mine(who)])


@ROUTES.post("/eventsub/conduits")
async def make_conduit(request: web.Request) -> web.Response:
    who = _app(request)
    count = await _count(request)
    if len(_mine(who)) >= MAX_CONDUITS:
        raise wrong(request, 429, f"more than {MAX_CONDUITS} conduits")
    shards = [Shard(str(number)) for number in range(count)]
    conduit = Conduit(who.world.uuid(), who.app, shards)
    who.world.conduits[conduit.id] = conduit
    return data([_shown(conduit)])


@ROUTES.patch("/eventsub/conduits")
async def resize_conduit(request: web.Request) -> web.Response:
    who = _app(request)
    conduit = _conduit(who, "id")
    count = await _count(request)
    have = len(conduit.shards)
    conduit.shards = conduit.shards[:count]
    conduit.shards += [Shard(str(number)) for number in range(have, count)]
    return data([_shown(conduit)])


@ROUTES.delete("/eventsub/conduits")
async def remove_conduit(request: web.Request) -> web.Response:
    who = _app(request)
    conduit = _conduit(who, "id")
    del who.world.conduits[conduit.id]
    for each in list(who.world.feed.subscriptions.values()):
        if each.transport.get("conduit_id") == conduit.id:
            del who.world.feed.subscriptions[each.id]
    return web.Response(status=204)


@ROUTES.get("/eventsub/conduits/shards")
async def get_shards(request: web.Request) -> web.Response:
    who = _app(request)
    conduit = _conduit(who, "conduit_id")
    status = request.query.get("status")
    found = [shard for shard in conduit.shards if status in (None, shard.status)]
    shown, more = page(request, found)
    return data([shard.to_json() for shard in shown], **more)


@ROUTES.patch("/eventsub/conduits/shards")
async def update_shards(request: web.Request) -> web.Response:
    who = _app(request)
    body = await read_json(request)
    conduit = _conduit(who, "conduit_id", body)
    asked = body.get("shards")
    if not isinstance(asked, list) or not asked:
        raise wrong(request, 400, "no shards to update")
    done: list[Json] = []
    errors: list[Json] = []
    for each in asked:
        problem = _assign(who, conduit, each)
        if problem is None:
            done.append(conduit.shards[int(each["id"])].to_json())
        else:
            code, message = problem
            errors.append({"id": each.get("id"), "message": message, "code": code})
    response = data(done, errors=errors)
    response.set_status(202)
    return response


def _assign(who: Caller, conduit: Conduit, asked: Json) -> tuple[str, str] | None:
    """Give a shard its socket; returns what is wrong with that, as code and words."""
    world = who.world
    number, transport = str(asked.get("id", "")), asked.get("transport", {})
    if not number.isdigit() or int(number) >= len(conduit.shards):
        wrong(who.request, 202, f"shard {number!r} of {len(conduit.shards)}")
        return "invalid_parameter", "The shard id is outside of the conduit's range"
    if transport.get("method") != "websocket":
        return "invalid_parameter", "The transport method is not supported here"
    if world.transports.shard_errors:
        return world.transports.shard_errors.pop(0)
    session = world.sockets.get(str(transport.get("session_id", "")))
    if session is None or not session.open:
        return "websocket_disconnected", "The websocket session is not connected"
    session.used()
    conduit.shards[int(number)].session = session
    return None


def _app(request: web.Request) -> Caller:
    """The caller, who must come with an app access token."""
    who = caller(request)
    if who.user is not None:
        raise wrong(request, 401, "conduits need an app access token")
    return who


def _mine(who: Caller) -> list[Conduit]:
    return [conduit for conduit in who.world.conduits.values() if conduit.app is who.app]


def _conduit(who: Caller, name: str, body: Json | None = None) -> Conduit:
    """The conduit of a request; its id comes in the body or, from twitchio, in the query."""
    wanted = (body or {}).get(name) or one(who.request, name)
    conduit = who.world.conduits.get(wanted)
    if conduit is None or conduit.app is not who.app:
        raise HelixError(404, "The conduit was not found")
    return conduit


async def _count(request: web.Request) -> int:
    """How many shards are asked for."""
    given = request.query.get("shard_count")
    if given is None:
        given = str((await read_json(request)).get("shard_count", ""))
    if not given.isdigit() or not 1 <= int(given) <= MAX_SHARDS:
        raise wrong(request, 400, f"{given} shards")
    return int(given)


def _shown(conduit: Conduit) -> Json:
    return {"id": conduit.id, "shard_count": len(conduit.shards)}
