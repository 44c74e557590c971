"""Turns a sound into its picture, or a picture into its sound, in a process of its own:
`python -m bot.converting picture-to-sound SOURCE TARGET`.

What a stranger attached is decoded here, within limits, and not in the bot. Words in it are not
carried over: nobody has read them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from generation.audio import Tags, encode, master, png_bytes
from generation.decoding import DecodeLimits, decode_sound, open_picture
from generation.errors import BadRequestError, GenerationError
from generation.inversion import waveform_from_image
from generation.spectrogram import SpectrogramParams, image_from_waveform, params_from_image

LONGEST_SECONDS = 60.0
KINDS = ("picture-to-sound", "sound-to-picture")
_LIMITS = DecodeLimits(max_seconds=LONGEST_SECONDS)


def sound_of(picture: Path) -> bytes:
    """The MP3 of a spectrogram picture, Riffusion's own included.

    Raises:
        GenerationError: it is no picture, or too wide.
    """
    image = open_picture(picture, limits=_LIMITS)
    params = params_from_image(image)
    seconds = image.width * params.step_ms / 1000
    if seconds > LONGEST_SECONDS:
        raise BadRequestError(
            f"That picture would be {seconds:.0f} s of sound; {LONGEST_SECONDS:.0f} is the most."
        )
    waveform = waveform_from_image(image, params, circular=True)
    waveform = master(waveform, params.sample_rate, loop=True)
    return encode(waveform, params.sample_rate, "mp3", Tags(), loop=True)


def picture_of(sound: Path) -> bytes:
    """The spectrogram picture of a sound as PNG, which `sound_of` and Riffusion turn back.

    Raises:
        GenerationError: it is no sound, or too long.
    """
    params = SpectrogramParams()
    decoded = decode_sound(sound, sample_rate=params.sample_rate, channels=1, limits=_LIMITS)
    image = image_from_waveform(decoded.waveform, params, circular=False)
    return png_bytes(image, params, Tags())


def main(arguments: list[str] | None = None) -> int:
    """Read SOURCE, write TARGET; a sentence on stderr and 1 where that cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args(arguments)
    convert = sound_of if options.kind == "picture-to-sound" else picture_of
    try:
        options.target.write_bytes(convert(options.source))
    except GenerationError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
