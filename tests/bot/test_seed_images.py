from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.errors import NotFoundRefusal
from bot.seed_images import SeedImages

# What apps made for Riffusion's server send; the misspelt one is theirs.
LOOPS = {"og_beat", "agile", "marim", "motorway", "vibes"}
MASKS = {
    "mask_beat_lines_80",
    "mask_gradient_dark",
    "mask_gradient_top_70",
    "mask_graident_top_fifth_75",
    "mask_top_third_75",
    "mask_top_third_95",
}


def test_every_id_that_existing_apps_send_is_answered() -> None:
    images = SeedImages()
    assert set(images.names()) == LOOPS | MASKS
    for name in LOOPS | MASKS:
        with Image.open(images.find(name)) as image:
            assert image.size == (512, 512)
            grey = np.asarray(image.convert("L"))
        # masks leave something to draw, loops are music: neither is one flat shade
        assert grey.std() > 10
        if name in MASKS:
            assert grey.max() > 150


def test_the_operators_folder_comes_first(tmp_path: Path) -> None:
    (tmp_path / "og_beat.png").write_bytes(b"mine")
    (tmp_path / "my-loop.png").write_bytes(b"mine too")
    images = SeedImages(tmp_path)
    assert images.find("og_beat").read_bytes() == b"mine"
    assert "my-loop" in images.names()
    assert images.find("agile").exists()


@pytest.mark.parametrize("name", ["", "nope", "../og_beat", "og_beat.png", "a/b", "x" * 99, "\0"])
def test_other_names_are_refused_with_what_there_is(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFoundRefusal, match="there are agile"):
        SeedImages(tmp_path / "missing").find(name)
