"""The radio of one server: stays in its voice channel, and plays what is to be played there.

What is on air, in this order: a clip that somebody named; the live session of the server; the
latest clip made there. It is looked at again whenever a session comes or goes, a riff is made or
hidden, or a moderator stops everything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord

from bot.errors import NotFoundRefusal
from bot.events import HaltChanged, JobChanged
from bot.jobs import Job
from bot.live.rules import LiveRules
from bot.live.sounds import Sounds
from bot.services import Services
from cogs.discord.place import PLATFORM
from cogs.discord.voice_sound import Live, Loop, OpusSource, Programme, Transmitter
from generation.errors import GenerationError

log = logging.getLogger(__name__)

EMPTY_SECONDS = 300.0
"""After so long with nobody to listen it leaves."""
_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_AGAIN_AFTER = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 60.0, 60.0)
_LOOK_SECONDS = 0.5
_RECENT = 50
CONNECT_ERRORS = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError)


class RadioVoice(discord.VoiceClient):
    """discord.py's connection, which tells when it ended, and whether somebody ended it."""

    def __init__(self, client: discord.Client, channel: discord.abc.Connectable) -> None:
        super().__init__(client, channel)
        self.gone = asyncio.Event()
        self.dismissed = False

    async def on_voice_state_update(self, data: Any) -> None:
        """Where we leave by ourselves, the connection is down before Discord confirms it."""
        if data["channel_id"] is None and self.is_connected():
            self.dismissed = True
        await super().on_voice_state_update(data)

    def cleanup(self) -> None:
        """discord.py calls this last."""
        super().cleanup()
        self.gone.set()


@dataclass(frozen=True, slots=True)
class OnAir:
    """What plays: a riff's clip, a live session, or nothing."""

    job: Job | None = None
    session: str = ""

    @property
    def key(self) -> str:
        """The same for the same sound."""
        return self.session if self.job is None else f"riff {self.job.id}"


