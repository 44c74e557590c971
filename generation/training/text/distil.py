"""Distil the text encoder: `python -m generation.training.text.distil`.

The student's sentence embedding (its state at the end of text) learns to point where the
teacher's points (Reimers & Gurevych, 2020, without the translation), and the similarities between
the texts of a batch to agree. Each token starts from the teacher's embedding of its own letters,
so that a word means something before the first step.

The teacher knows language and little of music. So captions are also drawn to the names of their
styles and away from the names of others (van den Oord et al., 2018, InfoNCE).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from generation.training.captions import caption, reworded_prompts, unseen_prompts
from generation.training.compose import STYLES
from generation.training.options import add_schedule, add_work, cool_down_of, run
from generation.training.shards import write_atomically
from generation.training.state import Trainer, step_rng
from generation.training.text import corpus
from generation.training.text.encoder import new_encoder, save_encoder, tokenize
from generation.training.text.probe import ProbeResult, probe
from generation.training.text.teacher import Teacher
from generation.training.text.tokenizer import save_tokenizer, train_tokenizer

_NAMING = 0.2
_TEMPERATURE = 0.07


def prepare(folder: Path, captions: int, requests: int, words: int) -> None:
    """Write the corpus, the tokenizer and the teacher's embeddings, once.

    Where `teacher.npy` was removed but `tokens.npy` was not, an encoder that knows its tokens
    already goes on learning, from new captions.
    """
    if (folder / "teacher.npy").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    told = corpus.captions(captions, seed=0)
    texts = [*told, *corpus.free_requests(requests, seed=0)]
    teacher = Teacher()
    if not (folder / "tokens.npy").exists():
        # captions are written thrice into the tokenizer's corpus: their words are what matters
        tokenizer = train_tokenizer(texts * 3 + corpus.dictionary(10**6, seed=0))
        save_tokenizer(tokenizer, folder / "tokenizer")
        names = [str(tokenizer.decode([i])) or " " for i in range(len(tokenizer))]
        write_atomically(folder / "tokens.npy", teacher.embed(names).numpy().astype(np.float16))
    texts = list(dict.fromkeys(texts + corpus.dictionary(words, seed=0)))
    (folder / "texts.json").write_text(json.dumps(texts), "utf-8")
    (folder / "styles.json").write_text(json.dumps([told.get(text) for text in texts]), "utf-8")
    write_atomically(folder / "teacher.npy", teacher.embed(texts).numpy().astype(np.float16))


def start_from_tokens(encoder: CLIPTextModel, tokens: Tensor) -> None:
    """Set each token's vector to its teacher's embedding, scaled to unit variance per dimension."""
    with torch.no_grad():
        table: Any = encoder.get_input_embeddings().weight
        table.copy_(tokens * tokens.shape[1] ** 0.5)


def distillation_loss(student: Tensor, teacher: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Compare embeddings of shape (texts, width): cosine distance, and pairwise similarities."""
    unit = nn.functional.normalize(student, dim=-1)
    cosine = (unit * teacher).sum(-1).mean()
    relation = nn.functional.mse_loss(unit @ unit.T, teacher @ teacher.T)
    return (1 - cosine) + 10 * relation, {"cosine": float(cosine.detach())}


