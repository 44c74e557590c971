"""Disguises change what a soundfont decides and leave what a composer decides."""

from __future__ import annotations

import numpy as np
import torch

from generation.training.augment import disguise
from generation.training.classifier import shrink
from generation.training.render import picture
from tests.generation.training.test_evaluate import clicks


def test_disguised_clips_differ_but_keep_their_beat() -> None:
    small = shrink(picture(clicks(8))[None])
    drawn = torch.cat([disguise(small, torch.Generator().manual_seed(i)) for i in range(8)])
    assert drawn.shape == (8, *small.shape[1:])
    assert drawn.min() >= -1
    assert drawn.max() <= 1
    assert torch.pdist(drawn.flatten(1)).min() > 1
    for one in drawn:
        loudness = -one[0].mean(0).numpy()
        spectrum = np.abs(np.fft.rfft(loudness - loudness.mean()))
        assert int(spectrum[1:24].argmax()) + 1 in (8, 16)


def test_the_same_generator_disguises_alike() -> None:
    small = shrink(picture(clicks(8))[None])
    first, second = (disguise(small, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
