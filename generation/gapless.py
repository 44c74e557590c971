"""MP3 loops without an edge at the seam.

MP3 codes overlapping windows. At the start and end of a file they reach into silence, and a loop
gets a little burst of coding noise where it repeats. So the encoder is given more: the loop's
end before its start, and its start after its end. The Xing/LAME header says how many samples
players skip at each side; it is corrected so that what remains is exactly the loop. It has to be
corrected for plain clips too: ffmpeg never writes more than one frame of padding, and where the
encoder added more, the clip would come out a few dozen samples too long.

Source of the layout: *Mp3 Info Tag rev 1 specifications*, lame.sourceforge.io/tech-FAQ.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from generation.mel import FloatArray

_PRE_ROLL = 2 * 1152
_POST_ROLL = 1152 + 576
_MAX_FIELD = 0xFFF

# Offsets from the start of the letters "Xing" or "Info".
_FRAMES = 8
_ENCODER = 120
_DELAYS = 141
_HEADER_CRC = 154
_END = 156


def wrap_around(waveform: FloatArray, encode: Callable[[FloatArray], bytes]) -> bytes:
    """Encode a loop with its own neighbourhood around it, and hide that from players.

    Args:
        waveform: one period of the loop, shape `(channels, samples)`.
        encode: turns a waveform into an MP3 file with a Xing/LAME header.

    Returns:
        An MP3 file that decodes to exactly `samples` samples. Where the encoder wrote no header
        that can be corrected, the loop is encoded as it stands.
    """
    length = waveform.shape[1]
    around = np.arange(-_PRE_ROLL, length + _POST_ROLL) % length
    data = encode(np.ascontiguousarray(waveform[:, around]))
    trimmed = _with_length(data, length, _PRE_ROLL)
    return encode(waveform) if trimmed is None else trimmed


def exact_length(data: bytes, samples: int) -> bytes:
    """An MP3 file whose header says exactly how long it is, where it has a header that can."""
    return _with_length(data, samples, 0) or data


def _with_length(data: bytes, samples: int, pre_roll: int) -> bytes | None:
    """Have players skip the pre-roll and keep `samples`; None if the header cannot say so."""
    start = max(data.find(b"Info", 0, 4096), data.find(b"Xing", 0, 4096))
    frame = _frame_before(data, start)
    if start < 0 or frame is None or len(data) < start + _END:
        return None
    if data[start + _ENCODER : start + _ENCODER + 4] not in (b"Lavf", b"Lavc", b"LAME"):
        return None
    packed = int.from_bytes(data[start + _DELAYS : start + _DELAYS + 3], "big")
    frames = int.from_bytes(data[start + _FRAMES : start + _FRAMES + 4], "big")
    delay = (packed >> 12) + pre_roll
    is_mpeg1 = data[frame + 1] & 0x18 == 0x18  # 32 kHz and more; below, frames are half as long
    padding = frames * (1152 if is_mpeg1 else 576) - delay - samples
    if delay > _MAX_FIELD or not 0 <= padding <= _MAX_FIELD:
        return None
    header = bytearray(data[frame : start + _HEADER_CRC])
    at = start + _DELAYS - frame
    header[at : at + 3] = ((delay << 12) | padding).to_bytes(3, "big")
    crc = _crc16(bytes(header)).to_bytes(2, "big")
    return data[:frame] + bytes(header) + crc + data[start + _END :]


def _frame_before(data: bytes, start: int) -> int | None:
    """Where the frame that holds the header begins: its side information has one of few sizes."""
    for side_information in (32, 17, 9):
        frame = start - side_information - 4
        if frame >= 0 and data[frame] == 0xFF and data[frame + 1] & 0xE0 == 0xE0:
            return frame
    return None


def _crc16(data: bytes) -> int:
    """CRC-16 with the polynomial 0x8005, bits reversed, as the header uses it."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
    return crc
