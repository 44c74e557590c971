"""LoRAs and textual inversions: small files that change what a checkpoint draws.

A LoRA (Hu et al., 2021) adds a product of two thin matrices to some of a model's weights:
W + weight · (alpha / rank) · up · down. It is added to the weights themselves, so that drawing
costs nothing extra and wrapped convolutions stay wrapped; to take it off, the original weights are
read from their file again, which is exact where subtracting would not be.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from generation import single_file
from generation.errors import BadRequestError, CheckpointError
from generation.request import AdapterUse
from generation.weights import Source, Tensors, open_weights, read_metadata

log = logging.getLogger(__name__)

_SAVED_BY_DIFFUSERS = "pytorch_lora_weights.safetensors"
_NAME = re.compile(r"\w[\w .+-]{0,99}")
_PARTS = ("unet", "text_encoder")
_ENDS = {
    ".lora_up.weight": "up", ".lora_down.weight": "down", ".alpha": "alpha",
    ".lora_B.weight": "up", ".lora_A.weight": "down",
    ".lora.up.weight": "up", ".lora.down.weight": "down",
    "_lora.up.weight": "up", "_lora.down.weight": "down",
    ".lora_linear_layer.up.weight": "up", ".lora_linear_layer.down.weight": "down",
}  # fmt: skip
_PREFIXES = {
    "unet.": "unet", "lora_unet_": "unet", "base_model.model.": "unet",
    "text_encoder.": "text_encoder", "lora_te_": "text_encoder", "lora_te1_": "text_encoder",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Delta:
    """One product of a LoRA: for which weight of which part."""

    part: str
    weight: str
    up: torch.Tensor
    down: torch.Tensor
    alpha: float


class Adapters:
    """The LoRAs in a folder, and those of them that are at work."""

    def __init__(
        self,
        folder: Path | None = None,
        models: Mapping[str, Any] | None = None,
        sources: Mapping[str, Source | None] | None = None,
    ) -> None:
        self._folder = folder
        self._models = {} if models is None else {part: models[part] for part in _PARTS}
        self._sources = sources or {}
        self._places: dict[str, tuple[str, str]] | None = None
        self._touched: set[tuple[str, str]] = set()
        self._applied: tuple[AdapterUse, ...] = ()

    @property
    def applied(self) -> tuple[AdapterUse, ...]:
        """What is at work now."""
        return self._applied

    def names(self) -> list[str]:
        """The LoRAs there are."""
        return sorted(_files_by_name(self._folder, (".safetensors",)))

    def apply(self, uses: Sequence[AdapterUse]) -> None:
        """Make exactly these LoRAs work; see `Checkpoint.apply_adapters`."""
        wanted = tuple(use for use in uses if use.weight)
        if wanted == self._applied:
            return
        loaded = [(use, self._load(use.name)) for use in wanted]  # all or nothing
        self._restore()
        self._applied = wanted
        for use, deltas in loaded:
            for delta in deltas:
                self._touched.add((delta.part, delta.weight))
                _add(self._models[delta.part].get_parameter(delta.weight), delta, use.weight)

    def _restore(self) -> None:
        for part, model in self._models.items():
            source = self._sources.get(part)
            names = sorted(weight for owner, weight in self._touched if owner == part)
            if names and source is not None:
                first = model.get_parameter(names[0])
                source.fill(model, dtype=first.dtype, device=first.device, only=names)
        self._touched.clear()

    def _load(self, name: str) -> list[_Delta]:
        file = _files_by_name(self._folder, (".safetensors",)).get(name)
        if file is None or not _NAME.fullmatch(name):
            known = ", ".join(self.names()[:10])
            hint = f"I have {known}." if known else "There are none in this studio."
            raise BadRequestError(f"I have no LoRA called {name[:50]!r}. {hint}")
        try:
            with open_weights([file]) as opened:
                deltas = self._read(opened.tensors, read_metadata(file), name)
                for delta in deltas:
                    self._check(delta, name)
                return deltas
        except CheckpointError as error:
            raise BadRequestError(f"The LoRA {name!r} cannot be used: {error}") from error

    def _read(self, tensors: Tensors, metadata: Mapping[str, str], name: str) -> list[_Delta]:
        layers: dict[str, Tensors] = {}
        for key, tensor in tensors.items():
            end = next((end for end in _ENDS if key.endswith(end)), None)
            if end is None:
                raise BadRequestError(
                    f"{name!r} is another kind of adapter than LoRA (it holds {key[:80]!r}), which "
                    "I cannot apply."
                )
            layers.setdefault(key.removesuffix(end), {})[_ENDS[end]] = tensor
        alphas = _Alphas(metadata)
        deltas = []
        for layer, found in layers.items():
            place = self._place(layer)
            if place is None or not {"up", "down"} <= set(found):
                raise BadRequestError(
                    f"The LoRA {name!r} was made for another family of models: there is no layer "
                    f"{layer[:80]!r} here."
                )
            rank = found["down"].shape[0]
            alpha = float(found["alpha"]) if "alpha" in found else alphas.of(layer, rank)
            # Copied out of the mapped file, which is closed before they are used.
            up, down = found["up"].clone(), found["down"].clone()
            deltas.append(_Delta(*place, up, down, alpha))
        return deltas

    def _check(self, delta: _Delta, name: str) -> None:
        shape = self._models[delta.part].get_parameter(delta.weight).shape
        rank = delta.down.shape[0]
        inner = delta.down.numel() // max(1, rank)
        fits = delta.up.shape[:2] == (shape[0], rank) and inner == shape[1:].numel()
        if not fits:
            raise BadRequestError(
                f"The LoRA {name!r} was made for a model of another size: it does not fit "
                f"{delta.weight}."
            )

    def _place(self, layer: str) -> tuple[str, str] | None:
        """Part and weight for a layer of a LoRA, whichever of four ways it is written in."""
        prefix = next((prefix for prefix in _PREFIXES if layer.startswith(prefix)), None)
        if prefix is None:
            return None
        part, bare = _PREFIXES[prefix], layer.removeprefix(prefix)
        bare = bare.replace(".processor.", ".").removeprefix("text_model.")
        bare = bare.removeprefix("text_model_")
        if bare.endswith("to_out"):
            bare += ".0"
        return self._all_places().get(f"{part} {_flat(bare)}")

    def _all_places(self) -> dict[str, tuple[str, str]]:
        """Every weight that a LoRA may change, by part and flattened name."""
        if self._places is None:
            self._places = {}
            config = self._models["unet"].config
            original = single_file.other_names("unet", config)
            for part, model in self._models.items():
                for name, weight in model.named_parameters():
                    if not name.endswith(".weight") or weight.dim() < 2:
                        continue
                    bare = name.removesuffix(".weight").removeprefix("text_model.")
                    self._places[f"{part} {_flat(bare)}"] = (part, name)
                    if part == "unet":
                        [old] = original(name)
                        old = old.removeprefix(single_file.UNET_PREFIX).removesuffix(".weight")
                        self._places.setdefault(f"{part} {_flat(old)}", (part, name))
        return self._places


class _Alphas:
    """The alphas that diffusers keeps beside the weights; without any, alpha is the rank."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        try:
            self._all: dict[str, Any] = json.loads(metadata.get("lora_adapter_metadata", "{}"))
        except ValueError:
            self._all = {}

    def of(self, layer: str, rank: int) -> float:
        part, _, name = layer.partition(".")
        special = self._all.get(f"{part}.alpha_pattern") or {}
        alpha = next(
            (value for pattern, value in special.items() if name.endswith(pattern)),
            self._all.get(f"{part}.lora_alpha", rank),
        )
        # "Rank-stabilised" LoRAs divide by the root of the rank.
        stabilised = bool(self._all.get(f"{part}.use_rslora"))
        return float(alpha) * (rank**0.5 if stabilised else 1.0)


