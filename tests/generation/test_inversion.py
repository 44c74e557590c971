from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generation.errors import BadRequestError, MediaError
from generation.inversion import (
    PRESETS,
    Quality,
    warm_up,
    waveform_from_image,
    waveforms_from_images,
    waveforms_from_mels,
)
from generation.loops import tempo_samples
from generation.spectrogram import (
    SpectrogramParams,
    image_from_waveform,
    mel_from_image,
    mel_from_waveform,
)
from tests.generation.sounds import Waveform, convergence, loop

PARAMS = SpectrogramParams()
# Steps of 20 ms make smaller pictures of the same sound: the tests stay quick.
COARSE = SpectrogramParams(step_ms=20, mel_bins=128)


def picture(channels: int = 1, params: SpectrogramParams = PARAMS) -> Image.Image:
    return image_from_waveform(loop(channels=channels), params, circular=True)


def seam(waveform: Waveform) -> float:
    """The jump at the loop point over the RMS sample step, of the worst channel."""
    jumps = np.abs(waveform[:, 0] - waveform[:, -1])
    return float((jumps / np.sqrt(np.mean(np.diff(waveform) ** 2, axis=1))).max())


def test_a_full_picture_becomes_exactly_its_loop() -> None:
    image = image_from_waveform(loop(225_792), PARAMS, circular=True)
    waveform = waveform_from_image(image, quality="fast")
    assert waveform.shape == (1, 225_792)
    assert waveform.dtype == np.float32
    assert waveform.flags.c_contiguous


@pytest.mark.parametrize(
    ("quality", "least"), [("fast", -22.0), ("standard", -27.0), ("best", -29.0)]
)
def test_the_picture_of_the_sound_is_the_picture(quality: Quality, least: float) -> None:
    image = picture()
    waveform = waveform_from_image(image, quality=quality)
    wanted = mel_from_image(image)
    assert convergence(wanted, mel_from_waveform(waveform, circular=True)) < least
    assert seam(waveform) < 2.0


def test_ours_is_closer_than_the_classic_method() -> None:
    image = picture()
    wanted = mel_from_image(image)
    found = {
        quality: convergence(
            wanted, mel_from_waveform(waveform_from_image(image, quality=quality), circular=True)
        )
        for quality in PRESETS
    }
    assert found["best"] < found["standard"] < found["fast"] < found["griffin-lim"]


def test_the_loop_goes_on_around_its_end() -> None:
    image = picture()
    waveform = waveform_from_image(image)
    middle_first = np.roll(waveform, waveform.shape[1] // 2, axis=1)
    turned = mel_from_waveform(middle_first, circular=True)
    wanted = np.roll(mel_from_image(image), image.width // 2, axis=2)
    around_the_end = slice(image.width // 2 - 8, image.width // 2 + 8)
    assert convergence(wanted[..., around_the_end], turned[..., around_the_end]) < -20.0


def test_turning_the_picture_turns_the_sound_but_not_its_quality() -> None:
    image = picture()
    pixels = np.roll(np.asarray(image), 100, axis=1)
    turned = Image.fromarray(pixels)
    turned.getexif().update(image.getexif())
    waveform = waveform_from_image(turned)
    assert convergence(mel_from_image(turned), mel_from_waveform(waveform, circular=True)) < -26.0


def test_open_ended_sound_is_right_up_to_its_ends() -> None:
    sound = loop(441 * 120)
    # Start and end in the middle of notes that do not meet.
    image = image_from_waveform(sound[:, 441 * 13 : 441 * 101 + 1], circular=False)
    waveform = waveform_from_image(image, circular=False)
    assert waveform.shape == (1, 441 * (image.width - 1))
    wanted = mel_from_image(image)
    found = mel_from_waveform(waveform)
    assert found.shape == wanted.shape
    assert convergence(wanted, found) < -24.0
    assert convergence(wanted[..., :5], found[..., :5]) < -13.0
    assert convergence(wanted[..., -5:], found[..., -5:]) < -13.0


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    image = picture(params=COARSE)
    first, again, other = (waveform_from_image(image, seed=seed) for seed in (3, 3, 4))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_threads_and_batches_do_not_change_a_byte() -> None:
    images = [image_from_waveform(loop(seed=n), COARSE, circular=True) for n in range(3)]
    images.append(image_from_waveform(loop(50_000), COARSE, circular=True))
    one_by_one = [waveform_from_image(im, seed=n) for n, im in enumerate(images)]
    for workers in (1, 2, 4):
        together = waveforms_from_images(images, seeds=range(4), workers=workers)
        assert [w.tobytes() for w in together] == [w.tobytes() for w in one_by_one]
    for workers in (2, 3):
        alone = waveform_from_image(images[0], seed=0, workers=workers)
        assert alone.tobytes() == one_by_one[0].tobytes()
    assert waveforms_from_images([]) == []


def test_a_process_with_other_thread_settings_agrees(tmp_path: Path) -> None:
    image = picture(params=COARSE)
    image.save(tmp_path / "picture.png", exif=image.getexif())
    code = (
        "import sys, hashlib\nfrom PIL import Image\n"
        "from generation.inversion import waveform_from_image\n"
        "assert 'torch' not in sys.modules\n"
        f"image = Image.open({str(tmp_path / 'picture.png')!r})\n"
        "print(hashlib.sha256(waveform_from_image(image).tobytes()).hexdigest())"
    )
    digests = set()
    for threads in ("1", "2"):
        limits = dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), threads
        )
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **limits},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(run.stdout.strip())
    assert len(digests) == 1


