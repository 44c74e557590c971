"""Measure our picture → sound path against the one that Riffusion uses.

Both run in one process, one thread each, taking turns on the same pictures:

    python -m pip install -e '.[bench]'
    python benchmarks/inversion.py --repeats 3

The reference is torchaudio's own: least-squares `InverseMelScale`, then `GriffinLim` with 32
iterations and momentum 0.99 on the full 44.1 kHz grid. Quality is measured on the mel amplitudes
that a third party sees: the sound is analysed again with torchaudio's `Spectrogram` and
`MelScale`, never with our own code.

- time: how many times faster than the reference, from the sum of the fastest runs
- SC: spectral convergence ‖m' - m‖ / ‖m‖ in dB; *interior* leaves out ten columns at each end
- grey: mean absolute difference of the re-drawn picture in grey levels (interior)
- log-mel: mean absolute difference of log10 mel, floored 80 dB below the maximum (interior)
- seam: jump from the last to the first sample over the RMS sample step (the worst picture)
- clicks: pictures where that jump is over 2 and also stands out: larger than every step within 5 ms
  at either side (a drum that starts exactly at the loop point makes large steps, but no click)
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from music import HELD_OUT, TUNING, clip
from PIL import Image, ImageFilter

from generation.inversion import PRESETS, Quality, warm_up, waveform_from_image
from generation.spectrogram import (
    SpectrogramParams,
    image_from_waveform,
    max_value_from_image,
)

Waveform = npt.NDArray[np.float32]
PARAMS = SpectrogramParams()
EDGE = 10
NEARBY = 220


def import_torchaudio() -> Any:
    """Import torchaudio, also where its compiled extension was built for CUDA and does not load.

    The transforms measured here are plain torch; the extension only serves filters and losses.
    """
    real = torch.ops.load_library
    try:
        import torchaudio  # noqa: PLC0415
    except (OSError, AttributeError):
        for name in [name for name in sys.modules if name.startswith("torchaudio")]:
            del sys.modules[name]
        torch.ops.load_library = lambda path: None
        for name in ("_lfilter_core_loop", "_overdrive_core_loop"):
            setattr(torch.ops.torchaudio, name, None)
        torch.ops._torchaudio.cuda_version = lambda: None
        torch.ops._torchaudio.is_align_available = lambda: False
        import torchaudio  # noqa: PLC0415
    finally:
        torch.ops.load_library = real
    return torchaudio


class Reference:
    """Riffusion's path, on torchaudio."""

    def __init__(self) -> None:
        transforms = import_torchaudio().transforms
        mel_scale = {
            "n_stft": PARAMS.n_fft // 2 + 1,
            "n_mels": PARAMS.mel_bins,
            "sample_rate": PARAMS.sample_rate,
            "f_min": PARAMS.min_frequency,
            "f_max": PARAMS.max_frequency,
            "norm": None,
            "mel_scale": "htk",
        }
        frame = {
            "n_fft": PARAMS.n_fft,
            "hop_length": PARAMS.hop_length,
            "win_length": PARAMS.win_length,
        }
        self._spectrogram = transforms.Spectrogram(**frame, power=None)
        self._mel = transforms.MelScale(**mel_scale)
        self._inverse_mel = transforms.InverseMelScale(**mel_scale)
        self._griffin_lim = transforms.GriffinLim(**frame, power=1.0, n_iter=32, momentum=0.99)

    def mel(self, waveform: Waveform) -> Waveform:
        """Mel amplitudes in 16-bit units, `(mel_bins, 1 + samples // hop)`."""
        samples = torch.from_numpy(np.ascontiguousarray(waveform[0] * np.float32(32768)))
        return np.asarray(self._mel(self._spectrogram(samples).abs()))

    def mel_of_loop(self, waveform: Waveform) -> Waveform:
        """The same, around the end of a loop: `(mel_bins, samples // hop)`."""
        margin = 10 * PARAMS.hop_length
        mel = self.mel(np.pad(waveform, ((0, 0), (margin, margin)), mode="wrap"))
        return mel[:, 10 : 10 + waveform.shape[1] // PARAMS.hop_length]

    def waveform(self, image: Image.Image) -> Waveform:
        """Picture to sound as Riffusion does it: one hop shorter than the picture."""
        grey = np.asarray(image.convert("RGB"))[::-1, :, 0].astype(np.float32)
        amplitude = ((255.0 - grey) / 255.0) ** (1.0 / PARAMS.power) * max_value_from_image(image)
        torch.manual_seed(0)
        spectrum = self._inverse_mel(torch.from_numpy(amplitude.astype(np.float32)))
        return np.asarray(self._griffin_lim(spectrum))[None] / np.float32(32768)


@dataclass(frozen=True)
class Score:
    """How one method did on one picture."""

    seconds: float
    interior_sc: float
    full_sc: float
    grey: float
    log_mel: float
    seam: float
    click: bool


def grey_levels(mel: Waveform, maximum: float) -> Waveform:
    """Grey as it is stored: cut down to whole levels."""
    level = np.clip(mel / maximum, 0.0, 1.0) ** PARAMS.power
    return np.floor(255.0 - 255.0 * level)


def convergence(wanted: Waveform, found: Waveform) -> float:
    """Spectral convergence in dB."""
    return 20.0 * float(np.log10(np.linalg.norm(found - wanted) / np.linalg.norm(wanted)))


def score(image: Image.Image, waveform: Waveform, found: Waveform, seconds: float) -> Score:
    """Compare the mel amplitudes that were found in the sound with those of the picture."""
    grey = np.asarray(image.convert("RGB"))[::-1, :, 0].astype(np.float32)
    maximum = max_value_from_image(image)
    wanted = ((255.0 - grey) / 255.0) ** 4 * maximum
    width = min(wanted.shape[1], found.shape[1])
    wanted, found, grey = wanted[:, :width], found[:, :width], grey[:, :width]
    inner = np.s_[:, EDGE : width - EDGE]
    floor = maximum * 1e-4
    logs = np.log10(np.maximum(found, floor)) - np.log10(np.maximum(wanted, floor))
    steps = np.abs(np.diff(waveform[0]))
    typical = float(np.sqrt(np.mean(steps**2)))
    jump = abs(float(waveform[0, 0] - waveform[0, -1]))
    nearby = float(max(steps[:NEARBY].max(), steps[-NEARBY:].max()))
    return Score(
        seconds=seconds,
        interior_sc=convergence(wanted[inner], found[inner]),
        full_sc=convergence(wanted, found),
        grey=float(np.abs(grey_levels(found, maximum) - grey)[inner].mean()),
        log_mel=float(np.abs(logs[inner]).mean()),
        seam=jump / typical,
        click=jump > 2.0 * typical and jump > nearby,
    )


def drawn(first: Image.Image, second: Image.Image, seed: int) -> Image.Image:
    """A picture that no sound has: two clips blended, softened and grained, saved as JPEG.

    Models draw like this: nearly right everywhere, exactly right nowhere.
    """
    blend = Image.blend(first, second, 0.5).filter(ImageFilter.GaussianBlur(0.8))
    grain = np.random.default_rng(seed).normal(0.0, 3.0, (blend.height, blend.width, 1))
    noisy = np.clip(np.asarray(blend, dtype=np.float64) + grain, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=75)
    loaded = Image.open(buffer).convert("L").convert("RGB")
    loaded.getexif().update(first.getexif())
    return loaded


def pictures(folder: Path | None) -> dict[str, dict[str, Image.Image]]:
    """Sets of pictures by name."""
    sets: dict[str, dict[str, Image.Image]] = {}
    for label, names in (("real, tuning", TUNING), ("real, held out", HELD_OUT)):
        clips = {name: clip(name) for name in names}
        sets[label] = {
            name: image_from_waveform(sound.mean(axis=0), PARAMS, circular=True)
            for name, sound in clips.items()
            if sound is not None
        }
    held_out = list(sets["real, held out"].items())
    sets["drawn"] = {
        f"{first} + {second}": drawn(one, other, seed)
        for seed, ((first, one), (second, other)) in enumerate(
            zip(held_out[::2], held_out[1::2], strict=False)
        )
    }
    if folder is not None:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".jpg"))
        sets[f"folder {folder.name}"] = {path.name: Image.open(path) for path in found}
    return sets


