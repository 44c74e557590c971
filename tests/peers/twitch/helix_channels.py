"""Routes about channels: who moderates, follows, subscribes; who is live; bans and deletions."""

from __future__ import annotations

from aiohttp import web

from tests.peers.twitch.http import (
    Caller,
    HelixError,
    caller,
    data,
    one,
    page,
    read_json,
    user_of,
    wrong,
)
from tests.peers.twitch.models import Json, User, moment

ROUTES = web.RouteTableDef()
MAX_TIMEOUT, DELETABLE_FOR = 1_209_600, 6 * 3600.0


@ROUTES.get("/channels")
async def get_channels(request: web.Request) -> web.Response:
    caller(request)
    ids = request.query.getall("broadcaster_id", [])
    if not 0 < len(ids) <= 100:
        raise wrong(request, 400, f"{len(ids)} channels at once")
    return data([_channel(user_of(request, each)) for each in ids])


@ROUTES.get("/streams")
async def get_streams(request: web.Request) -> web.Response:
    who = caller(request)
    ids, logins = request.query.getall("user_id", []), request.query.getall("user_login", [])
    if len(ids) > 100 or len(logins) > 100:
        raise wrong(request, 400, "more than 100 streams at once")
    live = [user for user in who.world.users.values() if user.stream is not None]
    if ids or logins:
        live = [user for user in live if user.id in ids or user.login in logins]
    shown, more = page(request, live)
    return data([_stream(user) for user in shown], **more)


@ROUTES.get("/channels/followers")
async def get_followers(request: web.Request) -> web.Response:
    who = caller(request)
    channel = user_of(request, one(request, "broadcaster_id"))
    # Others than moderators learn only how many there are.
    allowed = "moderator:read:followers" in who.token.scopes
    if not allowed or who.user is None or not who.world.is_moderator(channel, who.user):
        return data([], total=len(channel.followers), pagination={})
    wanted = request.query.get("user_id")
    found = [
        {**who.world.users[each].fields("user"), "followed_at": moment(at)}
        for each, at in channel.followers.items()
        if wanted in (None, each)
    ]
    shown, more = page(request, found)
    return data(shown, total=len(channel.followers), **more)


@ROUTES.get("/subscriptions")
async def get_subscribers(request: web.Request) -> web.Response:
    who = caller(request)
    user_id = one(request, "broadcaster_id")
    name = "broadcaster_id"
    channel = who.need_user("channel:read:subscriptions", name=name, user_id=user_id)
    wanted = request.query.getall("user_id", [])
    found = [
        _subscription(channel, who.world.users[each], tier)
        for each, tier in channel.subscribers.items()
        if not wanted or each in wanted
    ]
    shown, more = page(request, found)
    return data(shown, total=len(channel.subscribers), points=len(channel.subscribers), **more)


@ROUTES.get("/moderation/moderators")
async def get_moderators(request: web.Request) -> web.Response:
    who = caller(request)
    scopes = ("moderation:read", "channel:manage:moderators")
    user_id = one(request, "broadcaster_id")
    channel = who.need_user(*scopes, name="broadcaster_id", user_id=user_id)
    wanted = request.query.getall("user_id", [])
    found = [each for each in sorted(channel.moderators) if not wanted or each in wanted]
    shown, more = page(request, found)
    return data([who.world.users[each].fields("user") for each in shown], **more)


@ROUTES.get("/moderation/channels")
async def get_moderated_channels(request: web.Request) -> web.Response:
    who = caller(request)
    scope = "user:read:moderated_channels"
    user = who.need_user(scope, name="user_id", user_id=one(request, "user_id"))
    found = [
        {
            "broadcaster_id": channel.id,
            "broadcaster_login": channel.login,
            "broadcaster_name": channel.name,
        }
        for channel in who.world.users.values()
        if user.id in channel.moderators
    ]
    shown, more = page(request, found)
    return data(shown, **more)


@ROUTES.post("/moderation/bans")
async def ban(request: web.Request) -> web.Response:
    who = caller(request)
    channel, moderator = _moderated(who, "moderator:manage:banned_users")
    asked: Json = (await read_json(request)).get("data", {})
    target = user_of(request, str(asked.get("user_id", "")))
    seconds = asked.get("duration")
    if seconds is not None and not 1 <= seconds <= MAX_TIMEOUT:
        raise wrong(request, 400, f"a timeout of {seconds} s")
    if who.world.is_moderator(channel, target):
        raise HelixError(400, "The user specified in the user_id field may not be banned.")
    if target.id in channel.banned and channel.banned[target.id] is None:
        raise HelixError(400, "The user specified in the user_id field is already banned.")
    reason = str(asked.get("reason", ""))
    who.world.ban(channel, target, seconds=seconds, reason=reason)
    made = moment(who.world.now())
    ends = None if seconds is None else moment(who.world.now() + seconds)
    about = {"broadcaster_id": channel.id, "moderator_id": moderator.id, "user_id": target.id}
    return data([{**about, "created_at": made, "end_time": ends}])


@ROUTES.delete("/moderation/chat")
async def delete_message(request: web.Request) -> web.Response:
    who = caller(request)
    channel, _ = _moderated(who, "moderator:manage:chat_messages")
    message_id = request.query.get("message_id")
    if message_id is None:
        who.world.clear(channel)
        return web.Response(status=204)
    found = next((each for each in channel.messages if each.id == message_id), None)
    if found is None or who.world.clock.time - found.at > DELETABLE_FOR:
        raise HelixError(404, "The message was not found, or is older than 6 hours.")
    if who.world.is_moderator(channel, found.author) and found.author is not who.user:
        raise HelixError(400, "You may not delete another moderator's messages.")
    who.world.delete(found)
    return web.Response(status=204)


def _moderated(who: Caller, scope: str) -> tuple[User, User]:
    """The channel of a request and the moderator who makes it."""
    channel = user_of(who.request, one(who.request, "broadcaster_id"))
    name = "moderator_id"
    moderator = who.need_user(scope, name=name, user_id=one(who.request, name))
    if not who.world.is_moderator(channel, moderator):
        raise HelixError(403, "The user in moderator_id is not one of the broadcaster's moderators")
    return channel, moderator


def _channel(user: User) -> Json:
    return {
        "broadcaster_id": user.id,
        "broadcaster_login": user.login,
        "broadcaster_name": user.name,
        "broadcaster_language": "en",
        "game_id": "26936",
        "game_name": "Music",
        "title": "" if user.stream is None else user.stream.title,
        "delay": 0,
        "tags": [],
        "content_classification_labels": [],
        "is_branded_content": False,
    }


def _stream(user: User) -> Json:
    assert user.stream is not None
    return {
        "id": user.stream.id,
        **user.fields("user"),
        "game_id": "26936",
        "game_name": "Music",
        "type": "live",
        "title": user.stream.title,
        "tags": [],
        "viewer_count": user.stream.viewers,
        "started_at": moment(user.stream.started_at),
        "language": "en",
        "thumbnail_url": "https://static-cdn.jtvnw.net/previews-ttv/{width}x{height}.jpg",
        "tag_ids": [],
        "is_mature": False,
    }


def _subscription(channel: User, user: User, tier: str) -> Json:
    return {
        "broadcaster_id": channel.id,
        "broadcaster_login": channel.login,
        "broadcaster_name": channel.name,
        "gifter_id": "",
        "gifter_login": "",
        "gifter_name": "",
        "is_gift": False,
        "plan_name": f"Channel Subscription ({channel.login})",
        "tier": tier,
        **user.fields("user"),
    }
