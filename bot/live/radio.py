"""One endless MP3 stream of a session, encoded once, whoever listens.

The encoder runs while somebody listens, and half a minute longer. It is fed up to the playhead and
gives whole MP3 frames, which every listener gets as they come: those who come later begin with the
last two seconds, so that players start at once; those who cannot keep up are dropped, because to
wait for one would be to keep everybody waiting.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from bot.live.grid import SAMPLE_RATE, samples
from bot.live.renderer import CHANNELS, pcm, render
from bot.live.sounds import Sounds
from bot.live.timeline import Segment, Timeline
from generation.errors import GenerationError
from generation.ffmpeg import ffmpeg_path

log = logging.getLogger(__name__)

KBITS = 160
_PIECE = samples(0.25)
_MOST_BEHIND = samples(10.0)
"""After a longer pause (the computer slept) the stream goes on from the playhead."""
_BURST_BYTES = 2 * KBITS * 125
_BACKLOG_BYTES = 10 * KBITS * 125
_IDLE_SECONDS = 30.0
MOST_LISTENERS = 500

_BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_RATES = (44_100, 48_000, 32_000)


class Listener:
    """Somebody's share of the stream: what they have not taken yet, up to ten seconds."""

    def __init__(self, most_bytes: int = _BACKLOG_BYTES) -> None:
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._most = most_bytes
        self._arrived = asyncio.Event()
        self.dropped = False

    def put(self, data: bytes) -> None:
        """More of the stream; who has too much waiting already is dropped."""
        if self._bytes + len(data) > self._most:
            self.close()
            return
        self._waiting.append(data)
        self._bytes += len(data)
        self._arrived.set()

    def close(self) -> None:
        """No more for this one."""
        self.dropped = True
        self._waiting.clear()
        self._bytes = 0
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self.dropped:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                data = self._waiting.popleft()
                self._bytes -= len(data)
                yield data


class Radio:
    """The stream of one session."""

    def __init__(
        self,
        timeline: Callable[[], Timeline],
        sounds: Sounds,
        playhead: Callable[[], int],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`pause` waits for the playhead to move on; tests make their own time with it."""
        self._timeline, self._sounds, self._playhead = timeline, sounds, playhead
        self._pause = pause
        self._listeners: set[Listener] = set()
        self._burst: deque[bytes] = deque()
        self._burst_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._idle = 0.0
        self.rendered = 0
        self.dropped = 0

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @contextmanager
    def listening(self, listener: Listener | None = None) -> Iterator[Listener]:
        """Listen while the block runs. The stream is started for the first one."""
        one = listener or Listener()
        for data in self._burst:
            one.put(data)
        self._listeners.add(one)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield one
        finally:
            self._listeners.discard(one)

    async def close(self) -> None:
        """Send everybody home."""
        for listener in tuple(self._listeners):
            listener.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._listeners or self._idle < _IDLE_SECONDS:
            try:
                await self._encode()
            except (OSError, GenerationError):
                log.exception("the stream broke off and starts again")
                await self._pause(1.0)
        self._burst.clear()
        self._burst_bytes = 0

    async def _encode(self) -> None:
        """One life of the encoder."""
        self._idle = 0.0
        process = await asyncio.create_subprocess_exec(
            *(ffmpeg_path(), "-hide_banner", "-loglevel", "error", "-f", "s16le"),
            *("-ar", str(SAMPLE_RATE), "-ac", str(CHANNELS), "-i", "pipe:0", "-threads", "1"),
            *("-c:a", "libmp3lame", "-b:a", f"{KBITS}k", "-reservoir", "0", "-write_xing", "0"),
            *("-id3v2_version", "0"),
            *("-flush_packets", "1", "-f", "mp3", "pipe:1"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
        )
        sharing = asyncio.create_task(self._share(process))
        try:
            await self._feed(process)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            sharing.cancel()
            await asyncio.gather(sharing, return_exceptions=True)

    async def _feed(self, process: Process) -> None:
        assert process.stdin is not None
        at = max(0, self._playhead() - _PIECE)
        while self._listeners or self._idle < _IDLE_SECONDS:
            now = self._playhead()
            if now - at > _MOST_BEHIND:
                at = now - _PIECE
            if now - at < _PIECE:
                await self._pause((_PIECE - (now - at)) / SAMPLE_RATE)
                continue
            end = at + _PIECE
            segments = self._timeline().window(at, end + 1)
            data = await asyncio.to_thread(self._render, segments, at, end)
            process.stdin.write(data)
            await process.stdin.drain()
            self.rendered += end - at
            self._idle = 0.0 if self._listeners else self._idle + (end - at) / SAMPLE_RATE
            at = end

    def _render(self, segments: list[Segment], first: int, end: int) -> bytes:
        return pcm(render(segments, self._sounds.of, first, end)).tobytes()

    async def _share(self, process: Process) -> None:
        assert process.stdout is not None
        frames = Frames()
        while data := await process.stdout.read(16 * 1024):
            whole = frames.take(data)
            if not whole:
                continue
            self._burst.append(whole)
            self._burst_bytes += len(whole)
            while self._burst_bytes - len(self._burst[0]) > _BURST_BYTES:
                self._burst_bytes -= len(self._burst.popleft())
            for listener in tuple(self._listeners):
                listener.put(whole)
                if listener.dropped:
                    self._listeners.discard(listener)
                    self.dropped += 1


class Frames:
    """Cuts an MP3 stream between frames, so that anybody may begin with any piece."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> bytes:
        """All whole frames that there are by now."""
        data = self._rest + data
        at = 0
        while (length := _frame_length(data, at)) is not None and at + length <= len(data):
            at += length
        self._rest = data[at:]
        return data[:at]


def _frame_length(data: bytes, at: int) -> int | None:
    """Bytes of the MPEG-1 layer III frame at `at`; None where its header is not there yet."""
    if len(data) < at + 4:
        return None
    if data[at] != 0xFF or data[at + 1] & 0xFE != 0xFA:
        following = data.find(b"\xff", at + 1)
        return (following if following > 0 else len(data)) - at
    bitrate, rate = _BITRATES[(data[at + 2] >> 4) % 15], _RATES[(data[at + 2] >> 2 & 3) % 3]
    return 144_000 * bitrate // rate + (data[at + 2] >> 1 & 1)