def run(image: Image.Image, reference: Reference, repeats: int) -> dict[str, Score]:
    """Every method on one picture, taking turns."""

    def ours(quality: Quality) -> Callable[[Image.Image], Waveform]:
        return lambda picture: waveform_from_image(picture, PARAMS, quality=quality)

    methods: dict[str, Callable[[Image.Image], Waveform]] = {"reference": reference.waveform}
    methods.update({quality: ours(quality) for quality in PRESETS})
    seconds = dict.fromkeys(methods, float("inf"))
    sounds: dict[str, Waveform] = {}
    for _ in range(repeats):
        for name, method in methods.items():
            begin = time.perf_counter()
            sounds[name] = method(image)
            seconds[name] = min(seconds[name], time.perf_counter() - begin)
    return {
        name: score(
            image,
            sound,
            reference.mel(sound) if name == "reference" else reference.mel_of_loop(sound),
            seconds[name],
        )
        for name, sound in sounds.items()
    }


def table(results: dict[str, dict[str, Score]]) -> str:
    """Means over a set of pictures as a Markdown table."""
    lines = [
        "| method | seconds | faster | SC interior | SC full | grey | log-mel | seam | clicks |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    methods = list(next(iter(results.values())))
    base = sum(scores["reference"].seconds for scores in results.values())
    for method in methods:
        rows = [scores[method] for scores in results.values()]
        total = sum(row.seconds for row in rows)
        lines.append(
            f"| {method} | {total / len(rows):.3f} | {base / total:.1f} x "
            f"| {mean(row.interior_sc for row in rows):.2f} "
            f"| {mean(row.full_sc for row in rows):.2f} "
            f"| {mean(row.grey for row in rows):.2f} "
            f"| {mean(row.log_mel for row in rows):.4f} "
            f"| {max(row.seam for row in rows):.2f} "
            f"| {sum(row.click for row in rows)} of {len(rows)} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Run everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--repeats", type=int, default=3, help="runs per picture; the fastest counts"
    )
    parser.add_argument("--images", type=Path, help="a folder of further pictures")
    parser.add_argument("--json", type=Path, help="also write every score to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warm_up()
    reference = Reference()
    report: dict[str, dict[str, dict[str, float]]] = {}
    for label, images in pictures(arguments.images).items():
        results = {}
        for name, image in images.items():
            results[name] = run(image, reference, arguments.repeats)
            print(f"  {name}: done", file=sys.stderr)
            for method, outcome in results[name].items():
                report.setdefault(name, {})[method] = asdict(outcome)
        print(f"\n### {label}: {', '.join(images)}\n\n{table(results)}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
