"""A checkpoint in the shape of Stable Diffusion 1.5, a thousand times smaller, for tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

from benchmarks.full_size_checkpoint import Layout, Sizes, write
from generation.checkpoint import Checkpoint
from generation.prompts import PromptEncoder
from generation.sampler import Frame, Sampling, decode, sample

CPU = torch.device("cpu")
SIZES = Sizes(
    unet={
        "block_out_channels": (16, 32, 32, 32),
        "layers_per_block": 2,
        "cross_attention_dim": 24,
        "attention_head_dim": 4,
        "norm_num_groups": 8,
        "sample_size": 64,
    },
    vae={
        "block_out_channels": (8, 16, 16, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
        "norm_num_groups": 4,
        "sample_size": 512,
    },
    text={
        "hidden_size": 24,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": 24,
        "vocab_size": 600,
    },
)


def write_tiny(folder: Path, layout: Layout = "new", seed: int = 0, **text: Any) -> Path:
    """Write one; equal seeds give equal weights in both layouts."""
    write(folder, layout, replace(SIZES, text={**SIZES.text, **text}), seed)
    return folder


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Models this small are drawn by one thread in less time than two take to meet."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@one_thread()
def drawn(checkpoint: Checkpoint, sampler: str = "dpmpp", steps: int = 2) -> np.ndarray[Any, Any]:
    """A small picture by our own path, flat."""
    encoder = PromptEncoder(checkpoint)
    frame = Frame(noise(), encoder.encode("warm piano"), encoder.encode("drums"), 3.0)
    latents = sample(checkpoint, [frame], Sampling(steps, sampler, loop=False), lambda step: None)
    return decode(checkpoint, latents, loop=False)[0]


@one_thread()
def drawn_by_diffusers(folder: Path) -> np.ndarray[Any, Any]:
    """The same picture by diffusers alone, which loads the folder by itself."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, safety_checker=None, feature_extractor=None, local_files_only=True
    )
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="trailing"
    )
    pipeline.set_progress_bar_config(disable=True)
    latents = pipeline(
        "warm piano",
        negative_prompt="drums",
        guidance_scale=3.0,
        latents=noise()[None],
        num_inference_steps=2,
        output_type="latent",
    ).images
    with torch.inference_mode():
        [image] = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    grey = ((image.mean(dim=0).clamp(-1, 1) + 1) * 127.5).round()
    return np.asarray(grey.to(torch.uint8))


def noise() -> torch.Tensor:
    return torch.randn((4, 8, 16), generator=torch.Generator("cpu").manual_seed(2))
