"""Single-file checkpoints: the layout that Stable Diffusion's own training code writes.

One `.safetensors` holds all three models under the names of the original code (CompVis 2022;
Stability 2022 for version 2, whose text encoder is OpenCLIP's). It brings neither settings nor a
vocabulary: these come from a folder in diffusers format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from generation.errors import CheckpointError
from generation.weights import OtherNames

UNET_PREFIX = "model.diffusion_model."
_VAE = "first_stage_model."
_TEXT = "cond_stage_model.transformer."
_OPEN_TEXT = "cond_stage_model.model."

# The first of these that a file holds says of which family it is.
_OTHER_FAMILIES = {
    "conditioner.embedders.": "Stable Diffusion XL",
    "model.diffusion_model.joint_blocks.": "Stable Diffusion 3",
    "joint_blocks.": "Stable Diffusion 3",
    "model.diffusion_model.double_blocks.": "Flux",
    "double_blocks.": "Flux",
    "control_model.": "ControlNet",
    "lora_unet_": "LoRA",
}

_UNET_ENDS = {
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
}  # fmt: skip
_UNET_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
_VAE_PIECES = {
    "conv_norm_out": "norm_out", "conv_shortcut": "nin_shortcut",
    "mid_block.resnets.0": "mid.block_1", "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0": "mid.attn_1", "group_norm": "norm",
    "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out",
}  # fmt: skip
_OPEN_CLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.": "ln_final.", "encoder.layers.": "transformer.resblocks.",
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}  # fmt: skip

_UNET_BLOCK = re.compile(
    r"(?P<side>down|up)_blocks\.(?P<block>\d+)\."
    r"(?P<kind>resnets|attentions|downsamplers|upsamplers)\.(?P<index>\d+)\.(?P<rest>.+)"
)
_VAE_BLOCK = re.compile(r"(?P<side>down|up)_blocks\.(?P<block>\d+)\.(?P<rest>.+)")
_QKV = re.compile(r"self_attn\.(?P<which>[qkv])_proj\.(?P<kind>weight|bias)")


def check_names(names: Iterable[str], file: str) -> None:
    """Refuse a file that holds no Stable Diffusion 1 or 2.

    Raises:
        CheckpointError: the sentence names the family that it seems to be of.
    """
    known = list(names)
    if any(name.startswith(f"{UNET_PREFIX}input_blocks.0.0.") for name in known):
        wrong = [
            family
            for start, family in _OTHER_FAMILIES.items()
            if any(name.startswith(start) for name in known)
        ]
        if not wrong:
            return
    for start, family in _OTHER_FAMILIES.items():
        if any(name.startswith(start) for name in known):
            raise CheckpointError(
                f"{file} is a {family} file, and I draw with the Stable Diffusion 1 and 2 family."
            )
    raise CheckpointError(
        f"{file} does not hold a whole checkpoint in Stable Diffusion's original layout."
    )


def other_names(part: str, config: Mapping[str, Any]) -> OtherNames:
    """Where a single file keeps the weights of this part.

    Args:
        part: `unet`, `vae` or `text_encoder`.
        config: the part's own configuration: it decides how blocks are numbered.
    """
    if part == "text_encoder":
        return _text_names
    if part == "vae":
        levels = len(config["block_out_channels"])
        return lambda name: (_VAE + vae_name(name, levels),)
    layers = int(config.get("layers_per_block", 2))
    with_attention = [
        number
        for number, kind in enumerate(config.get("up_block_types", ()))
        if "Attn" in str(kind) or "CrossAttn" in str(kind)
    ]
    return lambda name: (UNET_PREFIX + unet_name(name, layers, with_attention),)


def unet_name(name: str, layers: int, with_attention: Iterable[int]) -> str:
    """The original name of a UNet weight.

    Args:
        name: in diffusers.
        layers: residual blocks per level on the way down; there is one more on the way up.
        with_attention: numbers of the up blocks that have attention.
    """
    for new, old in _UNET_ENDS.items():
        if name.startswith(f"{new}."):
            return name.replace(new, old, 1)
    found = re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", name)
    if found:
        kind, index, rest = found.groups()
        if kind == "attentions":
            return f"middle_block.1.{rest}"
        return f"middle_block.{2 * int(index)}.{_resnet(rest)}"
    block = _UNET_BLOCK.fullmatch(name)
    if block is None:
        return name
    number, index = int(block["block"]), int(block["index"])
    first, rest = number * (layers + 1), block["rest"]
    if block["kind"] == "downsamplers":
        return f"input_blocks.{first + layers + 1}.0.op.{rest.removeprefix('conv.')}"
    if block["kind"] == "upsamplers":
        return f"output_blocks.{first + layers}.{2 if number in with_attention else 1}.{rest}"
    place = f"input_blocks.{1 + first + index}" if block["side"] == "down" else ""
    place = place or f"output_blocks.{first + index}"
    return f"{place}.1.{rest}" if block["kind"] == "attentions" else f"{place}.0.{_resnet(rest)}"


def vae_name(name: str, levels: int) -> str:
    """The original name of an autoencoder weight; it counts the way up from the other end."""
    for new, old in _VAE_PIECES.items():
        name = re.sub(rf"(?<![\w]){re.escape(new)}(?=\.)", old, name)

    def place(found: re.Match[str]) -> str:
        number, side = int(found["block"]), found["side"]
        number = levels - 1 - number if side == "up" else number
        rest = found["rest"].replace("resnets.", "block.")
        rest = rest.replace("downsamplers.0.", "downsample.")
        return f"{side}.{number}.{rest.replace('upsamplers.0.', 'upsample.')}"

    return _VAE_BLOCK.sub(place, name)


def _resnet(rest: str) -> str:
    piece, _, kind = rest.partition(".")
    return f"{_UNET_RESNET[piece]}.{kind}"


def _text_names(name: str) -> tuple[str, ...]:
    bare = name.removeprefix("text_model.")
    return (f"{_TEXT}text_model.{bare}", _TEXT + bare, _OPEN_TEXT + _open_clip_name(bare))


def _open_clip_name(name: str) -> str:
    for new, old in _OPEN_CLIP.items():
        name = name.replace(new, old)
    # One tensor holds the projections of queries, keys and values.
    return _QKV.sub(
        lambda found: f"attn.in_proj_{found['kind']}#{'qkv'.index(found['which'])}/3", name
    )
