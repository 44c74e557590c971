"""Opus packets as samples, to measure what was heard: an Ogg file around them, and ffmpeg."""

from __future__ import annotations

import functools
import struct
import subprocess
from collections.abc import Sequence

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

RATE = 48_000
_SAMPLES = 960
_POLYNOMIAL = 0x04C11DB7


def decode(packets: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """What stereo packets of 20 ms sound like: shape `(2, samples)` at 48 kHz, -1 to 1."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 2, 0, RATE, 0, 0)
    tags = b"OpusTags" + struct.pack("<I4sI", 4, b"test", 0)
    pages = [page(head, 0, 0, first=True), page(tags, 1, 0)]
    pages += [page(packet, 2 + at, (at + 1) * _SAMPLES) for at, packet in enumerate(packets)]
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-f", "ogg", "-i", "pipe:0"]
    done = subprocess.run(
        [*ffmpeg, "-f", "f32le", "-ac", "2", "-ar", str(RATE), "pipe:1"],
        input=b"".join(pages), capture_output=True, check=True,
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return np.frombuffer(done.stdout, dtype="<f4").reshape(-1, 2).T


def page(packet: bytes, number: int, position: int, *, first: bool = False) -> bytes:
    """One packet as one Ogg page (RFC 3533)."""
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    fields = (0, 2 if first else 0, position, 1, number, 0, len(lacing))
    header = b"OggS" + struct.pack("<BBqIIIB", *fields) + lacing
    checksum = struct.pack("<I", _checksum(header + packet))
    return header[:22] + checksum + header[26:] + packet


def _checksum(data: bytes) -> int:
    value = 0
    for byte in data:
        value = (value << 8) & 0xFFFFFFFF ^ _table()[value >> 24 ^ byte]
    return value


@functools.cache
def _table() -> list[int]:
    """The checksum of each byte."""
    table = []
    for value in range(256):
        value <<= 24
        for _ in range(8):
            value = (value << 1) ^ (_POLYNOMIAL if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    return table
