"""Speaks in chats within Twitch's limits: answers that pile up are merged, none is dropped.

A message begins with whom it answers and says the rest without any other mention. What several
people are told alike is said once; what waits for room goes out together, up to 500 characters.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
from twitchio.http import Route

from cogs.twitch.http import SignInLostError, TwitchError, TwitchHttp
from cogs.twitch.tokens import TokenStore

log = logging.getLogger(__name__)

LONGEST = 500
WINDOW, PER_WINDOW, PER_WINDOW_AS_MODERATOR = 30.0, 20, 100
# Twitch's clock and ours do not begin a window at the same moment.
_MARGIN = 1.0
_GATHER_SECONDS = 0.15
_PAUSE = 5.0
_NAMES = 8
_PATIENCE = 120.0
_LONGEST_BODY = 1500
_PASSES = {"msg_ratelimit": 5.0, "msg_duplicate": 31.0, "slow_mode": 10.0, "msg_slowmode": 10.0}
_AT = re.compile(r"@(?=\w)")
_BETWEEN = " · "


class UnsentError(Exception):
    """A message did not go out. `again` tells whether it may later."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


@dataclass(slots=True)
class _Saying:
    """One body with everybody whom it is for."""

    body: str
    names: list[str] = field(default_factory=list)
    waiting: list[asyncio.Future[str]] = field(default_factory=list)
    since: float = 0.0


@dataclass(slots=True)
class _Chat:
    """What is to be said in one channel."""

    sayings: OrderedDict[str, _Saying] = field(default_factory=OrderedDict)
    recent: dict[str, float] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    is_moderator: bool = False
    task: asyncio.Task[None] | None = None
    closed_until: float = 0.0


class Mouth:
    """The bot's voice in all chats."""

    def __init__(
        self, http: TwitchHttp, tokens: TokenStore, now: Callable[[], float] | None = None
    ) -> None:
        """`now` is a clock in seconds; limits are kept by it."""
        self._http, self._tokens = http, tokens
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._chats: dict[str, _Chat] = {}
        self._sent: deque[float] = deque()
        self._turn = asyncio.Lock()

    def say(self, channel: str, name: str, body: str) -> asyncio.Future[str]:
        """Answer somebody; returns at once.

        Args:
            channel: id of the broadcaster.
            name: who asked; the only one who is mentioned. Empty for what answers nobody.
            body: may have several lines, and quote what people typed.

        Returns:
            The id of the message, once it is out; `UnsentError` where that cannot be.
        """
        chat = self._chats.setdefault(channel, _Chat())
        if chat.task is None:
            chat.task = asyncio.create_task(self._speak(channel, chat), name=f"twitch:{channel}")
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # Nobody has to wait for it.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        plain = plain_text(body)
        saying = chat.sayings.setdefault(plain, _Saying(plain, since=self._now()))
        if name not in saying.names:
            saying.names.append(name)
        saying.waiting.append(future)
        chat.changed.set()
        return future

    def is_moderator(self, channel: str, value: bool) -> None:
        """What the bot's own badge in a chat says."""
        self._chats.setdefault(channel, _Chat()).is_moderator = value

    async def close(self, seconds: float) -> None:
        """Say what is left, as far as time allows."""
        tasks = [chat.task for chat in self._chats.values() if chat.task is not None]
        sayings = [one for chat in self._chats.values() for one in chat.sayings.values()]
        if left := [future for one in sayings for future in one.waiting]:
            await asyncio.wait(left, timeout=seconds)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for chat in self._chats.values():
            for saying in chat.sayings.values():
                _fail(saying, UnsentError("the bot was stopped", again=True))
            chat.sayings.clear()

    async def _speak(self, channel: str, chat: _Chat) -> None:
        while True:
            while not chat.sayings:
                chat.changed.clear()
                await chat.changed.wait()
            # What comes at the same time goes together.
            await asyncio.sleep(_GATHER_SECONDS)
            try:
                await self._room(channel, chat)
                pause = await self._send_next(channel, chat)
            except Exception:
                log.exception("speaking in a chat failed")
                pause = _PAUSE
            if pause:
                await asyncio.sleep(pause)

    async def _room(self, channel: str, chat: _Chat) -> None:
        """Wait until one more message is allowed; the count is over all channels."""
        while True:
            now = self._now()
            while self._sent and self._sent[0] <= now - WINDOW - _MARGIN:
                self._sent.popleft()
            moderates = chat.is_moderator or self._is_owner(channel)
            most = PER_WINDOW_AS_MODERATOR if moderates else PER_WINDOW
            wait = chat.closed_until - now
            if len(self._sent) >= most:
                wait = max(wait, self._sent[-most] + WINDOW + _MARGIN - now)
            if wait <= 0:
                return
            await asyncio.sleep(min(wait, 1.0))

    def _is_owner(self, channel: str) -> bool:
        bot = self._tokens.bot
        return bot is not None and bot.user_id == channel

    async def _send_next(self, channel: str, chat: _Chat) -> float:
        """Send one message with as much as fits; returns seconds to wait before the next."""
        now = self._now()
        chat.recent = {t: at for t, at in chat.recent.items() if at > now - WINDOW - _MARGIN}
        text, taken, rest = _composed(list(chat.sayings.values()), chat.recent)
        if not text:
            return 0.5  # everything was said within the last 30 s; more names may join meanwhile
        for saying in taken:
            del chat.sayings[saying.body]
        chat.recent[text] = now
        self._sent.append(now)
        try:
            message_id = await self._post(channel, text)
        except _DroppedError as error:
            return self._on_dropped(chat, taken, rest, error)
        except UnsentError as error:
            if error.again and now - min(one.since for one in taken) < _PATIENCE:
                for saying in reversed(taken):
                    _put_back(chat, saying)
                chat.recent.pop(text)
                return _PAUSE
            for saying in taken:
                _fail(saying, error)
            log.warning("a message to %s was not sent: %s", channel, error)
            return 0.0
        for saying in rest:
            _put_back(chat, saying)
        for saying in taken:
            for future in saying.waiting:
                if not future.done():
                    future.set_result(message_id)
        return 0.0

    def _on_dropped(
        self, chat: _Chat, taken: list[_Saying], rest: list[_Saying], error: _DroppedError
    ) -> float:
        if error.passes:
            for saying in reversed(taken):
                _put_back(chat, saying)
            return error.passes
        for saying in taken:
            _fail(saying, UnsentError(str(error), again=False))
        return 0.0

    async def _post(self, channel: str, text: str) -> str:
        bot = self._tokens.bot
        if bot is None or bot.lost:
            raise UnsentError("the bot is not signed in to Twitch", again=True)
        body = {"broadcaster_id": channel, "sender_id": bot.user_id, "message": text}
        route = Route("POST", "chat/messages", json=body, token_for=bot.user_id)
        try:
            sent = (await self._http.request(route))["data"][0]
        except TwitchError as error:
            raise UnsentError(
                str(error), again=error.status >= 500 or error.status == 429
            ) from None
        except SignInLostError as error:
            raise UnsentError(str(error), again=True) from None
        except aiohttp.ClientConnectorError as error:
            raise UnsentError(f"no connection ({error.os_error})", again=True) from None
        except (aiohttp.ClientError, OSError) as error:
            # It may be out: saying it twice is worse than not at all.
            raise UnsentError(
                f"the connection broke ({type(error).__name__})", again=False
            ) from None
        if not sent["is_sent"]:
            reason = sent.get("drop_reason") or {}
            raise _DroppedError(str(reason.get("code", "")), str(reason.get("message", "")))
        return str(sent["message_id"])


