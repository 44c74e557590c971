"""Load a checkpoint of the Stable Diffusion 1 and 2 family, whatever shape it comes in.

- `starter`: the one that ships.
- A folder in diffusers format: `tokenizer`, `text_encoder`, `vae`, `unet` and `scheduler`, named by
  its `model_index.json`. An optional `riffbot.json` beside it says how the checkpoint likes to be
  used and may borrow a part from an installed Python package
  (`"borrowed": {"text_encoder": "package/folder"}`).
- `owner/name` or `owner/name@revision` on the Hugging Face hub (`generation.hub`).
- A single `.safetensors` in Stable Diffusion's original layout (`generation.single_file`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from generation import hub, parts
from generation.adapters import Adapters, add_inversions
from generation.errors import CheckpointError
from generation.integrity import Hashing, read_licence
from generation.layout import MODELS
from generation.parts import Part, read_json
from generation.placement import (
    Placement,
    check_room,
    choose_device,
    choose_placement,
    needed_bytes,
)
from generation.request import AdapterUse
from generation.residency import take_turns
from generation.weights import Pages, Source, count_weights
from generation.winograd import speed_up

__all__ = ["Checkpoint", "CheckpointOptions", "Preferences", "choose_device", "load_checkpoint"]

STARTER = "starter"


@dataclass(frozen=True, slots=True)
class CheckpointOptions:
    """How to find and hold a checkpoint.

    Attributes:
        dtype: `auto`, `float32`, `float16` or `bfloat16`.
        compiled: put the UNet through `torch.compile`: slow at first, then faster.
        configs: for a single file: the folder, or hub id, that brings its settings and vocabulary;
            empty takes Stable Diffusion 1.5's from the hub.
        vae: folder or hub id of an autoencoder in place of the checkpoint's own, such as TAESD;
            empty keeps its own.
        loras: folder with LoRAs as `NAME.safetensors`.
        inversions: folder with textual inversions as `NAME.safetensors`, `.pt` or `.bin`; in a
            prompt, `<NAME>` stands for one.
        offline: never ask the network; what was downloaded earlier can be used.
        hub_cache: where downloads are kept; None is the usual place of `huggingface_hub`.
        on_download: told how far a download is; what it raises ends it, to be resumed later.
    """

    dtype: str = "auto"
    compiled: bool = False
    configs: str = ""
    vae: str = ""
    loras: Path | None = None
    inversions: Path | None = None
    offline: bool = False
    hub_cache: Path | None = None
    on_download: hub.OnDownload | None = None


@dataclass(frozen=True, slots=True)
class Preferences:
    """How a checkpoint likes to be used, from its `riffbot.json`.

    Attributes:
        name: what recipes call it.
        steps: denoising steps where the request names none.
        guidance_scale: where the request names none.
        guided: share of the steps that are guided, from the first on.
        max_tokens: tokens per chunk, start and end marks included; None takes the tokenizer's own.
        borrowed: parts that come from an installed package, as `package/folder`.
        tempo_words: what to add to a prompt for a tempo, such as ", {bpm} bpm"; None where the
            checkpoint never learned to read tempi.
        start: what riffs from text start from, `noise` or a stored `loop`, where the request does
            not say.
        licence: as its model card names it (`creativeml-openrail-m`, for example); empty where
            nothing is said.
    """

    name: str
    steps: int = 30
    guidance_scale: float = 7.0
    guided: float = 1.0
    max_tokens: int | None = None
    borrowed: Mapping[str, str] = field(default_factory=dict)
    tempo_words: str | None = None
    start: str = "noise"
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The loaded parts, on one device, in inference mode.

    Attributes:
        preferences: defaults for requests.
        fingerprint: first 16 hex digits of the SHA-256 over every file that decides the output.
        device: where the parts are.
        scheduler: a template; make a fresh one per run with `new_scheduler`.
        adapters: the LoRAs that may be applied, and those that are.
        inversions: tokens that each textual inversion takes, by the word for it in a prompt.
    """

    preferences: Preferences
    fingerprint: str
    device: torch.device
    tokenizer: Any
    text_encoder: Any
    unet: Any
    vae: Any
    scheduler: Any
    adapters: Adapters = field(default_factory=Adapters)
    inversions: Mapping[str, int] = field(default_factory=dict)

    def new_scheduler(self) -> Any:
        """A scheduler with the checkpoint's configuration and no state of an earlier run."""
        return type(self.scheduler).from_config(self.scheduler.config)

    def apply_adapters(self, uses: Sequence[AdapterUse]) -> None:
        """Make exactly these LoRAs work, and no others; again costs nothing.

        Embeddings that were cached before may be stale afterwards: `adapters.applied` is part of
        what decides them.

        Raises:
            BadRequestError: there is no LoRA of this name, or it does not fit this checkpoint.
        """
        self.adapters.apply(uses)

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


@dataclass(frozen=True, slots=True)
class _Found:
    """A checkpoint that was found and not loaded yet."""

    preferences: Preferences
    folder: Path
    parts: Mapping[str, Part]


