"""Draw pictures with a checkpoint as the bot does, many prompts at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from generation.checkpoint import Checkpoint, load_checkpoint
from generation.circular import make_circular
from generation.prompts import embed
from generation.sampler import decode, denoise, initial_noise


def load(folder: Path) -> Checkpoint:
    """Load a checkpoint folder on the processor, circular in time."""
    checkpoint = load_checkpoint(str(folder), torch.device("cpu"))
    make_circular(checkpoint.unet)
    make_circular(checkpoint.vae)
    return checkpoint


def draw(
    checkpoint: Checkpoint,
    prompts: Sequence[str],
    seeds: Sequence[int],
    steps: int | None = None,
    guidance_scale: float | None = None,
    batch: int = 8,
) -> list[np.ndarray]:
    """Draw one picture (512, 512) uint8 for each prompt with its seed."""
    preferences = checkpoint.preferences
    pictures: list[np.ndarray] = []
    with tqdm(total=len(prompts), unit="picture", desc="draw", mininterval=5) as bar:
        for start in range(0, len(prompts), batch):
            texts = list(prompts[start : start + batch])
            embeddings = embed(checkpoint, [""] * len(texts) + texts)
            noise = initial_noise(seeds[start : start + batch], checkpoint.latent_channels, 64, 64)
            latents = denoise(
                checkpoint, embeddings, noise, steps=steps or preferences.steps,
                guidance_scale=guidance_scale or preferences.guidance_scale,
                on_step=lambda done, total: None,
            )  # fmt: skip
            pictures += list(decode(checkpoint, latents))
            bar.update(len(texts))
    return pictures
