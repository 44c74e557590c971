"""Posts what a riff came to, once as far as Discord allows, where it was asked for or by DM.

A message that asked is answered with a reply. An interaction was answered at once with the riff's
status, and the result takes its place; where that is too late (after 15 minutes) or the status was
deleted, the result is a message in the channel that mentions who asked.

Two things keep a repeated delivery from being posted twice. The job id is the message's nonce, so
within a few minutes Discord itself returns the first message. Later than that (a restart, a long
outage) the channel's recent messages are searched for an answer of ours first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp
import discord

from bot.adapters import DeliveryImpossible, DeliveryRetry
from bot.errors import Refusal
from bot.exports import SMALLER
from bot.jobs import Delivery, Job
from bot.services import Services
from cogs.discord.actions import page_of
from cogs.discord.originals import edit_original, is_lost
from cogs.discord.place import Place
from cogs.discord.posting import (
    FILE_TOO_LARGE,
    THREAD_ARCHIVED,
    UNKNOWN_CHANNEL,
    Post,
    Upload,
    mentioning,
    post_directly,
    post_mentioning,
    post_reply,
)
from cogs.discord.status import StatusBoard
from cogs.discord.views import clip_view
from cogs.discord.wording import (
    STATUS_MARK,
    clip_line,
    escape,
    no_file_line,
    picture_text,
    upload_stem,
)

log = logging.getLogger(__name__)

Send = Callable[[Post], Awaitable[str]]
"""Posts in one place, and gives the receipt."""
# Longer than an upload takes, short enough that one hanging connection does not hold up the rest.
_TIMEOUT = 90.0
_SEARCHED = 200
_MAX_UPLOADS = 10
ELSEWHERE = "I could not answer where you asked, so here it is.\n"


@dataclass(frozen=True, slots=True)
class _Found:
    """What earlier attempts left in a channel."""

    receipt: str | None = None
    status_id: int | None = None


class Postman:
    """Delivers answers over one connection."""

    def __init__(self, client: discord.Client, services: Services, board: StatusBoard) -> None:
        """`services` are the studio's, `board` has the statuses that answers replace."""
        self._client = client
        self._services = services
        self._clips = services.clips
        self._board = board

    async def deliver(self, delivery: Delivery) -> str:
        """Post the answer and return the id of its message, with the channel's and a slash before
        it where it went elsewhere.

        Raises:
            DeliveryRetry: the connection or Discord itself is in trouble.
            DeliveryImpossible: neither the channel nor the requester's DMs can be written to.
        """
        place = Place.from_address(delivery.address)
        post = await self._compose(delivery.job)
        status = self._board.find(place)
        # Where this run posted the status and nothing was tried yet, there can be no answer. The
        # status of an interaction has to be searched for, because only its token knew its id.
        fresh = delivery.attempts == 0 and status is not None and bool(status.message_id)
        async with _explained(self._client):
            if place.token is not None and status is not None:
                await self._board.settle(status)
            receipt = await self._replace_status(place, post)
            if receipt is None:
                receipt = await self._answer(place, post, fresh=fresh)
            if status is not None:
                await self._board.close(status)
        return receipt

    async def _replace_status(self, place: Place, post: Post) -> str | None:
        """Make the first answer to an interaction the result; None where that cannot be done.

        Doing it twice changes nothing, so it needs no search for an earlier attempt.
        """
        if not place.is_fresh:
            return None

        async def edit(fitting: Post) -> str:
            made = await edit_original(
                self._client, place, fitting.text, fitting.uploads, fitting.view
            )
            return str(made.id)

        try:
            return await self._post_fitting(edit, self._upload_limit(place), post)
        except discord.HTTPException as error:
            if not is_lost(error):
                raise
            log.info("interaction %d is answered in its channel: %s", place.message_id, error)
            return None

    async def _answer(self, place: Place, post: Post, *, fresh: bool) -> str:
        """Post the answer as a message, unless it is there already."""
        channel = place.channel(self._client)
        found = _Found() if fresh else await self._search(channel, place, post)
        receipt = found.receipt or await self._post(place, post, again=not fresh)
        if found.status_id is not None:
            await self._board.erase(place, found.status_id)
        return receipt

    async def _post(self, place: Place, post: Post, *, again: bool) -> str:
        """Reply in the channel; where that is gone or closed to us, write to the requester."""
        reason = "the bot is not there"
        if place.token is None or place.token.bot_is_there:
            try:
                return await self._post_to_channel(place, post)
            except discord.HTTPException as error:
                closed = error.code in (UNKNOWN_CHANNEL, THREAD_ARCHIVED)
                if not closed and not isinstance(error, discord.Forbidden):
                    raise
                reason = str(error)
        followed = await self._follow_up(place, post)
        if followed is not None:
            return followed
        if place.guild_id is None and place.token is None:
            raise DeliveryImpossible(f"the direct message was refused: {reason}")
        return await self._post_directly(place, post, reason, again=again)

    async def _post_to_channel(self, place: Place, post: Post) -> str:
        channel = place.channel(self._client)

        async def send(fitting: Post) -> str:
            if place.token is None:
                return str((await post_reply(channel, place, fitting)).id)
            return str((await post_mentioning(channel, place.user_id, fitting)).id)

        return await self._post_fitting(send, self._upload_limit(place), post)

    async def _follow_up(self, place: Place, post: Post) -> str | None:
        """Answer an interaction once more: the one way to write where the bot itself is not."""
        if place.token is None or place.token.bot_is_there or not place.is_fresh:
            return None

        async def send(fitting: Post) -> str:
            message = await place.webhook(self._client).send(
                fitting.text,
                files=[upload.to_file() for upload in fitting.uploads],
                allowed_mentions=discord.AllowedMentions.none(),
                view=discord.utils.MISSING if fitting.view is None else fitting.view,
                wait=True,
            )
            return str(message.id)

        try:
            return await self._post_fitting(send, self._upload_limit(place), post)
        except discord.HTTPException as error:
            if not is_lost(error):
                raise
            return None

    async def _post_directly(self, place: Place, post: Post, reason: str, *, again: bool) -> str:
        """Write to the requester."""
        try:
            dm = await self._client.create_dm(discord.Object(place.user_id))
            post = replace(post, text=ELSEWHERE + post.text)
            if again:
                earlier = (await self._search(dm, place, post)).receipt
                if earlier is not None:
                    return f"{dm.id}/{earlier}"

            async def send(fitting: Post) -> str:
                return f"{dm.id}/{(await post_directly(dm, fitting)).id}"

            return await self._post_fitting(send, self._upload_limit(None), post)
        except (discord.Forbidden, discord.NotFound) as error:
            raise DeliveryImpossible(
                f"the channel cannot be used ({reason}), nor direct messages ({error})"
            ) from error

    async def _post_fitting(self, send: Send, limit: int, post: Post) -> str:
        """Post with all files, or with the sounds only, at ever lower bit rates, or with words.

        The limit is what Discord says of the guild; it has changed before, so a refusal counts
        more than the figure.
        """
        async for fitting in self._lighter_and_lighter(post):
            if any(len(upload.data) > limit for upload in fitting.uploads):
                continue
            try:
                return await send(fitting)
            except discord.HTTPException as error:
                if not fitting.uploads or not (error.status == 413 or error.code == FILE_TOO_LARGE):
                    raise
                log.info("files of %s are too large for Discord: %s", post.nonce, error)
        raise AssertionError("a post without files exceeds no upload limit")

    async def _lighter_and_lighter(self, post: Post) -> AsyncIterator[Post]:
        """The post, and what to try where it is too large; smaller files are made only then."""
        yield replace(post, uploads=tuple(post.uploads[:_MAX_UPLOADS]))
        if not post.uploads:
            return
        sounds = [upload for upload in post.uploads if not upload.filename.endswith(".png")]
        yield replace(post, uploads=tuple(sounds[:_MAX_UPLOADS]))
        job = (await self._services.studio.view(post.nonce or "")).job
        for kind in SMALLER:
            smaller = await self._smaller(job, kind)
            if not smaller:
                break
            yield replace(post, uploads=smaller)
        link = page_of(self._services, job)
        hear = f" Hear it here: {link}" if link else ""
        text = f"Its files are larger than Discord lets me upload here.{hear}\n{post.text}"
        yield replace(post, uploads=(), text=text)

    async def _smaller(self, job: Job, kind: str) -> tuple[Upload, ...]:
        """The sounds at a lower bit rate; none where they cannot be made."""
        uploads = []
        try:
            for clip in job.clips[:_MAX_UPLOADS]:
                export = await self._services.exports.make(job, clip, kind)
                data = await asyncio.to_thread(export.path.read_bytes)
                uploads.append(Upload(f"{upload_stem(job, clip.index)}.mp3", data))
        except (Refusal, OSError) as error:
            log.info("no smaller files of %s: %s", job.id, error)
            return ()
        return tuple(uploads)

    def _upload_limit(self, place: Place | None) -> int:
        """Bytes that one file may have."""
        if place is not None and place.token is not None:
            return place.token.upload_limit
        guild_id = None if place is None else place.guild_id
        guild = None if guild_id is None else self._client.get_guild(guild_id)
        return (
            discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES if guild is None else guild.filesize_limit
        )

    async def _search(self, channel: discord.abc.Messageable, place: Place, post: Post) -> _Found:
        """Look for an answer and a status of ours among the channel's latest messages."""
        ours = self._client.user
        receipt: str | None = None
        status_id: int | None = None
        try:
            async for message in channel.history(limit=_SEARCHED):
                if message.id <= place.message_id:
                    break
                if ours is None or message.author.id != ours.id:
                    continue
                if not _belongs(message, place, post):
                    continue
                if message.content.startswith(STATUS_MARK):
                    status_id = message.id
                elif _is_result(message, post):
                    receipt = str(message.id)
                elif message.interaction_metadata is not None:
                    status_id = message.id  # "thinking …" that was never filled in
        except (discord.Forbidden, discord.NotFound):
            # No permission to read the history, or no channel any more: the nonce has to do.
            pass
        return _Found(receipt, status_id)

    async def _compose(self, job: Job) -> Post:
        """The answer: the sentence of a failed job, or the clips of a rendered one."""
        if job.state == "failed":
            sentence = job.error or "Sorry, this riff could not be made."
            return Post(escape(sentence), ping=True, nonce=job.id)
        try:
            uploads = await asyncio.to_thread(self._read_files, job)
        except OSError:
            log.exception("the files of %s cannot be read", job.id)
            text = no_file_line(job, "its files are gone from my disk.")
            return Post(text, ping=True, nonce=job.id, view=clip_view(job))
        return Post(clip_line(job), uploads, ping=True, nonce=job.id, view=clip_view(job))

    def _read_files(self, job: Job) -> tuple[Upload, ...]:
        """All sounds, then all pictures: blocking, so it runs in a thread."""
        text = picture_text(job)
        return tuple(
            Upload(
                f"{upload_stem(job, clip.index)}.{kind}",
                (self._clips / clip.files[kind]).read_bytes(),
                description=text if kind == "png" else None,
            )
            for kind in ("mp3", "png")
            for clip in job.clips
            if kind in clip.files
        )