def naming_loss(captions: Tensor, names: Tensor, asked: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Compare captions (n, width) with styles' names (m, width): number `asked` (n,) is theirs."""
    if len(captions) == 0:
        return captions.sum(), {"named": 0.0}
    captions, names = (nn.functional.normalize(one, dim=-1) for one in (captions, names))
    scores = captions @ names.T / _TEMPERATURE
    found = float((scores.argmax(1) == asked).float().mean())
    return nn.functional.cross_entropy(scores, asked), {"named": found}


def make_trainer(
    folder: Path, encoder: CLIPTextModel, tokenizer: CLIPTokenizer, batch: int, rate: float
) -> Trainer:
    """Return the trainer of a prepared folder; it resumes from `folder/state.pt`."""
    texts = json.loads((folder / "texts.json").read_text("utf-8"))
    styles: list[str | None] = json.loads((folder / "styles.json").read_text("utf-8"))
    target = np.load(folder / "teacher.npy", mmap_mode="r")

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        rng, _ = step_rng(11, step)
        rows = rng.integers(len(texts), size=8 * batch)
        # texts of like length together: less padding, and harder neighbours to tell apart
        rows = rows[np.argsort([len(texts[i]) for i in rows])]
        start = int(rng.integers(8)) * batch
        rows = rows[start : start + batch]
        names = list(dict.fromkeys(name for i in rows if (name := styles[i]) is not None))
        tokens = tokenize(tokenizer, [texts[i] for i in rows] + names)
        pooled = encoder(input_ids=tokens).pooler_output
        loss, figures = distillation_loss(
            pooled[: len(rows)], torch.from_numpy(target[rows].astype(np.float32))
        )
        told = [row for row, i in enumerate(rows) if styles[i] is not None]
        asked = torch.tensor([names.index(str(styles[rows[row]])) for row in told])
        named, found = naming_loss(pooled[told], pooled[len(rows) :], asked)
        return loss + _NAMING * named, {**figures, **found}

    return Trainer(encoder, loss_of, folder / "state.pt", rate=rate, batch=batch,
                   warm_up_steps=200, ema_decay=0.998,
                   muon=False)  # fmt: skip


@torch.inference_mode()
def embed(encoder: CLIPTextModel, tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """Return sentence embeddings of shape (texts, 384)."""
    parts = [
        encoder(input_ids=tokenize(tokenizer, texts[i : i + 64])).pooler_output
        for i in range(0, len(texts), 64)
    ]
    return torch.cat(parts)


def judge(encoder: CLIPTextModel, tokenizer: CLIPTokenizer) -> dict[str, ProbeResult]:
    """Probe student and teacher on the held-out wordings."""
    names = list(STYLES)
    rng = np.random.default_rng(5)
    facts = corpus.invent_facts(4000, first_seed=30_000_000)
    texts = [caption(one, rng) for one in facts]
    labels = [names.index(one.style) for one in facts]
    teacher = Teacher()
    seen = {"student": embed(encoder, tokenizer, texts), "teacher": teacher.embed(texts)}
    results = {}
    for tier, pairs in (("reworded", reworded_prompts()), ("far-fetched", unseen_prompts())):
        phrases = [phrase for phrase, _ in pairs]
        truth = [names.index(style) for _, style in pairs]
        asked = {"student": embed(encoder, tokenizer, phrases), "teacher": teacher.embed(phrases)}
        for who, features in asked.items():
            results[f"{who}, {tier}"] = probe(seen[who], labels, features, truth)
    for name, result in results.items():
        print(
            f"{name}: style of {result.phrases} held-out phrases: "
            f"first {result.top1:.3f}, among three {result.top3:.3f}",
            flush=True,
        )
    return results


def main() -> None:
    """Prepare, distil (resuming), judge and save the tokenizer and the encoder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_work(parser)
    add_schedule(parser, steps=12_000, rate=5e-4, batch=64)
    parser.add_argument("--texts", type=int, nargs=3, default=(30_000, 20_000, 50_000),
                        metavar=("CAPTIONS", "REQUESTS", "WORDS"))  # fmt: skip
    options = parser.parse_args()
    folder = options.work / "text"
    prepare(folder, *options.texts)
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    torch.manual_seed(3)
    encoder = new_encoder(tokenizer)
    start_from_tokens(encoder, torch.from_numpy(np.load(folder / "tokens.npy").astype(np.float32)))
    trainer = make_trainer(folder, encoder, tokenizer, options.batch, options.rate)
    trainer.run(options.steps, options.minutes, options.log_every,
                cool_down_steps=cool_down_of(options), keep_cooled=options.keep_cooled)  # fmt: skip
    assert trainer.ema is not None
    averaged: Any = trainer.ema.model
    save_encoder(averaged, folder / "text_encoder")
    judge(averaged, tokenizer)


if __name__ == "__main__":
    run(main)
