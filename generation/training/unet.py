"""Train the denoiser: `python -m generation.training.unet --processes 2`.

v-prediction (Salimans & Ho, 2022) with zero terminal SNR (Lin et al., 2024), min-SNR weights
(Hang et al., 2023), caption dropout for classifier-free guidance, weights averaged. The UNet
wraps along time; the text encoder and the autoencoder are frozen.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from generation.circular import make_circular
from generation.training.autoencoder import LATENT_CHANNELS
from generation.training.captions import caption
from generation.training.latents import Latents
from generation.training.options import add_schedule, add_work, cool_down_of, run
from generation.training.state import Trainer, step_rng
from generation.training.team import Team, add_team, run_team
from generation.training.text.encoder import load_text, tokenize

Unet: TypeAlias = Any
"""A diffusers `UNet2DConditionModel`, which type checkers see as a stranger."""

CHANNELS = (32, 64, 160, 224)
TRAIN_STEPS = 1000
CAPTION_DROPOUT = 0.1
_MIN_SNR_GAMMA = 5.0
# Loops start from stored ones noised up to here, so that these steps are what most drawings need.
_DRAWN_STEPS, _DRAWN_SHARE = 650, 0.75


def new_unet(channels: tuple[int, ...] = CHANNELS) -> Unet:
    """Return an untrained UNet: 15.5 M parameters, attention to text at 16x16 and 8x8."""
    build: Any = UNet2DConditionModel
    model = build(
        sample_size=64, in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS,
        block_out_channels=channels, layers_per_block=1, cross_attention_dim=384,
        attention_head_dim=4, norm_num_groups=16, use_linear_projection=True,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D",
                          "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    make_circular(model)
    return model


def signal_shares() -> Tensor:
    """Return ᾱ of each of the 1000 steps: Stable Diffusion's schedule, shifted to end at 0.

    Algorithm 1 of Lin et al., "Common Diffusion Noise Schedules and Sample Steps Are Flawed".
    """
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, TRAIN_STEPS, dtype=torch.float64) ** 2
    root = (1 - betas).cumprod(0).sqrt()
    first, last = root[0].clone(), root[-1].clone()
    root = (root - last) * first / (first - last)
    return (root**2).float()


def training_steps(batch: int, generator: torch.Generator) -> Tensor:
    """Return the steps to train a batch on: int64, shape (batch,), 0..999, rising.

    One from each equal part of the chances, so that every batch has the same spread of noise.
    """
    part = (torch.arange(batch) + torch.rand(batch, generator=generator)) / batch
    low = part / _DRAWN_SHARE * _DRAWN_STEPS
    high = TRAIN_STEPS - (1 - part) / (1 - _DRAWN_SHARE) * (TRAIN_STEPS - _DRAWN_STEPS)
    return torch.where(part < _DRAWN_SHARE, low, high).long().clamp(max=TRAIN_STEPS - 1)


def diffusion_loss(
    unet: Unet, latents: Tensor, context: Tensor, shares: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return (weighted loss, plain mean square error of v) of one batch.

    latents (batch, 4, 64, 64), context (batch, tokens, 384), shares from `signal_shares`.
    """
    batch = len(latents)
    steps = training_steps(batch, generator)
    share = shares[steps].view(-1, 1, 1, 1)
    noise = torch.randn(latents.shape, generator=generator)
    noisy = share.sqrt() * latents + (1 - share).sqrt() * noise
    target = share.sqrt() * noise - (1 - share).sqrt() * latents
    predicted = unet(noisy, steps, encoder_hidden_states=context).sample
    errors = (predicted - target).pow(2).mean((1, 2, 3))
    snr = (share / (1 - share)).flatten()
    # "+ 1" keeps the pure-noise end of a zero-terminal-SNR schedule in the loss
    weights = (snr.clamp(max=_MIN_SNR_GAMMA) + 1) / (snr + 1)
    return (weights * errors).mean(), errors.mean().detach()


class TextContext:
    """Captions to cross-attention context, by the frozen text encoder."""

    def __init__(self, tokenizer: CLIPTokenizer, encoder: CLIPTextModel) -> None:
        """Keep both."""
        self.tokenizer, self.encoder = tokenizer, encoder

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return the last hidden states, shape (texts, 77, 384); "" stands for no caption."""
        tokens = tokenize(self.tokenizer, texts, full=True)
        hidden: Tensor = self.encoder(input_ids=tokens).last_hidden_state
        return hidden


def make_trainer(
    unet: Unet,
    data: Latents,
    context: TextContext,
    path: Path,
    batch: int,
    rate: float,
    team: Team | None = None,
) -> Trainer:
    """Return the UNet's trainer; `batch` is what one process takes at a time."""
    shares = signal_shares()
    team = team or Team()

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        rng, noise = step_rng(31, step, team.rank)
        rows = rng.integers(len(data), size=batch)
        texts = [
            "" if rng.random() < CAPTION_DROPOUT else caption(data.facts[i], rng) for i in rows
        ]
        latents = torch.from_numpy(data.values[rows].astype(np.float32))
        loss, error = diffusion_loss(unet, latents, context(texts), shares, noise)
        return loss, {"v_mse": float(error)}

    return Trainer(unet, loss_of, path, rate=rate, batch=batch * team.size, warm_up_steps=100,
                   ema_decay=0.998, team=team)  # fmt: skip


def train(team: Team, options: argparse.Namespace) -> None:
    """Train as a member of a team; the first one saves the averaged weights."""
    torch.manual_seed(6)
    unet = new_unet()
    data = Latents(options.work / "clips", options.work / "latents")
    context = TextContext(*load_text(options.work / "text"))
    trainer = make_trainer(
        unet, data, context, options.work / "unet" / "state.pt", options.batch, options.rate, team
    )
    trainer.run(options.steps, options.minutes, options.log_every,
                cool_down_steps=cool_down_of(options), keep_cooled=options.keep_cooled)  # fmt: skip
    if team.rank == 0:
        assert trainer.ema is not None
        averaged: Unet = trainer.ema.model
        averaged.save_pretrained(options.work / "unet" / "ema")


def main() -> None:
    """Train (resuming) in one process or several."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_work(parser)
    add_schedule(parser, steps=25_000, rate=1e-3, batch=4)
    add_team(parser)
    run_team(train, parser.parse_args())


if __name__ == "__main__":
    run(main)
