"""Compose and render training clips: `python -m generation.training.data --clips 12000`.

Every clip follows from its number alone, so an interrupted run goes on where it stopped and a
second machine makes the same clips.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from generation.errors import GenerationError
from generation.training.captions import ClipFacts, facts_of
from generation.training.compose import choose_style, compose
from generation.training.options import add_work, run
from generation.training.render import picture, render_waveform
from generation.training.shards import SHARD, shard_numbers, write_shard
from generation.training.soundfont import SoundfontPlayer, is_available

TRAINING_FONTS = ("fluidr3", "musescore", "fluidr3")
EVALUATION_FONT = "timgm6mb"
EVALUATION_SEED = 10_000_000
"""Clips from here on are only ever rendered for evaluation."""


class Renderer:
    """Makes clips by number, keeping one player per soundfont."""

    def __init__(self, fonts: tuple[str, ...] = TRAINING_FONTS) -> None:
        """Load the soundfonts; a missing one is a `GenerationError` that names its package."""
        self.fonts = fonts
        missing = [name for name in dict.fromkeys(fonts) if not is_available(name)]
        if missing:
            raise GenerationError(
                f"Rendering needs FluidSynth and the soundfont {missing[0]}; on Debian: apt install"
                " fluidsynth fluid-soundfont-gm musescore-general-soundfont timgm6mb-soundfont."
            )
        self._players = {name: SoundfontPlayer(name) for name in dict.fromkeys(fonts)}

    def clip(self, seed: int, style: str | None = None) -> tuple[np.ndarray, ClipFacts]:
        """Render clip `seed`: its picture (512, 512) uint8 and its facts."""
        font = self.fonts[seed % len(self.fonts)]
        piece = compose(style or choose_style(seed), seed)
        waveform = render_waveform(piece, self._players[font])
        return picture(waveform), facts_of(piece, font)


def render_shards(
    folder: Path,
    clips: int,
    renderer: Renderer,
    first_seed: int = 0,
    share: tuple[int, int] = (0, 1),
) -> None:
    """Render whatever shards of `clips` clips are still missing in `folder`.

    `share` (k, n) takes every n-th shard from the k-th on, so that n processes divide the work.
    """
    done = set(shard_numbers(folder))
    first, step = share
    wanted = [n for n in range(first, -(-clips // SHARD), step) if n not in done]
    with tqdm(total=len(wanted) * SHARD, unit="clip", smoothing=0.02, mininterval=5) as bar:
        for number in wanted:
            rendered = []
            for index in range(SHARD):
                rendered.append(renderer.clip(first_seed + number * SHARD + index))
                bar.update()
            write_shard(
                folder, number, np.stack([p for p, _ in rendered]), [facts for _, facts in rendered]
            )


def main() -> None:
    """Render the training clips and the few thousand that judge them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_work(parser)
    parser.add_argument("--clips", type=int, default=12_000)
    parser.add_argument(
        "--share",
        type=int,
        nargs=2,
        default=(0, 1),
        metavar=("K", "N"),
        help="render every N-th shard from K on, beside other processes",
    )
    parser.add_argument(
        "--evaluation",
        action="store_true",
        help="render held-out clips with the soundfont kept for evaluation",
    )
    options = parser.parse_args()
    if options.evaluation:
        for name, fonts in (("held-out", TRAINING_FONTS), ("other-font", (EVALUATION_FONT,))):
            render_shards(
                options.work / name,
                options.clips,
                Renderer(fonts),
                EVALUATION_SEED,
                tuple(options.share),
            )
    else:
        share = tuple(options.share)
        render_shards(options.work / "clips", options.clips, Renderer(), share=share)


if __name__ == "__main__":
    run(main)
