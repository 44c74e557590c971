"""Routes of channel points: rewards that apps make, and their redemptions."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from tests.peers.twitch.http import (
    Caller,
    HelixError,
    caller,
    data,
    flag,
    one,
    page,
    read_json,
    wrong,
)
from tests.peers.twitch.models import Json, Redemption, Reward, User
from tests.peers.twitch.points import FRESH

ROUTES = web.RouteTableDef()
MANAGE, READ = "channel:manage:redemptions", "channel:read:redemptions"
MAX_TITLE, MAX_PROMPT, MAX_REWARDS, MAX_AT_ONCE = 45, 200, 50, 50
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}\Z")
_COUNTS = ("max_per_stream", "max_per_user_per_stream", "global_cooldown_seconds")
# twitchio sends this misnamed field with every new prompt; Twitch overlooks what it does not know.
_OVERLOOKED = {"user_input_required"}


@ROUTES.post("/channel_points/custom_rewards")
async def make_reward(request: web.Request) -> web.Response:
    who = caller(request)
    channel = _channel(who, MANAGE)
    settings = await _settings(request)
    if "title" not in settings or "cost" not in settings:
        raise wrong(request, 400, "title and cost are required")
    _check_title(who, channel, settings["title"], None)
    if len(channel.rewards) >= MAX_REWARDS:
        raise HelixError(400, f"BAD_REQUEST: a channel has at most {MAX_REWARDS} rewards")
    reward = who.world.add_reward(channel, who.app, settings)
    return data([who.world.reward_json(reward)])


@ROUTES.get("/channel_points/custom_rewards")
async def get_rewards(request: web.Request) -> web.Response:
    who = caller(request)
    channel = _channel(who, READ, MANAGE)
    ids = request.query.getall("id", [])
    if len(ids) > MAX_AT_ONCE:
        raise wrong(request, 400, f"{len(ids)} rewards at once")
    mine = flag(request, "only_manageable_rewards")
    found = [
        reward
        for reward in channel.rewards.values()
        if (not ids or reward.id in ids) and (not mine or reward.app is who.app)
    ]
    if ids and not found:
        raise HelixError(404, "The specified rewards were not found")
    return data([who.world.reward_json(reward) for reward in found])


@ROUTES.patch("/channel_points/custom_rewards")
async def change_reward(request: web.Request) -> web.Response:
    who = caller(request)
    channel = _channel(who, MANAGE)
    reward = _reward(who, channel, one(request, "id"))
    settings = await _settings(request)
    if "title" in settings:
        _check_title(who, channel, settings["title"], reward)
    who.world.change_reward(reward, settings)
    return data([who.world.reward_json(reward)])


@ROUTES.delete("/channel_points/custom_rewards")
async def remove_reward(request: web.Request) -> web.Response:
    who = caller(request)
    channel = _channel(who, MANAGE)
    who.world.remove_reward(_reward(who, channel, one(request, "id")))
    return web.Response(status=204)


@ROUTES.get("/channel_points/custom_rewards/redemptions")
async def get_redemptions(request: web.Request) -> web.Response:
    who = caller(request)
    channel = _channel(who, READ, MANAGE)
    reward = _reward(who, channel, one(request, "reward_id"))
    ids, status = request.query.getall("id", []), request.query.get("status")
    if not ids and status not in ("UNFULFILLED", "FULFILLED", "CANCELED"):
        raise wrong(request, 400, f"redemptions with the status {status!r}")
    if len(ids) > MAX_AT_ONCE:
        raise wrong(request, 400, f"{len(ids)} redemptions at once")
    found = [
        each
        for each in reward.redemptions.values()
        if (each.id in ids if ids else each.status == status)
    ]
    if request.query.get("sort") == "NEWEST":
        found.reverse()
    shown, more = page(request, found, most=50)
    return data([who.world.redemption_json(each) for each in shown], **more)


@ROUTES.patch("/channel_points/custom_rewards/redemptions")
async def settle_redemptions(request: web.Request) -> web.Response:
    who = caller(request)
    channel = _channel(who, MANAGE)
    reward = _reward(who, channel, one(request, "reward_id"))
    ids = request.query.getall("id", [])
    status = (await read_json(request)).get("status")
    if not 0 < len(ids) <= MAX_AT_ONCE or status not in ("FULFILLED", "CANCELED"):
        raise wrong(request, 400, f"{len(ids)} redemptions become {status!r}")
    found = [reward.redemptions.get(each) for each in ids]
    waiting = [each for each in found if each is not None and each.status == "UNFULFILLED"]
    if len(waiting) < len(ids):
        raise HelixError(404, "The redemption was not found or is not in the UNFULFILLED status")
    for each in waiting:
        who.world.settle(each, status)
    return data(_shown(who, waiting))


def _shown(who: Caller, redemptions: list[Redemption]) -> list[Json]:
    return [who.world.redemption_json(each) for each in redemptions]


def _channel(who: Caller, *scopes: str) -> User:
    """The caller's own channel, if it may have channel points."""
    user_id = one(who.request, "broadcaster_id")
    channel = who.need_user(*scopes, name="broadcaster_id", user_id=user_id)
    if not channel.standing:
        raise HelixError(403, "channel points are not available for the broadcaster")
    return channel


def _reward(who: Caller, channel: User, reward_id: str) -> Reward:
    reward = channel.rewards.get(reward_id)
    if reward is None:
        raise HelixError(404, "The custom reward specified in the id query parameter was not found")
    if reward.app is not who.app:
        message = (
            "The ID in the Client-Id header must match the client ID used to create the reward"
        )
        raise wrong(who.request, 403, message)
    return reward


def _check_title(who: Caller, channel: User, title: str, reward: Reward | None) -> None:
    twins = (r for r in channel.rewards.values() if r is not reward)
    if any(twin.settings["title"].lower() == title.lower() for twin in twins):
        raise HelixError(400, "CREATE_CUSTOM_REWARD_DUPLICATE_REWARD")


async def _settings(request: web.Request) -> Json:
    """What a request asks a reward to be."""
    given = {k: v for k, v in (await read_json(request)).items() if k not in _OVERLOOKED}
    for name, value in given.items():
        if name not in FRESH or not _is_like(FRESH[name], value):
            raise wrong(request, 400, f"a reward with {name} {value!r}")
    if not 0 < len(given.get("title", "x")) <= MAX_TITLE:
        raise wrong(request, 400, f"a title of {len(given['title'])} characters")
    if len(given.get("prompt", "")) > MAX_PROMPT:
        raise wrong(request, 400, f"a prompt of {len(given['prompt'])} characters")
    if given.get("cost", 1) < 1:
        raise wrong(request, 400, f"a cost of {given['cost']}")
    if "background_color" in given and not _COLOUR.match(given["background_color"]):
        raise wrong(request, 400, f"the colour {given['background_color']!r}")
    for name in _COUNTS:
        on = f"is_{name.removesuffix('_seconds')}_enabled"
        if given.get(on) and given.get(name, 0) < 1:
            raise wrong(request, 400, f"{on} with {name} {given.get(name)}")
    return given


def _is_like(fresh: Any, value: Any) -> bool:
    return type(value) is type(fresh)
