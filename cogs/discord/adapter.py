"""The adapter: stays connected to Discord, hands riffs to the studio and answers back."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from pathlib import Path

import aiohttp
import discord

from bot.adapters import AdapterError, DeliveryRetry
from bot.jobs import Delivery
from bot.studio import Studio
from cogs.discord.client import RiffbotClient
from cogs.discord.delivery import Postman
from cogs.discord.place import PLATFORM
from cogs.discord.riff import RiffCog
from cogs.discord.status import EDIT_INTERVAL, StatusBoard

log = logging.getLogger(__name__)

SIGN_IN_REFUSED = (
    "Discord does not accept the bot token. Copy it anew from "
    "https://discord.com/developers/applications (your application, Bot, Reset Token), set it as "
    "RIFFBOT_DISCORD_TOKEN and restart Riffbot."
)
INTENT_REFUSED = (
    "Discord does not let the bot read messages yet. Open "
    "https://discord.com/developers/applications, choose your application, then Bot, switch on "
    "“Message Content Intent” under Privileged Gateway Intents, save and restart Riffbot."
)
# What can stand in an HTTP header. aiohttp would quote anything else in its error.
_SENDABLE = re.compile(r"[!-~]+")
_AUTHENTICATION_FAILED = 4004
# Long enough to report a wrong token, short enough that the bot starts without Discord.
_LOGIN_PATIENCE = 5.0
_CLOSE_PATIENCE = 5.0
_NOT_CONNECTED_RETRY = 5.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class DiscordAdapter:
    """Implements `bot.adapters.Adapter` over discord.py."""

    platform = PLATFORM

    def __init__(
        self,
        *,
        token: str,
        studio: Studio,
        clips: Path,
        prefix: str = "!",
        edit_interval: float = EDIT_INTERVAL,
    ) -> None:
        """Nothing connects before `start`.

        Args:
            token: the bot's secret; it goes to Discord and nowhere else.
            studio: where riffs are asked for.
            clips: the folder that the paths in `Clip.files` are relative to.
            prefix: what commands begin with.
            edit_interval: least seconds between two edits of status messages in one channel.
        """
        self._token = token
        self._studio = studio
        self._clips = clips
        self._prefix = prefix
        self._board = StatusBoard(studio, lambda: self._client, edit_interval)
        self._client: RiffbotClient | None = None
        self._cog: RiffCog | None = None
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
            DeliveryImpossible: neither channel nor direct messages can be written to.
        """
        client = self._client
        if client is None or client.is_closed():
            raise DeliveryRetry("Discord is not connected", _NOT_CONNECTED_RETRY)
        return await Postman(client, self._clips, self._board).deliver(delivery)

    async def stop(self) -> None:
        """Finish the messages at hand, then disconnect."""
        if self._cog is not None:
            await self._cog.finish(_CLOSE_PATIENCE)
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
                raise AdapterError(INTENT_REFUSED) from None
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
        cog = RiffCog(self._studio, self._board, self._prefix)
        client = RiffbotClient([cog])
        try:
            await client.login(self._token)
            self._client, self._cog = client, cog
            self._logged_in.set()
            await client.connect()
        finally:
            self._client = None
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_PATIENCE):
                    await client.close()


def _log_end(connection: asyncio.Task[None]) -> None:
    if not connection.cancelled() and (error := connection.exception()) is not None:
        log.error("%s", error)
