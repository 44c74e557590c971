"""Making, listing and deleting EventSub subscriptions, with their scopes, costs and limits.

What costs: a subscription is free where the user that its condition names has authorized the app,
and else costs 1. A user's sockets may cost 10 in all, carry 300 subscriptions each, and be 3.
"""

from __future__ import annotations

from aiohttp import web

from tests.peers.twitch.feed import (
    MAX_APP_COST,
    MAX_PER_SOCKET,
    MAX_SOCKET_COST,
    MAX_SOCKETS,
    Subscription,
)
from tests.peers.twitch.http import WORLD, Caller, HelixError, caller, data, one, read_json, wrong
from tests.peers.twitch.kinds import APP_ONLY, KINDS, Kind
from tests.peers.twitch.models import Json, User

ROUTES = web.RouteTableDef()


@ROUTES.post("/eventsub/subscriptions")
async def subscribe(request: web.Request) -> web.Response:
    who = caller(request)
    body = await read_json(request)
    name, kind, condition = _asked(request, body)
    transport = dict(body["transport"])
    method = transport.get("method")
    if method == "websocket":
        made = _over_socket(who, name, kind, condition, transport)
    elif method == "conduit":
        made = _over_conduit(who, name, kind, condition, transport)
    else:
        raise wrong(request, 400, f"a transport of method {method!r}")
    who.world.feed.subscriptions[made.id] = made
    if method == "websocket":
        who.world.sockets[transport["session_id"]].used()
    response = data([made.to_json()], **_totals(who, made.user))
    response.set_status(202)
    return response


@ROUTES.get("/eventsub/subscriptions")
async def list_subscriptions(request: web.Request) -> web.Response:
    who = caller(request)
    given = [name for name in ("status", "type", "user_id", "conduit_id") if name in request.query]
    if len(given) > 1:
        raise wrong(request, 400, "filters exclude each other")
    found = [
        each
        for each in who.world.feed.subscriptions.values()
        if each.app is who.app
        and each.user is who.user
        and request.query.get("status", each.status) == each.status
        and request.query.get("type", each.type) == each.type
        and request.query.get("user_id") in (None, *each.condition.values())
        and request.query.get("conduit_id") in (None, each.transport.get("conduit_id"))
    ]
    shown = [each.to_json() for each in found]
    return data(shown, **_totals(who, who.user), pagination={})


@ROUTES.delete("/eventsub/subscriptions")
async def unsubscribe(request: web.Request) -> web.Response:
    who = caller(request)
    wanted = who.world.feed.subscriptions.get(one(request, "id"))
    if wanted is None or wanted.app is not who.app or wanted.user is not who.user:
        raise HelixError(404, "subscription not found")
    del who.world.feed.subscriptions[wanted.id]
    return web.Response(status=204)


def _asked(request: web.Request, body: Json) -> tuple[str, Kind, dict[str, str]]:
    """The kind and condition of a subscription, if Twitch offers it."""
    name, version, condition = body.get("type"), body.get("version"), body.get("condition")
    kind = KINDS.get(str(name))
    if kind is None or kind.version != version:
        raise wrong(request, 400, f"no subscription of type {name!r} and version {version!r}")
    if not isinstance(condition, dict) or not isinstance(body.get("transport"), dict):
        raise wrong(request, 400, "condition and transport must be objects")
    filled = {key: value for key, value in condition.items() if value}
    allowed = {*kind.required, *kind.optional}
    if set(kind.required) - filled.keys() or filled.keys() - allowed:
        raise wrong(request, 400, f"{name} with the condition {sorted(filled)}")
    if kind.one_of and len(filled) != 1:
        raise wrong(request, 400, f"{name} takes one of {', '.join(kind.optional)}")
    if not all(isinstance(value, str) for value in filled.values()):
        raise wrong(request, 400, f"{name}: ids are strings")
    for key, value in filled.items():
        if key.endswith("user_id") and value not in request.app[WORLD].users:
            raise HelixError(400, f"invalid user id {value!r} in {key}")
    return str(name), kind, {key: str(value) for key, value in condition.items()}


