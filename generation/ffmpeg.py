"""Where ffmpeg is, and pydub told to use it.

pydub looks for `ffmpeg` on the PATH when it is imported, and warns if there is none. We ship our
own through imageio-ffmpeg, so pydub is imported here and nowhere else.
"""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING

import imageio_ffmpeg

from generation.errors import MediaError

if TYPE_CHECKING:
    from pydub import AudioSegment


@functools.cache
def ffmpeg_path() -> str:
    """Path of the ffmpeg program.

    Raises:
        MediaError: there is none for this platform.
    """
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise MediaError(
            "The sound converter ffmpeg is missing; install the package imageio-ffmpeg again."
        ) from error


@functools.cache
def audio_segment_class() -> type[AudioSegment]:
    """pydub's `AudioSegment`, which finds ffmpeg and says nothing while it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pydub import AudioSegment  # noqa: PLC0415
    AudioSegment.converter = ffmpeg_path()
    segment_class: type[AudioSegment] = AudioSegment
    return segment_class
