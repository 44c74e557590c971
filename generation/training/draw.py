"""Draw pictures with a checkpoint as the bot does, many prompts at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from generation.checkpoint import Checkpoint, load_checkpoint
from generation.prompts import PromptEncoder
from generation.sampler import Frame, Sampling, decode, initial_noise, sample
from generation.seed_starts import SeedStarts
from generation.seeds import STRENGTH, SeedLoops
from generation.tempo import NATIVE_WIDTH, said_bpm
from generation.training.compose.score import LOOP_SECONDS


@dataclass(frozen=True)
class Way:
    """How to draw: steps, guidance and guided share (None: the checkpoint's own), sampler, start.

    With `seed_loops` every picture starts from the stored loop that fits its prompt best.
    """

    steps: int | None = None
    guidance_scale: float | None = None
    sampler: str = ""
    guided: float | None = None
    seed_loops: bool = False
    strength: float = STRENGTH


def load(folder: Path) -> Checkpoint:
    """Load a checkpoint folder on the processor."""
    return load_checkpoint(str(folder), torch.device("cpu"))


def _starts(
    checkpoint: Checkpoint, stored: SeedLoops, prompts: Sequence[str], seeds: Sequence[int]
) -> list[Tensor | None]:
    loops = SeedStarts(checkpoint, stored)
    starts: list[Tensor | None] = []
    for prompt, seed in zip(prompts, seeds, strict=True):
        bpm = said_bpm(prompt)
        beats = None if bpm is None else round(bpm * LOOP_SECONDS / 60)
        starts.append(loops.start(prompt, seed, NATIVE_WIDTH, beats))
    return starts


def draw(
    checkpoint: Checkpoint,
    prompts: Sequence[str],
    seeds: Sequence[int],
    way: Way | None = None,
    stored: SeedLoops | None = None,
    batch: int = 8,
) -> list[np.ndarray]:
    """Draw one picture (512, 512) uint8 for each prompt with its seed.

    `stored` are the checkpoint's seed loops, needed only for a `way` that starts from them.
    """
    way = way or Way()
    preferences = checkpoint.preferences
    encoder = PromptEncoder(checkpoint)
    guided = preferences.guided if way.guided is None else way.guided
    sampling = Sampling(way.steps or preferences.steps, way.sampler, guided=guided)
    scale = way.guidance_scale or preferences.guidance_scale
    inits: list[Tensor | None] = [None] * len(prompts)
    if way.seed_loops and stored is not None:
        inits = _starts(checkpoint, stored, prompts, seeds)
    noise = initial_noise(seeds, checkpoint.latent_channels, 64, 64)
    pictures: list[np.ndarray] = []
    with tqdm(total=len(prompts), unit="picture", desc="draw", mininterval=5) as bar:
        for start in range(0, len(prompts), batch):
            frames = [
                Frame(noise[i], encoder.encode(prompts[i]), encoder.encode(""), scale, inits[i],
                      way.strength if inits[i] is not None else 1.0)
                for i in range(start, min(start + batch, len(prompts)))
            ]  # fmt: skip
            latents = sample(checkpoint, frames, sampling, lambda step: None)
            pictures += list(decode(checkpoint, latents))
            bar.update(len(frames))
    return pictures
