"""What checkpoints of other years call the same things.

Published checkpoints are rarely rewritten. Most of the Stable Diffusion family dates from 2022, and
the libraries have renamed weights and settings since.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from generation.weights import OtherNames

# diffusers before 0.13 named the autoencoder's attention after the formula.
_OLD_ATTENTION = {
    ".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn.",
}  # fmt: skip
_OLD_NORM = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}


def other_names(part: str) -> OtherNames:
    """Where the files of a diffusers folder may keep the weights of this part.

    Weights that only old files have, such as `position_ids`, are never asked for.
    """
    return functools.partial({"text_encoder": _text_names, "vae": _vae_names}.get(part, _own), part)


def scheduler_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A scheduler's settings as `StableDiffusionPipeline` understands them.

    Early files leave out two settings whose defaults do not suit Stable Diffusion; the pipeline
    sets them, and so must we to draw the same picture.
    """
    settled = dict(settings)
    if settled.get("_class_name") in ("PNDMScheduler", "DDIMScheduler", "LMSDiscreteScheduler"):
        settled["steps_offset"] = 1
    if settled.get("_class_name") == "DDIMScheduler":
        settled["clip_sample"] = False
    return settled


def _own(part: str, name: str) -> tuple[str, ...]:
    return (name,)


def _text_names(part: str, name: str) -> tuple[str, ...]:
    # transformers 5 took "text_model." off CLIP's names; BERT's have a prefix where a head was.
    bare = name.removeprefix("text_model.")
    names = [name, bare, f"text_model.{bare}", f"bert.{bare}"]
    for new, old in _OLD_NORM.items():
        if name.endswith(new):
            names += [one.removesuffix(new) + old for one in names]
    return tuple(names)


def _vae_names(part: str, name: str) -> tuple[str, ...]:
    old = name
    for new_piece, old_piece in _OLD_ATTENTION.items():
        old = old.replace(new_piece, old_piece)
    return (name,) if old == name else (name, old)
