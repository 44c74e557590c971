"""The live session follows the stream, where a channel wants that."""

from __future__ import annotations

import logging
from typing import Any

from twitchio.http import Route

from bot.errors import Refusal
from bot.jobs import Requester
from cogs.twitch.parts import Parts
from cogs.twitch.place import PLATFORM
from cogs.twitch.requester import somebody

log = logging.getLogger(__name__)

Json = dict[str, Any]
_AT_ONCE = 100


class Streams:
    """Knows which channels are on air."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._online: dict[str, bool] = {}

    async def on_event(self, kind: str, event: Json) -> None:
        """A stream began or ended."""
        channel, name = str(event["broadcaster_user_id"]), str(event["broadcaster_user_name"])
        await self._now(channel, name, online=kind == "stream.online")

    async def look(self, channels: dict[str, str]) -> None:
        """Ask Twitch, in case an event was missed.

        Args:
            channels: names by id; only those that want it are asked for.

        Raises:
            TwitchError, SignInLostError, aiohttp.ClientError, OSError: Twitch did not say.
        """
        wanted = [one for one in channels if self._parts.setting("live-follows-stream", one)]
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            params: dict[str, Any] = {"user_id": part, "first": str(_AT_ONCE)}
            answer = await self._parts.http.request(Route("GET", "streams", params=params))
            on_air = {str(one["user_id"]) for one in answer["data"]}
            for channel in part:
                await self._now(channel, channels[channel], online=channel in on_air)

    async def _now(self, channel: str, name: str, *, online: bool) -> None:
        before, self._online[channel] = self._online.get(channel), online
        if before is online or not self._parts.setting("live-follows-stream", channel):
            return
        live, owner = self._parts.services.live, _owner(channel, name)
        session = live.at((PLATFORM, channel))
        try:
            if online and session is None:
                await live.start(owner)
            elif not online and before and session is not None:
                await live.stop(owner)
        except Refusal as error:
            log.warning("the live session of %s does not follow its stream: %s", name, error)


def _owner(channel: str, name: str) -> Requester:
    return somebody(channel, channel, name)
