"""Open what strangers upload.

Sound goes through ffmpeg in a process of its own, which may use only so much time, memory and
disk, may open nothing but the one file, and is told the format instead of guessing it. Pictures
go through Pillow, which reads the header first. Whatever is wrong with a file, its owner gets one
sentence.
"""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.io.wavfile
from PIL import Image

from generation.errors import MediaError
from generation.ffmpeg import ffmpeg_path
from generation.mel import FloatArray
from generation.spectrogram import check_image_size

PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")

_MEBIBYTE = 1 << 20
_SHORTEST_SECONDS = 0.05
_CODECS = (
    "mp3,mp3float,flac,vorbis,libvorbis,opus,libopus,aac,alac,pcm_u8,pcm_s16le,pcm_s24le,"
    "pcm_s32le,pcm_f32le,pcm_f64le,pcm_s16be,pcm_mulaw,pcm_alaw,adpcm_ms,adpcm_ima_wav"
)

# The limits are set by a tiny program that then becomes ffmpeg: setting them between fork and
# exec from here is not safe in a program with threads.
_LIMITER = """\
import os, resource, sys
names = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_NOFILE")
for name, value in zip(names, map(int, sys.argv[1:6])):
    try:
        resource.setrlimit(getattr(resource, name), (value, value))
    except (AttributeError, OSError, ValueError):
        pass
os.execv(sys.argv[6], sys.argv[6:])
"""


@dataclass(frozen=True)
class DecodeLimits:
    """What an upload may cost.

    Attributes:
        max_seconds: longest sound.
        max_bytes: largest file.
        timeout_seconds: longest time ffmpeg may take.
        memory_bytes: most memory ffmpeg may take (where the system can limit it).
        max_pixels: largest picture.
    """

    max_seconds: float = 600.0
    max_bytes: int = 25 * _MEBIBYTE
    timeout_seconds: float = 30.0
    memory_bytes: int = 1024 * _MEBIBYTE
    max_pixels: int = 40_000_000


@dataclass(frozen=True)
class DecodedSound:
    """Sound from a file.

    Attributes:
        waveform: shape `(channels, samples)`, float32, one or two channels.
        sample_rate: in Hz.
        format_name: what the file turned out to be ("mp3", "m4a", …).
        warning: a sentence for the owner if only part of the file could be read.
    """

    waveform: FloatArray
    sample_rate: int
    format_name: str
    warning: str | None = None

    @property
    def seconds(self) -> float:
        """Duration."""
        return float(self.waveform.shape[1] / self.sample_rate)


@dataclass(frozen=True)
class _Container:
    name: str
    demuxer: str


_MP3 = _Container("mp3", "mp3")
_WAV = _Container("wav", "wav")
_FLAC = _Container("flac", "flac")
_OGG = _Container("ogg", "ogg")
_M4A = _Container("m4a", "mov")
_WEBM = _Container("webm", "matroska")


def recognise(head: bytes) -> str | None:
    """The sound format of a file by its first bytes (at least 12), or None."""
    container = _recognise(head)
    return container.name if container else None


def _recognise(head: bytes) -> _Container | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _WAV
    if head[4:8] == b"ftyp":
        return _M4A
    for magic, container in (
        (b"ID3", _MP3),
        (b"fLaC", _FLAC),
        (b"OggS", _OGG),
        (b"\x1a\x45\xdf\xa3", _WEBM),
    ):
        if head.startswith(magic):
            return container
    # An MPEG frame header: sync bits, then layer III (01).
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:
        return _MP3
    return None


def decode_sound(
    source: bytes | Path,
    *,
    sample_rate: int = 44100,
    channels: int | None = 2,
    limits: DecodeLimits | None = None,
) -> DecodedSound:
    """Decode an uploaded sound file.

    The file's content decides what it is; its name does not matter. Blocks until done.

    Args:
        source: the file, or its bytes.
        sample_rate: of the result.
        channels: of the result, 1 or 2; None keeps mono mono, and makes all else stereo.
        limits: what it may cost.

    Raises:
        MediaError: not a sound file, too large, too long, damaged, or too slow to decode.
    """
    limits = limits or DecodeLimits()
    head = _checked_head(source, limits)
    container = _recognise(head)
    if container is None:
        raise MediaError(
            "This does not look like a sound file I know; please use MP3, WAV, FLAC, OGG, M4A or "
            "WebM (renaming a file does not change what it is)."
        )
    with tempfile.TemporaryDirectory(prefix="riffbot-") as folder:
        if isinstance(source, bytes):
            path = Path(folder, "upload")
            path.write_bytes(source)
        else:
            path = source.resolve()
        sound = _decode_file(path, Path(folder), container, sample_rate, limits)
    waveform = sound.waveform
    if channels == 1:
        waveform = waveform.mean(axis=0, keepdims=True, dtype=np.float32)
    elif channels == 2 and len(waveform) == 1:
        waveform = np.repeat(waveform, 2, axis=0)
    return replace(sound, waveform=waveform)


