"""Assemble the checkpoint: `python -m generation.training.export`.

Writes a plain diffusers folder (fp16 safetensors, no variant) that `StableDiffusionPipeline` and
the bot load alike, with a model card and the SHA-256 of every file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel

from generation.errors import GenerationError
from generation.training.options import add_work, run
from generation.training.state import load_state

SIZE_LIMIT = 60_000_000
FILE_LIMIT = 50_000_000

_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.38.0",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
_PREFERENCES = {"name": "starter", "steps": 12, "guidance_scale": 4.0}

_CARD = """# Riffbot starter

A small text-to-spectrogram model: a prompt becomes a 512x512 mel-spectrogram picture of a
5.12-second loop. Stable-Diffusion-shaped, in plain diffusers format.

- **Data**: {clips} loops composed and rendered by this project's own code (`generation.training`),
  with the soundfonts FluidR3 GM and MuseScore General (both MIT), synthesised drums and noises, and
  the speech of espeak-ng. No recording of anybody's music was used.
- **Text encoder**: trained here, distilled from all-MiniLM-L6-v2 (Apache-2.0) on captions, invented
  requests and WordNet 3.0; no weight of the teacher is in it.
- **Licence**: MIT, like the project. What you make with it is yours to use.
- **Training**: {training}
- **Limits**: five seconds at a time, mono, 0 to 10 kHz; it knows the styles of its composer and
  nothing of real performances or singers.
"""


def new_scheduler() -> Any:
    """Return DPM-Solver++ (Lu et al., 2022) as the UNet was trained: v, zero terminal SNR."""
    build: Any = DPMSolverMultistepScheduler
    return build(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing",
        steps_offset=1,  # means nothing with trailing spacing; pipelines warn without it
    )  # fmt: skip


def export(work: Path, folder: Path) -> int:
    """Write the checkpoint from what `work` holds; returns its size in bytes.

    `GenerationError` if a part was not trained yet or the whole is too large to ship.
    """
    parts = {
        "tokenizer": work / "text" / "tokenizer", "text_encoder": work / "text" / "text_encoder",
        "vae": work / "autoencoder" / "vae", "unet": work / "unet" / "ema",
    }  # fmt: skip
    missing = [name for name, path in parts.items() if not path.exists()]
    if missing:
        raise GenerationError(f"Not trained yet: {', '.join(missing)}; train it, then export.")
    if folder.exists():
        shutil.rmtree(folder)
    for name in ("tokenizer", "text_encoder"):
        shutil.copytree(parts[name], folder / name)
    loaders: dict[str, Any] = {"vae": AutoencoderKL, "unet": UNet2DConditionModel}
    for name, kind in loaders.items():
        model = kind.from_pretrained(parts[name], torch_dtype=torch.float16)
        model.save_pretrained(folder / name, safe_serialization=True)
    new_scheduler().save_pretrained(folder / "scheduler")
    _write_json(folder / "model_index.json", _INDEX)
    _write_json(folder / "riffbot.json", _PREFERENCES)
    (folder / "README.md").write_text(_card(work), "utf-8")
    return _seal(folder)


def _card(work: Path) -> str:
    clips = 128 * len(list((work / "clips").glob("facts-*.json")))
    told = []
    for name in ("autoencoder", "unet"):
        state = load_state(work / name / "state.pt")
        if state is not None and state["curve"]:
            last = state["curve"][-1]
            told.append(f"{name} {last['samples']:.0f} samples in {last['hours']:.1f} hours")
    return _CARD.format(clips=clips, training="; ".join(told) or "not recorded")


def _write_json(path: Path, values: object) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", "utf-8")


def _seal(folder: Path) -> int:
    """Write `sha256.json` over every file and check the sizes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
    _write_json(folder / "sha256.json", digests)
    sizes = [path.stat().st_size for path in files]
    if sum(sizes) > SIZE_LIMIT or max(sizes) > FILE_LIMIT:
        raise GenerationError(
            f"The checkpoint has {sum(sizes) / 1e6:.0f} MB, its largest file"
            f" {max(sizes) / 1e6:.0f} MB; at most 60 and 50 can be shipped."
        )
    return sum(sizes)


def main() -> None:
    """Assemble the checkpoint in the training directory, or where `--to` says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_work(parser)
    parser.add_argument("--to", type=Path, default=None, help="default: WORK/checkpoint")
    options = parser.parse_args()
    folder = options.to or options.work / "checkpoint"
    size = export(options.work, folder)
    print(f"{folder}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
