"""Routes about users."""

from __future__ import annotations

from aiohttp import web

from tests.peers.twitch.http import caller, data, wrong
from tests.peers.twitch.models import Json, User

ROUTES = web.RouteTableDef()
MAX_AT_ONCE = 100


@ROUTES.get("/users")
async def get_users(request: web.Request) -> web.Response:
    who = caller(request)
    ids, logins = request.query.getall("id", []), request.query.getall("login", [])
    if len(ids) + len(logins) > MAX_AT_ONCE:
        raise wrong(request, 400, f"{len(ids) + len(logins)} users at once")
    if not ids and not logins:
        if who.user is None:
            raise wrong(request, 400, "Must provide an id, a login or a user's token")
        return data([_user(who.user)])
    named = [who.world.user_named(login.lower()) for login in logins]
    found = [*(who.world.users.get(each) for each in ids), *named]
    return data([_user(user) for user in found if user is not None])


def _user(user: User) -> Json:
    picture = f"https://static-cdn.jtvnw.net/jtv_user_pictures/{user.id}.png"
    return {
        "id": user.id,
        "login": user.login,
        "display_name": user.name,
        "type": "",
        "broadcaster_type": user.standing,
        "description": "",
        "profile_image_url": picture,
        "offline_image_url": "",
        "view_count": 0,
        "created_at": "2020-01-01T00:00:00Z",
    }