@torch.inference_mode(False)
@torch.no_grad()
def _add(weight: torch.Tensor, delta: _Delta, strength: float) -> None:
    up = delta.up.to(weight.device, torch.float32).flatten(1)
    down = delta.down.to(weight.device, torch.float32).flatten(1)
    scale = strength * delta.alpha / down.shape[0]
    change = (up @ down).mul_(scale).view(weight.shape)
    # Not in place: the weight may lie in a file that is mapped for reading.
    weight.data = (weight.float() + change).to(weight.dtype)


def add_inversions(folder: Path | None, tokenizer: Any, text_encoder: Any) -> dict[str, int]:
    """Teach the words of a folder (Gal et al., 2022): each is one or several learned tokens.

    Files that do not fit this checkpoint are skipped, with a line in the log.

    A word of several tokens is kept as `<NAME>`, `<NAME>_1`, `<NAME>_2`, …, as diffusers does;
    `generation.prompts` writes them all where the first stands.

    Returns:
        How many tokens each word takes, by the word.
    """
    learned: dict[str, torch.Tensor] = {}
    for name, file in _files_by_name(folder, (".safetensors", ".pt", ".bin")).items():
        try:
            vectors = _read_inversion(file)
        except CheckpointError as error:
            log.warning("textual inversion %s is skipped: %s", name, error)
            continue
        if vectors.shape[1] != text_encoder.config.hidden_size or " " in name:
            log.warning("textual inversion %s is skipped: it does not fit this model", name)
            continue
        learned[name] = vectors
    if not learned:
        return {}
    words = {
        (f"<{name}>_{row}" if row else f"<{name}>"): vectors[row]
        for name, vectors in learned.items()
        for row in range(len(vectors))
    }
    tokenizer.add_tokens(list(words))
    _widen(text_encoder, {tokenizer.convert_tokens_to_ids(word): words[word] for word in words})
    return {f"<{name}>": len(vectors) for name, vectors in learned.items()}


