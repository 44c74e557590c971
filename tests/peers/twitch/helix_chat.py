"""Sending to chats: who may, how much, and why a message is dropped.

Twitch publishes no list of drop reasons. Codes here are those seen in the wild (`msg_duplicate`,
`followers_only_mode`, …) or named alike.
"""

from __future__ import annotations

import re

from aiohttp import web

from tests.peers.twitch.http import Caller, HelixError, caller, data, read_json, user_of, wrong
from tests.peers.twitch.models import ChatMessage, Json, User
from tests.peers.twitch.talk import MAX_CHARACTERS

ROUTES = web.RouteTableDef()
WINDOW, PER_WINDOW, PER_WINDOW_AS_MODERATOR = 30.0, 20, 100
_COMMAND = re.compile(r"[/.][A-Za-z]")
_FIELDS = {
    "broadcaster_id",
    "sender_id",
    "message",
    "reply_parent_message_id",
    "for_source_only",
    "pin_duration_seconds",
}


@ROUTES.post("/chat/messages")
async def send_chat_message(request: web.Request) -> web.Response:
    who = caller(request)
    body = await read_json(request)
    for name in ("broadcaster_id", "sender_id", "message"):
        if not body.get(name):
            raise wrong(request, 400, f"The {name} field is required")
    if unknown := body.keys() - _FIELDS:
        raise wrong(request, 400, f"no such field: {', '.join(sorted(unknown))}")
    channel = user_of(request, body["broadcaster_id"])
    sender = _sender(who, channel, body["sender_id"])
    text: str = body["message"]
    if len(text) > MAX_CHARACTERS:
        raise wrong(request, 400, f"a message of {len(text)} characters, {MAX_CHARACTERS} are most")
    if "\n" in text or "\r" in text:
        wrong(request, 400, f"a message of several lines: {text!r}")
    if _COMMAND.match(text) and not text.startswith("/me "):
        wrong(request, 400, f"a message that chats may take for a command: {text!r}")
    if who.world.is_banned(channel, sender):
        message = (
            "The sender is not permitted to send chat messages to the broadcaster's chat room."
        )
        raise HelixError(403, message)
    parent = _parent(request, channel, body.get("reply_parent_message_id"))
    if (dropped := _dropped(who, channel, sender, text)) is not None:
        code, reason = dropped
        about = {"code": code, "message": reason}
        return data([{"message_id": "", "is_sent": False, "drop_reason": about}])
    sent = who.world.post(channel, sender, text, reply_to=parent, via_api=True)
    return data([{"message_id": sent.id, "is_sent": True, "drop_reason": None}])


def _sender(who: Caller, channel: User, sender_id: str) -> User:
    """The sender, who must have allowed it.

    With an app token, the bot must have granted user:bot, and the broadcaster channel:bot unless
    the bot moderates the channel.
    """
    if who.user is not None:
        return who.need_user("user:write:chat", name="sender_id", user_id=sender_id)
    sender = user_of(who.request, sender_id)
    mine = who.world.allowed(who.app, sender)
    theirs = who.world.allowed(who.app, channel)
    missing = {"user:write:chat", "user:bot"} - mine
    if "channel:bot" not in theirs and not who.world.is_moderator(channel, sender):
        missing.add("channel:bot")
    if missing:
        raise wrong(who.request, 401, f"Missing scope: {', '.join(sorted(missing))}")
    return sender


def _parent(request: web.Request, channel: User, message_id: str | None) -> ChatMessage | None:
    if not message_id:
        return None
    found = next((each for each in channel.messages if each.id == message_id), None)
    if found is None:
        raise wrong(request, 400, f"a reply to {message_id!r}, which is no message of that chat")
    return found


def _dropped(who: Caller, channel: User, sender: User, text: str) -> tuple[str, str] | None:
    """Why a message is not sent, as code and words; None where it is."""
    world, now = who.world, who.world.clock.time
    moderates = world.is_moderator(channel, sender)
    recent = [
        message
        for message in world.from_apps[-2000:]
        if message.author is sender
        and now - message.at < WINDOW
        and world.is_moderator(message.channel, sender) is moderates
    ]
    here = [message for message in recent if message.channel is channel]
    if len(recent) >= (PER_WINDOW_AS_MODERATOR if moderates else PER_WINDOW):
        wrong(who.request, 429, f"{len(recent) + 1} messages in {WINDOW:.0f} s")
        return "msg_ratelimit", "Your message was not sent because you send messages too quickly."
    if moderates or sender.id in channel.vips:
        return None
    if any(message.text == text for message in here):
        wrong(who.request, 400, f"the same text twice in {WINDOW:.0f} s: {text!r}")
        words = "identical to the previous one you sent, less than 30 seconds ago."
        return "msg_duplicate", f"Your message was not sent because it is {words}"
    return _restricted(channel, sender, here, now)


def _restricted(
    channel: User, sender: User, here: list[ChatMessage], now: float
) -> tuple[str, str] | None:
    modes = channel.modes
    if modes.followers_only and sender.id not in channel.followers:
        return "followers_only_mode", "This room is in followers-only mode."
    if modes.subscribers_only and sender.id not in channel.subscribers:
        return "subscribers_only_mode", "This room is in subscribers only mode."
    if modes.emotes_only:
        return "emote_only_mode", "This room is in emote only mode."
    if modes.slow_seconds and any(now - message.at < modes.slow_seconds for message in here):
        return "slow_mode", "This room is in slow mode and you are sending messages too quickly."
    return None


@ROUTES.get("/chat/settings")
async def get_chat_settings(request: web.Request) -> web.Response:
    caller(request)
    channel = user_of(request, request.query.get("broadcaster_id", ""))
    modes = channel.modes
    settings: Json = {
        "broadcaster_id": channel.id,
        "emote_mode": modes.emotes_only,
        "follower_mode": modes.followers_only,
        "follower_mode_duration": 0 if modes.followers_only else None,
        "slow_mode": bool(modes.slow_seconds),
        "slow_mode_wait_time": modes.slow_seconds or None,
        "subscriber_mode": modes.subscribers_only,
        "unique_chat_mode": False,
    }
    return data([settings])
