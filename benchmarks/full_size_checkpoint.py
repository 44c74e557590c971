"""A checkpoint of Stable Diffusion 1.5's exact shape with random weights, written to a folder.

    python benchmarks/full_size_checkpoint.py FOLDER [--layout old]

The new layout is what diffusers writes today (fp32 `.safetensors`). The old one is how such models
were published in 2022: `.bin` pickles, a `safety_checker` and a `CLIPFeatureExtractor` in the
index, `text_model.` in front of the text encoder's keys and a `position_ids` among them, the
autoencoder's attention as `query`, `key`, `value` and `proj_attn`, a PNDM scheduler. It draws
noise, but takes the memory and the time of the real one, which need not be downloaded to measure.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

Layout = Literal["new", "old"]
Tensors = dict[str, torch.Tensor]

_INDEX: dict[str, Any] = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.6.0",
    "feature_extractor": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
_OLD_INDEX: dict[str, Any] = {
    **_INDEX,
    "feature_extractor": ["transformers", "CLIPFeatureExtractor"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
}
_OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


@dataclass(frozen=True)
class Sizes:
    """The settings of the three models."""

    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    text: Mapping[str, Any]


FULL = Sizes(
    unet={  # 860 million weights
        "block_out_channels": (320, 640, 1280, 1280),
        "layers_per_block": 2,
        "cross_attention_dim": 768,
        "attention_head_dim": 8,
        "sample_size": 64,
    },
    vae={  # 84 million
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
        "sample_size": 512,
    },
    text={  # 123 million
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "projection_dim": 768,
        "vocab_size": 49408,
    },
)
"""Stable Diffusion 1.5."""


def write(folder: Path, layout: Layout, sizes: Sizes = FULL, seed: int = 0) -> None:
    """Write the whole checkpoint, one part at a time: 4.3 GB, with as much memory as its UNet."""
    words = int(sizes.text["vocab_size"])
    ends = {"bos_token_id": words - 2, "eos_token_id": words - 1, "pad_token_id": 1}
    text = CLIPTextConfig(**{"hidden_act": "quick_gelu", **sizes.text, **ends})
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "model_index.json", _OLD_INDEX if layout == "old" else _INDEX)
    _write_tokenizer(folder / "tokenizer", words)
    _write_scheduler(folder / "scheduler")
    torch.manual_seed(seed)
    build: dict[str, Callable[[], Any]] = {
        "unet": lambda: UNet2DConditionModel(**sizes.unet),
        "vae": lambda: AutoencoderKL(**sizes.vae),
        "text_encoder": lambda: CLIPTextModel(text),
    }
    for part, make in build.items():
        model = make()
        name = "model" if part == "text_encoder" else "diffusion_pytorch_model"
        place = folder / part
        place.mkdir(exist_ok=True)
        if part == "text_encoder":
            model.config.architectures = ["CLIPTextModel"]
            model.config.save_pretrained(place)
        else:
            model.save_config(place)
        tensors = dict(model.state_dict())
        if layout == "old":
            name = name.replace("model", "pytorch_model") if part == "text_encoder" else name
            torch.save(_in_the_old_way(part, tensors), place / f"{name}.bin")
        else:
            save_file(tensors, place / f"{name}.safetensors", {"format": "pt"})
        del model, tensors


def _in_the_old_way(part: str, tensors: Tensors) -> Tensors:
    if part == "text_encoder":
        named = {f"text_model.{key}": value for key, value in tensors.items()}
        return {"text_model.embeddings.position_ids": torch.arange(77)[None], **named}
    if part == "vae":
        return {_old_attention(key): value for key, value in tensors.items()}
    return tensors


def _old_attention(key: str) -> str:
    if "attentions" in key:
        for new, old in _OLD_ATTENTION.items():
            key = key.replace(f".{new}.", f".{old}.")
    return key


def _write_scheduler(folder: Path) -> None:
    scheduler = PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        skip_prk_steps=True, steps_offset=1,
    )  # fmt: skip
    scheduler.save_pretrained(folder)
    file = folder / "scheduler_config.json"
    config = json.loads(file.read_text())
    # What the configs of 2022 hold; the rest came later.
    kept = ("_class_name", "beta_start", "beta_end", "beta_schedule", "num_train_timesteps")
    kept += ("skip_prk_steps", "steps_offset", "set_alpha_to_one", "trained_betas")
    _write_json(file, {key: config[key] for key in kept} | {"clip_sample": False})


def _write_tokenizer(folder: Path, words: int) -> None:
    """CLIP's byte-level vocabulary without a single merge: every letter is a token."""
    folder.mkdir(exist_ok=True)
    letters = [*map(chr, range(33, 127)), *map(chr, range(161, 173)), *map(chr, range(174, 256))]
    letters += [chr(256 + extra) for extra in range(256 - len(letters))]
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    vocabulary |= {"<|startoftext|>": words - 2, "<|endoftext|>": words - 1}
    (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    _write_json(folder / "vocab.json", vocabulary)
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": 77,
            "bos_token": "<|startoftext|>",
            "eos_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
            "unk_token": "<|endoftext|>",
        },
    )


def _write_json(path: Path, values: object) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", "utf-8")


def main() -> None:
    """Write one checkpoint."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layout", choices=("new", "old"), default="new")
    options = parser.parse_args()
    write(options.folder, options.layout)
    print(options.folder)


if __name__ == "__main__":
    main()
