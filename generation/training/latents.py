"""Encode every clip once: `python -m generation.training.latents`. The UNet trains on these."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from tqdm import tqdm

from generation.circular import make_circular
from generation.errors import GenerationError
from generation.training.autoencoder import Autoencoder, to_model
from generation.training.captions import ClipFacts
from generation.training.options import add_work, run
from generation.training.shards import Clips, shard_numbers, write_atomically


def load_autoencoder(folder: Path) -> Autoencoder:
    """Load the trained autoencoder, circular in time and frozen."""
    if not (folder / "config.json").exists():
        raise GenerationError(
            "There is no autoencoder yet; run python -m generation.training.autoencoder."
        )
    kind: Any = AutoencoderKL
    model: Autoencoder = kind.from_pretrained(folder, torch_dtype=torch.float32)
    make_circular(model)
    return model.eval().requires_grad_(False)


@torch.inference_mode()
def encode_shards(
    model: Autoencoder,
    clips: Path,
    latents: Path,
    share: tuple[int, int] = (0, 1),
    limit: int | None = None,
) -> None:
    """Write the latents of every shard that has none: means, fp16, shape (clips, 4, 64, 64).

    `limit` stops after the first so many shards; `share` (k, n) takes every n-th from the k-th on.
    """
    latents.mkdir(parents=True, exist_ok=True)
    numbers = shard_numbers(clips)[:limit][share[0] :: share[1]]
    wanted = [n for n in numbers if not (latents / f"latents-{n:05}.npy").exists()]
    for number in tqdm(wanted, unit="shard", mininterval=5):
        pictures = np.load(clips / f"pictures-{number:05}.npy", mmap_mode="r")
        encoded = [model.encode(to_model(one[None])).latent_dist.mean[0] for one in pictures]
        stacked = torch.stack(encoded).to(torch.float16).numpy()
        write_atomically(latents / f"latents-{number:05}.npy", stacked)


class Latents:
    """The encoded clips that are there now, with their facts."""

    def __init__(self, clips: Path, latents: Path) -> None:
        """Open all shards that are rendered and encoded."""
        stored = Clips(clips)
        by_shard: dict[int, list[ClipFacts]] = {}
        at = 0
        for number in stored.numbers:
            size = len(np.load(clips / f"pictures-{number:05}.npy", mmap_mode="r"))
            by_shard[number] = stored.facts[at : at + size]
            at += size
        self.facts: list[ClipFacts] = []
        arrays = []
        for number, facts in by_shard.items():
            path = latents / f"latents-{number:05}.npy"
            if path.exists():
                arrays.append(np.load(path))
                self.facts += facts
        if not arrays:
            raise GenerationError(
                "There are no latents yet; run python -m generation.training.latents."
            )
        self.values: NDArray[np.float16] = np.concatenate(arrays)

    def __len__(self) -> int:
        return len(self.facts)


def main() -> None:
    """Encode what is not encoded yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_work(parser)
    parser.add_argument("--share", type=int, nargs=2, default=(0, 1), metavar=("K", "N"))
    parser.add_argument("--shards", type=int, default=None, help="encode only the first so many")
    options = parser.parse_args()
    model = load_autoencoder(options.work / "autoencoder" / "vae")
    share = (options.share[0], options.share[1])
    encode_shards(model, options.work / "clips", options.work / "latents", share, options.shards)


if __name__ == "__main__":
    run(main)
