"""Colours for loudness that everybody can tell apart.

Both maps run through the published anchor colours of *inferno* and *viridis* (Nathaniel Smith and
Stéfan van der Walt, 2015, dedicated to the public domain under CC0). Their lightness rises or
falls steadily, so they read the same with any kind of colour blindness and on grey paper. Between
the anchors they are blended in Oklab (Björn Ottosson, 2020), where equal steps look equal.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

ThemeName = Literal["dark", "light"]

_INFERNO = ("#000004", "#420a68", "#932667", "#dd513a", "#fca50a", "#fcffa4")
_VIRIDIS_ON_WHITE = ("#ffffff", "#fde725", "#7ad151", "#22a884", "#2a788e", "#414487", "#440154")

_ANCHORS: dict[ThemeName, tuple[str, ...]] = {"dark": _INFERNO, "light": _VIRIDIS_ON_WHITE}

_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def rgb_of(colour: str) -> tuple[int, int, int]:
    """`#rrggbb` as three numbers."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def oklab(rgb: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """sRGB (0…255, last axis of size 3) to Oklab: lightness 0…1 and two colour axes."""
    s = np.asarray(rgb, dtype=np.float64) / 255.0
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ _RGB_TO_LMS.T) @ _LMS_TO_LAB.T)


def _srgb(lab: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    lms = (lab @ np.linalg.inv(_LMS_TO_LAB).T) ** 3
    linear = np.clip(lms @ np.linalg.inv(_RGB_TO_LMS).T, 0.0, 1.0)
    s = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(s * 255.0), dtype=np.uint8)


@lru_cache(maxsize=4)
def loudness_colours(theme: ThemeName) -> npt.NDArray[np.uint8]:
    """256 colours from silent to loud, shape `(256, 3)`: towards light on dark, or the reverse."""
    anchors = oklab([rgb_of(colour) for colour in _ANCHORS[theme]])
    # Place the anchors by lightness, not evenly, so that lightness changes at one steady pace.
    lightness = np.abs(anchors[:, 0] - anchors[0, 0])
    position = lightness / lightness[-1]
    steps = np.linspace(0.0, 1.0, 256)
    blended = np.stack([np.interp(steps, position, anchors[:, axis]) for axis in range(3)], axis=1)
    return _srgb(blended)
