"""Choose the seed loops that a checkpoint carries: two of every style, of different tempi."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from generation.seeds import SeedLoop, SeedLoops
from generation.training.captions import ClipFacts, caption
from generation.training.latents import Latents
from generation.training.text.encoder import load_text, tokenize

PER_STYLE = 2
_CAPTIONS = 24
_NAMED = 12
_SHRINKAGE = 0.3


def choose(facts: list[ClipFacts], per_style: int = PER_STYLE) -> list[int]:
    """Return the rows of up to `per_style` clips of every style, no two of one tempo if possible.

    The first clips are taken: no ear and no figure had a say.
    """
    chosen: list[int] = []
    for style in dict.fromkeys(one.style for one in facts):
        rows = [row for row, one in enumerate(facts) if one.style == style]
        first = list({facts[row].beats: row for row in reversed(rows)}.values())
        rest = [row for row in rows if row not in first]
        chosen += (sorted(first) + rest)[:per_style]
    return sorted(chosen)


@torch.inference_mode()
def embed_captions(
    facts: Sequence[ClipFacts],
    tokenizer: CLIPTokenizer,
    encoder: CLIPTextModel,
    rng: np.random.Generator,
) -> Tensor:
    """Return unit embeddings of a style's name and of captions of its clips, shape (n, width)."""
    texts = [facts[0].style] * _NAMED
    texts += [caption(facts[number % len(facts)], rng) for number in range(_CAPTIONS)]
    pooled = encoder(input_ids=tokenize(tokenizer, texts)).pooler_output
    return nn.functional.normalize(pooled.float(), dim=-1)


def whitening_of(apart: Tensor) -> Tensor:
    """Return the matrix (width, width) that makes differences `apart` (n, width) alike everywhere.

    That is linear discriminant analysis (Fisher, 1936) with a covariance shrunk towards a sphere.
    """
    covariance = apart.T @ apart / len(apart)
    sphere = covariance.trace() / len(covariance) * torch.eye(len(covariance))
    root: Tensor = torch.linalg.cholesky(torch.linalg.inv(covariance + _SHRINKAGE * sphere))
    return root


def make_seed_loops(work: Path, per_style: int = PER_STYLE) -> SeedLoops:
    """Pack seed loops from a training directory's latents and text encoder."""
    data = Latents(work / "clips", work / "latents")
    tokenizer, encoder = load_text(work / "text")
    rng = np.random.default_rng(51)
    by_style: dict[str, list[ClipFacts]] = {}
    for facts in data.facts:
        by_style.setdefault(facts.style, []).append(facts)
    told = {
        style: embed_captions(facts, tokenizer, encoder, rng) for style, facts in by_style.items()
    }
    means = {style: embeddings.mean(0) for style, embeddings in told.items()}
    apart = torch.cat([embeddings - means[style] for style, embeddings in told.items()])
    whitening = whitening_of(apart)
    rows = choose(data.facts, per_style)
    loops = [
        SeedLoop(caption(data.facts[row], rng), data.facts[row].style, data.facts[row].beats)
        for row in rows
    ]
    embeddings = torch.stack([means[loop.style] for loop in loops])
    latents = torch.from_numpy(data.values[rows].astype(np.float32))
    # The scale means nothing: it is chosen to fit 16 bits.
    return SeedLoops.pack(loops, latents, embeddings, whitening / whitening.abs().max())
