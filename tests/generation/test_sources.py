from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generation.audio import encode, png_bytes
from generation.errors import BadRequestError, MediaError
from generation.request import Source
from generation.sources import Picture, Sound, find_source, open_mask, open_material
from generation.spectrogram import SpectrogramParams, image_from_waveform
from tests.generation.sounds import SAMPLE_RATE, loop

PARAMS = SpectrogramParams()


def stored(folder: Path, data: bytes) -> Source:
    digest = hashlib.sha256(data).hexdigest()
    path = folder / digest[:2] / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return Source("init", digest)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_sound_comes_back_with_the_channels_it_had(tmp_path: Path, channels: int) -> None:
    source = stored(tmp_path, encode(loop(channels=channels), SAMPLE_RATE, "wav"))
    sound = open_material(find_source(tmp_path, source), PARAMS)
    assert isinstance(sound, Sound)
    assert sound.waveform.shape == (channels, 112_896)
    assert np.abs(sound.waveform - loop(channels=channels)).max() < 1e-4


def test_a_picture_of_ours_is_drawn_on_as_it_is(tmp_path: Path) -> None:
    image = image_from_waveform(loop(), PARAMS, circular=True)
    picture = open_material(
        find_source(tmp_path, stored(tmp_path, png_bytes(image, PARAMS))), PARAMS
    )
    assert isinstance(picture, Picture)
    canvas = picture.canvas(256)
    grey = np.asarray(image.convert("L"))
    assert np.abs(canvas.grey.astype(int) - grey).max() <= 1
    assert picture.samples == 112_896
    assert picture.canvas(320).grey.shape == (512, 320)


def test_sound_and_its_picture_agree() -> None:
    """A source gives the same canvas whether it comes as sound or as picture."""
    sound = Sound(loop(), PARAMS)
    picture = Picture(image_from_waveform(loop(), PARAMS, circular=True), PARAMS)
    one, two = sound.canvas(256), picture.canvas(256)
    assert np.abs(one.grey.astype(int) - two.grey).max() <= 1
    assert one.max_value == pytest.approx(two.max_value, rel=1e-3)


def test_a_picture_on_another_scale_goes_through_its_sound() -> None:
    narrow = SpectrogramParams(max_frequency=8000)
    picture = Picture(image_from_waveform(loop(), narrow, circular=True), PARAMS)
    wanted = Sound(loop(), PARAMS).canvas(256).grey.astype(float)
    found = picture.canvas(256).grey.astype(float)
    assert np.corrcoef(wanted.ravel(), found.ravel())[0, 1] > 0.8


def test_sounds_are_cut_or_repeated_to_length() -> None:
    sound = Sound(loop(), PARAMS)
    twice = sound.lasting(2 * 112_896)
    assert np.array_equal(twice.waveform[:, 112_896:], loop())
    assert np.array_equal(sound.lasting(1000).waveform, loop()[:, :1000])
    picture = Picture(image_from_waveform(loop(), PARAMS, circular=True), PARAMS)
    assert picture.lasting(115_000) is picture
    longer = picture.lasting(225_792)
    assert isinstance(longer, Sound)
    assert longer.samples == 225_792


def test_what_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="send it again"):
        find_source(tmp_path, Source("init", "ab" * 32))


def test_what_is_neither_sound_nor_picture_is_refused(tmp_path: Path) -> None:
    source = stored(tmp_path, b"hello, this is text" * 20)
    with pytest.raises(MediaError, match="not a picture"):
        open_material(find_source(tmp_path, source), PARAMS)


def test_masks_are_brought_to_size_and_an_empty_one_is_refused(tmp_path: Path) -> None:
    half = Image.new("L", (64, 32), 0)
    half.paste(255, (32, 0, 64, 32))
    half.save(tmp_path / "half.png")
    mask = open_mask(tmp_path / "half.png", 512, 512)
    assert not mask[:, :256].any()
    assert (mask[:, 256:] == 1).all()
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    with pytest.raises(BadRequestError, match="nothing to draw"):
        open_mask(tmp_path / "black.png", 512, 512)
