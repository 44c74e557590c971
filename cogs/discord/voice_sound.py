"""What is heard in a voice channel: a programme's samples, made into Opus by the ffmpeg that ships.

    programme ─► pieces of samples ─► gain, cross-fades ─► ffmpeg ─► packets of 20 ms ─► OpusSource

discord.py's player takes a packet from `OpusSource` every 20 ms in a thread of its own. Nothing
there ever waits: where no packet is ready it sends silence and goes on.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio.subprocess import DEVNULL, PIPE
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

import discord
import numpy as np
from discord.opus import OPUS_SILENCE

from bot.live.grid import SAMPLE_RATE, samples
from bot.live.renderer import CHANNELS, pcm, render
from bot.live.session import LiveSession
from bot.live.sounds import Sound, stretch
from bot.live.timeline import FloatArray
from generation.errors import GenerationError
from generation.ffmpeg import ffmpeg_path

log = logging.getLogger(__name__)

KBITS = 128
PACKET_SECONDS = 0.02
_PIECE = samples(0.1)
_AHEAD_SECONDS = 0.5
"""Made before it is played: enough for a busy computer, little enough that the volume obeys."""
_BEHIND = samples(1.0)
_MOST_BEHIND = samples(3.0)
_FULL = np.float32(32768.0)
_OGG_HEADERS = 2  # OpusHead and OpusTags are no sound

Render = Callable[[], FloatArray]


class Programme(Protocol):
    """Something to play."""

    def next(self, length: int) -> Render | None:
        """What gives the next `length` samples of shape `(2, length)`; it may be called in any
        thread. None where they are not there yet."""


class Loop:
    """A clip, again and again."""

    def __init__(self, sound: Sound, gain: float) -> None:
        """`sound` has shape `(channels, samples)`, int16; `gain` brings it to its loudness."""
        self._sound, self._gain = sound, np.float32(gain)
        self._at = 0

    def next(self, length: int) -> Render:
        """Always there."""
        first, self._at = self._at, self._at + length
        return partial(self._render, first, length)

    def _render(self, first: int, length: int) -> FloatArray:
        piece = stretch(self._sound, 0, first, length).astype(np.float32)
        return np.broadcast_to(piece * (self._gain / _FULL), (CHANNELS, length))


class Live:
    """A live session, a second behind its playhead, where nothing changes any more."""

    def __init__(self, session: LiveSession) -> None:
        self._session = session
        self._at = session.playhead - _BEHIND

    def next(self, length: int) -> Render | None:
        """There as the playhead moves on; after a long pause it goes on from the playhead."""
        playhead = self._session.playhead
        if playhead - self._at > _MOST_BEHIND:
            self._at = playhead - _BEHIND
        first, end = self._at, self._at + length
        if end > playhead:
            return None
        self._at = end
        segments = self._session.performance.timeline.window(max(0, first), max(1, end + 1))
        return partial(render, segments, self._session.sounds.of, first, end)


class OpusSource(discord.AudioSource):
    """Packets for discord.py's player. It has no end: the player is stopped, it does not stop."""

    def __init__(self) -> None:
        self._packets: deque[bytes] = deque()
        self.taken = 0
        self.missed = 0

    def put(self, packet: bytes) -> None:
        """A packet of 20 ms."""
        self._packets.append(packet)

    def read(self) -> bytes:
        """The next packet. Called in the player's thread."""
        try:
            packet = self._packets.popleft()
        except IndexError:
            self.missed += 1
            return OPUS_SILENCE
        self.taken += 1
        return packet

    def is_opus(self) -> bool:
        """So that discord.py does not look for a library to encode it with."""
        return True


