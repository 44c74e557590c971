"""A whole Stable-Diffusion-shaped checkpoint with random weights, small enough to make in a test.

Weights are larger than an untrained model's, so that a wrong step, prompt or edge shows.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from generation.adapters import Adapters
from generation.checkpoint import Checkpoint, Preferences

TOKENS = 12
WIDTH = 16
CELL = 4
"""Latent sides must be multiples of this."""


def tiny_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer that knows letters, and two words."""
    letters = [chr(code) for code in range(33, 127)]
    merges = [("b", "e"), ("be", "a"), ("bea", "t</w>")]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    build: Any = CLIPTokenizer
    tokenizer: CLIPTokenizer = build(vocab=vocabulary, merges=merges, model_max_length=TOKENS)
    return tokenizer


def tiny_checkpoint(
    scheduler: Any = None,
    prediction: str = "epsilon",
    vae_channels: tuple[int, ...] = (8, 16),
    **unet_options: Any,
) -> Checkpoint:
    """A checkpoint of three UNet levels and a twofold autoencoder, the same every time.

    Two more `vae_channels` make it eightfold, as in Stable Diffusion.
    """
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=TOKENS,
            bos_token_id=len(tokenizer) - 2,
            eos_token_id=len(tokenizer) - 1,
        )
    )
    build: Any = UNet2DConditionModel
    unet = build(
        sample_size=16,
        block_out_channels=(8, 16, 16),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        **unet_options,
    )
    build = AutoencoderKL
    vae = build(
        block_out_channels=vae_channels,
        down_block_types=("DownEncoderBlock2D",) * len(vae_channels),
        up_block_types=("UpDecoderBlock2D",) * len(vae_channels),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=32,
    )
    for part in (text_encoder, unet, vae):
        part.eval().requires_grad_(False)
    with torch.no_grad():
        for parameter in (*unet.parameters(), *vae.parameters()):
            if parameter.ndim > 1:
                parameter.mul_(1.5)
    # As in Stable Diffusion 1's files; each class takes what it knows.
    config = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "steps_offset": 1,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "skip_prk_steps": True,
        "prediction_type": prediction,
    }
    kind = scheduler or DDIMScheduler
    known = inspect.signature(kind.__init__).parameters
    return Checkpoint(
        preferences=Preferences("tiny"),
        fingerprint="0" * 16,
        device=torch.device("cpu"),
        tokenizer=tokenizer,
        text_encoder=text_encoder,
        unet=unet,
        vae=vae,
        scheduler=kind(**{name: value for name, value in config.items() if name in known}),
        adapters=Adapters(None, {"unet": unet, "text_encoder": text_encoder}, {}),
    )
