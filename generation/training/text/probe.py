"""The linear probe: can a straight line tell the style from a phrase's embedding?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ProbeResult:
    """Shares of held-out phrases whose style is the probe's first, or among its first three."""

    top1: float
    top3: float
    phrases: int


def probe(
    features: Tensor,
    labels: Sequence[int],
    held_out: Tensor,
    held_out_labels: Sequence[int],
    steps: int = 300,
) -> ProbeResult:
    """Fit softmax regression on caption features and judge it on held-out wordings.

    Features have shape (texts, width); labels are class numbers.
    """
    torch.manual_seed(0)
    mean, spread = features.mean(0), features.std(0) + 1e-6
    inputs, tests = (features - mean) / spread, (held_out - mean) / spread
    targets, truth = torch.tensor(labels), torch.tensor(held_out_labels)
    classes = int(max(targets.max(), truth.max())) + 1
    line = nn.Linear(inputs.shape[1], classes)
    optimizer = torch.optim.AdamW(line.parameters(), lr=0.01, weight_decay=0.05)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(line(inputs), targets, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.inference_mode():
        ranked = line(tests).topk(min(3, classes), dim=1).indices
    hits = ranked == truth[:, None]
    return ProbeResult(
        float(hits[:, 0].float().mean()), float(hits.any(1).float().mean()), len(truth)
    )