def _checked_head(source: bytes | Path, limits: DecodeLimits) -> bytes:
    try:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > limits.max_bytes:
            raise MediaError(
                f"This file has {size / _MEBIBYTE:.1f} MiB; the most I take is "
                f"{limits.max_bytes / _MEBIBYTE:.0f} MiB."
            )
        if isinstance(source, bytes):
            return source[:64]
        with source.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise MediaError("This file could not be opened; please send it again.") from error


def _decode_file(
    path: Path,
    folder: Path,
    container: _Container,
    sample_rate: int,
    limits: DecodeLimits,
) -> DecodedSound:
    output = folder / "sound.wav"
    frame_bytes = 4 * 2
    # A little more than allowed, so that a file that is too long can be told from one that fits.
    longest = limits.max_seconds + 1.0
    most_bytes = int((longest + 1.0) * sample_rate) * frame_bytes
    command = [
        ffmpeg_path(), "-nostdin", "-hide_banner", "-v", "error", "-threads", "1",
        "-max_alloc", str(limits.memory_bytes // 4), "-protocol_whitelist", "file",
        "-codec_whitelist", _CODECS, "-f", container.demuxer, "-i", str(path),
        "-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1",
        # Mono stays mono: ffmpeg would make it quieter by 3 dB on its way to two channels.
        "-t", f"{longest:.3f}", "-af", "aformat=channel_layouts=mono|stereo",
        "-ar", str(sample_rate), "-fs", str(most_bytes), "-bitexact", "-c:a", "pcm_f32le",
        "-f", "wav", "-y", str(output),
    ]  # fmt: skip
    failed = _run_limited(command, folder, most_bytes, limits)
    waveform = _read_wav(output)
    samples = waveform.shape[1]
    if samples < _SHORTEST_SECONDS * sample_rate:
        raise MediaError(
            f"There is no sound that I can read in this {container.name.upper()} file; it may be "
            "damaged, cut off or protected."
        )
    if samples > limits.max_seconds * sample_rate:
        raise MediaError(
            f"This sound is longer than {_duration(limits.max_seconds)}, the most I take; please "
            "cut out the part you want."
        )
    warning = None
    if failed:
        warning = (
            "This file seems damaged or cut off; I used the first "
            f"{_duration(samples / sample_rate)} of it."
        )
    return DecodedSound(
        np.nan_to_num(np.clip(waveform, -8.0, 8.0)), sample_rate, container.name, warning
    )


def _read_wav(path: Path) -> FloatArray:
    """What ffmpeg wrote, shape `(channels, samples)`; no samples where it could write nothing."""
    try:
        _, frames = scipy.io.wavfile.read(path)
    except (OSError, ValueError):
        return np.zeros((1, 0), np.float32)
    return np.ascontiguousarray(np.atleast_2d(frames.T), dtype=np.float32)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if seconds < 10:
        return f"{seconds:.1f} seconds"
    return f"{minutes}:{rest:02d} minutes" if minutes else f"{rest} seconds"


def _run_limited(command: list[str], folder: Path, most_bytes: int, limits: DecodeLimits) -> bool:
    """Run ffmpeg within limits; whether it complained about the file."""
    environment: dict[str, str] | None = None
    if importlib.util.find_spec("resource") is not None:
        values = (limits.memory_bytes, int(limits.timeout_seconds) + 1, most_bytes + 4096, 0, 64)
        prefix = [sys.executable, "-I", "-S", "-c", _LIMITER, *map(str, values)]
        command = prefix + command
        # Nothing of our surroundings (tokens in variables, say) is ffmpeg's business.
        environment = {"PATH": os.defpath}
    try:
        process = subprocess.run(  # noqa: S603 - our program, and arguments without a stranger's word
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=limits.timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MediaError(
            "This file took too long to decode; please convert it to MP3 or WAV and try again."
        ) from error
    except OSError as error:
        raise MediaError("The sound converter could not be started; please try again.") from error
    # Cover art and film are not opened, and ffmpeg says so: that is no damage.
    complaints = [
        line
        for line in process.stderr.splitlines()
        if line.strip() and b"whitelist" not in line and b"Last message repeated" not in line
    ]
    return process.returncode != 0 or bool(complaints)


def open_picture(source: bytes | Path, *, limits: DecodeLimits | None = None) -> Image.Image:
    """Open an uploaded picture, with its tags, fully read.

    Raises:
        MediaError: not a picture, too large, or damaged.
    """
    limits = limits or DecodeLimits()
    _checked_head(source, limits)
    opened: Image.Image | None = None
    try:
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        opened = Image.open(stream, formats=PICTURE_FORMATS)
        check_image_size(opened)
        if opened.width * opened.height > limits.max_pixels:
            raise MediaError(
                f"This picture has {opened.width * opened.height / 1e6:.0f} million pixels; the "
                f"most I take is {limits.max_pixels / 1e6:.0f} million."
            )
        opened.load()
    except Image.DecompressionBombError as error:
        raise MediaError(
            "This picture is far too large; a spectrogram is 512 pixels high."
        ) from error
    except (OSError, ValueError, SyntaxError, MemoryError, EOFError) as error:
        if opened is None:
            text = "This is not a picture that I can open; please use PNG or JPEG."
        else:
            text = "This picture is damaged or cut off; please save it again as PNG and retry."
        raise MediaError(text) from error
    return opened
