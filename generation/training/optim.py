"""The optimiser of all training here: Muon for matrices, AdamW for the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from generation.training.team import Team

# Jordan's quintic: steep at 0, so that five rounds lift small singular values close to 1
_QUINTIC = (3.4445, -4.7750, 2.0315)
_WIDE = 3
"""From so many times as many columns as rows, rounds on the small square are cheaper."""
_SMALLEST = 8
"""Matrices with fewer rows or columns than this have too few directions to even out."""


def orthogonalise(matrix: Tensor, rounds: int = 5) -> Tensor:
    """Return the matrix with all its singular values brought near 1 (0.7 to 1.2).

    Newton-Schulz iteration (Jordan et al., "Muon", 2024); shape (rows, columns), any float type.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / (wide.norm() + 1e-7)
    rows, columns = x.shape
    x = _by_gram(x, rounds) if columns >= _WIDE * rows else _by_rounds(x, rounds)
    result: Tensor = x if wide is matrix else x.T
    return result


def _by_rounds(x: Tensor, rounds: int) -> Tensor:
    a, b, c = _QUINTIC
    for _ in range(rounds):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def _by_gram(x: Tensor, rounds: int) -> Tensor:
    """The same, the long side touched twice in all: every round is a polynomial of one matrix.

    What the rounds multiply `x` by commutes with `x @ x.T`, so both are carried on without it.
    """
    a, b, c = _QUINTIC
    gram = x @ x.T
    once = torch.eye(len(x), dtype=x.dtype, device=x.device)
    product = once
    for _ in range(rounds):
        factor = a * once + b * gram + c * gram @ gram
        product = factor @ product
        gram = factor @ gram @ factor
    return product @ x


def _suits_muon(name: str, value: nn.Parameter) -> bool:
    flat = value.flatten(1) if value.ndim > 1 else value
    return value.ndim > 1 and min(flat.shape) >= _SMALLEST and "embed" not in name


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonalised updates for matrices and convolutions, AdamW for the rest.

    An update's root mean square is that of AdamW (Liu et al., "Muon is Scalable for LLM
    Training", 2025), so one learning rate serves both kinds.
    """

    def __init__(
        self,
        model: nn.Module,
        rate: float,
        weight_decay: float,
        *,
        matrices: bool = True,
        team: Team | None = None,
    ) -> None:
        """Sort the parameters; with `matrices` false all of them are left to AdamW.

        The members of a `team`, who all have the same gradients, share the orthogonalising.
        """
        self._team = team or Team()
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        suited = [matrices and _suits_muon(name, p) for name, p in named]
        groups = [
            {"params": [p for (_, p), suits in zip(named, suited, strict=True) if suits == kind],
             "muon": kind}
            for kind in (True, False)
        ]  # fmt: skip
        defaults = {"lr": rate, "weight_decay": weight_decay}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            values = _with_gradient(group["params"])
            if group["muon"]:
                changes = self._muon_changes(values)
            else:
                changes = [_adam_change(value.grad, self.state[value]) for value in values]
            for value, change in zip(values, changes, strict=True):
                value.mul_(1 - group["lr"] * group["weight_decay"])
                value.add_(change, alpha=-group["lr"])

    def _muon_changes(self, values: list[Any]) -> list[Tensor]:
        changes = []
        for number, value in enumerate(values):
            ahead = _look_ahead(value.grad, self.state[value])
            ours = number % self._team.size == self._team.rank
            changes.append(_even_out(ahead) if ours else torch.zeros_like(ahead))
        self._team.add_up(changes)
        return changes


def _with_gradient(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value.grad is not None]


def _look_ahead(gradient: Tensor, state: dict[str, Any], momentum: float = 0.95) -> Tensor:
    if "momentum" not in state:
        state["momentum"] = torch.zeros_like(gradient)
    average: Tensor = state["momentum"].lerp_(gradient, 1 - momentum)
    return gradient.lerp(average, momentum)


def _even_out(update: Tensor) -> Tensor:
    flat = orthogonalise(update.flatten(1))
    return flat.view_as(update) * (0.2 * math.sqrt(max(flat.shape)))


def _adam_change(
    gradient: Tensor, state: dict[str, Any], betas: tuple[float, float] = (0.9, 0.99)
) -> Tensor:
    if "step" not in state:
        state.update(step=0, mean=torch.zeros_like(gradient), square=torch.zeros_like(gradient))
    state["step"] += 1
    state["mean"].lerp_(gradient, 1 - betas[0])
    state["square"].lerp_(gradient.square(), 1 - betas[1])
    mean = state["mean"] / (1 - betas[0] ** state["step"])
    square = state["square"] / (1 - betas[1] ** state["step"])
    change: Tensor = mean / (square.sqrt() + 1e-8)
    return change
