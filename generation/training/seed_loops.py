"""Choose the seed loops that a checkpoint carries: two of every style, of different tempi."""

from __future__ import annotations

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
_CAPTIONS = 6


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
def embed_facts(
    facts: ClipFacts, tokenizer: CLIPTokenizer, encoder: CLIPTextModel, rng: np.random.Generator
) -> Tensor:
    """Return the mean embedding of a clip's style and some of its captions, shape (width,)."""
    texts = [facts.style, *(caption(facts, rng) for _ in range(_CAPTIONS))]
    pooled = encoder(input_ids=tokenize(tokenizer, texts)).pooler_output
    mean: Tensor = nn.functional.normalize(pooled.float(), dim=-1).mean(0)
    return mean


def make_seed_loops(work: Path, per_style: int = PER_STYLE) -> SeedLoops:
    """Pack seed loops from a training directory's latents and text encoder."""
    data = Latents(work / "clips", work / "latents")
    tokenizer, encoder = load_text(work / "text")
    rng = np.random.default_rng(51)
    rows = choose(data.facts, per_style)
    loops = [
        SeedLoop(caption(data.facts[row], rng), data.facts[row].style, data.facts[row].beats)
        for row in rows
    ]
    embeddings = torch.stack(
        [embed_facts(data.facts[row], tokenizer, encoder, rng) for row in rows]
    )
    return SeedLoops.pack(loops, torch.from_numpy(data.values[rows].astype(np.float32)), embeddings)