def test_stereo_keeps_the_middle_in_the_middle() -> None:
    params = SpectrogramParams(stereo=True, step_ms=20, mel_bins=128)
    same = np.repeat(loop(), 2, axis=0)
    waveform = waveform_from_image(image_from_waveform(same, params, circular=True))
    np.testing.assert_array_equal(waveform[0], waveform[1])


def test_stereo_channels_are_both_right() -> None:
    params = SpectrogramParams(stereo=True)
    image = image_from_waveform(loop(channels=2), params, circular=True)
    waveform = waveform_from_image(image)
    assert waveform.shape == (2, 112_896)
    wanted, found = mel_from_image(image), mel_from_waveform(waveform, params, circular=True)
    for channel in (0, 1):
        assert convergence(wanted[channel], found[channel]) < -25.0


def test_the_full_band_of_hearing() -> None:
    params = SpectrogramParams(min_frequency=20, max_frequency=20000)
    image = image_from_waveform(loop(), params, circular=True)
    waveform = waveform_from_image(image)
    assert waveform.shape == (1, 112_896)
    assert (
        convergence(mel_from_image(image), mel_from_waveform(waveform, params, circular=True))
        < -24.0
    )


@pytest.mark.parametrize("bpm", [97.3, 120.0, 80.0])
def test_a_tempo_changes_the_length_but_not_the_pitch(bpm: float) -> None:
    cycles = 1126  # of a tone at 439.9 Hz in 5.12 s
    tone = np.sin(2 * np.pi * cycles * np.arange(112_896) / 225_792)[None].astype(np.float32)
    image = image_from_waveform(0.5 * tone, circular=True)
    samples = tempo_samples(4, bpm, 44100)
    waveform = waveform_from_image(image, samples=samples)
    assert waveform.shape == (1, samples)
    spectrum = np.abs(np.fft.rfft(waveform[0] * np.hanning(samples), 1 << 20))
    hertz = np.argmax(spectrum) * 44100 / (1 << 20)
    assert abs(1200 * np.log2(hertz / (cycles / 5.12))) < 3.0  # cents


@given(
    width=st.integers(1, 40),
    step=st.integers(3, 30),
    bins=st.integers(16, 200),
    low=st.integers(0, 200),
    high=st.integers(1500, 20000),
    stereo=st.booleans(),
    circular=st.booleans(),
    quality=st.sampled_from(["fast", "standard", "griffin-lim"]),
    stretch=st.one_of(st.none(), st.floats(0.5, 2.0)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_every_picture_becomes_finite_sound_of_the_right_length(
    width: int,
    step: int,
    bins: int,
    low: int,
    high: int,
    stereo: bool,
    circular: bool,
    quality: Quality,
    stretch: float | None,
    seed: int,
) -> None:
    params = SpectrogramParams(
        stereo=stereo, step_ms=step, mel_bins=bins, min_frequency=low, max_frequency=high
    )
    shape = (bins, width, 3)
    image = Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))
    if width == 1 and not circular:
        with pytest.raises(MediaError, match="narrow"):
            waveform_from_image(image, params, circular=False, quality=quality)
        return
    natural = params.samples_for(width, circular=circular)
    samples = None if stretch is None else max(1, round(natural * stretch))
    waveform = waveform_from_image(
        image, params, circular=circular, quality=quality, samples=samples, seed=seed
    )
    assert waveform.shape == (params.channels, samples or natural)
    assert np.isfinite(waveform).all()
    assert np.abs(waveform).max() > 0


@pytest.mark.parametrize("quality", list(PRESETS))
def test_silence_stays_silent(quality: Quality) -> None:
    image = Image.new("RGB", (20, 512), "white")
    assert np.abs(waveform_from_image(image, quality=quality)).max() < 1e-6


def test_level_comes_back() -> None:
    sound = loop()
    again = waveform_from_image(image_from_waveform(sound, circular=True))
    ratio = np.sqrt(np.mean(again**2) / np.mean(sound**2))
    # The picture ends at 10 kHz, and the hits do not.
    assert 0.85 < ratio < 1.05


def test_what_cannot_be_done_is_said() -> None:
    image = Image.new("RGB", (8, 512), "white")
    with pytest.raises(BadRequestError, match="fast, standard, best"):
        waveform_from_image(image, quality="loud")  # type: ignore[arg-type]
    with pytest.raises(BadRequestError, match="device"):
        waveform_from_image(image, device="abacus")
    with pytest.raises(BadRequestError, match="at least one sample"):
        waveform_from_image(image, samples=0)
    with pytest.raises(BadRequestError, match="seeds"):
        waveforms_from_images([image], seeds=[1, 2])
    with pytest.raises(MediaError, match="shape"):
        waveforms_from_mels([np.zeros((512, 8))])
    with pytest.raises(MediaError, match="too long"):
        waveform_from_image(Image.new("L", (60_000, 16)))


def test_warming_up_leaves_nothing_to_compile() -> None:
    from generation import _kernels  # noqa: PLC0415

    kernels = [_kernels.fit_magnitudes, _kernels.integrate_phase, _kernels.overlap_add]
    kernels += [_kernels.cut_frames, _kernels.project_frames]
    warm_up()
    compiled = [len(kernel.signatures) for kernel in kernels]  # type: ignore[attr-defined]
    for params, circular in ((PARAMS, True), (SpectrogramParams(stereo=True), False)):
        image = image_from_waveform(loop(20_000, channels=params.channels), params)
        waveform_from_image(image, circular=circular)
    assert [len(kernel.signatures) for kernel in kernels] == compiled  # type: ignore[attr-defined]
