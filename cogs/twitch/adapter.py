"""The adapter: listens to every channel, hands riffs to the studio and answers in chat."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from aiohttp import web
from twitchio.http import Route

from bot.adapters import DeliveryImpossible, DeliveryRetry
from bot.chat import ChatDesk, quoted
from bot.jobs import Delivery, Job
from bot.services import Services
from cogs.twitch.chat import Chat
from cogs.twitch.eventsub import PER_SOCKET, EventSub
from cogs.twitch.http import TROUBLE, TwitchHttp
from cogs.twitch.mouth import Mouth, UnsentError
from cogs.twitch.pages import Pages
from cogs.twitch.parts import Parts
from cogs.twitch.place import PLATFORM, Place
from cogs.twitch.reports import Reports
from cogs.twitch.requester import Follows, somebody
from cogs.twitch.rewards import Rewards
from cogs.twitch.signing import SignIn
from cogs.twitch.streams import Streams
from cogs.twitch.tokens import FILE_NAME, Account, TokenStore
from cogs.twitch.triggers import Triggers
from cogs.twitch.wanted import wanted_of

log = logging.getLogger(__name__)

Json = dict[str, Any]
_FINISH_PATIENCE = 2.5
_LOOK_SECONDS = 2.0
_VALIDATE_SECONDS = 3500.0
_CATCH_UP_SECONDS = 120.0
_USERS_AT_ONCE = 100
_SIGN_IN_FIRST = (
    "Twitch: nobody has signed in as the bot yet. Open /twitch on the local web, or run "
    "`riffbot twitch-login`."
)


class TwitchAdapter:
    """Implements `bot.adapters.Adapter` and `HasPages`."""

    platform = PLATFORM

    def __init__(
        self,
        services: Services,
        secret: str | None,
        *,
        per_socket: int = PER_SOCKET,
        now: Callable[[], float] | None = None,
    ) -> None:
        """Nothing connects before `start`.

        Args:
            services: the studio and everything around it; `config.twitch` says how to connect.
            secret: of the application; None for a public one.
            per_socket: how many subscriptions one socket may carry.
            now: clock in seconds by which the limits of chats are kept.
        """
        config = services.config
        self._config = config
        self.tokens = TokenStore(config.data / FILE_NAME)
        self.http = TwitchHttp(config.twitch, secret, self.tokens)
        self.mouth = Mouth(self.http, self.tokens, now)
        follows = Follows(self.http, self.tokens, services.moderation)
        self._parts = Parts(
            services, ChatDesk(services), self.http, self.tokens, self.mouth, follows
        )
        self.sign_in = SignIn(self.http, self.tokens)
        self._triggers = Triggers(self._parts)
        self.chat = Chat(self._parts, self._triggers)
        self.rewards = Rewards(self._parts, config.data / "twitch-rewards.json")
        self._reports, self._streams = Reports(self._parts), Streams(self._parts)
        self.events: EventSub | None = None
        self._per_socket = per_socket
        self._joined: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._accounts_changed = asyncio.Event()
        self._tried: set[int] = set()
        self.tokens.load()
        self.tokens.on_change.append(self._accounts_changed.set)

    def pages(self, is_owner: Callable[[web.Request], bool]) -> Iterable[web.RouteDef]:
        """Where people sign in."""
        config = self._config.web
        return Pages(self.sign_in, self.tokens, config, is_owner, self._stage_of).routes()

    async def start(self) -> None:
        """Begin to listen; connections are made in the background, as long as it takes."""
        await asyncio.to_thread(self.rewards.load)
        url = self._config.twitch.eventsub_url
        self.events = EventSub(
            self.http, url, self._on_event, self._on_revoked, per_socket=self._per_socket
        )
        self.chat.start()
        if self.tokens.bot is None:
            log.warning("%s", _SIGN_IN_FIRST)
        self._accounts_changed.set()
        loops = (self._join_channels, self._keep_up, self._validate, self.rewards.follow)
        self._tasks = [asyncio.create_task(loop()) for loop in loops]

    async def deliver(self, delivery: Delivery) -> str:
        """Say in chat that a riff is ready, or why it is not; at most once.

        Raises:
            DeliveryRetry: the bot is not signed in, or Twitch is in trouble.
            DeliveryImpossible: the chat does not take it.
        """
        place = Place.from_address(delivery.address)
        if delivery.job.state != "failed":
            self.rewards.on_delivered(delivery, place)
        # What an earlier run tried may be in chat: it is not said twice.
        if delivery.attempts and delivery.id not in self._tried:
            return "unknown"
        self._tried.add(delivery.id)
        if not self._tasks:
            raise DeliveryRetry("Twitch is not connected")
        line = self._announcement(delivery.job)
        try:
            receipt = await self.mouth.say(place.channel, place.name, line)
        except UnsentError as error:
            if error.again:
                raise DeliveryRetry(str(error)) from error
            raise DeliveryImpossible(str(error)) from error
        self._tried.discard(delivery.id)
        return receipt

    async def stop(self) -> None:
        """Finish what is at hand, then hang up."""
        if self.events is not None:
            await self.events.close()
        await self.chat.close(_FINISH_PATIENCE)
        await self.mouth.close(_FINISH_PATIENCE)
        await self._parts.errands.close(_FINISH_PATIENCE / 2)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.http.close()

    async def _stage_of(self, account: Account) -> str:
        """The address of a channel's stage, for who runs the bot; empty for who has none."""
        if "channel" not in account.roles:
            return ""
        owner = somebody(account.user_id, account.user_id, account.name)
        key = await self._parts.services.live.key(owner)
        return f"{self._config.web.stage_url}{key}"

    def _announcement(self, job: Job) -> str:
        if job.state == "failed":
            return job.error or "Sorry, this riff could not be made."
        if self._parts.public_url:
            return f"{quoted(job)} is ready: {self._parts.public_url}/clip/{job.id}"
        where = (PLATFORM, job.requester.community)
        session = self._parts.services.live.at(where)
        if session is not None and session.rules.guest_loops:
            return f"{quoted(job)} is ready and comes up on the stage."
        return f"{quoted(job)} is ready; it sounds on the stage while a live session is on."

    # What Twitch tells ----------------------------------------------------------------------

    def _on_event(self, kind: str, event: Json) -> None:
        match kind:
            case "channel.chat.message":
                self.chat.on_message(event)
                return
            case "channel.channel_points_custom_reward_redemption.add":
                work = self.rewards.on_event(kind, event)
            case "stream.online" | "stream.offline":
                work = self._streams.on_event(kind, event)
            case (
                "channel.ban"
                | "channel.unban"
                | "channel.chat.message_delete"
                | "channel.chat.clear_user_messages"
            ):
                work = self._reports.on_event(kind, event)
            case _:
                work = self._triggers.on_event(kind, event)
        self._parts.errands.run(work)

    def _on_revoked(self, subscription: Json) -> None:
        if subscription["status"] != "authorization_revoked":
            return
        condition = subscription["condition"]
        for name in ("user_id", "broadcaster_user_id", "moderator_user_id"):
            account = self.tokens.get(str(condition.get(name, "")))
            if account is not None:
                # Which of them it was, Twitch does not say: it is asked.
                self._parts.errands.run(self.http.validate_all())
                return

    # Keeping up -----------------------------------------------------------------------------

    async def _join_channels(self) -> None:
        """Listen to everybody's channel, and again whenever somebody signs in or is lost."""
        while True:
            self._accounts_changed.clear()
            bot = self.tokens.bot
            again: float | None = None
            if bot is not None and self.events is not None:
                try:
                    await self._learn_names()
                except TROUBLE as error:
                    log.warning("Twitch does not say who is who yet: %s", error)
                    again = 5.0
                owners = self.tokens.channels
                channels = dict.fromkeys((*(one.user_id for one in owners), *self._joined))
                for owner in owners:
                    self.rewards.forget(owner.user_id)
                await self.events.want(wanted_of(bot, list(channels), owners))
            with suppress(TimeoutError):
                async with asyncio.timeout(again):
                    await self._accounts_changed.wait()

    async def _learn_names(self) -> None:
        """Ids of channels that are joined by name."""
        names = [name.lower() for name in self._config.twitch.channels]
        missing = [name for name in names if name not in self._joined.values()]
        for start in range(0, len(missing), _USERS_AT_ONCE):
            part = missing[start : start + _USERS_AT_ONCE]
            params: dict[str, Any] = {"login": part}
            answer = await self.http.request(Route("GET", "users", params=params))
            for user in answer["data"]:
                self._joined[str(user["id"])] = str(user["login"])
        for name in names:
            if name not in self._joined.values():
                log.warning("there is no Twitch channel called %s (twitch.channels)", name)

    async def _keep_up(self) -> None:
        """Rewards follow the settings, and live sessions the streams."""
        loop = asyncio.get_running_loop()
        caught_up = -1e9
        while True:
            for account in self.tokens.channels:
                try:
                    await self.rewards.keep_in_step(account)
                except TROUBLE as error:
                    log.warning("rewards of %s are not in step: %s", account.login, error)
            if self.tokens.bot is not None and loop.time() - caught_up > _CATCH_UP_SECONDS:
                caught_up = loop.time()
                await self._catch_up()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _catch_up(self) -> None:
        """What no event told of, while a connection was lost or the bot was off."""
        accounts = self.tokens.channels
        for account in accounts:
            try:
                await self.rewards.catch_up(account)
            except TROUBLE as error:
                log.warning("redemptions of %s cannot be read: %s", account.login, error)
        try:
            await self._streams.look({one.user_id: one.name for one in accounts})
        except TROUBLE as error:
            log.warning("Twitch does not say who is on air: %s", error)

    async def _validate(self) -> None:
        while True:
            await self.http.validate_all()
            await asyncio.sleep(_VALIDATE_SECONDS)
