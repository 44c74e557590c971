from __future__ import annotations

import io
import itertools

import librosa
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generation.errors import MediaError
from generation.spectrogram import (
    DEFAULT_MAX_VALUE,
    TAG_MAX_VALUE,
    TAG_SAMPLE_RATE,
    SpectrogramParams,
    exif_from_params,
    image_from_mel,
    image_from_waveform,
    max_value_from_image,
    mel_from_image,
    mel_from_waveform,
    params_from_image,
    rgb_from_image,
)
from tests.generation.sounds import Waveform, loop

SMALL = SpectrogramParams(mel_bins=64)


def reference_mel(waveform: Waveform, params: SpectrogramParams) -> Waveform:
    """The same picture, computed by scipy's STFT and librosa's filterbank in float64."""
    window = scipy.signal.get_window("hann", params.win_length)
    half = params.win_length // 2
    padded = np.pad(waveform.astype(np.float64) * 32768.0, (half, half), mode="reflect")
    transform = scipy.signal.ShortTimeFFT(
        window, params.hop_length, params.sample_rate, mfft=params.n_fft, fft_mode="onesided"
    )
    count = 1 + len(waveform) // params.hop_length
    spectrum = transform.stft(padded, k_offset=half, p0=0, p1=count)
    bank = librosa.filters.mel(
        sr=params.sample_rate,
        n_fft=params.n_fft,
        n_mels=params.mel_bins,
        fmin=params.min_frequency,
        fmax=params.max_frequency,
        htk=True,
        norm=None,
    )
    return np.asarray(bank @ np.abs(spectrum))


def grey(mel: Waveform) -> Waveform:
    return np.floor(255.0 - 255.0 * (mel / mel.max()) ** 0.25)


@pytest.mark.parametrize(
    "params", [SpectrogramParams(), SpectrogramParams(min_frequency=20, max_frequency=20000)]
)
def test_agrees_with_an_independent_implementation(params: SpectrogramParams) -> None:
    waveform = loop(60_000)
    ours = mel_from_waveform(waveform, params)[0]
    theirs = reference_mel(waveform[0], params)
    assert ours.shape == theirs.shape == (512, 1 + 60_000 // 441)
    close = np.abs(grey(ours) - grey(theirs)) <= 1
    assert close.mean() >= 0.9995
    image = np.asarray(image_from_waveform(waveform, params))[::-1, :, 0]
    assert (np.abs(image - grey(theirs)) <= 1).mean() >= 0.9995


def test_a_full_picture_holds_the_samples_that_the_format_says() -> None:
    params = SpectrogramParams()
    assert params.samples_for(512) == 225_792
    assert params.samples_for(512, circular=False) == 225_351
    assert params.width_for(225_792) == 512
    assert (params.hop_length, params.win_length, params.n_fft) == (441, 4410, 17640)


@given(width=st.integers(1, 5000), step=st.integers(1, 50))
def test_width_and_samples_turn_back(width: int, step: int) -> None:
    params = SpectrogramParams(step_ms=step)
    for circular in (True, False):
        samples = params.samples_for(width, circular=circular)
        assert params.width_for(samples, circular=circular) == width


def test_rotating_a_loop_rotates_its_picture() -> None:
    waveform = loop(441 * 60)
    still = mel_from_waveform(waveform, SMALL, circular=True)
    turned = mel_from_waveform(np.roll(waveform, 441 * 7, axis=1), SMALL, circular=True)
    np.testing.assert_allclose(np.roll(still, 7, axis=2), turned, rtol=1e-4, atol=1.0)


def test_a_loop_looks_like_the_middle_of_its_repetition() -> None:
    waveform = loop(441 * 60)
    once = mel_from_waveform(waveform, SMALL, circular=True)
    thrice = mel_from_waveform(np.tile(waveform, (1, 3)), SMALL)
    np.testing.assert_allclose(once, thrice[:, :, 60:120], rtol=1e-4, atol=1.0)


def test_a_loop_of_any_length_gets_whole_columns() -> None:
    mel = mel_from_waveform(loop(441 * 40 + 137), SMALL, circular=True)
    assert mel.shape == (1, 64, 40)


@given(
    width=st.integers(1, 40),
    stereo=st.booleans(),
    bins=st.integers(16, 80),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_reading_and_drawing_a_picture_changes_nothing(
    width: int, stereo: bool, bins: int, seed: int
) -> None:
    params = SpectrogramParams(stereo=stereo, mel_bins=bins)
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (bins, width, 3), dtype=np.uint8)
    pixels[:, :, 0] = 0 if stereo else pixels[:, :, 1]
    pixels[:, :, 2] = pixels[:, :, 2] if stereo else pixels[:, :, 1]
    drawn = image_from_mel(
        mel_from_image(Image.fromarray(pixels), params, max_value=1e6), params, max_value=1e6
    )
    np.testing.assert_array_equal(np.asarray(drawn), pixels)


@given(
    stereo=st.booleans(),
    step=st.integers(1, 20),
    window=st.integers(40, 200),
    bins=st.integers(16, 600),
    low=st.integers(0, 100),
    high=st.integers(1000, 20000),
    power=st.floats(0.1, 1.0),
    maximum=st.floats(1.0, 1e9),
)
@settings(max_examples=40, deadline=None)
def test_parameters_survive_a_png(
    stereo: bool,
    step: int,
    window: int,
    bins: int,
    low: int,
    high: int,
    power: float,
    maximum: float,
) -> None:
    params = SpectrogramParams(
        stereo=stereo,
        step_ms=step,
        window_ms=window,
        padded_ms=400,
        mel_bins=bins,
        min_frequency=low,
        max_frequency=high,
        power=power,
    )
    image = image_from_mel(np.ones((params.channels, bins, 3)), params, max_value=maximum)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=image.getexif())
    loaded = Image.open(io.BytesIO(buffer.getvalue()))
    assert params_from_image(loaded) == params
    assert max_value_from_image(loaded) == maximum


