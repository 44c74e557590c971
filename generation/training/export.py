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
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    UNet2DConditionModel,
)
from safetensors.torch import load_file

from generation.errors import GenerationError
from generation.integrity import SEAL
from generation.seeds import SeedLoops
from generation.training import growth
from generation.training.options import add_work, run
from generation.training.seed_loops import make_seed_loops
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
_PREFERENCES = {
    "name": "starter", "steps": 8, "guidance_scale": 4.0, "guided": 0.4,
    # captions say it so; the number is that of the picture's own beats, see questions.tempo_words
    "tempo_words": " {bpm} bpm",
    "start": "loop",  # rhythm for free: LOG.md
}  # fmt: skip

_CARD = """---
license: mit
library_name: diffusers
pipeline_tag: text-to-audio
tags: [music, spectrogram, riffusion, stable-diffusion]
---
# Riffbot starter

A small text-to-spectrogram model: a prompt becomes a 512x512 mel-spectrogram picture of a
5.12-second loop (time wraps around; 10 ms a column, 0 to 10 kHz). Stable-Diffusion-shaped, in plain
diffusers format, {parameters}.

- **Data**: {clips} loops composed and rendered by this project's own code (`generation.training`),
  with the soundfonts FluidR3 GM and MuseScore General (both MIT), synthesised drums and noises, and
  the speech of espeak-ng. No recording of anybody's music was used.
- **Text encoder**: trained here, distilled from all-MiniLM-L6-v2 (Apache-2.0) on captions, invented
  requests and WordNet 3.0 (Princeton's licence); no weight of the teacher is in it.
- **Seed loops**: {seeds} loops of the same composer as latents (`seeds.safetensors`, `seeds.json`),
  chosen by what a prompt means and by the phrases in `phrases.json.gz`; language models wrote them.
- **Licence**: MIT, like the project. What you make with it is yours to use, also commercially.
- **Training**: {training}. `make starter` repeats it from seeds; the log is
  `generation/training/LOG.md`.
- **Prompts**: styles, instruments, moods; a tempo as "94 bpm" (the picture holds 4 to 16 whole
  beats: beats = bpm x 5.12 / 60).
- **Limits**: five seconds at a time, mono; it knows the styles of its composer and nothing of real
  performances, singers or words.

## Figures

Of pictures drawn as the bot draws them by default, from seed loops:

{figures}

{growth}
"""


def new_scheduler() -> Any:
    """Return DPM-Solver++ (Lu et al., 2022) as the UNet was trained: v, zero terminal SNR."""
    build: Any = DPMSolverMultistepScheduler
    return build(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing",
        steps_offset=1,  # means nothing with trailing spacing; pipelines warn without it
    )  # fmt: skip


def few_step_scheduler() -> Any:
    """Return DDIM on the grid that `distil_steps` trains on."""
    kind: Any = DDIMScheduler
    return kind.from_config(new_scheduler().config, clip_sample=False, set_alpha_to_one=True)


def export(work: Path, folder: Path, few_steps: int | None = None) -> int:
    """Write the checkpoint from what `work` holds; returns its size in bytes.

    `few_steps` takes the student of `distil_steps` instead, to be drawn in so many steps.
    `GenerationError` if a part was not trained yet or the whole is too large to ship.
    """
    denoiser = "few-steps" if few_steps else "unet"
    parts = {
        "tokenizer": work / "text" / "tokenizer", "text_encoder": work / "text" / "text_encoder",
        "vae": work / "autoencoder" / "vae", "unet": work / denoiser / "ema",
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
    scheduler = few_step_scheduler() if few_steps else new_scheduler()
    scheduler.save_pretrained(folder / "scheduler")
    index = {**_INDEX, "scheduler": ["diffusers", type(scheduler).__name__]}
    fewer = {"steps": few_steps, "guidance_scale": 1.0} if few_steps else {}
    _write_json(folder / "model_index.json", index)
    _write_json(folder / "riffbot.json", {**_PREFERENCES, **fewer})
    loops = make_seed_loops(work)
    loops.save(folder)
    (folder / "README.md").write_text(card(work, folder, len(loops)), "utf-8")
    return seal(folder)


def refresh_card(work: Path, folder: Path) -> int:
    """Write the model card anew, with the evaluation's figures; returns the folder's size."""
    seeds = len(SeedLoops.load(folder))
    (folder / "README.md").write_text(card(work, folder, seeds), "utf-8")
    return seal(folder)


def card(work: Path, folder: Path, seeds: int) -> str:
    """Return the model card: what went in, how long it took, and what the last evaluation said."""
    told = []
    for name in ("text", "autoencoder", "unet"):
        state = load_state(work / name / "state.pt")
        if state is not None and state["curve"]:
            last = state["curve"][-1]
            told.append(f"{name} {last['samples']:.0f} samples in {last['hours']:.1f} hours")
    table = work / "report" / "table.json"
    rows = json.loads(table.read_text("utf-8")) if table.exists() else {}
    lines = [f"| {name} | {value:.3f} |" for name, value in rows.items()]
    return _CARD.format(
        clips=128 * len(list((work / "latents").glob("latents-*.npy"))),
        seeds=seeds,
        training="; ".join(told) or "not recorded",
        parameters=_parameters(folder),
        figures="\n".join(["| figure | value |", "|---|---|", *lines]) if lines else "None yet.",
        growth=growth.as_markdown(work),
    )


def _parameters(folder: Path) -> str:
    counted = []
    for name in ("unet", "text_encoder", "vae"):
        (file,) = (folder / name).glob("*.safetensors")
        numbers = sum(value.numel() for value in load_file(file).values())
        counted.append(f"{name} {numbers / 1e6:.1f} M")
    return ", ".join(counted) + " parameters"


def _write_json(path: Path, values: object) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", "utf-8")


def seal(folder: Path) -> int:
    """Write `sha256.json` over every file and check the sizes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in files if path.name != SEAL]
    digests = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
    _write_json(folder / SEAL, digests)
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
    parser.add_argument(
        "--few-steps", type=int, default=None, metavar="N",
        help="take the student that distil_steps made, to draw in N steps",
    )  # fmt: skip
    parser.add_argument("--card", action="store_true", help="only write the model card anew")
    parser.add_argument("--to", type=Path, default=None, help="default: WORK/checkpoint")
    options = parser.parse_args()
    folder = options.to or options.work / "checkpoint"
    if options.card:
        size = refresh_card(options.work, folder)
    else:
        size = export(options.work, folder, options.few_steps)
    print(f"{folder}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
