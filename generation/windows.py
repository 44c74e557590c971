"""Pictures wider than the UNet should draw at once: overlapping windows, averaged at every step.

MultiDiffusion (Bar-Tal et al., "MultiDiffusion: Fusing Diffusion Paths for Controlled Image
Generation", ICML 2023): every window predicts its own part, and where windows overlap the picture
follows the weighted mean of their predictions, so that no window ever goes its own way. On a ring
the windows go around it and overlap at the seam like anywhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

WHOLE = 2048
"""Columns of the widest picture that is drawn at once."""
WIDEST = 1024
"""Columns of the widest window: twice the 512 that Riffusion's checkpoints were trained on."""
OVERLAP = 256
"""Least columns that neighbours share, 2.56 s: a bar of 4/4 at 94 bpm."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Where the windows lie over one picture, in latent columns.

    Attributes:
        starts: the first column of each; on a ring a window may go over the end.
        width: of every window.
        columns: of the whole picture.
    """

    starts: tuple[int, ...]
    width: int
    columns: int

    def predict(self, x: Tensor, model: Callable[[Tensor], Tensor]) -> Tensor:
        """The model's prediction for a wide picture from those for its windows.

        Args:
            x: shape `(…, columns)`.
            model: from a window of `x`, shape `(…, width)`, to a prediction of that shape.

        Returns:
            Shape `(…, columns)`: in each column the mean of the windows over it, weighted by the
            distance to their nearer edge, because there a window does not see its neighbourhood.
        """
        ramp = _ramp(self.width).to(x.device)
        sums = torch.zeros_like(x, dtype=torch.float32)
        weights = torch.zeros(self.columns, device=x.device)
        for start in self.starts:
            at = (torch.arange(self.width, device=x.device) + start) % self.columns
            prediction = model(x.index_select(-1, at)).float()
            sums.index_add_(-1, at, prediction * ramp)
            weights.index_add_(0, at, ramp)
        return sums / weights


def lay_out(columns: int, cell: int, downscale: int, *, ring: bool) -> Windows | None:
    """Windows over a picture, or None where it is drawn at once (at most 2,048 pixels wide).

    As few windows of at most 1,024 pixels as can overlap by 256, spread evenly and no wider than
    that takes, so that the work stays below 1.6 times that of the picture itself.

    Args:
        columns: width of the picture in latent columns, a multiple of `cell`.
        cell: windows start and end at multiples of this, as the UNet's strided levels need.
        downscale: pixels per latent column.
        ring: whether the last column meets the first.
    """
    if columns * downscale <= WHOLE:
        return None
    widest = max(2, WIDEST // downscale // cell)
    overlap = max(1, min(OVERLAP // downscale // cell, widest // 2))
    cells = columns // cell
    if ring:
        count = math.ceil(cells / (widest - overlap))
        starts = [round(i * cells / count) for i in range(count)]
        stride = max(b - a for a, b in zip(starts, [*starts[1:], cells], strict=True))
        width = stride + overlap
    else:
        count = math.ceil((cells - overlap) / (widest - overlap))
        width = math.ceil((cells - overlap) / count) + overlap
        starts = [round(i * (cells - width) / (count - 1)) for i in range(count)]
    return Windows(tuple(start * cell for start in starts), width * cell, columns)


def _ramp(width: int) -> Tensor:
    rising = torch.arange(1, width + 1, dtype=torch.float32)
    return torch.minimum(rising, rising.flip(0))
