"""From embeddings to pictures: classifier-free guidance over any diffusers scheduler."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from generation.checkpoint import Checkpoint

StepCallback = Callable[[int, int], None]


def initial_noise(seeds: Sequence[int], channels: int, height: int, width: int) -> torch.Tensor:
    """Standard normal latents, shape `(len(seeds), channels, height, width)`, float32.

    Made on the CPU whatever the device, one generator per picture, so that a seed means the same
    picture on every device and in every batch.
    """
    return torch.stack(
        [
            torch.randn(
                (channels, height, width), generator=torch.Generator("cpu").manual_seed(seed)
            )
            for seed in seeds
        ]
    )


@torch.inference_mode()
def denoise(
    checkpoint: Checkpoint,
    embeddings: torch.Tensor,
    noise: torch.Tensor,
    *,
    steps: int,
    guidance_scale: float,
    on_step: StepCallback,
) -> torch.Tensor:
    """Draw latents from noise (Ho & Salimans 2022, classifier-free guidance).

    Args:
        embeddings: shape `(2·n, tokens, width)`: the n negative prompts, then the n prompts.
        noise: shape `(n, channels, height, width)`.
        steps: denoising steps.
        guidance_scale: 1 follows the prompt as trained, more follows it more closely.
        on_step: called with (done, steps) after each step; what it raises ends the run.

    Returns:
        Latents, shaped like `noise`.
    """
    scheduler = checkpoint.new_scheduler()
    scheduler.set_timesteps(steps, device=checkpoint.device)
    dtype = checkpoint.unet.dtype
    latents: torch.Tensor = noise.to(checkpoint.device, dtype) * scheduler.init_noise_sigma
    for done, timestep in enumerate(scheduler.timesteps, start=1):
        model_input = scheduler.scale_model_input(torch.cat([latents, latents]), timestep)
        model_input = model_input.to(dtype, memory_format=torch.channels_last)
        prediction = checkpoint.unet(
            model_input, timestep, encoder_hidden_states=embeddings, return_dict=False
        )[0]
        negative, positive = prediction.chunk(2)
        guided = negative + guidance_scale * (positive - negative)
        latents = scheduler.step(guided, timestep, latents, return_dict=False)[0]
        on_step(done, steps)
    return latents


@torch.inference_mode()
def decode(checkpoint: Checkpoint, latents: torch.Tensor) -> NDArray[np.uint8]:
    """Latents → grey pictures, shape `(n, height, width)`, uint8, 255 is silence.

    The autoencoder draws in RGB; a mono spectrogram is grey, so the channels are averaged.
    """
    scaled = latents / checkpoint.vae.config.scaling_factor
    image = checkpoint.vae.decode(scaled.to(checkpoint.vae.dtype), return_dict=False)[0]
    grey = image.float().mean(dim=1).clamp(-1, 1)
    pixels: NDArray[np.uint8] = ((grey + 1) * 127.5).round().to(torch.uint8).cpu().numpy()
    return pixels
