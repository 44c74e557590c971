"""The adapter: stays connected to Discord, hands riffs to the studio and answers back."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.adapters import AdapterError, DeliveryImpossible, DeliveryRetry
from bot.chat import ChatDesk
from bot.config import DiscordConfig
from bot.jobs import Delivery
from bot.services import Services
from cogs.discord.client import RiffbotClient
from cogs.discord.delivery import Postman
from cogs.discord.faults import LET_GO
from cogs.discord.features import DYNAMIC_ITEMS, make_features
from cogs.discord.parts import Parts
from cogs.discord.place import PLATFORM, Place
from cogs.discord.reports import notice_time_out
from cogs.discord.status import EDIT_INTERVAL, StatusBoard
from cogs.discord.takedown import take_back

log = logging.getLogger(__name__)

SIGN_IN_REFUSED = (
    "Discord does not accept the bot token. Copy it anew from "
    "https://discord.com/developers/applications (your application, Bot, Reset Token), set it as "
    "RIFFBOT_DISCORD_TOKEN and restart Riffbot."
)
INTENT_REFUSED = (
    "Discord does not let the bot read messages: /riff and @mention work, !riff does not. To "
    "change that, open https://discord.com/developers/applications, choose your application, then "
    "Bot, switch on “Message Content Intent” under Privileged Gateway Intents, save and restart "
    "Riffbot."
)
# What can stand in an HTTP header. aiohttp would quote anything else in its error.
_SENDABLE = re.compile(r"[!-~]+")
_AUTHENTICATION_FAILED = 4004
# Long enough to report a wrong token, short enough that the bot starts without Discord.
_LOGIN_PATIENCE = 5.0
_FINISH_PATIENCE, _CLOSE_PATIENCE = 4.0, 5.0
_NOT_CONNECTED_RETRY = 5.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class DiscordAdapter:
    """Implements `bot.adapters.Adapter` over discord.py."""

    platform = PLATFORM

    def __init__(
        self,
        services: Services,
        token: str,
        *,
        edit_interval: float = EDIT_INTERVAL,
    ) -> None:
        """Nothing connects before `start`.

        Args:
            services: the studio and everything around it; `config.discord` says how to connect.
            token: the bot's secret; it goes to Discord and nowhere else.
            edit_interval: least seconds between two edits of status messages in one channel.
        """
        self._token = token
        self._config = services.config.discord
        self._board = StatusBoard(services.studio, lambda: self._client, edit_interval)
        self._parts = Parts(services, ChatDesk(services), self._board, self._config.prefix)
        self._client: RiffbotClient | None = None
        self._message_content = True
        self._synced = False
        self._logged_in = asyncio.Event()
        self._connection: asyncio.Task[None] | None = None
        self._statuses: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Sign in; the connection itself goes on in the background, as long as it takes.

        Raises:
            AdapterError: Discord refused the token.
        """
        if not _SENDABLE.fullmatch(self._token):
            raise AdapterError(SIGN_IN_REFUSED)
        _go_elsewhere(self._config)
        self._statuses = asyncio.create_task(self._board.run(), name="discord:statuses")
        self._connection = asyncio.create_task(self._stay_connected(), name="discord:connection")
        signed_in = asyncio.create_task(self._logged_in.wait())
        await asyncio.wait(
            (self._connection, signed_in),
            timeout=_LOGIN_PATIENCE,
            return_when=asyncio.FIRST_COMPLETED,
        )
        signed_in.cancel()
        if self._connection.done():
            await self._connection
        # From here on nobody awaits the connection, so its end is told to the log.
        self._connection.add_done_callback(_log_end)

    async def deliver(self, delivery: Delivery) -> str:
        """Post an answer and return the id of its message. Needs no gateway, only the sign-in.

        Raises:
            DeliveryRetry: not connected, or Discord is in trouble.
            DeliveryImpossible: neither channel nor direct messages can be written to, or the riff
                is not to be seen any more.
        """
        client, services = self._client, self._parts.services
        if client is None or client.is_closed():
            raise DeliveryRetry("Discord is not connected", _NOT_CONNECTED_RETRY)
        place = Place.from_address(delivery.address)
        await notice_time_out(client, services.moderation.people, place)
        if await self._is_hidden(delivery):
            raise DeliveryImpossible("it was taken away before it was posted")
        receipt = await Postman(client, services, self._board).deliver(delivery)
        if await self._is_hidden(delivery):
            # A moderator saw to that while it was being uploaded.
            with suppress(*LET_GO):
                await take_back(client, place, receipt)
        return receipt

    async def _is_hidden(self, delivery: Delivery) -> bool:
        return (await self._parts.services.studio.view(delivery.job.id)).job.hidden

    async def stop(self) -> None:
        """Finish the messages at hand, then disconnect."""
        if self._client is not None:
            await self._client.finish(_FINISH_PATIENCE)
        for task in (self._statuses, self._connection):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError, AdapterError):
                    await task

    async def _stay_connected(self) -> None:
        """Connect until cancelled. discord.py reconnects by itself; this is for what ends it.

        Raises:
            AdapterError: only the operator can help.
        """
        pause = _FIRST_PAUSE
        while True:
            self._logged_in.clear()
            try:
                await self._connect()
            except discord.LoginFailure:
                raise AdapterError(SIGN_IN_REFUSED) from None
            except discord.PrivilegedIntentsRequired:
                log.warning("%s", INTENT_REFUSED)
                self._message_content = False
                continue
            except discord.ConnectionClosed as error:
                if error.code == _AUTHENTICATION_FAILED:
                    raise AdapterError(SIGN_IN_REFUSED) from None
                log.warning("Discord closed the connection (%s)", error)
            except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
                log.warning("Discord cannot be reached (%s)", error)
            except Exception:
                log.exception("the Discord connection ended unexpectedly")
            if self._logged_in.is_set():
                pause = _FIRST_PAUSE
            log.info("connecting to Discord again in %.0f s", pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _connect(self) -> None:
        """One client, from its sign-in until its connection ends."""
        client = RiffbotClient(
            make_features(self._parts),
            self._parts,
            dynamic_items=DYNAMIC_ITEMS,
            message_content=self._message_content,
            sync=not self._synced,
        )
        try:
            await client.login(self._token)
            self._client = client
            self._logged_in.set()
            await client.connect()
        finally:
            self._client = None
            self._synced = self._synced or client.synced
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_PATIENCE):
                    await client.close()


def _go_elsewhere(config: DiscordConfig) -> None:
    """Speak to a server that is not discord.com, where one is configured."""
    if config.api_url:
        Route.BASE = config.api_url.rstrip("/")
        log.info("Discord: using the server at %s", Route.BASE)
    if config.gateway_url:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(config.gateway_url)


def _log_end(connection: asyncio.Task[None]) -> None:
    if not connection.cancelled() and (error := connection.exception()) is not None:
        log.error("%s", error)
