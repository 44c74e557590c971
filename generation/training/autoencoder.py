"""Train the autoencoder: `python -m generation.training.autoencoder`.

A stock `AutoencoderKL` (Rombach et al., 2022) without its adversary: 512x512 pictures become
64x64x4 latents. It wraps along time, so that a loop has no seam in latent space either.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from generation.circular import make_circular
from generation.errors import GenerationError
from generation.training.options import add_schedule, add_work, cool_down_of, run
from generation.training.shards import Clips
from generation.training.state import Trainer, step_rng
from generation.training.team import Team, add_team, run_team

Autoencoder: TypeAlias = Any
"""A diffusers `AutoencoderKL`, which type checkers see as a stranger."""

LATENT_CHANNELS = 4
CHANNELS = (16, 32, 64, 96)
CROP_ROWS = 128
_KL_WEIGHT, _EDGE_WEIGHT = 5e-4, 0.3


def new_autoencoder(channels: tuple[int, ...] = CHANNELS) -> Autoencoder:
    """Return an untrained autoencoder: 1.6 M parameters, f = 8, circular in time."""
    build: Any = AutoencoderKL
    model: Autoencoder = build(
        in_channels=3, out_channels=3, latent_channels=LATENT_CHANNELS, layers_per_block=1,
        block_out_channels=channels, norm_num_groups=8, mid_block_add_attention=False,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels), sample_size=512, scaling_factor=1.0,
    )  # fmt: skip
    make_circular(model)
    return model


def to_model(pictures: np.ndarray) -> Tensor:
    """Turn grey pictures (clips, rows, columns) into input of shape (clips, 3, rows, columns)."""
    grey = torch.from_numpy(pictures.astype(np.float32)) / 127.5 - 1
    return grey[:, None].expand(-1, 3, -1, -1)


def to_pictures(decoded: Tensor) -> np.ndarray:
    """Turn decoder output (clips, 3, rows, columns) into grey pictures, uint8."""
    grey = ((decoded.float().mean(1) + 1) * 127.5).round().clamp(0, 255)
    return grey.to(torch.uint8).numpy()


def reconstruction_loss(model: Autoencoder, pictures: Tensor, noise: torch.Generator) -> Tensor:
    """L1 of grey levels and of their differences (edges of notes), and a little KL."""
    posterior = model.encode(pictures).latent_dist
    draw = torch.randn(posterior.mean.shape, generator=noise)
    decoded = model.decode(posterior.mean + posterior.std * draw).sample
    error = decoded - pictures
    along_time = error - error.roll(1, dims=-1)  # a loop: the first column follows the last
    along_pitch = error.diff(dim=-2)
    edges = along_time.abs().mean() + along_pitch.abs().mean()
    divergence = posterior.kl().mean() / posterior.mean[0].numel()
    loss: Tensor = error.abs().mean() + _EDGE_WEIGHT * edges + _KL_WEIGHT * divergence
    return loss


def make_trainer(
    clips: Clips,
    model: Autoencoder,
    path: Path,
    batch: int,
    rate: float,
    team: Team | None = None,
) -> Trainer:
    """Return a trainer on bands of 128 rows, whole in time and rolled by a random shift."""
    team = team or Team()

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        rng, noise = step_rng(21, step, team.rank)
        bands = []
        for index in rng.integers(len(clips), size=batch):
            picture = clips.picture(int(index))
            top = 8 * int(rng.integers((picture.shape[0] - CROP_ROWS) // 8 + 1))
            shift = int(rng.integers(picture.shape[1]))
            bands.append(np.roll(picture[top : top + CROP_ROWS], shift, axis=1))
        return reconstruction_loss(model, to_model(np.stack(bands)), noise), {}

    return Trainer(model, loss_of, path, rate=rate, batch=batch * team.size, warm_up_steps=50,
                   ema_decay=0.99, weight_decay=1e-4, team=team)  # fmt: skip


@torch.inference_mode()
def psnr(model: Autoencoder, clips: Clips, count: int = 24) -> float:
    """Return the mean peak signal-to-noise ratio in dB of whole pictures, evenly chosen."""
    values = []
    for index in np.linspace(0, len(clips) - 1, min(count, len(clips))).astype(int):
        picture = to_model(clips.picture(int(index))[None])
        decoded = model.decode(model.encode(picture).latent_dist.mean).sample
        error = float(nn.functional.mse_loss(decoded, picture)) / 4  # full scale is 2, not 1
        values.append(-10 * np.log10(error + 1e-12))
    return float(np.mean(values))


@torch.inference_mode()
def whiten(model: Autoencoder, clips: Clips, count: int = 96) -> None:
    """Fold each latent channel's mean and spread into the 1x1 convolutions around the latents.

    The latents then have mean 0 and variance 1 over the data, and `scaling_factor` stays 1.
    """
    rows = np.linspace(0, len(clips) - 1, min(count, len(clips))).astype(int)
    latents = torch.cat(
        [model.encode(to_model(clips.picture(int(i))[None])).latent_dist.mean for i in rows]
    )
    mean, spread = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    into, out = model.quant_conv, model.post_quant_conv
    half = len(mean)
    out.bias += out.weight[:, :, 0, 0] @ mean
    out.weight *= spread[None, :, None, None]
    into.weight[:half] /= spread[:, None, None, None]
    into.bias[:half] = (into.bias[:half] - mean) / spread
    into.bias[half:] -= 2 * spread.log()  # the second half is the logarithm of the variance


def train(team: Team, options: argparse.Namespace) -> None:
    """Train as a member of a team; the first one whitens, judges and saves the result."""
    clips = Clips(options.work / "clips")
    if not len(clips):
        raise GenerationError("There are no clips yet; run python -m generation.training.data.")
    torch.manual_seed(4)
    trainer = make_trainer(clips, new_autoencoder(), options.work / "autoencoder" / "state.pt",
                           options.batch, options.rate, team)  # fmt: skip
    trainer.run(options.steps, options.minutes, options.log_every,
                cool_down_steps=cool_down_of(options), keep_cooled=options.keep_cooled)  # fmt: skip
    if team.rank != 0:
        return
    assert trainer.ema is not None
    model: Autoencoder = trainer.ema.model
    whiten(model, clips)
    judged = Clips(options.work / "held-out")
    quality = psnr(model, judged if len(judged) else clips)
    print(f"PSNR {quality:.2f} dB after {trainer.step} steps", flush=True)
    model.save_pretrained(options.work / "autoencoder" / "vae")


def main() -> None:
    """Train (resuming), whiten and save the autoencoder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_work(parser)
    add_schedule(parser, steps=6_000, rate=3e-3, batch=1)
    add_team(parser)
    run_team(train, parser.parse_args())


if __name__ == "__main__":
    run(main)