class Station:
    """One server's radio, from `open` to `close`."""

    def __init__(
        self,
        services: Services,
        client: discord.Client,
        guild: discord.Guild,
        bots: Set[int],
        ended: Callable[[Station], None],
    ) -> None:
        """Nothing connects yet.

        Args:
            services: the studio and everything around it.
            client: the connection.
            guild: where it plays.
            bots: ids of users who do not listen.
            ended: called when it is over, whoever ended it.
        """
        self._services, self._client, self._ended = services, client, ended
        self._first_seen, self._bots = guild, bots
        self.where = (PLATFORM, str(guild.id))
        self._sounds = Sounds(services.clips, most=2)
        self._source = OpusSource()
        self._transmitter = Transmitter(self._source)
        self._voice: RadioVoice | None = None
        self._channel_id = 0
        self._named: str | None = None
        self._look = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []
        self._staying: asyncio.Task[None] | None = None
        self._empty: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        self.volume = 100
        self.on_air = OnAir()

    @property
    def _guild(self) -> discord.Guild:
        """discord.py makes its guilds anew where Discord does not resume a connection."""
        return self._client.get_guild(self._first_seen.id) or self._first_seen

    @property
    def channel(self) -> discord.VoiceChannel | None:
        """Where it plays, wherever it was moved to."""
        found = self._guild.get_channel(self._channel_id)
        return found if isinstance(found, discord.VoiceChannel) else None

    # What people do -------------------------------------------------------------------------

    async def open(self, channel: discord.VoiceChannel, clip: str | None) -> None:
        """Connect and play.

        Raises:
            CONNECT_ERRORS: it did not come about.
        """
        self._named = clip
        await self._choose()
        await self._go(channel)
        self._tasks = [
            asyncio.create_task(work, name=f"radio:{self._guild.id}")
            for work in (self._transmitter.run(), self._follow(), self._listen())
        ]
        self.people_changed()

    async def move(self, channel: discord.VoiceChannel, clip: str | None) -> None:
        """Go to another channel, or play another clip, or both.

        Raises:
            CONNECT_ERRORS: it did not come about.
        """
        self._named = clip
        await self._choose()
        if channel.id != self._channel_id:
            await self._go(channel)
        self.people_changed()

    async def _go(self, channel: discord.VoiceChannel) -> None:
        # A connection of its own for every channel: discord.py's `move_to` waits up to 30 s for a
        # packet on a socket that it has just replaced.
        if self._staying is not None:
            self._staying.cancel()
        self._voice, self._channel_id = None, channel.id
        await self._hang_up()
        try:
            self._voice = await _connect(channel)
        finally:
            self._staying = asyncio.create_task(self._stay(), name=f"radio:{self._guild.id}")

    def set_volume(self, percent: int) -> None:
        """0 to 100, of the amplitude."""
        self.volume = percent
        self._transmitter.set_gain(percent / 100.0)

    @property
    def closing(self) -> bool:
        """Whether it is over, or about to be."""
        return self._closing is not None

    async def close(self) -> None:
        """Leave. May be called by several at once."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._empty is not None:
            self._empty.cancel()
        tasks = [task for task in (*self._tasks, self._staying) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._ended(self)
        await self._hang_up()

    async def _hang_up(self) -> None:
        """End the connection that there is, made or being made."""
        voice = self._guild.voice_client
        if voice is not None:
            with suppress(*CONNECT_ERRORS):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await voice.disconnect(force=True)

    # Who listens ----------------------------------------------------------------------------

    def people_changed(self) -> None:
        """Somebody came to a voice channel, or left one; it may be the radio itself."""
        if self._voice is not None and self._voice.is_connected():
            current = self._voice.channel
            self._channel_id = self._channel_id if current is None else current.id
        others = {self._guild.me.id, *self._bots}
        channel = self.channel
        if channel is not None and any(one not in others for one in channel.voice_states):
            if self._empty is not None:
                self._empty.cancel()
                self._empty = None
        elif self._empty is None:
            self._empty = asyncio.get_running_loop().call_later(EMPTY_SECONDS, self._leave_soon)

    def _leave_soon(self) -> None:
        if self._closing is None:
            log.info("Discord: the radio left an empty channel of “%s”", self._guild.name)
            self._closing = asyncio.create_task(self._close())

    # The connection -------------------------------------------------------------------------

    async def _stay(self) -> None:
        """Play through every connection, until somebody ends the radio or it cannot come back."""
        while self._voice is not None:
            await self._play(self._voice)
            if self._voice.dismissed:
                log.info("Discord: somebody ended the radio of “%s”", self._guild.name)
                break
            self._voice = await self._connect_again()
        # Not awaited: it cancels this task.
        self._leave_soon()

    async def _play(self, voice: RadioVoice) -> None:
        """Until the connection is gone; where it is moved by others, discord.py follows."""
        loop = asyncio.get_running_loop()
        while not voice.gone.is_set():
            stopped = asyncio.Event()

            def after(error: Exception | None, stopped: asyncio.Event = stopped) -> None:
                if error is not None:
                    log.warning("Discord: the radio's player ended: %s", error)
                with suppress(RuntimeError):  # the bot has ended meanwhile
                    loop.call_soon_threadsafe(stopped.set)

            with suppress(discord.ClientException):
                voice.play(self._source, after=after)
                await _first_of(voice.gone.wait(), stopped.wait())
            if not voice.gone.is_set():
                # The player waited for a connection in vain, or there was none to begin with.
                await voice.disconnect(force=True)

    async def _connect_again(self) -> RadioVoice | None:
        for pause in _AGAIN_AFTER:
            log.info("Discord: the radio of “%s” was cut off", self._guild.name)
            await asyncio.sleep(pause)
            channel = self.channel
            if channel is None:
                return None
            try:
                return await _connect(channel)
            except CONNECT_ERRORS as error:
                log.warning("Discord: the radio of “%s” cannot connect (%s)",
                            self._guild.name, error or type(error).__name__)  # fmt: skip
        return None

    # What plays -----------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Look again at what is to play, whenever that may have changed."""
        with self._services.studio.subscribe() as events:
            self._look.set()
            chooser = asyncio.create_task(self._choose_whenever())
            try:
                async for event in events:
                    if isinstance(event, HaltChanged | JobChanged):
                        self._look.set()
            finally:
                chooser.cancel()

    async def _listen(self) -> None:
        """Hear of sessions that come and go."""
        live = self._services.live
        while True:
            session = live.at(self.where)
            self._look.set()
            await live.changed(self.where, session)

    async def _choose_whenever(self) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            try:
                await self._choose()
            except Exception:
                log.exception("the radio cannot tell what to play")
            # However much happens in the studio, not more than a look or two a second.
            await asyncio.sleep(_LOOK_SECONDS)

    async def _choose(self) -> None:
        on_air = await self._wanted()
        if on_air.key != self.on_air.key:
            try:
                self._transmitter.tune(await self._programme(on_air))
            except (GenerationError, OSError) as error:
                log.warning("the radio cannot play %s: %s", on_air.key, error)
                return
        self.on_air = on_air

    async def _wanted(self) -> OnAir:
        halted = self._services.moderation.rules.halts.of(*self.where) == "panic"
        session = self._services.live.at(self.where)
        if self._named is not None and not halted:
            with suppress(NotFoundRefusal):
                job = (await self._services.studio.view(self._named)).job
                if is_playable(job):
                    return OnAir(job)
        if session is not None:
            return OnAir(session=session.id)  # which fades to its safe loop by itself
        playable = [] if halted else await clips_of(self._services, self.where)
        return OnAir(playable[0]) if playable else OnAir()

    async def _programme(self, on_air: OnAir) -> Programme | None:
        if on_air.job is not None:
            job, loudness = on_air.job, LiveRules().loudness
            take = await asyncio.to_thread(self._sounds.take_of, job.id, job.clips[0], loudness)
            return Loop(self._sounds.of(take), take.gain)
        session = self._services.live.at(self.where)
        return None if session is None else Live(session)


def is_playable(job: Job) -> bool:
    """Whether a riff may be heard."""
    return bool(job.clips) and not job.hidden


async def clips_of(services: Services, where: tuple[str, str]) -> list[Job]:
    """Riffs of a community that can be heard, the latest first."""
    views = await services.studio.recent(*where, _RECENT)
    return [view.job for view in reversed(views) if is_playable(view.job)]


async def _connect(channel: discord.VoiceChannel) -> RadioVoice:
    # Reconnecting by itself, discord.py would wait up to 30 s as in `move_to`; we make a new one.
    voice = await channel.connect(
        timeout=_CONNECT_SECONDS, reconnect=False, cls=RadioVoice, self_deaf=True
    )
    runner = voice._connection._runner
    if runner is not None:
        runner.add_done_callback(_taken_note_of)
    return voice


def _taken_note_of(runner: asyncio.Task[None]) -> None:
    """Else asyncio would complain that nobody asked how a connection ended."""
    if not runner.cancelled() and (error := runner.exception()) is not None:
        log.info("Discord: a voice connection ended: %s", error)


async def _first_of(*waits: Awaitable[Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
