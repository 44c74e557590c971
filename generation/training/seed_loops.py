"""Choose the seed loops that a checkpoint carries, and teach it which style a prompt means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from generation.phrase_book import PhraseBook
from generation.seeds import SeedLoop, SeedLoops, styles_of
from generation.style_reader import StyleReader
from generation.training.captions import ClipFacts, caption
from generation.training.compose import STYLES
from generation.training.compose.instruments import INSTRUMENTS
from generation.training.compose.theory import SCALES
from generation.training.latents import Latents
from generation.training.text.encoder import load_text, tokenize

ENSEMBLE, OTHER = 7, 4
"""Loops of an ensemble's style, and of a solo's or a noise's, which vary less."""
_CAPTIONS, _TOLD = 150, 60
"""Captions that are drawn of a style, and those of them that the phrase book keeps."""
_NAMED = 12
_STEPS, _RATE, _DECAY, _SHARPNESS = 400, 0.02, 0.01, 12.0


def choose(facts: list[ClipFacts]) -> list[int]:
    """Return the rows of the first few clips of every style, no two of one tempo if possible.

    The first clips are taken: no ear and no figure had a say.
    """
    chosen: list[int] = []
    for name in dict.fromkeys(one.style for one in facts):
        rows = [row for row, one in enumerate(facts) if one.style == name]
        first = list({facts[row].beats: row for row in reversed(rows)}.values())
        rest = [row for row in rows if row not in first]
        style = STYLES[name]
        count = ENSEMBLE if style.rhythmic and not style.solo else OTHER
        chosen += (sorted(first) + rest)[:count]
    return sorted(chosen)


@torch.no_grad()
def _embed(texts: Sequence[str], tokenizer: CLIPTokenizer, encoder: CLIPTextModel) -> Tensor:
    """Return unit embeddings of texts, shape (n, width)."""
    parts = [
        encoder(input_ids=tokenize(tokenizer, texts[i : i + 64])).pooler_output
        for i in range(0, len(texts), 64)
    ]
    return nn.functional.normalize(torch.cat(parts).float(), dim=-1)


def fit_line(embeddings: Tensor, styles: Tensor, count: int) -> Tensor:
    """Fit softmax regression to unit embeddings (n, width); returns (width + 1, count)."""
    torch.manual_seed(7)
    line = nn.Linear(embeddings.shape[1], count)
    optimizer = torch.optim.AdamW(line.parameters(), lr=_RATE, weight_decay=_DECAY)
    for _ in range(_STEPS):
        scores = _SHARPNESS * line(embeddings)
        loss = nn.functional.cross_entropy(scores, styles, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return _SHARPNESS * torch.cat([line.weight.detach().T, line.bias.detach()[None]])


def make_reader(
    facts: Sequence[ClipFacts],
    names: Sequence[str],
    tokenizer: CLIPTokenizer,
    encoder: CLIPTextModel,
    rng: np.random.Generator,
) -> StyleReader:
    """Teach a reader the styles `names` by what they are called and by captions of clips."""
    sayings = {}
    told = [(name, number) for number, name in enumerate(names)] * _NAMED
    for number, name in enumerate(names):
        clips = [one for one in facts if one.style == name]
        captions = [caption(clips[i % len(clips)], rng) for i in range(_CAPTIONS)]
        phrases = (*STYLES[name].says, *STYLES[name].phrases)
        told += [(text, number) for text in (*phrases, *captions)]
        sayings[name] = (*phrases, *captions[:_TOLD])
    embeddings = _embed([text for text, _ in told], tokenizer, encoder)
    line = fit_line(embeddings, torch.tensor([number for _, number in told]), len(names))
    return StyleReader(line.half(), PhraseBook(sayings))


def _loop(facts: ClipFacts, words: str) -> SeedLoop:
    """What is to be known of a stored loop: its third says whether its key is minor."""
    if facts.tonic < 0:
        return SeedLoop(words, facts.style, facts.beats, instruments=facts.instruments)
    minor = 4 not in SCALES[facts.scale]
    return SeedLoop(words, facts.style, facts.beats, facts.tonic, minor, facts.instruments)


def make_seed_loops(work: Path) -> SeedLoops:
    """Pack seed loops from a training directory's latents and text encoder."""
    data = Latents(work / "clips", work / "latents")
    tokenizer, encoder = load_text(work / "text")
    rng = np.random.default_rng(51)
    rows = choose(data.facts)
    loops = [_loop(data.facts[row], caption(data.facts[row], rng)) for row in rows]
    reader = make_reader(data.facts, styles_of(loops), tokenizer, encoder, rng)
    latents = torch.from_numpy(data.values[rows].astype(np.float32))
    playing = sorted({name for loop in loops for name in loop.instruments})
    names = {name: INSTRUMENTS[name].words for name in playing}
    return SeedLoops.pack(loops, latents, reader, names)
