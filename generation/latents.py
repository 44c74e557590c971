"""Between pictures and latents: the autoencoder, whole or in tiles, and a quick look at latents."""

from __future__ import annotations

import weakref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from generation.checkpoint import Checkpoint
from generation.circular import set_circular

_maps: weakref.WeakKeyDictionary[torch.nn.Module, tuple[Tensor, Tensor]] = (
    weakref.WeakKeyDictionary()
)


@torch.inference_mode()
def encode(checkpoint: Checkpoint, pictures: NDArray[np.uint8], *, loop: bool = True) -> Tensor:
    """Grey pictures → latents: the mode of the autoencoder's posterior, which is no chance.

    Args:
        pictures: shape `(n, height, width)`, 255 is silence; sides are multiples of the
            checkpoint's downscale.
        loop: whether the last column meets the first.

    Returns:
        Shape `(n, channels, height/8, width/8)`, float32, on the checkpoint's device.
    """
    vae = checkpoint.vae
    set_circular(vae, loop)
    grey = torch.from_numpy(np.ascontiguousarray(pictures)).to(checkpoint.device)
    grey = grey.to(vae.dtype) / 127.5 - 1
    rgb = grey[:, None].expand(-1, int(vae.config.in_channels), -1, -1)
    output = vae.encode(rgb.contiguous(memory_format=torch.channels_last))
    # An AutoencoderTiny (TAESD) has no posterior, only latents.
    latents = output.latent_dist.mode() if hasattr(output, "latent_dist") else output.latents
    scaled: Tensor = latents.float() * vae.config.scaling_factor
    return scaled


@torch.inference_mode()
def decode(
    checkpoint: Checkpoint, latents: Tensor, *, loop: bool = True, tile: int | None = None
) -> NDArray[np.uint8]:
    """Latents → grey pictures.

    The autoencoder draws in RGB; a mono spectrogram is grey, so the channels are averaged.

    Args:
        latents: shape `(n, channels, height, width)`.
        loop: whether the last column meets the first.
        tile: decode in tiles of this many latent columns, for little memory; None decodes all at
            once.

    Returns:
        Shape `(n, 8·height, 8·width)`, uint8, 255 is silence.
    """
    vae = checkpoint.vae
    set_circular(vae, loop)
    scaled = (latents / vae.config.scaling_factor).to(checkpoint.device, vae.dtype)
    scaled = scaled.contiguous(memory_format=torch.channels_last)
    image: Tensor = vae.decode(scaled, return_dict=False)[0]
    return _pixels(image.float().mean(dim=1))


def preview(checkpoint: Checkpoint, latents: Tensor) -> NDArray[np.uint8]:
    """A quick look at latents: one grey pixel for each, by a linear map.

    The map is fitted once per autoencoder, by least squares, to what it makes of a made-up
    spectrogram.

    Args:
        latents: shape `(n, channels, height, width)`.

    Returns:
        Shape `(n, height, width)`, uint8.
    """
    if checkpoint.vae not in _maps:
        _maps[checkpoint.vae] = _fit(checkpoint)
    weights, bias = _maps[checkpoint.vae]
    grey = torch.einsum("nchw,c->nhw", latents.to(weights.device, torch.float32), weights)
    return _pixels(grey + bias)


def _fit(checkpoint: Checkpoint) -> tuple[Tensor, Tensor]:
    size = 32 * checkpoint.downscale
    picture = _made_up(size)
    latents = encode(checkpoint, picture[None])[0]
    grey = torch.from_numpy(picture).float()[None, None] / 127.5 - 1
    wanted = functional.avg_pool2d(grey, checkpoint.downscale).flatten().double()
    known = latents.cpu().flatten(1).double().T
    design = torch.cat([known, torch.ones(len(known), 1, dtype=torch.float64)], dim=1)
    solution = torch.linalg.lstsq(design, wanted[:, None]).solution[:, 0]
    found = solution.float().to(checkpoint.device)
    return found[:-1], found[-1]


def _made_up(size: int) -> NDArray[np.uint8]:
    """Lines, beats and hiss at every loudness, as in a spectrogram."""
    random = np.random.default_rng(0)
    loudness = np.linspace(0, 1, size)[:, None] * np.ones((1, size))
    tones = (random.random((size, 1)) > 0.8) * np.repeat(random.random((size, 16)), size // 16, 1)
    beats = (
        np.repeat(random.random((1, 8)), size // 8, 1)
        * np.linspace(1, 0, size // 8)[np.arange(size) % (size // 8)]
    )
    hiss = random.normal(0, 0.08, (size, size))
    energy = np.clip(0.5 * loudness * random.random((1, size)) + 0.6 * tones + 0.4 * beats, 0, 1)
    return np.asarray(255 * np.clip(1 - energy - hiss, 0, 1)).astype(np.uint8)


def _pixels(grey: Tensor) -> NDArray[np.uint8]:
    """From -1 … 1 to 0 … 255."""
    levels = (grey.clamp(-1, 1) + 1) * 127.5
    pixels: NDArray[np.uint8] = levels.round().to(torch.uint8).cpu().numpy()
    return pixels