def test_the_loudest_point_is_black_and_silence_is_white() -> None:
    mel = np.zeros((1, 64, 4), np.float32)
    mel[0, 0, 0] = 5.0
    pixels = np.asarray(image_from_mel(mel, SMALL))
    assert (pixels[63, 0] == 0).all()
    assert (np.delete(pixels.reshape(-1, 3), 63 * 4, axis=0) == 255).all()
    assert (mel_from_image(image_from_mel(np.zeros_like(mel), SMALL)) == 0).all()


def test_stereo_uses_green_and_blue() -> None:
    params = SpectrogramParams(stereo=True, mel_bins=64)
    left_only = np.concatenate([loop(20_000), np.zeros((1, 20_000), np.float32)])
    pixels = np.asarray(image_from_waveform(left_only, params))
    assert (pixels[:, :, 0] == 0).all()
    assert pixels[:, :, 1].min() == 0
    assert (pixels[:, :, 2] == 255).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "CMYK", "1", "I;16", "I", "F"])
def test_pictures_of_every_mode_open(mode: str) -> None:
    grey_image = image_from_waveform(loop(20_000), SMALL).convert("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey_image, dtype=np.uint16) * 257)
    else:
        image = grey_image.convert(mode)
    pixels = rgb_from_image(image)
    assert pixels.shape == (64, image.width, 3)
    difference = np.abs(pixels[:, :, 0].astype(int) - np.asarray(grey_image))
    if mode != "1":
        assert difference.mean() < 4
    assert mel_from_image(image).shape == (1, 64, image.width)


def test_transparency_is_silence() -> None:
    image = Image.new("RGBA", (4, 64), (0, 0, 0, 0))
    assert (mel_from_image(image) == 0).all()


def test_a_jpeg_without_tags_still_sounds_alike() -> None:
    image = image_from_waveform(loop(40_000))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    loaded = Image.open(buffer)
    assert params_from_image(loaded) == SpectrogramParams()
    original, read = (
        mel_from_image(image),
        mel_from_image(loaded, max_value=max_value_from_image(image)),
    )
    assert np.linalg.norm(read - original) < 0.1 * np.linalg.norm(original)


def test_stereo_is_recognised_without_tags() -> None:
    params = SpectrogramParams(stereo=True)
    image = image_from_waveform(loop(20_000, channels=2), params)
    bare = Image.fromarray(np.asarray(image))
    assert params_from_image(bare) == params


@pytest.mark.parametrize(
    "tags",
    [
        {TAG_SAMPLE_RATE: 0},
        {TAG_SAMPLE_RATE: "loud"},
        {TAG_SAMPLE_RATE: 44100, 11010: 0},
        {TAG_SAMPLE_RATE: 44100, 11070: float("nan")},
        {TAG_SAMPLE_RATE: 44100, TAG_MAX_VALUE: -1.0},
    ],
)
def test_nonsense_in_tags_falls_back(tags: dict[int, object]) -> None:
    image = Image.new("RGB", (8, 512), "white")
    image.getexif().update(tags)
    assert params_from_image(image) == SpectrogramParams()
    assert max_value_from_image(image) == DEFAULT_MAX_VALUE


@pytest.mark.parametrize("size", [(8, 15), (8, 4097), (65537, 512)])
def test_impossible_sizes_are_refused_in_one_sentence(size: tuple[int, int]) -> None:
    with pytest.raises(MediaError, match="pixels"):
        params_from_image(Image.new("L", size))


@pytest.mark.parametrize(
    "change",
    [
        {"sample_rate": 0},
        {"step_ms": 60},
        {"padded_ms": 50},
        {"max_frequency": 30000},
        {"min_frequency": 10000},
        {"mel_bins": 4},
        {"power": 0.0},
    ],
)
def test_contradictory_parameters_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(MediaError, match="spectrogram"):
        SpectrogramParams(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "waveform", [np.zeros((1, 0)), np.zeros((3, 100)), np.array([0.0, np.nan, 1.0])]
)
def test_impossible_waveforms_are_refused(waveform: Waveform) -> None:
    with pytest.raises(MediaError):
        image_from_waveform(waveform)


def test_very_short_sounds_have_pictures() -> None:
    for samples, circular in itertools.product((1, 2, 440, 441, 5000), (True, False)):
        image = image_from_waveform(loop(8000)[:, :samples], SMALL, circular=circular)
        assert image.width == SMALL.width_for(samples, circular=circular)


def test_exif_numbers_are_the_ones_of_the_format() -> None:
    assert exif_from_params(SpectrogramParams(), 7.0) == {
        11000: 44100,
        11005: 0,
        11010: 10,
        11020: 100,
        11030: 400,
        11040: 512,
        11050: 0,
        11060: 10000,
        11070: 0.25,
        11080: 7.0,
    }