class _DroppedError(Exception):
    """Twitch took a message and did not show it. `passes`: seconds after which it may be."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"Twitch did not show it ({code or 'no reason given'}): {sentence}")
        self.passes = _PASSES.get(code, 0.0)


def plain_text(body: str) -> str:
    """A text in one line that mentions nobody and is no command."""
    line = _BETWEEN.join(" ".join(part.split()) for part in body.splitlines() if part.strip())
    line = _AT.sub("", line)
    return line if len(line) <= _LONGEST_BODY else line[: _LONGEST_BODY - 1].rstrip() + "…"


def _composed(
    sayings: list[_Saying], recent: dict[str, float]
) -> tuple[str, list[_Saying], list[_Saying]]:
    """The next message, what of it is said thereby, and what is left of that for the next one."""
    text = ""
    taken: list[_Saying] = []
    for saying in sayings:
        same = bool(taken) and taken[-1].names == saying.names
        part = saying.body if same else _addressed(saying)
        room = LONGEST - len(text) - len(_BETWEEN) if text else LONGEST
        if len(part) <= room:
            text = f"{text}{_BETWEEN}{part}" if text else part
            taken.append(saying)
        elif not text:
            cut = part.rfind(" ", LONGEST // 2, LONGEST - 1)
            cut = LONGEST - 1 if cut < 0 else cut
            text = part[:cut].rstrip() + "…"
            rest = _Saying("… " + part[cut:].lstrip(), [""])
            return (text, [saying], [rest]) if text not in recent else ("", [], [])
        if len(text) > LONGEST - 40:
            break
    return (text, taken, []) if text not in recent else ("", [], [])


def _addressed(saying: _Saying) -> str:
    names = [name for name in saying.names if name]
    if not names:
        return saying.body.lstrip("/.!")
    shown = " ".join(f"@{name}" for name in names[:_NAMES])
    more = len(names) - _NAMES
    return f"{shown}{f' and {more} more' if more > 0 else ''} {saying.body}"


def _put_back(chat: _Chat, saying: _Saying) -> None:
    """To the front, joined with the same that came meanwhile."""
    later = chat.sayings.pop(saying.body, None)
    if later is not None:
        saying.names += [name for name in later.names if name not in saying.names]
        saying.waiting += later.waiting
    chat.sayings[saying.body] = saying
    chat.sayings.move_to_end(saying.body, last=False)


def _fail(saying: _Saying, error: UnsentError) -> None:
    for future in saying.waiting:
        if not future.done():
            future.set_exception(error)
