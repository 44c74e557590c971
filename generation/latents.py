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
from generation.tiles import decode_in_tiles

_looks: weakref.WeakKeyDictionary[torch.nn.Module, _Look] = weakref.WeakKeyDictionary()


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
    grey = torch.tensor(np.ascontiguousarray(pictures)).to(checkpoint.device)
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
        tile: decode in tiles of this many latent columns, for little memory at several times the
            cost (`generation.tiles`); None decodes all at once.

    Returns:
        Shape `(n, 8·height, 8·width)`, uint8, 255 is silence.
    """
    vae = checkpoint.vae
    scaled = (latents / vae.config.scaling_factor).to(checkpoint.device, vae.dtype)
    scaled = scaled.contiguous(memory_format=torch.channels_last)
    # On a processor several pictures at once only push each other out of the cache.
    at_once = 1 if checkpoint.device.type == "cpu" else len(scaled)
    parts = [
        decode_in_tiles(vae, part, tile or scaled.shape[-1], loop=loop)
        for part in scaled.split(at_once)
    ]
    image = torch.cat(parts)
    grey = image.float().mean(dim=1).clamp(-1, 1)
    _learn(checkpoint, latents, grey)
    return _pixels(grey)


def preview(checkpoint: Checkpoint, latents: Tensor) -> NDArray[np.uint8]:
    """A quick look at latents: one grey pixel for each, linear in its and its neighbours' channels.

    The map is fitted by least squares to what the autoencoder made of the latents that it decoded
    last; before the first, to a made-up spectrogram.

    Args:
        latents: shape `(n, channels, height, width)`.

    Returns:
        Shape `(n, height, width)`, uint8.
    """
    if checkpoint.vae not in _looks:
        picture = _made_up(32 * checkpoint.downscale)[None]
        grey = torch.from_numpy(picture).float() / 127.5 - 1
        _learn(checkpoint, encode(checkpoint, picture), grey.to(checkpoint.device))
    weights = _looks[checkpoint.vae].weights.to(latents.device)
    grey = _around(latents) @ weights[:-1] + weights[-1]
    return _pixels(grey.reshape(-1, *latents.shape[-2:]))


def _around(latents: Tensor) -> Tensor:
    """The 3×3 latents around each one, shape `(n, height · width, 9 · channels)`.

    A latent by itself does not tell how bright its pixels are: what it says depends on the ones
    beside it (correlation with the decoded picture 0.8 for one, 0.96 for nine).
    """
    padded = functional.pad(latents.float(), (1, 1, 1, 1), mode="replicate")
    return functional.unfold(padded, 3).transpose(1, 2)


def _learn(checkpoint: Checkpoint, latents: Tensor, grey: Tensor) -> None:
    """Fit the quick look to pictures, `(n, 8·height, 8·width)`, -1 to 1, and their latents."""
    wanted = functional.avg_pool2d(grey, checkpoint.downscale).flatten().cpu().double()
    known = _around(latents).flatten(0, 1).cpu().double()
    known = torch.cat([known, torch.ones(len(known), 1, dtype=torch.float64)], dim=1)
    look = _looks.setdefault(checkpoint.vae, _Look(known.shape[1]))
    look.learn(known, wanted)


class _Look:
    """Least squares by its normal equations, which forget what is long ago."""

    def __init__(self, unknowns: int) -> None:
        self._squares = torch.zeros(unknowns, unknowns, dtype=torch.float64)
        self._products = torch.zeros(unknowns, dtype=torch.float64)
        self.weights = torch.zeros(unknowns)

    def learn(self, known: Tensor, wanted: Tensor) -> None:
        """Fit to rows of `known`, shape `(rows, unknowns)`, and as many numbers wanted."""
        self._squares = 0.5 * self._squares + known.T @ known / len(known)
        self._products = 0.5 * self._products + known.T @ wanted / len(known)
        tiny = 1e-6 * torch.eye(len(self._products), dtype=torch.float64)  # blank pictures
        self.weights = torch.linalg.solve(self._squares + tiny, self._products).float()


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