def _over_socket(
    who: Caller, name: str, kind: Kind, condition: dict[str, str], transport: Json
) -> Subscription:
    world, request = who.world, who.request
    if who.user is None or name in APP_ONLY:
        raise wrong(request, 400, "invalid transport and auth combination")
    session_id = str(transport.get("session_id", ""))
    socket = world.sockets.get(session_id)
    if socket is None or not socket.open:
        raise HelixError(400, "websocket transport session does not exist or has disconnected")
    carried = world.feed.of_socket(session_id)
    if any(each.user is not who.user for each in carried):
        raise wrong(request, 400, "subscriptions of two users over one socket")
    holder = _holder(who, kind, condition)
    if holder is not None:
        if holder is not who.user:
            raise wrong(request, 403, f"{name} needs the token of {holder.login}")
        _check_scopes(who, name, kind, who.token.scopes)
    _check_role(who, name, kind, condition, holder)
    if any(each.type == name and each.condition == condition for each in carried):
        raise wrong(request, 409, "subscription already exists")
    mine = world.feed.enabled(app=who.app, user=who.user)
    sessions = {each.transport["session_id"] for each in mine}
    if len(carried) >= MAX_PER_SOCKET:
        raise wrong(request, 429, f"more than {MAX_PER_SOCKET} subscriptions over one socket")
    if session_id not in sessions and len(sessions) >= MAX_SOCKETS:
        raise wrong(request, 429, f"more than {MAX_SOCKETS} sockets with subscriptions of one user")
    cost = _cost(who, condition)
    if sum(each.cost for each in mine) + cost > MAX_SOCKET_COST:
        raise wrong(request, 429, f"subscriptions of one user cost more than {MAX_SOCKET_COST}")
    kept = {**transport, "connected_at": socket.connected_at}
    return _made(who, name, kind, condition, kept, holder, cost)


def _over_conduit(
    who: Caller, name: str, kind: Kind, condition: dict[str, str], transport: Json
) -> Subscription:
    world, request = who.world, who.request
    if who.user is not None:
        raise wrong(request, 400, "conduits need an app access token")
    conduit = world.conduits.get(str(transport.get("conduit_id", "")))
    if conduit is None or conduit.app is not who.app:
        raise HelixError(404, "conduit not found")
    holder = _holder(who, kind, condition)
    if holder is not None:
        _check_scopes(who, name, kind, world.allowed(who.app, holder))
    if kind.chat and holder is not None:
        channel = world.users[condition["broadcaster_user_id"]]
        if "user:bot" not in world.allowed(who.app, holder):
            raise wrong(request, 403, "subscription missing proper authorization: user:bot")
        welcome = "channel:bot" in world.allowed(who.app, channel)
        if not welcome and not world.is_moderator(channel, holder):
            raise wrong(request, 403, "subscription missing proper authorization: channel:bot")
    _check_role(who, name, kind, condition, holder)
    mine = world.feed.enabled(app=who.app, user=None)
    if any(each.type == name and each.condition == condition for each in mine):
        raise wrong(request, 409, "subscription already exists")
    cost = _cost(who, condition)
    if sum(each.cost for each in mine) + cost > MAX_APP_COST:
        raise wrong(request, 429, "subscriptions of the app cost too much")
    return _made(who, name, kind, condition, transport, holder, cost)


def _made(
    who: Caller,
    name: str,
    kind: Kind,
    condition: dict[str, str],
    transport: Json,
    holder: User | None,
    cost: int,
) -> Subscription:
    world = who.world
    return Subscription(
        id=world.uuid(),
        type=name,
        version=kind.version,
        condition=condition,
        transport=transport,
        app=who.app,
        user=who.user,
        holder=holder,
        cost=cost,
        created_at=world.now(),
    )


def _holder(who: Caller, kind: Kind, condition: dict[str, str]) -> User | None:
    return None if kind.holder is None else who.world.users[condition[kind.holder]]


def _check_scopes(who: Caller, name: str, kind: Kind, granted: frozenset[str]) -> None:
    for group in kind.scopes:
        if not group & granted:
            needed = " or ".join(sorted(group))
            words = f"subscription missing proper authorization: {name} needs {needed}"
            raise wrong(who.request, 403, words)


def _check_role(
    who: Caller, name: str, kind: Kind, condition: dict[str, str], holder: User | None
) -> None:
    """Nobody listens where they are banned, and some kinds are for moderators.

    Neither is the bot's fault: roles change.
    """
    if holder is None or "broadcaster_user_id" not in condition:
        return
    channel = who.world.users[condition["broadcaster_user_id"]]
    moderates = who.world.is_moderator(channel, holder)
    banned = kind.chat and who.world.is_banned(channel, holder)
    if banned or (kind.moderates and not moderates):
        raise HelixError(403, f"subscription missing proper authorization: {name}")


def _cost(who: Caller, condition: dict[str, str]) -> int:
    users = who.world.users
    named = [users[value] for key, value in condition.items() if key.endswith("user_id") and value]
    return 0 if any(who.world.has_authorized(who.app, user) for user in named) else 1


def _totals(who: Caller, user: User | None) -> Json:
    mine = who.world.feed.enabled(app=who.app, user=user)
    most = MAX_APP_COST if user is None else MAX_SOCKET_COST
    return {"total": len(mine), "total_cost": sum(e.cost for e in mine), "max_total_cost": most}
