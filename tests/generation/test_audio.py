from __future__ import annotations

import io
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from generation.audio import (
    AUDIO_FORMATS,
    AudioFormat,
    Tags,
    encode,
    master,
    pcm16,
    png_bytes,
    segment_from_waveform,
    waveform_from_segment,
    write_audio,
)
from generation.errors import BadRequestError, MediaError
from generation.ffmpeg import ffmpeg_path
from generation.inversion import waveform_from_image
from generation.spectrogram import SpectrogramParams, image_from_waveform, params_from_image
from generation.tags import read_tags
from tests.generation.sounds import Waveform, convergence, loop

TAGS = Tags("Lo-fi beat", {"prompt": "lo-fi beat, ♥ 節拍\nwith = and ; signs", "seed": "42"})


def decoded(data: bytes, file_format: str, channels: int) -> Waveform:
    """Decoded by ffmpeg itself, at the file's own rate."""
    demuxer = {"opus": "ogg"}.get(file_format, file_format)
    command = [ffmpeg_path(), "-v", "error", "-f", demuxer, "-i", "-", "-f", "f32le", "-"]
    raw = subprocess.run(command, input=data, capture_output=True, check=True).stdout
    return np.frombuffer(raw, "<f4").reshape(-1, channels).T


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("file_format", AUDIO_FORMATS)
def test_every_format_holds_exactly_the_loop_and_its_recipe(
    file_format: AudioFormat, channels: int
) -> None:
    waveform = loop(channels=channels)
    data = encode(waveform, 44100, file_format, TAGS)
    assert data == encode(waveform, 44100, file_format, TAGS), "the same input, the same bytes"
    assert read_tags(data) == TAGS
    sound = decoded(data, file_format, channels)
    if file_format == "opus":
        assert sound.shape == (channels, 122_880)  # the same duration at 48 kHz
    else:
        assert sound.shape == waveform.shape
        assert convergence(waveform, sound) < (-18.0 if file_format == "mp3" else -60.0)


@given(samples=st.integers(100, 9000), channels=st.integers(1, 2), rolled=st.booleans())
@example(samples=8641, channels=1, rolled=True)  # two frames of padding
@example(samples=1759, channels=2, rolled=True)
@example(samples=12_673 - 9000, channels=1, rolled=False)
@settings(max_examples=12, deadline=None)
def test_mp3_is_gapless_at_any_length(samples: int, channels: int, rolled: bool) -> None:
    data = encode(loop(9000, channels)[:, :samples], 44100, "mp3", loop=rolled)
    assert decoded(data, "mp3", channels).shape == (channels, samples)


@pytest.mark.parametrize("channels", [1, 2])
def test_an_mp3_loop_repeated_ten_times_has_no_seam(channels: int) -> None:
    params = SpectrogramParams(stereo=channels == 2)
    image = image_from_waveform(loop(channels=channels), params, circular=True)
    waveform = master(waveform_from_image(image, params), 44100)
    sound = decoded(encode(waveform, 44100, "mp3"), "mp3", channels)
    ten = np.tile(sound, (1, 10))
    steps = np.abs(np.diff(ten))
    length = waveform.shape[1]
    joints = steps[:, length - 1 :: length]
    assert joints.shape[1] == 9
    assert (joints < 2.0 * np.sqrt(np.mean(steps**2, axis=1, keepdims=True))).all()
    # Nor is there more coding noise around the joints than elsewhere.
    error = (sound - waveform) ** 2
    near = np.concatenate([error[:, :500], error[:, -500:]], axis=1).mean()
    assert near < 4.0 * error.mean()


def test_an_mp3_hears_around_the_end_of_the_loop() -> None:
    def jump_added(*, rolled: bool) -> float:
        """What coding adds to the step across the loop point, for several loop points."""
        errors = []
        for start in range(0, 40_000, 8_000):
            turns = np.outer([221, 277, 331], np.arange(start, start + 44_100)) / 44_100
            waveform = 0.2 * np.sin(2 * np.pi * turns).sum(axis=0, keepdims=True)
            waveform = waveform.astype(np.float32)
            sound = decoded(encode(waveform, 44100, "mp3", loop=rolled), "mp3", 1)
            error = sound - waveform
            errors.append(abs(float(error[0, 0] - error[0, -1])))
        return sum(errors)

    assert jump_added(rolled=True) < 0.5 * jump_added(rolled=False)


def test_wav_is_readable_by_the_standard_library() -> None:
    waveform = loop(5000, 2)
    with wave.open(io.BytesIO(encode(waveform, 22050, "wav", TAGS))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 22050, 5000)
        frames = np.frombuffer(file.readframes(5000), "<i2").reshape(-1, 2)
    np.testing.assert_array_equal(frames, pcm16(waveform))


def test_samples_are_rounded_and_cut_off_never_wrapped() -> None:
    extremes = np.array([[-2.0, -1.0, 0.0, 1.5e-5, 1.6e-5, 1.0, 2.0]], np.float32)
    assert pcm16(extremes)[:, 0].tolist() == [-32768, -32768, 0, 0, 1, 32767, 32767]


@given(channels=st.integers(1, 2), samples=st.integers(1, 500), seed=st.integers(0, 2**31))
@settings(deadline=None)
def test_pydub_segments_turn_back(channels: int, samples: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = rng.integers(-32768, 32768, (channels, samples)) / 32768.0
    waveform = whole.astype(np.float32)
    segment = segment_from_waveform(waveform, 44100)
    assert segment.frame_count() == samples
    np.testing.assert_array_equal(waveform_from_segment(segment), waveform)


def test_files_are_what_encode_makes(tmp_path: Path) -> None:
    waveform = loop(20_000)
    for file_format in AUDIO_FORMATS:
        path = tmp_path / f"a.{file_format}"
        write_audio(path, waveform, 44100, TAGS)
        assert path.read_bytes() == encode(waveform, 44100, file_format, TAGS)
    with pytest.raises(BadRequestError, match=r"\.xyz"):
        write_audio(tmp_path / "a.xyz", waveform, 44100)


def test_a_picture_carries_parameters_and_recipe() -> None:
    params = SpectrogramParams(stereo=True)
    image = image_from_waveform(loop(20_000, 2), params)
    data = png_bytes(image, params, TAGS)
    assert read_tags(data) == TAGS
    loaded = Image.open(io.BytesIO(data))
    assert params_from_image(loaded) == params
    assert dict(loaded.getexif()) == dict(image.getexif())
    np.testing.assert_array_equal(np.asarray(loaded), np.asarray(image))


def test_what_cannot_be_saved_is_said() -> None:
    for bad in (np.zeros((3, 10)), np.zeros((1, 0)), np.full((1, 10), np.nan)):
        with pytest.raises(MediaError):
            encode(bad.astype(np.float32), 44100, "wav")
    with pytest.raises(BadRequestError, match="aiff"):
        encode(loop(100), 44100, "aiff")  # type: ignore[arg-type]
    with pytest.raises(MediaError, match="MP3"):
        encode(loop(5000), 44100, "mp3", bitrate="loud")


def test_nothing_is_loaded_or_warned_about_that_should_not_be() -> None:
    code = (
        "import sys\nimport numpy as np\n"
        "from generation import audio, decoding, inversion, loops, picture, spectrogram\n"
        "audio.encode(np.zeros((1, 5000), np.float32), 44100, 'mp3')\n"
        "assert 'torch' not in sys.modules\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        env={"PATH": "/nonexistent", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "ffmpeg" not in run.stderr
