"""Latents in four bits: how near they come back, and how small they are."""

from __future__ import annotations

import torch

from generation.quantised import Quantised


def normal(count: int = 40) -> torch.Tensor:
    """Latents of channels that differ in spread and mean."""
    values = torch.randn((count, 3, 8, 8), generator=torch.Generator().manual_seed(1))
    return (
        values * torch.tensor([0.5, 1, 4])[:, None, None] + torch.tensor([0, 2, -3])[:, None, None]
    )


def test_a_hundredth_of_a_normal_variance_is_lost() -> None:
    # Max, "Quantizing for Minimum Distortion" (1960): sixteen levels leave 0.0095.
    latents = normal(400)
    stored = Quantised.of(latents)
    error = torch.stack([stored.row(i) - latents[i] for i in range(len(latents))])
    lost = error.square().mean((0, 2, 3)) / latents.var((0, 2, 3))
    assert ((lost > 0.008) & (lost < 0.0115)).all()


def test_every_value_takes_its_nearest_level() -> None:
    latents = normal()
    stored = Quantised.of(latents)
    assert (stored.levels.diff() > 0).all()
    for index, values in enumerate(latents):
        apart = (values[..., None] - stored.levels[:, None, None]).abs()
        nearest = stored.levels.gather(1, apart.argmin(-1).flatten(1)).view_as(values)
        assert torch.equal(stored.row(index), nearest)


def test_two_values_share_a_byte() -> None:
    stored = Quantised.of(normal())
    assert stored.codes.dtype == torch.uint8
    assert stored.codes.shape == (40, 3, 8, 4)
    assert len(stored) == 40


def test_what_has_few_values_comes_back_whole() -> None:
    latents = torch.tensor([-1.0, 0.0, 2.0]).repeat(16)[:32].view(2, 1, 2, 8)
    stored = Quantised.of(latents)
    assert torch.allclose(torch.stack([stored.row(0), stored.row(1)]), latents)
    assert torch.equal(Quantised.of(torch.zeros(1, 4, 2, 2)).row(0), torch.zeros(4, 2, 2))
