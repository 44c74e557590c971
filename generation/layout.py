"""Which files of a checkpoint are needed: pure decisions about names, for folders and hub alike.

A repository often holds the same weights five times over (two formats, two precisions, with and
without moving average) beside a safety checker, samples and traced models. Drawing needs one copy
of three models, and the small files of five parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

PARTS = ("tokenizer", "text_encoder", "vae", "unet", "scheduler")
MODELS = ("text_encoder", "vae", "unet")

_TOP = (
    "model_index.json", "riffbot.json", "sha256.json", "README.md", "seeds.json",
    "seeds.safetensors",
)  # fmt: skip
_SMALL = {".json", ".txt"}
_STEMS = {"text_encoder": ("model", "pytorch_model"), "vae": (), "unet": ()}
_DIFFUSERS_STEM = "diffusion_pytorch_model"
_SHARD = re.compile(r"-\d{5}-of-(\d{5})$")


def choose_weights(part: str, names: Iterable[str], half: bool) -> list[str]:
    """The files that hold the weights of one model: several only if they are shards of one.

    Args:
        part: one of `MODELS`.
        names: file names inside the part's folder.
        half: whether the weights will be used in 16 bits, so that the smaller copy is enough.

    Returns:
        Names in order, empty where there is none that can be used. `.safetensors` is preferred to
        `.bin`, then the copy of the wanted precision to the other one.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    stems = (_DIFFUSERS_STEM, *_STEMS[part])
    for name in sorted(names):
        stem, dot, suffix = name.rpartition(".")
        if not dot or suffix not in ("safetensors", "bin"):
            continue
        stem = _SHARD.sub("", stem)
        base, _, variant = stem.partition(".")
        if base in stems and variant in ("", "fp16"):
            groups.setdefault((suffix, variant), []).append(name)
    order = ("fp16", "") if half else ("", "fp16")
    for suffix in ("safetensors", "bin"):
        for variant in order:
            group = groups.get((suffix, variant), [])
            if group and _is_whole(group):
                return group
    return []


def choose_files(files: Iterable[str], *, half: bool, weights: bool = True) -> list[str]:
    """The files to download from a repository, by their paths inside it.

    Args:
        files: every path there is, with `/` between folders.
        half: as in `choose_weights`.
        weights: False leaves the models' weights out (for a single-file checkpoint's configs).
    """
    inside: dict[str, list[str]] = {}
    chosen = []
    for file in files:
        path = PurePosixPath(file)
        folder = path.parts[0] if len(path.parts) == 2 else ""
        if file in _TOP or (folder in PARTS and path.suffix in _SMALL):
            chosen.append(file)
        elif folder in MODELS:
            inside.setdefault(folder, []).append(path.name)
    if weights:
        for part, names in inside.items():
            chosen += [f"{part}/{name}" for name in choose_weights(part, names, half)]
    return sorted(chosen)


def _is_whole(group: list[str]) -> bool:
    """Whether all shards are there, as their own names count them."""
    counts = [_SHARD.search(name.rpartition(".")[0]) for name in group]
    expected = {int(found.group(1)) if found else 1 for found in counts}
    return expected == {len(group)}
