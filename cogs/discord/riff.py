"""`!riff` and `!riffhelp` as messages."""

from __future__ import annotations

import asyncio
import logging
import secrets

import aiohttp
import discord
from discord.ext import commands

from bot.errors import Refusal
from bot.grammar import HELP, Command, parse_ask, read_command
from bot.jobs import Requester
from bot.studio import Studio
from cogs.discord.place import PLATFORM, Place
from cogs.discord.posting import Post, post_reply
from cogs.discord.status import StatusBoard
from cogs.discord.wording import escape, with_prefix
from generation.errors import BadRequestError

log = logging.getLogger(__name__)

_SPOKEN = (discord.MessageType.default, discord.MessageType.reply)


class RiffCog(commands.Cog):
    """Takes riffs from messages. A refusal is a reply; so is a fault, with an id for the log."""

    def __init__(self, studio: Studio, board: StatusBoard, prefix: str) -> None:
        self._studio = studio
        self._board = board
        self._prefix = prefix
        self._closing = False
        self._under_way: set[asyncio.Task[None]] = set()

    async def finish(self, seconds: float) -> None:
        """Take no more messages, and let those that are being handled end."""
        self._closing = True
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer a command; everything else in a channel is none of our business."""
        text = self._command_text(message)
        if text is None or self._closing:
            return
        task = asyncio.create_task(self._handle(message, text), name=f"message:{message.id}")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _command_text(self, message: discord.Message) -> str | None:
        """The message as the grammar reads it, which knows the prefix `!` only."""
        if message.author.bot or message.webhook_id is not None or message.type not in _SPOKEN:
            return None
        text = message.content.lstrip()
        return "!" + text.removeprefix(self._prefix) if text.startswith(self._prefix) else None

    async def _handle(self, message: discord.Message, text: str) -> None:
        try:
            command = read_command(text)
            if command is not None:
                await self._obey(message, command)
        except (Refusal, BadRequestError) as error:
            await self._say(message, str(error))
        except Exception:
            fault = secrets.token_hex(3)
            log.exception("fault %s while answering message %d", fault, message.id)
            await self._say(
                message,
                f"Sorry, something went wrong on my side; please try again (fault {fault}).",
            )

    async def _obey(self, message: discord.Message, command: Command) -> None:
        if command.name == "riffhelp":
            await self._say(message, HELP)
        else:
            await self._riff(message, command.rest)

    async def _riff(self, message: discord.Message, rest: str) -> None:
        ask = parse_ask(rest)
        place = Place.of(message)
        status = self._board.expect(place)
        try:
            view = await self._studio.submit(_requester(message), ask, place.to_address())
        except BaseException:
            self._board.forget(status)
            raise
        await self._board.open(status, view)

    async def _say(self, message: discord.Message, sentence: str) -> None:
        """Reply with a sentence of ours; it may quote what people typed."""
        text = escape(with_prefix(sentence, self._prefix))
        try:
            await post_reply(message.channel, Place.of(message), Post(text))
        except (discord.DiscordException, aiohttp.ClientError, OSError, RuntimeError) as error:
            log.info("message %d goes without an answer: %s", message.id, error)


def _requester(message: discord.Message) -> Requester:
    return Requester(
        platform=PLATFORM,
        community="" if message.guild is None else str(message.guild.id),
        user=str(message.author.id),
        name=message.author.display_name,
    )
