"""Seed loops: stored small, read back, chosen by prompt and tempo."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from generation.errors import CheckpointError
from generation.seeds import CAPTIONS, WEIGHTS, SeedLoop, SeedLoops


def some_loops(count: int = 6) -> tuple[SeedLoops, Tensor, Tensor]:
    """Loops of 4, 6, 8 … beats with random latents and embeddings, and what they were made of."""
    generator = torch.Generator().manual_seed(0)
    latents = (
        torch.randn((count, 4, 8, 8), generator=generator)
        * torch.tensor([1, 2, 3, 0.5])[:, None, None]
    )
    embeddings = torch.randn((count, 16), generator=generator)
    loops = [SeedLoop(f"loop {i}", "techno", 4 + 2 * i) for i in range(count)]
    return SeedLoops.pack(loops, latents, embeddings), latents, embeddings


def test_what_is_saved_comes_back_nearly_whole(tmp_path: Path) -> None:
    packed, latents, _ = some_loops()
    packed.save(tmp_path)
    again = SeedLoops.load(tmp_path)
    assert again.loops == packed.loops
    span = latents.amax((0, 2, 3)) - latents.amin((0, 2, 3))
    for index in range(len(latents)):
        error = (again.latents(index) - latents[index]).abs().amax((1, 2))
        assert (error <= span / 255 / 2 + 1e-5).all()


def test_a_prompt_finds_its_own_loop(tmp_path: Path) -> None:
    packed, latents, embeddings = some_loops()
    packed.save(tmp_path)
    stored = SeedLoops.load(tmp_path)
    for index, embedding in enumerate(embeddings):
        assert stored.ranked(2.5 * embedding)[0] == index
        assert torch.allclose(stored.nearest(embedding), latents[index], atol=0.05)


def test_an_asked_tempo_outweighs_a_small_difference_in_words() -> None:
    loops = [SeedLoop("slow", "techno", 8), SeedLoop("fast", "techno", 16),
             SeedLoop("other", "rain", 8)]  # fmt: skip
    embeddings = torch.tensor([[1.0, 0.1, 0], [1.0, -0.1, 0], [-1.0, 0, 0]])
    stored = SeedLoops.pack(loops, torch.zeros(3, 4, 2, 2), embeddings)
    assert stored.ranked(torch.tensor([1.0, 0.1, 0]))[0] == 0
    assert stored.ranked(torch.tensor([1.0, 0.1, 0]), beats=16)[0] == 1


def test_picking_goes_round_what_fits_about_as_well() -> None:
    loops = [SeedLoop(name, name, 8) for name in ("a", "b", "c", "far", "away")]
    embeddings = torch.tensor([[1, 0.1, 0], [1, 0, 0], [1, -0.1, 0], [0, 1, 0.3], [-1, 0.4, 0.0]])
    latents = torch.rand(5, 4, 2, 2)
    stored = SeedLoops.pack(loops, latents, embeddings)
    prompt = torch.tensor([1.0, 0.05, 0])
    best = stored.ranked(prompt)[:3]
    assert sorted(best) == [0, 1, 2]
    for pick in range(7):
        assert torch.equal(stored.nearest(prompt, pick=pick), stored.latents(best[pick % 3]))
    # Nothing else is near this one, so every seed gets it.
    for pick in range(3):
        assert torch.equal(stored.nearest(embeddings[3], pick=pick), stored.latents(3))


def test_a_folder_without_seed_loops_has_none(tmp_path: Path) -> None:
    none = SeedLoops.load(tmp_path)
    assert len(none) == 0
    assert none.ranked(torch.ones(384)) == []
    with pytest.raises(CheckpointError, match="no seed loops"):
        none.nearest(torch.ones(384))


@pytest.mark.parametrize("damage", ["captions", "weights", "count"])
def test_damaged_files_are_named(tmp_path: Path, damage: str) -> None:
    some_loops()[0].save(tmp_path)
    if damage == "captions":
        (tmp_path / CAPTIONS).write_text('[{"name": 1}]')
    elif damage == "weights":
        (tmp_path / WEIGHTS).write_bytes(b"no tensors")
    else:
        (tmp_path / CAPTIONS).write_text("[]")
    with pytest.raises(CheckpointError, match="seeds"):
        SeedLoops.load(tmp_path)
