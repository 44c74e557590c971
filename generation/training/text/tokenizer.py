"""A byte-pair tokenizer of our own, in the files that `CLIPTokenizer` reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
MAX_TOKENS = 77
_SPLIT = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)


def train_tokenizer(texts: Iterable[str], vocabulary: int = 10_240) -> CLIPTokenizer:
    """Learn byte pairs (Sennrich et al., 2016) from the texts, split as CLIP splits.

    The two special tokens come last, as CLIP has them: readers find a text's end by its number.
    """
    backend = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    backend.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - 2 - len(alphabet), initial_alphabet=alphabet, show_progress=False,
        end_of_word_suffix="</w>",
    )  # fmt: skip
    backend.train_from_iterator(texts, trainer)
    learned = json.loads(backend.to_str())["model"]
    vocab = dict(learned["vocab"])
    # every byte must also exist as the end of a word, or rare words would become unknown
    for letter in alphabet:
        vocab.setdefault(letter + "</w>", len(vocab))
    for token in (START, END):
        vocab[token] = len(vocab)
    merges: Any = [tuple(pair) for pair in learned["merges"]]
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=MAX_TOKENS)


def save_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write `vocab.json`, `merges.txt` and the configuration that every reader knows."""
    folder.mkdir(parents=True, exist_ok=True)
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False), "utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    tokens = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    (folder / "special_tokens_map.json").write_text(json.dumps(tokens, indent=2) + "\n", "utf-8")
    config = {
        **tokens, "do_lower_case": True, "model_max_length": MAX_TOKENS,
        "tokenizer_class": "CLIPTokenizer", "add_prefix_space": False, "errors": "replace",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
