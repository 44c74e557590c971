"""Commands as messages: `!riff lo-fi beat`, or `@Riffbot riff lo-fi beat` where the text of other
messages is hidden from us.
"""

from __future__ import annotations

import asyncio
import io
import re
from contextlib import suppress
from typing import Any

import discord
from discord.ext import commands

from bot.chat import Said, Taken
from bot.errors import BadInputRefusal, ForbiddenRefusal
from bot.grammar import FOLLOWS, HELP, MODERATION, read_command
from bot.jobs import Requester
from bot.moderation.commands import Reply
from bot.moderation.levels import Level
from cogs.discord.faults import LET_GO, log, sentence_for
from cogs.discord.parts import Parts
from cogs.discord.place import PLATFORM, Place
from cogs.discord.posting import Post, post_reply
from cogs.discord.replies import as_post
from cogs.discord.requester import mentioned_by, requester_of
from cogs.discord.uploads import is_media, put_attachment
from cogs.discord.wording import places_as_ids, with_prefix
from generation.request import Source

_SPOKEN = (discord.MessageType.default, discord.MessageType.reply)
_PERSON = re.compile(r"<@!?(?P<id>\d{1,20})>")
WROTE_DIRECTLY = "I have written to you directly."


class MessagesCog(commands.Cog):
    """Answers messages. A refusal is a reply; so is a fault, with an id for the log."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._rules = parts.services.moderation.rules

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer a command; everything else in a channel is none of our business."""
        client: Any = self._client(message)
        text = self._command_text(message)
        if text is None or client.closing:
            return
        task = asyncio.create_task(self._handle(message, text), name=f"message:{message.id}")
        client.begin(task)

    def _command_text(self, message: discord.Message) -> str | None:
        """The message as the grammar reads it, which knows the prefix `!` only."""
        if message.author.bot or message.webhook_id is not None or message.type not in _SPOKEN:
            return None
        text, prefix = message.content.lstrip(), self._parts.prefix
        if text.startswith(prefix):
            return "!" + text.removeprefix(prefix)
        ours = message._state.self_id
        mention = _PERSON.match(text)
        if mention is None or mention["id"] != str(ours):
            return None
        rest = text[mention.end() :].strip()
        return "!" + rest.removeprefix(prefix).removeprefix("/") if rest else "!riffhelp"

    def _is_prefixed(self, message: discord.Message) -> bool:
        return message.content.lstrip().startswith(self._parts.prefix)

    async def _handle(self, message: discord.Message, text: str) -> None:
        try:
            requester = await self._requester(message)
            if not await self._is_welcome(requester, text):
                return
            await self._answer(message, requester, text)
        except Exception as error:
            about = f"answering message {message.id}"
            alone = message.guild is None
            if isinstance(error, ForbiddenRefusal) and error.privately != str(error) and not alone:
                await self._write_directly(message, as_post(error.privately))
            await self._say(message, sentence_for(error, about, privately=alone))

    async def _answer(self, message: discord.Message, requester: Requester, text: str) -> None:
        place = Place.of(message)
        said = await self._said(message, requester, text, place)
        status = self._parts.board.expect(place)
        try:
            answer = await self._parts.desk.answer(said)
        except BaseException:
            self._parts.board.forget(status)
            raise
        if isinstance(answer, Taken):
            await self._parts.board.open(status, answer.view)
            return
        self._parts.board.forget(status)
        if answer is None and not self._is_prefixed(message):
            # Who speaks to us by name and is not understood would wait for an answer.
            answer = Reply(HELP)
        if answer is not None:
            await self._reply(message, answer)

    async def _is_welcome(self, requester: Requester, text: str) -> bool:
        """Whether to answer here at all: in other channels than those that moderators chose there
        is silence, but for moderators who change that."""
        settings = await self._rules.settings.resolve(requester)
        channels = settings.access.channels
        if not channels or not requester.community or requester.channel in channels:
            return True
        if self._rules.access.level(requester) < Level.MODERATOR:
            return False
        try:
            return read_command(text, MODERATION) is not None
        except BadInputRefusal:
            return False

    async def _said(
        self, message: discord.Message, requester: Requester, text: str, place: Place
    ) -> Said:
        name = text[1:].split(maxsplit=1)[0].lower() if text[1:].strip() else ""
        mentioned = None
        if name in MODERATION:
            text, mentioned = await self._names_resolved(message, requester, text)
        replied_job = await self._replied_job(message)
        source = None
        if name in FOLLOWS:
            source = await self._source(message, with_replied=replied_job is None)
        toml = await _settings_file(message) if name == "riffset" else ""
        return Said(
            requester=requester,
            text=text + toml,
            addresses=place.to_address(),
            key=str(message.id),
            mentioned=mentioned,
            replied_job=replied_job,
            source=source,
        )

    async def _names_resolved(
        self, message: discord.Message, requester: Requester, text: str
    ) -> tuple[str, Requester | None]:
        """A moderator's line with channels and roles as ids, and without the person in it, who
        comes second."""
        text = places_as_ids(text)
        for match in _PERSON.finditer(text):
            found = next((p for p in message.mentions if str(p.id) == match["id"]), None)
            if found is not None and found.id != message._state.self_id:
                member = await _as_member(message, found)
                whom = mentioned_by(requester, member, self._client(message).operators)
                return text[: match.start()] + text[match.end() :], whom
        return text, None

    async def _replied_job(self, message: discord.Message) -> str | None:
        """The riff whose post a message replies to."""
        if message.reference is None or message.reference.message_id is None:
            return None
        receipts = self._parts.services.receipts
        return await receipts.job_of(PLATFORM, str(message.reference.message_id))

    async def _source(self, message: discord.Message, *, with_replied: bool) -> Source | None:
        """The sound or picture that came with a message, or with the one it replies to."""
        replied = None if message.reference is None else message.reference.resolved
        others: list[discord.Attachment] = []
        if with_replied and isinstance(replied, discord.Message):
            others = replied.attachments
        for attachment in (*message.attachments, *others):
            if is_media(attachment):
                return await put_attachment(self._parts.services.sources, attachment)
        return None

    # Saying things --------------------------------------------------------------------------

    async def _reply(self, message: discord.Message, answer: Reply) -> None:
        post = as_post(with_prefix(answer.text, self._parts.prefix), answer.file)
        if not answer.private or message.guild is None:
            await self._send(message, post)
        elif await self._write_directly(message, post):
            await self._say(message, WROTE_DIRECTLY)
        else:
            await self._say(message, answer.public)

    async def _say(self, message: discord.Message, sentence: str) -> None:
        """Reply with a sentence of ours; it may quote what people typed."""
        await self._send(message, as_post(with_prefix(sentence, self._parts.prefix)))

    async def _send(self, message: discord.Message, post: Post) -> None:
        try:
            await post_reply(message.channel, Place.of(message), post)
        except LET_GO as error:
            log.info("message %d goes without an answer: %s", message.id, error)

    async def _write_directly(self, message: discord.Message, post: Post) -> bool:
        """Tell only the author; False where they take no direct messages."""
        try:
            await message.author.send(
                post.text,
                files=[upload.to_file() for upload in post.uploads],
                allowed_mentions=discord.AllowedMentions.none(),
                suppress_embeds=True,
            )
        except LET_GO as error:
            log.info("message %d cannot be answered directly: %s", message.id, error)
            return False
        return True

    # Who -------------------------------------------------------------------------------------

    def _client(self, message: discord.Message) -> Any:
        return message._state._get_client()

    async def _requester(self, message: discord.Message) -> Requester:
        client = self._client(message)
        channel: object = message.channel
        if message.guild is not None and isinstance(channel, discord.PartialMessageable):
            # A thread that we have not been told of; what is set for its channel holds in it too.
            with suppress(*LET_GO):
                channel = await client.fetch_channel(message.channel.id)
        return requester_of(message.author, channel, operators=client.operators)


async def _as_member(
    message: discord.Message, person: discord.User | discord.Member
) -> discord.User | discord.Member:
    """Somebody with their roles, by which they may be above who names them; a stranger as is."""
    if isinstance(person, discord.Member) or message.guild is None:
        return person
    try:
        return await message.guild.fetch_member(person.id)
    except discord.NotFound:
        return person


async def _settings_file(message: discord.Message) -> str:
    """The text of an attached `.toml`, for an import of settings."""
    for attachment in message.attachments:
        if attachment.filename.lower().endswith(".toml") and attachment.size <= 100_000:
            data = io.BytesIO()
            await attachment.save(data)
            return "\n" + data.getvalue().decode("utf-8", "replace")
    return ""
