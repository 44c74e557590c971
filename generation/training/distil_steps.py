"""Distil few-step drawing: `python -m generation.training.distil_steps --grid 8`.

Progressive distillation (Salimans & Ho, 2022) with guidance folded in (Meng et al., 2023): one
step of the student goes where several guided steps of the teacher end. The student is an ordinary
UNet; drawn with `--grid` steps of DDIM and a guidance of 1 it needs one pass a step, not two.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from generation.circular import make_circular
from generation.errors import GenerationError
from generation.training.captions import caption
from generation.training.latents import Latents
from generation.training.options import add_schedule, add_work, cool_down_of, run
from generation.training.state import Trainer, step_rng
from generation.training.team import Team, add_team, run_team
from generation.training.text.encoder import load_text
from generation.training.unet import TRAIN_STEPS, TextContext, Unet, signal_shares


def grid_of(steps: int) -> Tensor:
    """Return the time steps of a "trailing" grid, the noisiest first, and -1 (clean) at its end."""
    places = torch.arange(steps, -1, -1) * TRAIN_STEPS / steps
    return places.round().long() - 1


def amplitudes(shares: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Return what is left of the picture and of the noise at time steps; -1 is clean.

    Both have shape (batch, 1, 1, 1).
    """
    share = torch.where(steps < 0, torch.ones(()), shares[steps.clamp(min=0)]).view(-1, 1, 1, 1)
    return share.sqrt(), (1 - share).sqrt()


def ddim(x: Tensor, v: Tensor, here: tuple[Tensor, Tensor], there: tuple[Tensor, Tensor]) -> Tensor:
    """Go from one noise level to another along the predicted v (Song et al., 2021)."""
    clean = here[0] * x - here[1] * v
    noise = here[1] * x + here[0] * v
    return there[0] * clean + there[1] * noise


def v_that_leads(
    x: Tensor, goal: Tensor, here: tuple[Tensor, Tensor], there: tuple[Tensor, Tensor]
) -> Tensor:
    """Return the v with which one DDIM step from `x` ends at `goal`.

    With amplitudes cos φ and sin φ a step turns: goal = cos(φ - φ') x - sin(φ - φ') v.
    """
    cosine = here[0] * there[0] + here[1] * there[1]
    sine = here[1] * there[0] - here[0] * there[1]
    return (cosine * x - goal) / sine


@torch.no_grad()
def guided_walk(
    teacher: Unet,
    x: Tensor,
    places: Tensor,
    contexts: tuple[Tensor, Tensor],
    shares: Tensor,
    guidance_scale: float,
) -> Tensor:
    """Take guided DDIM steps through `places` (substeps + 1, batch); returns where they end.

    `contexts` are the embeddings of no caption and of the captions.
    """
    both = torch.cat(contexts)
    for now, then in pairwise(places):
        predicted = teacher(torch.cat([x, x]), now.repeat(2), encoder_hidden_states=both).sample
        free, bound = predicted.chunk(2)
        v = free + guidance_scale * (bound - free)
        x = ddim(x, v, amplitudes(shares, now), amplitudes(shares, then))
    return x


def between(first: Tensor, last: Tensor, substeps: int) -> Tensor:
    """Divide the way from steps `first` to `last` (batch,): shape (substeps + 1, batch)."""
    parts = torch.linspace(0, 1, substeps + 1)[:, None]
    return (first + parts * (last - first)).round().long()


def make_trainer(
    student: Unet,
    teacher: Unet,
    data: Latents,
    context: TextContext,
    path: Path,
    options: argparse.Namespace,
    team: Team | None = None,
) -> Trainer:
    """Return the student's trainer; `options` are those of `main`."""
    shares, grid = signal_shares(), grid_of(options.grid)
    team = team or Team()
    nothing = context([""])

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        rng, generator = step_rng(61, step, team.rank)
        rows = rng.integers(len(data), size=options.batch)
        captions = context([caption(data.facts[i], rng) for i in rows])
        latents = torch.from_numpy(data.values[rows].astype("float32"))
        at = torch.randint(options.grid, (options.batch,), generator=generator)
        now, then = grid[at], grid[at + 1]
        here, there = amplitudes(shares, now), amplitudes(shares, then)
        x = here[0] * latents + here[1] * torch.randn(latents.shape, generator=generator)
        contexts = (nothing.expand_as(captions), captions)
        places = between(now, then, options.substeps)
        goal = guided_walk(teacher, x, places, contexts, shares, options.guidance)
        wanted = v_that_leads(x, goal, here, there)
        predicted = student(x, now, encoder_hidden_states=captions).sample
        loss = (predicted - wanted).pow(2).mean()
        return loss, {}

    return Trainer(student, loss_of, path, rate=options.rate, batch=options.batch * team.size,
                   warm_up_steps=50, ema_decay=0.99, team=team)  # fmt: skip


def load_unet(folder: Path) -> Unet:
    """Load a trained denoiser, circular in time."""
    if not (folder / "config.json").exists():
        raise GenerationError("There is no denoiser yet; run python -m generation.training.unet.")
    kind: Any = UNet2DConditionModel
    unet: Unet = kind.from_pretrained(folder, torch_dtype=torch.float32)
    make_circular(unet)
    return unet


def train(team: Team, options: argparse.Namespace) -> None:
    """Train as a member of a team; the first one saves the averaged student."""
    teacher = load_unet(options.work / "unet" / "ema").eval().requires_grad_(False)
    student = load_unet(options.work / "unet" / "ema")
    data = Latents(options.work / "clips", options.work / "latents")
    context = TextContext(*load_text(options.work / "text"))
    folder = options.work / "few-steps"
    trainer = make_trainer(student, teacher, data, context, folder / "state.pt", options, team)
    trainer.run(options.steps, options.minutes, options.log_every,
                cool_down_steps=cool_down_of(options), keep_cooled=options.keep_cooled)  # fmt: skip
    if team.rank == 0:
        assert trainer.ema is not None
        averaged: Unet = trainer.ema.model
        averaged.save_pretrained(folder / "ema")


def main() -> None:
    """Distil (resuming) the trained denoiser."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_work(parser)
    add_schedule(parser, steps=2000, rate=1e-4, batch=8)
    add_team(parser)
    parser.add_argument("--grid", type=int, default=8, help="steps that the student draws in")
    parser.add_argument("--substeps", type=int, default=2, help="of the teacher, for one of them")
    parser.add_argument("--guidance", type=float, default=4.0)
    run_team(train, parser.parse_args())


if __name__ == "__main__":
    run(main)
