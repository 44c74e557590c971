from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generation.audio import encode
from generation.decoding import DecodeLimits, decode_sound, open_picture, recognise
from generation.errors import MediaError
from generation.ffmpeg import ffmpeg_path
from tests.generation.sounds import convergence, loop

SOUND = loop(44_100, 2)
ENCODERS = {
    "mp3": ["-c:a", "libmp3lame"],
    "wav": ["-c:a", "pcm_s24le"],
    "flac": ["-c:a", "flac"],
    "ogg": ["-c:a", "libvorbis"],
    "m4a": ["-c:a", "aac"],
    "webm": ["-c:a", "libopus"],
}


def ffmpeg(arguments: list[str], target: Path, source: bytes) -> bytes:
    command = [ffmpeg_path(), "-v", "error", "-y", "-f", "wav", "-i", "-", *arguments, str(target)]
    subprocess.run(command, input=source, check=True, capture_output=True)
    return target.read_bytes()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("uploads")
    wav = encode(SOUND, 44100, "wav")
    return {name: ffmpeg(how, folder / f"a.{name}", wav) for name, how in ENCODERS.items()}


@pytest.mark.parametrize("name", list(ENCODERS))
def test_every_format_people_have_opens(files: dict[str, bytes], name: str, tmp_path: Path) -> None:
    # The name is wrong on purpose: the content decides.
    path = tmp_path / "song.txt"
    path.write_bytes(files[name])
    for source in (files[name], path):
        sound = decode_sound(source)
        assert (sound.format_name, sound.sample_rate, sound.warning) == (name, 44100, None)
        assert sound.seconds == pytest.approx(1.0, abs=0.03)
        if name in ("wav", "flac"):
            assert convergence(SOUND, sound.waveform) < -60.0


def test_rate_and_channels_are_as_asked(files: dict[str, bytes]) -> None:
    sound = decode_sound(files["flac"], sample_rate=22050, channels=1)
    assert sound.waveform.shape == (1, 22_050)
    assert sound.waveform.dtype == np.float32


def test_film_and_cover_art_are_left_alone(tmp_path: Path) -> None:
    wav = encode(SOUND, 44100, "wav")
    film = ffmpeg(
        ["-f", "lavfi", "-i", "testsrc=d=1:s=64x64", "-c:a", "aac"], tmp_path / "f.mp4", wav
    )
    sound = decode_sound(film)
    assert (sound.format_name, sound.warning) == ("m4a", None)


@pytest.mark.parametrize("name", list(ENCODERS))
@pytest.mark.parametrize("part", [0.02, 0.5])
def test_truncated_files_give_what_is_left_or_one_sentence(
    files: dict[str, bytes], name: str, part: float
) -> None:
    cut = files[name][: int(len(files[name]) * part)]
    try:
        sound = decode_sound(cut)
    except MediaError as error:
        assert_one_sentence(error)
    else:
        assert 0.05 <= sound.seconds < 1.0


@given(
    st.binary(max_size=2000), st.sampled_from([b"", b"ID3", b"RIFF\0\0\0\0WAVE", b"fLaC", b"OggS"])
)
@settings(max_examples=15, deadline=None)
def test_junk_gets_one_sentence(junk: bytes, magic: bytes) -> None:
    try:
        decode_sound(magic + junk)
    except MediaError as error:
        assert_one_sentence(error)


@pytest.mark.parametrize("name", list(ENCODERS))
def test_damaged_files_never_crash(files: dict[str, bytes], name: str) -> None:
    rng = np.random.default_rng(1)
    data = bytearray(files[name])
    for place in rng.integers(64, len(data), len(data) // 50).tolist():
        data[place] = int(rng.integers(256))
    try:
        assert np.isfinite(decode_sound(bytes(data)).waveform).all()
    except MediaError as error:
        assert_one_sentence(error)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"just words, renamed to song.mp3",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"#EXTM3U\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
)
def test_what_is_no_sound_is_not_given_to_ffmpeg(data: bytes) -> None:
    assert recognise(data) is None
    with pytest.raises(MediaError, match="MP3, WAV, FLAC") as caught:
        decode_sound(data)
    assert_one_sentence(caught.value)


def test_a_ten_hour_file_is_refused(tmp_path: Path) -> None:
    how = ["-ac", "1", "-ar", "8000", "-b:a", "8k", "-write_xing", "0", "-id3v2_version", "0"]
    second = ffmpeg(how, tmp_path / "second.mp3", encode(SOUND, 44100, "wav"))
    with pytest.raises(MediaError, match="longer than 10:00 minutes"):
        decode_sound(second * 36_000, limits=DecodeLimits(max_bytes=1 << 30))


def test_limits_are_kept(files: dict[str, bytes]) -> None:
    with pytest.raises(MediaError, match="the most I take is 0 MiB"):
        decode_sound(files["wav"], limits=DecodeLimits(max_bytes=1000))
    with pytest.raises(MediaError, match=r"longer than 0\.5 seconds"):
        decode_sound(files["wav"], limits=DecodeLimits(max_seconds=0.5))
    with pytest.raises(MediaError, match="too long to decode"):
        decode_sound(files["wav"], limits=DecodeLimits(timeout_seconds=1e-4))
    with pytest.raises(MediaError, match="could not be opened"):
        decode_sound(Path("/nonexistent/file.mp3"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory limits are kept on Linux")
def test_too_little_memory_is_a_sentence_and_no_crash(files: dict[str, bytes]) -> None:
    with pytest.raises(MediaError) as caught:
        decode_sound(files["flac"], limits=DecodeLimits(memory_bytes=8 << 20))
    assert_one_sentence(caught.value)


def test_pictures_open_with_their_tags() -> None:
    image = Image.new("RGB", (8, 64), "white")
    image.getexif()[11000] = 44100
    for kind in ("PNG", "JPEG", "WEBP"):
        buffer = io.BytesIO()
        image.save(buffer, kind, exif=image.getexif())
        opened = open_picture(buffer.getvalue())
        assert opened.size == (8, 64)
        assert opened.getexif()[11000] == 44100


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(50_000, 50_000), (60_000, 4000), (10, 1_000_000)])
def test_enormous_pictures_are_refused_before_they_are_read(size: tuple[int, int]) -> None:
    with pytest.raises(MediaError) as caught:
        open_picture(png_that_claims(*size))
    assert_one_sentence(caught.value)


@given(
    st.binary(max_size=500),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"GIF89a"]),
)
@settings(max_examples=100, deadline=None)
def test_junk_pictures_get_one_sentence(junk: bytes, magic: bytes) -> None:
    with pytest.raises(MediaError) as caught:
        open_picture(magic + junk)
    assert_one_sentence(caught.value)


def test_a_picture_that_is_cut_off_gets_one_sentence() -> None:
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(buffer, "PNG")
    with pytest.raises(MediaError, match="cut off"):
        open_picture(buffer.getvalue()[: len(buffer.getvalue()) // 2])


def assert_one_sentence(error: MediaError) -> None:
    text = str(error)
    assert text.endswith((".", ")."))
    assert "\n" not in text
    assert "/" not in text.replace("M4A or", ""), "no path of this computer"
    assert "Error" not in text and "Traceback" not in text
