"""The colours of the pictures, as the browser computes them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser

from tests.web.app import App

Colours = npt.NDArray[np.float64]

# Viénot, Brettel and Mollon (1999): how dichromats see linear sRGB.
PROTANOPE = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
DEUTERANOPE = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
# Ottosson (2020): linear sRGB to OKLab.
TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@pytest.fixture(scope="module", params=["night", "day"])
def ramp(request: pytest.FixtureRequest, browser: Browser, app: App) -> Colours:
    """256 colours as linear sRGB."""
    page = browser.new_page()
    page.goto(app.url)
    load = "async (theme) => (await import('/static/js/palette.js')).ramp(theme)"
    colours = np.array(page.evaluate(load, request.param)) / 255
    page.close()
    assert colours.shape == (256, 3)
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def oklab(linear: Colours) -> Colours:
    return np.asarray(np.cbrt(np.clip(linear, 0, 1) @ TO_LMS.T) @ TO_LAB.T)


def test_equal_steps_of_loudness_look_equal(ramp: Colours) -> None:
    # Over 16 steps, so that rounding to bytes does not count.
    steps = np.linalg.norm(np.diff(oklab(ramp)[::15], axis=0), axis=1)
    assert steps.max() / steps.min() < 1.15


@pytest.mark.parametrize("eyes", [np.eye(3), PROTANOPE, DEUTERANOPE])
def test_louder_is_always_lighter_or_always_darker(ramp: Colours, eyes: Colours) -> None:
    lightness = oklab(ramp @ eyes.T)[:, 0]
    rises = np.diff(lightness[::5])
    assert (rises > 0).all() or (rises < 0).all()
    assert abs(lightness[-1] - lightness[0]) > 0.7
