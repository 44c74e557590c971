"""The endless stream, with a real encoder on a clock that runs as fast as it can."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from bot.live.grid import SAMPLE_RATE, Grid, samples
from bot.live.radio import KBITS, Frames, Listener, Radio
from bot.live.safe_loop import safe_take
from bot.live.sounds import Sounds
from bot.live.timeline import Segment, Timeline
from generation.decoding import decode_sound
from tests.waiting import soon


class Hands:
    """A playhead that moves when the radio waits for it, up to an end."""

    def __init__(self) -> None:
        self.at = samples(5.0)
        self.end = self.at
        self.moved = asyncio.Event()
        self.there = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        while self.at >= self.end:
            self.moved.clear()
            self.there.set()
            await self.moved.wait()
        self.at = min(self.end, self.at + max(1, samples(seconds)))
        await asyncio.sleep(0)

    def move(self, seconds: float) -> None:
        self.end += samples(seconds)
        self.there.clear()
        self.moved.set()


@pytest.fixture
async def hands() -> Hands:
    return Hands()


@pytest.fixture
async def radio(tmp_path: Path, hands: Hands) -> AsyncIterator[Radio]:
    grid = Grid(120, 8)
    timeline = Timeline([Segment(1, 0, 1, 0, safe_take(grid, tmp_path, -16), "safe")])
    radio = Radio(lambda: timeline, Sounds(tmp_path), lambda: hands.at, hands.pause)
    yield radio
    await soon(radio.close())


async def take(listener: Listener, least: int) -> bytes:
    data = b""

    async def read() -> None:
        nonlocal data
        async for piece in listener:
            data += piece
            if len(data) >= least:
                return

    await soon(read())
    return data


async def test_it_sounds_like_the_session(radio: Radio, hands: Hands, tmp_path: Path) -> None:
    with radio.listening() as listener:
        hands.move(20)
        data = await take(listener, 15 * KBITS * 125)
    (tmp_path / "stream.mp3").write_bytes(data)
    sound = decode_sound(tmp_path / "stream.mp3", sample_rate=SAMPLE_RATE)
    assert sound.seconds == pytest.approx(15, abs=1)
    level = np.abs(sound.waveform[0, 4410:-4410]).reshape(-1)
    quiet = np.convolve(level, np.ones(441) / 441, "valid")
    assert quiet.min() > 1e-3


def resident() -> int:
    """Bytes of memory in use now: a peak would hide what grows below an earlier one. Only Linux
    tells; elsewhere 0."""
    if sys.platform != "linux":
        return 0
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("minutes", [3, pytest.param(60, marks=pytest.mark.soak)])
async def test_ten_listeners_share_one_encoder_and_memory_stays_flat(
    radio: Radio, hands: Hands, minutes: int
) -> None:

    async def listen(listener: Listener, least: int) -> int:
        size = 0
        async for piece in listener:
            size += len(piece)
            if size >= least:
                break
        return size

    with ExitStack() as stack:
        listeners = [stack.enter_context(radio.listening()) for _ in range(10)]
        least = (60 * minutes - 5) * KBITS * 125
        readers = [asyncio.create_task(listen(one, least)) for one in listeners]
        before = 0
        for minute in range(minutes):
            hands.move(60)
            await soon(hands.there.wait())
            if minute == 1:
                before = resident()
        sizes = await soon(asyncio.gather(*readers))
    assert min(sizes) >= least
    assert resident() - before < 20_000_000
    assert radio.rendered == pytest.approx(samples(60 * minutes), abs=samples(2))
    assert radio.dropped == 0


async def test_who_never_reads_is_dropped_and_the_others_hear_on(
    radio: Radio, hands: Hands
) -> None:
    with radio.listening() as idle, radio.listening() as listener:
        reading = asyncio.create_task(take(listener, 25 * KBITS * 125))
        hands.move(30)
        await soon(reading)
        assert idle.dropped and not listener.dropped
        assert (radio.listeners, radio.dropped) == (1, 1)
        assert [piece async for piece in idle] == []


async def test_who_comes_later_begins_with_the_last_seconds(radio: Radio, hands: Hands) -> None:
    with radio.listening() as first:
        hands.move(20)
        await take(first, 15 * KBITS * 125)
        with radio.listening() as second:
            piece = await take(second, KBITS * 125)
    assert piece[:2] == b"\xff\xfb"


async def test_after_a_sleep_it_goes_on_from_the_playhead(radio: Radio, hands: Hands) -> None:
    with radio.listening() as listener:
        hands.move(3)
        await take(listener, 2 * KBITS * 125)
        hands.at += samples(3600)
        hands.end = hands.at
        hands.move(5)
        await take(listener, 3 * KBITS * 125)
    assert radio.rendered < samples(15)


def test_frames_are_cut_between_frames() -> None:
    frame = b"\xff\xfb\xa0\x00" + bytes(518)  # 160 kbit/s at 44.1 kHz: 522 bytes
    frames = Frames()
    assert frames.take(frame[:300]) == b""
    assert frames.take(frame[300:] + frame + frame[:3]) == frame * 2
    assert frames.take(frame[3:]) == frame
