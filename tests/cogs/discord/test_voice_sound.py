"""What goes into a voice channel, as fast as it is taken: no clock but the encoder's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from discord.opus import OPUS_SILENCE
from hypothesis import given
from hypothesis import strategies as st

from cogs.discord.voice_sound import Loop, OggPackets, OpusSource, Transmitter
from tests.peers.discord.voice_decode import RATE, decode, page

PACKET = 960


def tone(hertz: int) -> np.ndarray:
    """A quarter of a second that goes round a whole number of times, as mono."""
    at = np.arange(11_025) / 44_100
    return np.rint(10_000 * np.sin(2 * np.pi * hertz * at)).astype(np.int16)[None]


@pytest.fixture
async def source() -> OpusSource:
    return OpusSource()


@pytest.fixture
async def transmitter(source: OpusSource) -> AsyncIterator[Transmitter]:
    transmitter = Transmitter(source)
    task = asyncio.create_task(transmitter.run())
    yield transmitter
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def played(source: OpusSource, seconds: float) -> np.ndarray:
    """What a player gets that takes packets as soon as they are there."""
    packets: list[bytes] = []
    async with asyncio.timeout(30):
        while len(packets) < seconds * RATE / PACKET:
            packet = source.read()
            if packet != OPUS_SILENCE:
                packets.append(packet)
            await asyncio.sleep(0.001)
    return (await asyncio.to_thread(decode, packets))[0]


def envelope(sound: np.ndarray) -> np.ndarray:
    pieces = sound[: len(sound) // PACKET * PACKET].reshape(-1, PACKET)
    return np.sqrt(np.mean(np.square(pieces), axis=1))


async def test_a_loop_has_no_seam_and_a_change_of_programme_no_click(
    source: OpusSource, transmitter: Transmitter
) -> None:
    transmitter.tune(Loop(tone(440), 1.0))
    steady = (await played(source, 2.5))[RATE // 2 :]
    level = envelope(steady)
    assert level.min() > 0.95 * level.max() > 0.1
    jump = np.abs(np.diff(steady)).max()
    transmitter.tune(Loop(tone(880), 1.0))
    changed = (await played(source, 2.0))[PACKET * 4 :]
    # The new tone is twice as steep; a click would be steeper than both together.
    assert np.abs(np.diff(changed)).max() < 3 * jump
    spectrum = np.abs(np.fft.rfft(changed[-RATE:]))
    assert np.argmax(spectrum) == 880
    transmitter.set_gain(0.5)
    quiet = envelope((await played(source, 2.0))[-RATE:])
    assert np.median(quiet) == pytest.approx(0.5 * np.median(level), rel=0.05)
    transmitter.tune(None)
    assert envelope((await played(source, 2.0))[-RATE // 2 :]).max() < 1e-3


async def test_nothing_ready_is_silence_and_never_a_wait(source: OpusSource) -> None:
    assert source.read() == OPUS_SILENCE
    assert (source.taken, source.missed) == (0, 1)
    assert source.is_opus()


@given(st.lists(st.binary(min_size=1, max_size=700), max_size=8), st.integers(1, 300))
def test_packets_are_found_however_the_stream_is_cut(packets: list[bytes], step: int) -> None:
    stream = b"".join(page(packet, number, 0) for number, packet in enumerate(packets))
    reader = OggPackets()
    found: list[bytes] = []
    for at in range(0, len(stream), step):
        found += reader.take(stream[at : at + step])
    assert found == packets
