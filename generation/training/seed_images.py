"""Draw the loops and masks that ship: `python -m generation.training.seed_images`.

Programs written for Riffusion's server name the picture that a clip starts from: five loops and
six masks. Ours have the same names and the same roles, and come from our own composer. Masks are
white where a clip is drawn anew; a grey of g keeps a share 1 - g of the loop at every step.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generation.audio import png_bytes
from generation.spectrogram import SpectrogramParams
from generation.tags import Tags
from generation.training.data import Renderer
from generation.training.options import run

LOOPS = {
    "og_beat": ("boom bap", 20_000_000),
    "agile": ("ragtime", 20_000_000),
    "marim": ("marimba solo", 20_000_006),
    "motorway": ("synthwave", 20_000_003),
    "vibes": ("vibraphone solo", 20_000_010),
}
"""Style and number of each loop; every one holds eight beats."""

SIZE = 512
_BEATS = 8
_FONT = "fluidr3"


def masks() -> dict[str, NDArray[np.uint8]]:
    """The masks by name, shape `(512, 512)`, high frequencies on top."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    top_third, top_fifth = rows < 1 / 3, rows < 1 / 5
    near_beat = (columns * _BEATS + 0.15) % 1 < 0.3
    kept = {
        # how much of the loop stays: around its beats,
        "mask_beat_lines_80": np.where(near_beat, 0.8, 0.0),
        # more and more towards the bass,
        "mask_gradient_dark": 0.4 + 0.6 * rows,
        # or in its highest notes and cymbals, fading out or with an edge
        "mask_gradient_top_70": 0.7 * (1 - rows),
        "mask_graident_top_fifth_75": np.where(top_fifth, 0.75, 0.75 * (1 - rows) / 2),
        "mask_top_third_75": np.where(top_third, 0.75, 0.0),
        "mask_top_third_95": np.where(top_third, 0.95, 0.0),
    }
    return {name: np.round(255 * (1 - share)).astype(np.uint8) for name, share in kept.items()}


def main() -> None:
    """Write every picture into a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("generation/seed_images"))
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    renderer, params = Renderer((_FONT,)), SpectrogramParams()
    for name, (style, number) in LOOPS.items():
        picture, _ = renderer.clip(number, style)
        tags = Tags(title=f"{name}: {style}, {_BEATS} beats")
        (folder / f"{name}.png").write_bytes(png_bytes(Image.fromarray(picture), params, tags))
    for name, mask in masks().items():
        Image.fromarray(mask).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    run(main)