class Transmitter:
    """Keeps an `OpusSource` filled from whatever programme it is tuned to."""

    def __init__(self, source: OpusSource) -> None:
        self._source = source
        self._programme: Programme | None = None
        self._before: Programme | None = None
        self._gain = np.float32(1.0)
        self._reached = self._gain
        self._fed = 0
        self._changed = False

    def tune(self, programme: Programme | None) -> None:
        """Play something else, faded into from what plays; None is silence."""
        if not self._changed:
            self._before, self._changed = self._programme, True
        self._programme = programme

    def set_gain(self, gain: float) -> None:
        """`gain` is of the amplitude, 0 to 1; the way there is a ramp."""
        self._gain = np.float32(gain)

    async def run(self) -> None:
        """Encode until cancelled; an encoder that dies is replaced."""
        while True:
            try:
                await self._encode()
            except (OSError, GenerationError):
                log.exception("the radio's encoder broke off and starts again")
            await asyncio.sleep(1.0)

    async def _encode(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *(ffmpeg_path(), "-hide_banner", "-loglevel", "error", "-probesize", "32"),
            *("-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", str(CHANNELS), "-i", "pipe:0"),
            *("-threads", "1", "-c:a", "libopus", "-b:a", f"{KBITS}k", "-frame_duration", "20"),
            *("-page_duration", "20000", "-flush_packets", "1", "-f", "opus", "pipe:1"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        reading = asyncio.create_task(self._read(process.stdout))
        try:
            await self._feed(process.stdin)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            reading.cancel()
            await asyncio.gather(reading, process.wait(), return_exceptions=True)

    async def _feed(self, stdin: asyncio.StreamWriter) -> None:
        self._fed, begun = 0, self._source.taken
        while True:
            played = (self._source.taken - begun) * PACKET_SECONDS
            piece = None
            if self._fed / SAMPLE_RATE - played < _AHEAD_SECONDS:
                piece = await self._piece()
            if piece is None:
                await asyncio.sleep(PACKET_SECONDS)
                continue
            stdin.write(pcm(piece).tobytes())
            await stdin.drain()
            self._fed += _PIECE

    async def _piece(self) -> FloatArray | None:
        """The next piece of what is to be heard; None where a programme has none yet."""
        now = _next_of(self._programme)
        if now is None:
            return None
        before = _next_of(self._before) if self._changed else None
        fades, self._changed, self._before = self._changed, False, None
        gains = np.linspace(self._reached, self._gain, _PIECE, dtype=np.float32)
        self._reached = self._gain
        try:
            return await asyncio.to_thread(_mixed, now, before, fades, gains)
        except GenerationError as error:
            log.warning("the radio is silent for a moment: %s", error)
            return _silence()

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        pages, headers = OggPackets(), _OGG_HEADERS
        while data := await stdout.read(16 * 1024):
            for packet in pages.take(data):
                if headers:
                    headers -= 1
                else:
                    self._source.put(packet)


class OggPackets:
    """The packets in an Ogg stream that comes in pieces (RFC 3533)."""

    _HEADER, _MAGIC = 27, b"OggS"

    def __init__(self) -> None:
        self._rest = b""
        self._packet = b""

    def take(self, data: bytes) -> list[bytes]:
        """All packets that are whole by now."""
        data, at = self._rest + data, 0
        found: list[bytes] = []
        while len(data) >= at + self._HEADER:
            if data[at : at + 4] != self._MAGIC:
                raise OSError("the encoder gave something that is no Ogg stream")
            body = at + self._HEADER + data[at + self._HEADER - 1]
            lacing = data[at + self._HEADER : body]
            if len(data) < body + sum(lacing):
                break
            for length in lacing:
                self._packet += data[body : body + length]
                body += length
                if length < 255:
                    found.append(self._packet)
                    self._packet = b""
            at = body
        self._rest = data[at:]
        return found


def _next_of(programme: Programme | None) -> Render | None:
    return _silence if programme is None else programme.next(_PIECE)


def _silence() -> FloatArray:
    return np.zeros((CHANNELS, _PIECE), dtype=np.float32)


def _mixed(now: Render, before: Render | None, fades: bool, gains: FloatArray) -> FloatArray:
    """A piece with the volume's ramp; where the programme changed, with equal power over it."""
    piece = now()
    if fades:
        turn = (np.arange(_PIECE, dtype=np.float32) + 0.5) * np.float32(np.pi / 2 / _PIECE)
        piece = piece * np.sin(turn)
        if before is not None:
            piece = piece + before() * np.cos(turn)
    return np.asarray(piece * gains, dtype=np.float32)
