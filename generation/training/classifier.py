"""The judge: a small network that names the style and the instruments of a picture.

`python -m generation.training.classifier` trains it on training renders; it is judged on a
soundfont that it never heard, and says how sure one may be of it.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from generation.errors import GenerationError
from generation.training.augment import disguise
from generation.training.captions import ClipFacts
from generation.training.compose import STYLES
from generation.training.compose.instruments import INSTRUMENTS
from generation.training.options import add_work, run
from generation.training.shards import Clips, Render
from generation.training.state import Trainer, step_rng

STYLE_NAMES = tuple(STYLES)
INSTRUMENT_NAMES = tuple(INSTRUMENTS)
FEATURES = 128
JUDGE_STEPS = 500


def shrink(pictures: np.ndarray) -> Tensor:
    """Average 4x4 pixels of pictures (clips, 512, 512): input of shape (clips, 1, 128, 128)."""
    grey = torch.from_numpy(pictures.astype(np.float32))[:, None]
    return nn.functional.avg_pool2d(grey / 127.5 - 1, 4)


class Judge(nn.Module):
    """Four strided convolutions, mean and maximum over time, two linear heads."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for into, out in ((1, 24), (24, 48), (48, 96), (96, FEATURES)):
            layers += [nn.Conv2d(into, out, 3, 2, 1, padding_mode="circular"),
                       nn.GroupNorm(8, out), nn.ReLU()]  # fmt: skip
        self.body = nn.Sequential(*layers)
        # pitch stays an axis: what sounds low must not look like what sounds high
        self.mix = nn.Linear(FEATURES * 8 * 2, FEATURES)
        self.drop = nn.Dropout(0.2)
        self.style = nn.Linear(FEATURES, len(STYLE_NAMES))
        self.instruments = nn.Linear(FEATURES, len(INSTRUMENT_NAMES))

    def features(self, small: Tensor) -> Tensor:
        """Return features of shape (clips, 128) of input from `shrink`."""
        maps = self.body(small)
        pooled = torch.cat([maps.mean(-1), maps.amax(-1)], 1).flatten(1)
        features: Tensor = torch.relu(self.mix(pooled))
        return features

    def forward(self, small: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits of styles and of instruments."""
        features = self.drop(self.features(small))
        return self.style(features), self.instruments(features)


def labels(facts: Sequence[ClipFacts]) -> tuple[Tensor, Tensor]:
    """Return style numbers (clips,) and instruments present (clips, instruments)."""
    styles = torch.tensor([STYLE_NAMES.index(one.style) for one in facts])
    present = torch.zeros(len(facts), len(INSTRUMENT_NAMES))
    for row, one in enumerate(facts):
        for name in one.instruments:
            present[row, INSTRUMENT_NAMES.index(name)] = 1
    return styles, present


@dataclass(frozen=True)
class JudgeQuality:
    """The judge's own accuracy on real renders: style first guess, instruments found."""

    style_accuracy: float
    instrument_recall: float
    clips: int


def train_judge(
    clips: Clips, path: Path, steps: int, minutes: float | None = None, batch: int = 64
) -> Judge:
    """Train (resuming) on disguised renders."""
    torch.manual_seed(8)
    judge = Judge()
    styles, present = labels(clips.facts)

    @functools.cache
    def small() -> Tensor:
        return torch.cat([shrink(clips.picture(i)[None]).half() for i in range(len(clips))])

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        rng, noise = step_rng(41, step)
        rows = torch.from_numpy(rng.integers(len(clips), size=batch))
        named, heard = judge(disguise(small()[rows].float(), noise))
        loss = nn.functional.cross_entropy(named, styles[rows], label_smoothing=0.05)
        heard_loss = nn.functional.binary_cross_entropy_with_logits(heard, present[rows])
        return loss + 5 * heard_loss, {}

    trainer = Trainer(
        judge,
        loss_of,
        path,
        rate=3e-3,
        batch=batch,
        ema_decay=None,
        weight_decay=0.05,
        warm_up_steps=10,
    )
    if trainer.step < steps:
        trainer.run(steps, minutes, cool_down_steps=steps // 2)
    return judge.eval().requires_grad_(False)


@torch.inference_mode()
def judge_pictures(judge: Judge, pictures: Sequence[np.ndarray]) -> tuple[Tensor, Tensor, Tensor]:
    """Return style logits, instrument logits and features of pictures (512, 512)."""
    small = torch.cat([shrink(one[None]) for one in pictures])
    features = torch.cat([judge.features(part) for part in torch.split(small, 64)])
    return judge.style(features), judge.instruments(features), features


def instruments_found(logits: Tensor, facts: Sequence[ClipFacts]) -> float:
    """Return the share of asked instruments among the judge's best guesses.

    A clip with n instruments has 2 n guesses, because many instruments have near twins.
    """
    found = total = 0
    for row, one in zip(logits, facts, strict=True):
        asked = {INSTRUMENT_NAMES.index(name) for name in one.instruments}
        guesses = set(row.topk(2 * len(asked)).indices.tolist()) if asked else set()
        found += len(asked & guesses)
        total += len(asked)
    return found / max(total, 1)


def quality(judge: Judge, renders: Sequence[Render]) -> JudgeQuality:
    """Judge the judge on real renders."""
    named, heard, _ = judge_pictures(judge, [one.picture for one in renders])
    facts = [one.facts for one in renders]
    styles, _ = labels(facts)
    accuracy = float((named.argmax(1) == styles).float().mean())
    return JudgeQuality(accuracy, instruments_found(heard, facts), len(renders))


def main() -> None:
    """Train the judge and state its accuracy on unheard clips and on an unheard soundfont."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_work(parser)
    parser.add_argument("--steps", type=int, default=JUDGE_STEPS)
    parser.add_argument("--minutes", type=float, default=None)
    options = parser.parse_args()
    clips = Clips(options.work / "clips")
    if not len(clips):
        raise GenerationError("There are no clips yet; run python -m generation.training.data.")
    judge = train_judge(clips, options.work / "judge" / "state.pt", options.steps, options.minutes)
    for name in ("held-out", "other-font"):
        unheard = Clips(options.work / name)
        if len(unheard):
            print(f"{name}: {quality(judge, unheard.spread(len(unheard)))}")


if __name__ == "__main__":
    run(main)
