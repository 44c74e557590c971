from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from generation.colours import ThemeName, loudness_colours, oklab
from generation.errors import BadRequestError
from generation.picture import (
    Stage,
    annotated_picture,
    fitted,
    note_hz,
    note_name,
    readable,
    teaching_strip,
)
from generation.spectrogram import SpectrogramParams, image_from_waveform
from tests.generation.sounds import loop


def tone_picture(hz: float) -> Image.Image:
    samples = 44_100
    tone = 0.5 * np.sin(2 * np.pi * hz * np.arange(samples) / 44100)
    return image_from_waveform(tone[None].astype(np.float32), circular=True)


def test_notes_have_their_names() -> None:
    assert [note_name(hz) for hz in (27.5, 261.63, 440.0, 466.16, 4186.0)] == [
        "A0",
        "C4",
        "A4",
        "A#4",
        "C8",
    ]
    assert note_hz(69) == 440.0
    for number in range(12, 120):
        assert note_name(note_hz(number) * 1.02) == note_name(note_hz(number))


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_tone_is_drawn_at_its_height_on_a_logarithmic_axis(theme: ThemeName) -> None:
    rows = []
    for hz in (250, 500, 1000, 2000, 4000):
        pixels = np.asarray(annotated_picture(tone_picture(hz), theme=theme))[120:640, 640]
        lightness = oklab(pixels)[:, 0]
        rows.append(int(np.argmax(lightness) if theme == "dark" else np.argmin(lightness)))
    octaves = -np.diff(rows)
    assert (octaves > 0).all()
    assert octaves.max() - octaves.min() <= 4, "an octave is as high everywhere"


@given(
    width=st.integers(320, 900),
    height=st.integers(180, 600),
    columns=st.integers(1, 700),
    bpm=st.one_of(st.none(), st.floats(20, 400)),
    title=st.text(max_size=300),
    stereo=st.booleans(),
    theme=st.sampled_from(["dark", "light"]),
)
@settings(max_examples=20, deadline=None)
def test_any_picture_can_be_drawn_at_any_size(
    width: int,
    height: int,
    columns: int,
    bpm: float | None,
    title: str,
    stereo: bool,
    theme: ThemeName,
) -> None:
    params = SpectrogramParams(mel_bins=32, stereo=stereo, min_frequency=20, max_frequency=20000)
    image = Image.effect_noise((columns, 32), 80).convert("RGB")
    drawn = annotated_picture(
        image, params, title=title, bpm=bpm, theme=theme, size=(width, height)
    )
    assert (drawn.mode, drawn.size) == ("RGB", (width, height))


def test_the_same_picture_gives_the_same_bytes() -> None:
    image = tone_picture(440)
    assert (
        annotated_picture(image, title="a").tobytes()
        == annotated_picture(image, title="a").tobytes()
    )
    assert (
        annotated_picture(image, title="a").tobytes()
        != annotated_picture(image, title="b").tobytes()
    )


@given(text=st.text(max_size=500), room=st.floats(60, 1000))
@settings(deadline=None)
def test_titles_fit(text: str, room: float) -> None:
    font = ImageFont.load_default(20)
    line = fitted(text, font, room)
    assert font.getlength(line) <= room
    assert "\n" not in line


def test_what_the_font_lacks_is_marked() -> None:
    font = ImageFont.load_default(20)
    assert readable("lo-fi \u2014 \u201cbeat\u201d", font) == 'lo-fi - "beat"'
    assert readable("節拍", font) == "??"


def test_the_strip_shows_every_stage_in_order() -> None:
    colours = ("red", "lime", "blue")
    stages = [Stage(name, Image.new("RGB", (64, 64), name)) for name in colours]
    strip = teaching_strip(stages, loop(20_000), panel=96)
    middle = np.asarray(strip)[strip.height // 3]
    found = [
        int(
            np.flatnonzero(
                (middle == np.array(Image.new("RGB", (1, 1), name).getpixel((0, 0)))).all(axis=1)
            ).mean()
        )
        for name in colours
    ]
    assert found == sorted(found)
    waveform_colour = loudness_colours("dark")[168]
    last_panel = np.asarray(strip)[:, max(found) + 100 :]
    assert (last_panel == waveform_colour).all(axis=2).any()


def test_impossible_sizes_are_said() -> None:
    with pytest.raises(BadRequestError, match="choose at least 320 by 180"):
        annotated_picture(tone_picture(440), size=(100, 100))
    with pytest.raises(BadRequestError, match="at least one picture"):
        teaching_strip([], loop(1000))
