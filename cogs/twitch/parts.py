"""What the features of the Twitch adapter have in common."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from bot.chat import ChatDesk
from bot.moderation.keys import find_key
from bot.moderation.scopes import GLOBAL, Scope
from bot.services import Services
from cogs.twitch.http import TwitchHttp
from cogs.twitch.mouth import Mouth
from cogs.twitch.place import PLATFORM
from cogs.twitch.requester import Follows
from cogs.twitch.tokens import TokenStore

log = logging.getLogger(__name__)


class Errands:
    """Work in the background, whose faults are logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin; returns at once."""
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, seconds: float) -> None:
        """Let what is being done end, then stop it."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=seconds)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("an errand on Twitch failed")


@dataclass(frozen=True, slots=True)
class Parts:
    """What every feature is made with.

    Attributes:
        services: the studio and everything around it.
        desk: where typed commands are carried out.
        http: calls to Twitch. tokens: who signed in. mouth: what is said in chats.
        follows: who follows whom.
    """

    services: Services
    desk: ChatDesk
    http: TwitchHttp
    tokens: TokenStore
    mouth: Mouth
    follows: Follows
    errands: Errands = field(default_factory=Errands)

    def setting(self, name: str, channel: str) -> Any:
        """The value of a setting of a channel."""
        settings = self.services.moderation.rules.settings
        return settings.find(find_key(name), (GLOBAL, Scope(PLATFORM, channel))).value

    @property
    def public_url(self) -> str:
        """Where viewers reach the web, without a slash at the end; empty where they do not."""
        return self.services.config.web.public_url.rstrip("/")

    def page_of(self, riff: str) -> str:
        """Where a riff's clip is, as a sentence for a chat; empty where nothing shows it."""
        web = self.services.config.web
        if self.public_url:
            return f"{self.public_url}/clip/{riff}"
        if not web.enabled:
            return ""
        local = web.stage_url.removesuffix("stage/")
        return f"Whoever runs me finds it at {local}clip/{riff}"
