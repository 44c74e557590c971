from __future__ import annotations

import numpy as np
import pytest

from generation.colours import ThemeName, loudness_colours, oklab

# Machado, Oliveira, Fernandes 2009: linear RGB as seen without one kind of cone.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("kind", list(BLINDNESS))
def test_loudness_is_readable_with_any_eyes(theme: ThemeName, kind: str) -> None:
    colours = loudness_colours(theme) / 255.0
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(BLINDNESS[kind]), 0, 1)
    encoded = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    lightness = oklab(encoded * 255.0)[:, 0]
    direction = 1 if theme == "dark" else -1
    steps = direction * np.diff(lightness[::8])
    assert (steps > 0).all(), "lightness goes one way"
    assert abs(lightness[-1] - lightness[0]) > 0.6


def test_themes_start_at_their_background() -> None:
    assert loudness_colours("dark")[0].max() < 10
    assert loudness_colours("light")[0].min() > 250


def test_white_and_black_in_oklab() -> None:
    np.testing.assert_allclose(oklab([255, 255, 255]), [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(oklab([0, 0, 0]), [0, 0, 0], atol=1e-6)
