"""Between two or more noises or embeddings, without leaving the shell on which they live.

High-dimensional noise lies close to a sphere, and so do the tokens of an encoder that ends in a
layer norm. A straight average of two such vectors falls inside it (half-way between independent
ones: to 71% of the radius), which a denoiser takes for a faint picture. Everything here therefore
keeps the length of its ingredients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

NEARLY_PARALLEL = 0.9995
"""Cosine above which an arc is so flat that its sine is lost in rounding."""


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The point `t` of the way from `a` to `b` along the great circle between them.

    Spherical linear interpolation (Shoemake, "Animating Rotation with Quaternion Curves", 1985),
    each tensor taken as one long vector: with Ω the angle between them,
    (sin((1−t)·Ω)·a + sin(t·Ω)·b) / sin Ω. Nearly parallel (or opposite) vectors, whose arc is flat
    (or ambiguous), are interpolated linearly.

    Args:
        a, b: equal shapes.
        t: 0 gives `a`, 1 gives `b`.

    Returns:
        Shape and dtype of `a`.
    """
    if t in (0.0, 1.0):
        return (b if t else a).clone()
    x, y = a.double(), b.double()
    scale = x.norm() * y.norm()
    cosine = float((x * y).sum() / scale) if scale > 0 else 1.0
    if abs(cosine) > NEARLY_PARALLEL:
        return torch.lerp(x, y, t).to(a.dtype)
    angle = math.acos(cosine)
    mixed = x * math.sin((1 - t) * angle) + y * math.sin(t * angle)
    return (mixed / math.sin(angle)).to(a.dtype)


def lerp_keeping_norm(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The straight line from `a` to `b`, with the length of every token interpolated too.

    Args:
        a, b: equal shapes `(…, width)`; the length is kept along the last axis.
        t: 0 gives `a`, 1 gives `b`.

    Returns:
        Shape and dtype of `a`.
    """
    return mix_embeddings((a, b), (1 - t, t))


def mix_embeddings(embeddings: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The weighted mean of several embeddings; each token is as long as its ingredients' mean.

    Args:
        embeddings: equal shapes `(…, width)`.
        weights: one each, not negative, any sum above 0.

    Returns:
        Shape and dtype of the first. A weight of 0 leaves its embedding out, and one with all the
        weight is returned exactly.

    Raises:
        ValueError: no weight above 0, a negative one, or another number of weights.
    """
    return _mix(embeddings, weights, by_token=True)


def mix_noise(noises: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The weighted mean of several noises, brought back to their variance.

    For independent noises this is ∑wᵢ·nᵢ / √∑wᵢ². The length is measured, not assumed, so noises
    that agree in part (or are the same) stay at unit variance as well.

    Args:
        noises: equal shapes, each with about unit variance.
        weights: one each, not negative, any sum above 0.

    Returns:
        Shape and dtype of the first; one noise with all the weight is returned exactly.

    Raises:
        ValueError: no weight above 0, a negative one, or another number of weights.
    """
    return _mix(noises, weights, by_token=False)


def _mix(parts: Sequence[Tensor], weights: Sequence[float], *, by_token: bool) -> Tensor:
    if len(parts) != len(weights):
        raise ValueError(f"{len(parts)} ingredients cannot have {len(weights)} weights")
    total = sum(weights)
    if not (math.isfinite(total) and total > 0 and min(weights) >= 0):
        raise ValueError(f"weights must not be negative, and some above 0: {list(weights)}")
    shares = [(part, weight / total) for part, weight in zip(parts, weights, strict=True) if weight]
    if len(shares) == 1:
        return shares[0][0].clone()
    vectors = [(part.double(), share) for part, share in shares]
    mean = torch.stack([vector * share for vector, share in vectors]).sum(0)
    wanted = torch.stack([_length(vector, by_token) * share for vector, share in vectors]).sum(0)
    # Opposite vectors cancel to nothing: there is no direction in which to be any longer.
    length = _length(mean, by_token)
    scale = torch.where(length > 1e-6 * wanted, wanted / length.clamp_min(1e-300), 1.0)
    return (mean * scale).to(parts[0].dtype)


def _length(vector: Tensor, by_token: bool) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vector, dim=-1 if by_token else None, keepdim=True)
    return length
