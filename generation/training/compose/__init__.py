"""The composer: styles write notes, `compose` turns a style and a seed into a `Piece`."""

from __future__ import annotations

import zlib

import numpy as np

from generation.training.compose import styles as _styles  # noqa: F401
from generation.training.compose.registry import STYLES, Style, style
from generation.training.compose.score import LOOP_SECONDS, Note, Part, Piece
from generation.training.compose.sketch import Sketch

__all__ = [
    "LOOP_SECONDS",
    "STYLES",
    "Note",
    "Part",
    "Piece",
    "Sketch",
    "Style",
    "choose_style",
    "compose",
    "style",
]


def compose(style_name: str, seed: int, beats: int | None = None) -> Piece:
    """Compose one loop in `style_name`; the same arguments always give the same notes.

    `beats` (4..16 in 5.12 s) overrides the style's own choice of tempo.
    """
    known = STYLES[style_name]
    rng = np.random.default_rng([seed, zlib.crc32(style_name.encode())])
    chosen = int(rng.choice(known.beats))
    sketch = Sketch(style_name, beats or chosen, seed, rng)
    known.write(sketch)
    return sketch.piece()


def choose_style(seed: int) -> str:
    """Choose a style for clip number `seed`, in proportion to the styles' weights."""
    names = list(STYLES)
    weights = np.array([STYLES[name].weight for name in names])
    rng = np.random.default_rng([seed, 0x57F1])
    return str(rng.choice(names, p=weights / weights.sum()))
