"""Makes one file out of a clip's WAV, in a process of its own: `python -m bot.exporting KIND …`.

What encodes sound needs scipy, which the bot's own process has no use for otherwise.
"""

from __future__ import annotations

import argparse
import sys
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from generation.audio import encode
from generation.errors import GenerationError
from generation.tags import Tags, read_tags

REPEATS = 4
SOUNDBOARD_SECONDS = 5.2
SOUNDBOARD_BYTES = 512 * 1000
# An MP3 is whole frames of 1,152 samples, with the encoder's own delay of 1,105 and 529 before
# and behind. A server that counts frames must not find more than is allowed.
_FRAME, _DELAY = 1152, 1105 + 529
_FADE_SECONDS = 0.03
_BIT_RATES = ("192k", "160k", "128k", "96k", "64k")

Waveform = npt.NDArray[np.float32]


def make(kind: str, wav: bytes, waveform: Waveform, rate: int, *, loop: bool) -> bytes:
    """The file as bytes.

    Args:
        kind: `flac`, `loop4` (an MP3 of the loop four times), `soundboard` (an MP3 of at most
            5.2 s and 512 kB) or `mp3-96` (an MP3 of so many kilobits a second).
        wav: the WAV file, whose recipe is carried over.
        waveform: its samples, shape `(channels, samples)`, within ±1; `rate` in Hz.
        loop: whether its end meets its start.
    """
    tags = read_tags(wav)
    if kind == "flac":
        return encode(waveform, rate, "flac", tags, loop=loop)
    if kind == "loop4":
        return encode(np.tile(waveform, (1, REPEATS)), rate, "mp3", tags, loop=loop)
    if kind == "soundboard":
        return _soundboard(waveform, rate, tags)
    return encode(waveform, rate, "mp3", tags, bitrate=f"{kind.removeprefix('mp3-')}k", loop=loop)


def _soundboard(waveform: Waveform, rate: int, tags: Tags) -> bytes:
    # No wrapping around the loop here: that adds frames, and a soundboard plays once.
    most = int(SOUNDBOARD_SECONDS * rate) - _FRAME - _DELAY
    if waveform.shape[1] > most:
        waveform = waveform[:, :most].copy()
        fade = int(_FADE_SECONDS * rate)
        waveform[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    data = b""
    for bit_rate in _BIT_RATES:
        data = encode(waveform, rate, "mp3", Tags(tags.title), bitrate=bit_rate, loop=False)
        if len(data) <= SOUNDBOARD_BYTES:
            break
    return data


def read_wav(path: Path) -> tuple[Waveform, int]:
    """Samples of a 16-bit WAV, shape `(channels, samples)`, within ±1; and the rate in Hz."""
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        channels, rate = file.getnchannels(), file.getframerate()
    return (samples.reshape(-1, channels).T / np.float32(32768)).astype(np.float32), rate


def main(arguments: list[str] | None = None) -> int:
    """Read WAV, write TARGET; a sentence on stderr and 1 where that does not work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind")
    parser.add_argument("wav", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--no-loop", action="store_true")
    options = parser.parse_args(arguments)
    try:
        waveform, rate = read_wav(options.wav)
        data = make(
            options.kind, options.wav.read_bytes(), waveform, rate, loop=not options.no_loop
        )
        options.target.write_bytes(data)
    except (GenerationError, OSError, EOFError, wave.Error) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