def _widen(text_encoder: Any, rows: Mapping[int, torch.Tensor]) -> None:
    old = text_encoder.get_input_embeddings().weight
    size = max(old.shape[0], 1 + max(rows))
    wide = torch.empty((size, old.shape[1]), dtype=old.dtype, device=old.device)
    wide[: old.shape[0]] = old
    for number, vector in rows.items():
        wide[number] = vector.to(old.dtype)
    text_encoder.get_input_embeddings().weight = torch.nn.Parameter(wide, requires_grad=False)
    text_encoder.get_input_embeddings().num_embeddings = size
    text_encoder.config.vocab_size = size


def _read_inversion(file: Path) -> torch.Tensor:
    """Vectors `(tokens, width)`; the same thing is saved in three ways."""
    with open_weights([file]) as opened:
        tensors = opened.tensors
        found = [tensors.get(key) for key in ("emb_params", "string_to_param.*")]
        candidates: Iterable[torch.Tensor] = [one for one in found if one is not None]
        first = next(iter([*candidates, *tensors.values()]), None)
        if first is None or first.dim() not in (1, 2) or not first.is_floating_point():
            raise CheckpointError("there is no embedding in it.")
        return first.reshape(-1, first.shape[-1]).clone()


def _files_by_name(folder: Path | None, suffixes: Sequence[str]) -> dict[str, Path]:
    """What a folder holds, by name: a name is looked up here and never made into a path.

    A folder inside it with a file as diffusers saves it (LCM-LoRA, for one, is published so) goes
    by the folder's name.
    """
    if folder is None or not folder.is_dir():
        return {}
    found = {}
    for entry in sorted(folder.iterdir()):
        if entry.suffix in suffixes and entry.is_file():
            found[entry.stem] = entry
        elif (saved := entry / _SAVED_BY_DIFFUSERS).suffix in suffixes and saved.is_file():
            found.setdefault(entry.name, saved)
    return found


def _flat(name: str) -> str:
    return name.replace(".", "_")
