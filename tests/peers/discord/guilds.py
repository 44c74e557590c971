"""Routes about guilds: members, bans, audit log, soundboard."""

from __future__ import annotations

import base64
import binascii
import io
import re
from typing import Any

from aiohttp import web
from mutagen import MutagenError
from mutagen.mp3 import MP3
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis

from tests.peers.discord.http import WORLD, ApiError, read_json, respond, violation
from tests.peers.discord.limits import length
from tests.peers.discord.models import Guild
from tests.peers.discord.permissions import Permission

ROUTES = web.RouteTableDef()
MAX_SOUND_BYTES = 512 * 1024
MAX_SOUND_SECONDS = 5.2
SOUND_SLOTS = (8, 24, 36, 48)  # by boost tier
_GUILD = "/guilds/{guild}"
_SOUNDS = _GUILD + "/soundboard-sounds"
_DATA_URI = re.compile(r"data:audio/(mpeg|mp3|ogg);base64,(.*)", re.DOTALL)


@ROUTES.get(_GUILD)
async def get_guild(request: web.Request) -> web.Response:
    return respond(_guild(request).to_json(request.app[WORLD].bot))


@ROUTES.get(_GUILD + "/members/{user}")
async def get_member(request: web.Request) -> web.Response:
    world, guild = request.app[WORLD], _guild(request)
    member = guild.members.get(int(request.match_info["user"]))
    if member is None:
        raise ApiError(404, 10007, "Unknown Member")
    return respond(member.to_json(world.timeout_of(member)))


@ROUTES.get(_GUILD + "/bans/{user}")
async def get_ban(request: web.Request) -> web.Response:
    world, guild = request.app[WORLD], _guild(request)
    _may(request, guild, Permission.BAN_MEMBERS)
    id_ = int(request.match_info["user"])
    if id_ not in guild.banned:
        raise ApiError(404, 10026, "Unknown Ban")
    return respond({"reason": guild.banned[id_], "user": world.users[id_].to_json()})


@ROUTES.get(_GUILD + "/audit-logs")
async def get_audit_log(request: web.Request) -> web.Response:
    world, guild = request.app[WORLD], _guild(request)
    _may(request, guild, Permission.VIEW_AUDIT_LOG)
    kind = request.query.get("action_type")
    entries = [e for e in reversed(guild.audit_log) if kind in (None, str(e["action_type"]))]
    entries = entries[: int(request.query.get("limit", "50"))]
    ids = {int(entry[key]) for entry in entries for key in ("user_id", "target_id")}
    rest: dict[str, list[Any]] = {
        key: []
        for key in (
            "application_commands",
            "auto_moderation_rules",
            "guild_scheduled_events",
            "integrations",
            "threads",
            "webhooks",
        )
    }
    users = [world.users[id_].to_json() for id_ in sorted(ids)]
    return respond({"audit_log_entries": entries, "users": users, **rest})


@ROUTES.get("/soundboard-default-sounds")
async def get_default_sounds(request: web.Request) -> web.Response:
    quack = {"name": "quack", "sound_id": "1", "volume": 1.0, "emoji_id": None}
    return respond([{**quack, "emoji_name": "\N{DUCK}", "available": True}])


@ROUTES.get(_SOUNDS)
async def get_sounds(request: web.Request) -> web.Response:
    return respond({"items": _guild(request).sounds})


@ROUTES.get(_SOUNDS + "/{sound}")
async def get_sound(request: web.Request) -> web.Response:
    return respond(_sound(request, _guild(request)))


@ROUTES.post(_SOUNDS)
async def create_sound(request: web.Request) -> web.Response:
    world, guild = request.app[WORLD], _guild(request)
    _may(request, guild, Permission.CREATE_GUILD_EXPRESSIONS)
    payload = await read_json(request)
    wrong = length("a sound's name", payload.get("name") or "", 32, least=2)
    if not 0 <= float(payload.get("volume") or 0) <= 1:
        wrong.append(f"a volume of {payload['volume']}")
    match = _DATA_URI.fullmatch(payload.get("sound") or "")
    if match is None:
        raise violation(request, *wrong, "a sound that is no data URI of an MP3 or Ogg")
    if wrong := wrong + _check_sound(match[2]):
        raise violation(request, *wrong)
    if len(guild.sounds) >= SOUND_SLOTS[guild.premium_tier]:
        raise ApiError(400, 30045, "Maximum number of soundboard sounds reached")
    made = {
        "name": payload["name"],
        "sound_id": str(world.snowflake()),
        "volume": 1.0 if payload.get("volume") is None else payload["volume"],
        "emoji_id": payload.get("emoji_id"),
        "emoji_name": payload.get("emoji_name"),
        "guild_id": str(guild.id),
        "available": True,
        "user": world.bot.to_json(),
    }
    guild.sounds.append(made)
    world.sounds[int(made["sound_id"])] = base64.b64decode(match[2])
    world.tell("GUILD_SOUNDBOARD_SOUND_CREATE", made)
    return respond(made, status=201)


@ROUTES.delete(_SOUNDS + "/{sound}")
async def delete_sound(request: web.Request) -> web.Response:
    guild = _guild(request)
    either = Permission.CREATE_GUILD_EXPRESSIONS | Permission.MANAGE_GUILD_EXPRESSIONS
    _may(request, guild, either)
    sound = _sound(request, guild)
    guild.sounds.remove(sound)
    ids = {"sound_id": sound["sound_id"], "guild_id": str(guild.id)}
    request.app[WORLD].tell("GUILD_SOUNDBOARD_SOUND_DELETE", ids)
    return web.Response(status=204)


def _check_sound(encoded: str) -> list[str]:
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return ["a sound that is not base64"]
    if len(data) > MAX_SOUND_BYTES:
        return [f"a sound of {len(data)} bytes"]
    readers: tuple[Any, ...] = (MP3, OggOpus, OggVorbis)
    for reader in readers:
        try:
            info = reader(io.BytesIO(data)).info
        except MutagenError:
            continue
        seconds = float(info.length)
        return [f"a sound of {seconds:.2f} s"] if seconds > MAX_SOUND_SECONDS else []
    return ["a sound that is neither MP3 nor Ogg"]


def _guild(request: web.Request) -> Guild:
    guild = request.app[WORLD].guilds.get(int(request.match_info["guild"]))
    if guild is None or not guild.has_bot:
        raise ApiError(404, 10004, "Unknown Guild")
    return guild


def _may(request: web.Request, guild: Guild, any_of: Permission) -> None:
    world = request.app[WORLD]
    if not world.guild_permissions(world.bot, guild) & any_of:
        raise ApiError(403, 50013, "Missing Permissions")


def _sound(request: web.Request, guild: Guild) -> dict[str, Any]:
    for sound in guild.sounds:
        if sound["sound_id"] == request.match_info["sound"]:
            return sound
    raise ApiError(404, 10097, "Unknown sound")
