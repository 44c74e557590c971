"""The optimiser, the schedule, and going on from before a cool-down."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from generation.training.optim import Muon, orthogonalise
from generation.training.state import Trainer, cool_down


@pytest.mark.parametrize("shape", [(8, 8), (12, 16), (12, 40), (40, 12)])
def test_singular_values_are_evened_out(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrix))
    assert values.min() > 0.6
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    # the directions stay: U Vᵀ is the nearest orthogonal matrix
    assert torch.nn.functional.cosine_similarity(
        orthogonalise(matrix).flatten(), (left @ right).flatten(), dim=0
    ) > 0.95  # fmt: skip


def test_a_wide_matrix_is_evened_out_as_by_plain_rounds() -> None:
    matrix = torch.randn(12, 200, generator=torch.Generator().manual_seed(0))
    matrix *= torch.logspace(0, -3, 12)[:, None]
    a, b, c = 3.4445, -4.7750, 2.0315
    plain = matrix / matrix.norm()
    for _ in range(5):
        gram = plain @ plain.T
        plain = a * plain + b * gram @ plain + c * gram @ gram @ plain
    torch.testing.assert_close(orthogonalise(matrix), plain, rtol=1e-4, atol=1e-5)


def regression(path: Path, muon: bool = True) -> Trainer:
    """A trainer of a small network on a fixed problem."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 16))
    inputs = torch.randn(64, 16)
    targets = inputs.roll(3, 1) * 0.5

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        return nn.functional.mse_loss(model(inputs), targets), {}

    return Trainer(model, loss_of, path, rate=0.01, warm_up_steps=5, muon=muon)


def loss(trainer: Trainer) -> float:
    return float(trainer.loss_of(0)[0].detach())


@pytest.mark.parametrize("muon", [True, False])
def test_it_descends(tmp_path: Path, muon: bool) -> None:
    trainer = regression(tmp_path / "state.pt", muon)
    before = loss(trainer)
    trainer.run(150, log_every=100)
    assert loss(trainer) < 0.3 * before


def test_small_and_embedding_parameters_are_left_to_adam() -> None:
    model = nn.ModuleDict({"embedding": nn.Embedding(20, 16), "line": nn.Linear(16, 16),
                           "narrow": nn.Linear(16, 2)})  # fmt: skip
    groups = {group["muon"]: group["params"] for group in Muon(model, 0.1, 0.0).param_groups}
    assert [tuple(value.shape) for value in groups[True]] == [(16, 16)]
    assert len(groups[False]) == 4


def test_the_rate_falls_to_nothing_at_the_end_only() -> None:
    shares = [cool_down(step, 100, 20) for step in range(101)]
    assert shares[:81] == [1.0] * 81
    assert shares[80:] == sorted(shares[80:], reverse=True)
    assert shares[90] == pytest.approx(0.5)
    assert shares[100] == 0
    assert cool_down(100, 100, 0) == 1


def test_a_longer_run_goes_on_from_before_the_cool_down(tmp_path: Path) -> None:
    straight = regression(tmp_path / "straight.pt")
    straight.run(40, log_every=100, cool_down_steps=10)
    cut = regression(tmp_path / "cut.pt")
    cut.run(24, log_every=100, cool_down_steps=6)
    assert cut.step == 24
    longer = regression(tmp_path / "cut.pt")
    assert longer.step == 24
    longer.run(40, log_every=100, cool_down_steps=10)
    assert longer.step == straight.step == 40
    pairs = zip(longer.model.parameters(), straight.model.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)


def test_a_longer_run_may_keep_what_the_cool_down_learned(tmp_path: Path) -> None:
    first = regression(tmp_path / "state.pt")
    first.run(20, log_every=100, cool_down_steps=10)
    cooled = [value.clone() for value in first.model.parameters()]
    second = regression(tmp_path / "state.pt")
    second.run(21, log_every=100, cool_down_steps=1, keep_cooled=True)
    assert second.step == 21
    assert [round(entry["step"]) for entry in second.curve] == [20, 21]
    # One step of rate 0.01 from where the first run ended, not from before its descent.
    pairs = zip(second.model.parameters(), cooled, strict=True)
    assert all((a - b).abs().max() < 0.05 for a, b in pairs)


def test_a_model_that_has_had_its_steps_is_left_alone(tmp_path: Path) -> None:
    done = regression(tmp_path / "state.pt")
    done.run(20, log_every=100, cool_down_steps=10)
    again = regression(tmp_path / "state.pt")
    again.run(10, log_every=100, cool_down_steps=5)
    assert again.step == 20
    assert again.cooled_for == 20
    pairs = zip(again.model.parameters(), done.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_cool_down_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    whole = regression(tmp_path / "whole.pt")
    whole.run(30, log_every=100, cool_down_steps=10)
    cut = regression(tmp_path / "cut.pt")
    cut.run(30, minutes=0.0, log_every=100, cool_down_steps=10)
    while cut.step < 30:
        cut = regression(tmp_path / "cut.pt")
        cut.run(30, minutes=0.0, log_every=100, cool_down_steps=10)
    pairs = zip(cut.model.parameters(), whole.model.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)
