"""The small `CLIPTextModel` that we train, and how it is saved for every reader."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from generation.training.text.tokenizer import MAX_TOKENS

WIDTH = 384


def new_encoder(tokenizer: CLIPTokenizer, layers: int = 4) -> CLIPTextModel:
    """Return an untrained encoder: width 384, about 9 M parameters with four layers."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=1024,
            num_hidden_layers=layers, num_attention_heads=6, max_position_embeddings=MAX_TOKENS,
            projection_dim=WIDTH, hidden_act="quick_gelu",
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.eos_token_id,
        )
    )  # fmt: skip


def tokenize(tokenizer: CLIPTokenizer, texts: Sequence[str], full: bool = False) -> Tensor:
    """Return token numbers of shape (texts, tokens), padded to the longest or, if `full`, to 77."""
    encoded = tokenizer(
        list(texts), padding="max_length" if full else True, truncation=True,
        max_length=MAX_TOKENS, return_tensors="pt",
    )  # fmt: skip
    tokens: Tensor = encoded["input_ids"]
    return tokens


def save_encoder(encoder: CLIPTextModel, folder: Path) -> None:
    """Write the encoder in fp16 under the key names with `text_model.` that all readers take.

    transformers 5 leaves that prefix out when it saves, and takes either when it loads.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {}
    for name, value in encoder.state_dict().items():
        if name.endswith("position_ids"):
            continue
        key = name if name.startswith("text_model.") else f"text_model.{name}"
        state[key] = value.detach().to(torch.float16).contiguous()
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = encoder.config.to_dict()
    # stored in half, meant to run in single precision: "auto" must not mix the two in a pipeline
    config.update(architectures=["CLIPTextModel"], torch_dtype="float32", dtype="float32")
    text = json.dumps(config, indent=2, sort_keys=True, default=str)
    (folder / "config.json").write_text(text + "\n", "utf-8")


def load_text(folder: Path) -> tuple[CLIPTokenizer, CLIPTextModel]:
    """Load tokenizer and encoder (frozen, fp32) from a checkpoint folder."""
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", torch_dtype=torch.float32)
    encoder.requires_grad_(False)
    encoder.train(False)
    return tokenizer, encoder