def load_checkpoint(
    name: str, device: torch.device, options: CheckpointOptions | None = None
) -> Checkpoint:
    """Find every part of a checkpoint, check that they fit, then load them onto `device`.

    Args:
        name: `starter`, a folder, a hub id, or a single `.safetensors` file.
        device: where to draw.
        options: how; None takes the defaults.

    Raises:
        CheckpointError: a part is missing, damaged, or of a kind that does not fit; there is not
            enough memory; the hub has no such checkpoint or cannot be reached.
    """
    options = options or CheckpointOptions()
    found = _find(name, options, half=choose_placement(device, wanted=options.dtype).half)
    label = found.preferences.name
    sources = {part: found.parts[part].source for part in MODELS}
    placement = choose_placement(
        device, _stored_dtype(sources["unet"]), wanted=options.dtype, compiled=options.compiled
    )
    models = {part: parts.build_model(found.parts[part]) for part in MODELS}
    parts.check_family(models["text_encoder"], models["unet"], models["vae"], label)
    check_room(_needed(models, placement), placement, label)
    small = {part: parts.build_small(found.parts[part]) for part in ("tokenizer", "scheduler")}
    files = {key: file for part in found.parts.values() for key, file in part.files().items()}
    with Hashing(files, found.folder) as hashing:
        pages = {part: _fill(models[part], sources[part], placement) for part in MODELS}
        hashing.check_seal()
        fingerprint = hashing.fingerprint()
    inversions = add_inversions(options.inversions, small["tokenizer"], models["text_encoder"])
    take_turns(models, pages)
    if placement.compiled:
        models["unet"].compile()
    elif placement.device.type == "cpu" and placement.dtype == torch.float32:
        speed_up(models["unet"])
        speed_up(models["vae"])
    return Checkpoint(
        preferences=found.preferences,
        fingerprint=fingerprint,
        device=device,
        adapters=Adapters(options.loras, models, sources),
        inversions=inversions,
        **models,
        **small,
    )


def resolve(name: str) -> Path:
    """The folder of a checkpoint: `starter` (the one that ships) or a path.

    Raises:
        CheckpointError: there is no such folder, or it is no checkpoint.
    """
    folder = Path(__file__).parent / STARTER if name == STARTER else Path(name).expanduser()
    if not (folder / "model_index.json").is_file():
        raise CheckpointError(
            f"{name!r} is not a checkpoint: I need a folder in diffusers format, with a "
            "model_index.json inside, a single .safetensors file, the id of one on the hub "
            '(owner/name), or "starter" for the one that ships.'
        )
    return folder


def _find(name: str, options: CheckpointOptions, half: bool) -> _Found:
    path = Path(name).expanduser()
    if name != STARTER and path.is_file():
        found = _find_single_file(path, options)
    else:
        folder = _folder(name, options, half)
        preferences = _preferences(folder, name)
        found = _Found(preferences, folder, parts.find_parts(folder, preferences.borrowed, half))
    if options.vae:
        vae = _folder(options.vae, options, half, hub.Wanted.VAE)
        taken = {**found.parts, "vae": parts.find_vae(vae, half)}
        found = replace(found, parts=taken)
    return found


def _find_single_file(file: Path, options: CheckpointOptions) -> _Found:
    configs = options.configs or hub.DEFAULT_CONFIGS
    folder = _folder(configs, options, half=False, wanted=hub.Wanted.SETTINGS)
    taken = parts.take_single_file(file, parts.find_settings(folder))
    # What somebody's file may be used for is not said by the folder that lends it its settings.
    return _Found(Preferences(name=file.stem), folder, taken)


def _folder(
    name: str,
    options: CheckpointOptions,
    half: bool,
    wanted: hub.Wanted = hub.Wanted.CHECKPOINT,
) -> Path:
    """The folder that a name stands for; a hub id is downloaded if need be."""
    path = Path(name).expanduser()
    if name != STARTER and not path.exists() and hub.is_hub_id(name):
        return hub.fetch(
            name,
            wanted=wanted,
            half=half,
            offline=options.offline,
            cache=options.hub_cache,
            on_download=options.on_download,
        )
    return path if wanted is hub.Wanted.VAE and path.is_dir() else resolve(name)


def _preferences(folder: Path, name: str) -> Preferences:
    file = folder / "riffbot.json"
    # A downloaded folder is named by its commit, which tells nobody anything.
    label = name if hub.is_hub_id(name) and not Path(name).exists() else folder.name
    try:
        preferences = Preferences(**{"name": label, **(read_json(file) if file.exists() else {})})
    except TypeError as error:
        raise CheckpointError(f"{folder.name}/riffbot.json has a key I do not know.") from error
    return replace(preferences, licence=preferences.licence or read_licence(folder))


def _stored_dtype(source: Source | None) -> torch.dtype:
    counts = count_weights(source.files) if source else {}
    return max(counts, key=lambda dtype: counts[dtype], default=torch.float32)


def _needed(models: Mapping[str, Any], placement: Placement) -> int:
    weights = sum(one.numel() for model in models.values() for one in model.parameters())
    return needed_bytes(weights, max(models["vae"].config.block_out_channels[:2]), placement)


def _fill(model: Any, source: Source | None, placement: Placement) -> Pages | None:
    if source is None:
        raise CheckpointError("A part of this checkpoint has no weights.")
    pages = source.fill(
        model, dtype=placement.dtype, device=placement.device, mapped=not placement.compiled
    )
    for name, buffer in model.named_buffers():
        owner, _, last = name.rpartition(".")
        setattr(model.get_submodule(owner), last, buffer.to(placement.device))
    return pages
