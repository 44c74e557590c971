"""Sound into files: WAV, MP3, FLAC and Opus, with the recipe inside.

The same sound and recipe always give the same bytes: no time, no random number, no version of a
library gets in. Every format decodes to exactly as many samples as went in, so a loop repeats
without a gap. `master` and the measures of loudness come from `generation.loudness`.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from generation import tags as tagging
from generation.errors import BadRequestError, MediaError
from generation.ffmpeg import audio_segment_class
from generation.gapless import exact_length, wrap_around
from generation.loudness import integrated_loudness, master, true_peak
from generation.mel import FloatArray
from generation.spectrogram import SpectrogramParams, exif_from_params, max_value_from_image
from generation.tags import Tags

if TYPE_CHECKING:
    from pydub import AudioSegment

__all__ = [
    "AUDIO_FORMATS",
    "AudioFormat",
    "Tags",
    "encode",
    "integrated_loudness",
    "master",
    "pcm16",
    "segment_from_waveform",
    "true_peak",
    "waveform_from_segment",
    "write_audio",
]

AudioFormat = Literal["wav", "mp3", "flac", "opus"]
AUDIO_FORMATS: tuple[AudioFormat, ...] = ("wav", "mp3", "flac", "opus")

_NO_TAGS = Tags()
_REPRODUCIBLE = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact"]
_ONE_THREAD = ["-threads", "1"]


def pcm16(waveform: FloatArray) -> npt.NDArray[np.int16]:
    """Floats within ±1 as interleaved 16-bit samples, shape `(samples, channels)`.

    Values outside are cut off; `master` makes sure that there are none.
    """
    _check_waveform(waveform)
    scaled = np.rint(np.asarray(waveform, dtype=np.float64).T * 32768.0)
    return np.clip(scaled, -32768, 32767).astype("<i2")


def _check_waveform(waveform: FloatArray) -> None:
    if waveform.ndim != 2 or waveform.shape[0] not in (1, 2) or waveform.shape[1] == 0:
        raise MediaError(
            "A sound to be saved needs one or two channels and at least one sample; this one has "
            f"shape {waveform.shape}."
        )
    if not np.isfinite(waveform).all():
        raise MediaError("This sound contains values that are not numbers and cannot be saved.")


def segment_from_waveform(waveform: FloatArray, sample_rate: int) -> AudioSegment:
    """A pydub segment of 16-bit samples."""
    samples = pcm16(waveform)
    return audio_segment_class()(
        data=samples.tobytes(),
        sample_width=2,
        frame_rate=sample_rate,
        channels=samples.shape[1],
    )


def waveform_from_segment(segment: AudioSegment) -> FloatArray:
    """A pydub segment as floats within ±1, shape `(channels, samples)`."""
    width = segment.sample_width
    samples = np.array(segment.get_array_of_samples(), dtype=np.float64) / float(
        1 << (8 * width - 1)
    )
    return np.asarray(samples.reshape(-1, segment.channels).T, dtype=np.float32)


def encode(
    waveform: FloatArray,
    sample_rate: int,
    file_format: AudioFormat,
    tags: Tags = _NO_TAGS,
    *,
    bitrate: str | None = None,
    loop: bool = True,
) -> bytes:
    """A whole audio file as bytes.

    Args:
        waveform: shape `(channels, samples)`, floats within ±1.
        sample_rate: in Hz. Opus files always play at 48 kHz.
        file_format: one of `AUDIO_FORMATS`.
        tags: written into the file.
        bitrate: such as "192k", for MP3 and Opus; a good one if left out.
        loop: let the MP3 encoder hear the loop's end before its start and the start after its
            end, so that its window has no edge there. Players still get exactly the loop.

    Raises:
        BadRequestError: there is no such format.
        MediaError: the sound cannot be encoded.
    """
    if file_format == "wav":
        return _wav_bytes(waveform, sample_rate, tags)
    if file_format == "mp3":
        plain = _mp3_bytes(waveform, sample_rate, bitrate, loop=loop)
        return tagging.tag_mp3(plain, tags)
    if file_format == "flac":
        segment = segment_from_waveform(waveform, sample_rate)
        return tagging.tag_flac(_export(segment, "flac", "flac", None), tags)
    if file_format == "opus":
        segment = segment_from_waveform(waveform, sample_rate)
        default = "96k" if len(waveform) == 1 else "160k"
        return tagging.tag_opus(_export(segment, "opus", "libopus", bitrate or default), tags)
    raise BadRequestError(
        f"{file_format!r} is not a sound format I can write; choose {', '.join(AUDIO_FORMATS)}."
    )


def _wav_bytes(waveform: FloatArray, sample_rate: int, tags: Tags) -> bytes:
    samples = pcm16(waveform)
    channels = samples.shape[1]
    form = struct.pack(
        "<HHIIHH", 1, channels, sample_rate, sample_rate * channels * 2, channels * 2, 16
    )
    body = (
        b"WAVE"
        + tagging.riff_chunk(b"fmt ", form)
        + tagging.info_chunk(tags)
        + tagging.riff_chunk(b"data", samples.tobytes())
    )
    return tagging.riff_chunk(b"RIFF", body)


def _mp3_bytes(waveform: FloatArray, sample_rate: int, bitrate: str | None, *, loop: bool) -> bytes:
    rate = bitrate or ("128k" if len(waveform) == 1 else "192k")
    if not loop:
        segment = segment_from_waveform(waveform, sample_rate)
        data = _export(segment, "mp3", "libmp3lame", rate)
        return exact_length(data, waveform.shape[1])
    return wrap_around(
        waveform,
        lambda longer: _export(
            segment_from_waveform(longer, sample_rate), "mp3", "libmp3lame", rate
        ),
    )


def _export(segment: AudioSegment, container: str, codec: str, bitrate: str | None) -> bytes:
    buffer = io.BytesIO()
    try:
        segment.export(
            buffer,
            format=container,
            codec=codec,
            bitrate=bitrate,
            parameters=[*_REPRODUCIBLE, *_ONE_THREAD],
        )
    except (OSError, Exception) as error:
        raise MediaError(
            f"The sound could not be saved as {container.upper()}; try another format or bitrate."
        ) from error
    return buffer.getvalue()


def write_audio(
    path: Path,
    waveform: FloatArray,
    sample_rate: int,
    tags: Tags = _NO_TAGS,
    *,
    bitrate: str | None = None,
    loop: bool = True,
) -> None:
    """Write the format that the file name ends with; see `encode`."""
    ending = path.suffix.lower().lstrip(".")
    for file_format in AUDIO_FORMATS:
        if file_format == ending:
            data = encode(waveform, sample_rate, file_format, tags, bitrate=bitrate, loop=loop)
            path.write_bytes(data)
            return
    raise BadRequestError(
        f"I do not know the sound format {path.suffix!r}; use .{', .'.join(AUDIO_FORMATS)}."
    )


def png_bytes(image: Image.Image, params: SpectrogramParams, tags: Tags = _NO_TAGS) -> bytes:
    """A spectrogram picture as PNG, with its parameters as EXIF and the recipe as text."""
    exif = Image.Exif()
    exif.update(exif_from_params(params, max_value_from_image(image)))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", exif=exif, pnginfo=tagging.png_info(tags), compress_level=6)
    return buffer.getvalue()
