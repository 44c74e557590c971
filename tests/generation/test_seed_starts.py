"""Seed loops fitted to a width and a tempo."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generation.seed_starts import SeedStarts, near_octave, stretched
from generation.seeds import SeedLoop, SeedLoops, prompt_embedding
from tests.generation.styles import reader_of
from tests.generation.tiny import tiny_checkpoint

PROMPTS = ("rain", "techno")


@pytest.fixture(scope="module")
def starts() -> SeedStarts:
    checkpoint = tiny_checkpoint(vae_channels=(4, 4, 4, 8))
    latents = torch.randn((2, 4, 64, 64), generator=torch.Generator().manual_seed(5))
    loops = [SeedLoop("rain", "rain", 6), SeedLoop("techno", "techno", 8, 9, True)]
    embeddings = torch.stack([prompt_embedding(checkpoint, prompt) for prompt in PROMPTS])
    return SeedStarts(checkpoint, SeedLoops.pack(loops, latents, reader_of(embeddings, PROMPTS)))


def clicks(beats: int, width: int = 512) -> np.ndarray:
    """A picture with a thick dark line on every beat."""
    grey = np.full((8, width), 255, np.uint8)
    for beat in range(beats):
        at = round(beat * width / beats)
        grey[:, at : at + 4] = 0
    return grey


@pytest.mark.parametrize(
    ("had", "wanted", "width"),
    [(8, 8, 512), (8, 10, 512), (8, 6, 512), (12, 16, 512), (8, 20, 1024), (10, 4, 256)],
)
def test_a_stretched_picture_holds_the_wanted_beats(had: int, wanted: int, width: int) -> None:
    result = stretched(clicks(had), had, wanted, width)
    assert result.shape == (8, width)
    assert result.dtype == np.uint8
    lines = (np.diff((result[0] < 100).astype(int), append=int(result[0, 0] < 100)) == 1).sum()
    assert lines == wanted or (lines == wanted - 1 and result[0, 0] < 100)


def test_nothing_changes_where_the_tempo_is_right() -> None:
    grey = np.random.default_rng(3).integers(0, 256, (16, 512), np.uint8)
    assert np.array_equal(stretched(grey, 8, 8, 512), grey)
    assert np.array_equal(stretched(grey, 8, 16, 1024), np.tile(grey, 2))


@given(had=st.integers(4, 16), wanted=st.floats(1, 64))
def test_octaves_bring_any_tempo_near(had: int, wanted: float) -> None:
    counted = near_octave(had, wanted)
    assert np.log2(counted / had) % 1 == 0
    assert 1 / 1.5 <= wanted / counted <= 1.5


def test_a_loop_in_its_own_tempo_is_taken_as_it_is(starts: SeedStarts) -> None:
    own = starts.start("techno", 0, 512)
    assert own.shape == (4, 64, 64)
    assert torch.equal(starts.start("techno", 0, 512, 8), own)
    assert torch.equal(starts.start("techno", 0, 512, 16), own)  # an octave is the same music
    assert torch.equal(starts.start("techno", 0, 1024), own.repeat(1, 1, 2))
    assert not torch.equal(starts.start("rain", 0, 512), own)


def test_another_tempo_or_width_is_drawn_through_the_picture(starts: SeedStarts) -> None:
    own = starts.start("techno", 0, 512)
    faster = starts.start("techno", 0, 512, 10)
    assert faster.shape == own.shape
    assert not torch.equal(faster, own)
    assert starts.start("techno", 0, 256).shape == (4, 64, 32)
    assert starts.start("techno", 0, 640, 12).shape == (4, 64, 80)


def test_an_asked_key_transposes_the_loop(starts: SeedStarts) -> None:
    own = starts.start("techno", 0, 512)
    for same in ("techno in a minor", "techno in c major"):
        assert torch.equal(starts.start(same, 0, 512), own)
    higher = starts.start("techno in b minor", 0, 512)
    assert higher.shape == own.shape
    assert not torch.equal(higher, own)
    assert torch.equal(starts.start("techno in d major", 0, 512, 8), higher)
    # What has no key has none to change.
    assert torch.equal(starts.start("rain in d major", 0, 512), starts.start("rain", 0, 512))


def test_it_remembers_until_it_is_told_to_forget(starts: SeedStarts) -> None:
    first = starts.start("techno", 1, 512, 10)
    assert starts.start("techno", 1, 512, 10) is first
    starts.clear()
    again = starts.start("techno", 1, 512, 10)
    assert again is not first
    assert torch.equal(again, first)


def test_short_of_memory_it_decodes_in_tiles(starts: SeedStarts) -> None:
    whole = starts.start("techno", 2, 512, 10)
    starts.clear()
    starts.tile = 16
    tiled = starts.start("techno", 2, 512, 10)
    starts.tile = None
    assert tiled is not whole
    assert (tiled - whole).abs().mean() < 0.05 * whole.abs().mean()
