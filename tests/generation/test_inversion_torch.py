from __future__ import annotations

import numpy as np
import pytest
import torch

from generation.errors import BadRequestError
from generation.inversion import Quality, waveform_from_image, waveforms_from_images
from generation.spectrogram import SpectrogramParams, image_from_waveform
from tests.generation.sounds import convergence, loop

COARSE = SpectrogramParams(stereo=True, step_ms=20, mel_bins=128)
DEVICES = ["torch-cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DEVICES += ["mps"] if torch.backends.mps.is_available() else []


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("circular", [True, False])
@pytest.mark.parametrize("quality", ["standard", "griffin-lim"])
@pytest.mark.parametrize("samples", [None, 100_003])
def test_torch_and_the_compiled_loops_agree(
    device: str, circular: bool, quality: Quality, samples: int | None
) -> None:
    image = image_from_waveform(loop(channels=2), COARSE, circular=True)
    compiled, torched = (
        waveform_from_image(
            image, circular=circular, quality=quality, samples=samples, device=where
        )
        for where in ("cpu", device)
    )
    # Rounding differs, and small differences grow from step to step.
    assert convergence(compiled, torched) < (-50.0 if quality == "standard" else -40.0)


@pytest.mark.parametrize("device", DEVICES)
def test_a_batch_is_the_same_as_one_by_one(device: str) -> None:
    images = [image_from_waveform(loop(channels=2, seed=n), COARSE, circular=True) for n in (0, 1)]
    images.append(image_from_waveform(loop(40_000, channels=2), COARSE, circular=True))
    for batch in (images[:2], images):
        together = waveforms_from_images(batch, device=device, seeds=range(len(batch)))
        for seed, (image, waveform) in enumerate(zip(batch, together, strict=True)):
            alone = waveform_from_image(image, device=device, seed=seed)
            np.testing.assert_allclose(waveform, alone, atol=1e-4)


def test_a_missing_device_is_named() -> None:
    if not torch.cuda.is_available():
        image = image_from_waveform(loop(20_000))
        with pytest.raises(BadRequestError, match="'cuda'"):
            waveform_from_image(image, device="cuda")