def _belongs(message: discord.Message, place: Place, post: Post) -> bool:
    """Whether a message of ours is about the request at `place`.

    A reply names what it replies to, unless that was deleted before (or this is another channel):
    then the same line above files counts.
    """
    if message.interaction_metadata is not None:
        return message.interaction_metadata.id == place.message_id
    if message.reference is not None:
        return message.reference.message_id == place.message_id
    return bool(message.attachments) and message.content in (
        post.text,
        mentioning(place.user_id, post.text),
    )


def _is_result(message: discord.Message, post: Post) -> bool:
    """Whether it is the result, and not what else is said about a request: that it is taken, say,
    or what went wrong after it was. Its text may follow a mention, or a link to what was too large.
    """
    return bool(message.attachments) or message.content.endswith(post.text)


@asynccontextmanager
async def _explained(client: discord.Client) -> AsyncIterator[None]:
    """Say what Discord's and the network's errors mean for a delivery."""
    try:
        async with asyncio.timeout(_TIMEOUT):
            yield
    except discord.RateLimited as error:
        raise DeliveryRetry("Discord asks for a pause", error.retry_after) from error
    except discord.HTTPException as error:
        # 401: the token was reset; it works again once the operator has set the new one.
        if error.status >= 500 or error.status in (401, 429):
            reason = f"Discord answered {error.status}"
            raise DeliveryRetry(reason, _pause_wanted(error)) from error
        raise
    except (aiohttp.ClientError, OSError) as error:
        raise DeliveryRetry(f"the connection to Discord failed: {error!r}") from error
    except RuntimeError as error:
        if client.is_closed():
            raise DeliveryRetry("the connection to Discord was closed") from error
        raise


def _pause_wanted(error: discord.HTTPException) -> float | None:
    """Seconds that Discord asks for, which discord.py does not heed where an interaction is
    answered and the refusal comes from the proxy in front of Discord."""
    try:
        return max(1.0, float(error.response.headers["Retry-After"]))
    except (KeyError, ValueError, AttributeError):
        return None
