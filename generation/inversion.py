"""Picture → sound: fast Griffin-Lim around the circle.

A picture has no phase, and its mel bands are blurrier than the spectrum; both must be found
again. In short:

1. Work at the lowest rate that holds the picture's band (21.6 kHz for 10 kHz), on a circle: frame
   t is centred on sample t·hop, and the frames wrap around the end, so the sound is periodic by
   construction and loops without a seam.
2. Spread each mel band over its FFT bins (multiplicative updates of a non-negative fit).
3. Guess the phase from the slope of the log magnitude (phase-gradient heap integration). This is
   worth dozens of iterations from a random start.
4. Iterate Griffin-Lim with momentum. Only the mel picture is held fixed, not the magnitudes:
   within a band they may become whatever is consistent with a real sound.
5. Resample the circle to the wanted length.

Sources: Griffin, Lim, *Signal estimation from modified short-time Fourier transform* (1984);
Perraudin, Balazs, Søndergaard, *A fast Griffin-Lim algorithm* (2013); Průša, Balazs, Søndergaard,
*A noniterative method for reconstruction of phase from STFT magnitude* (2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from generation import _kernels
from generation.errors import BadRequestError, MediaError
from generation.griffin_lim import Start, griffin_lim
from generation.mel import FloatArray
from generation.resampling import resample_periodic
from generation.spectrogram import (
    PCM_SCALE,
    SpectrogramParams,
    max_value_from_image,
    mel_from_image,
    params_from_image,
)
from generation.threads import in_order, share
from generation.workgrid import Preset, WorkGrid, work_grid

Quality = Literal["fast", "standard", "best", "griffin-lim"]

_HANN_GAMMA = 0.25645
_PHASE_FLOOR = 1e-4


PRESETS: dict[Quality, Preset] = {
    "fast": Preset(zero_padding=1, iterations=10),
    "standard": Preset(zero_padding=2, iterations=16),
    "best": Preset(zero_padding=2, iterations=32),
    "griffin-lim": Preset(zero_padding=2, iterations=32, fit_updates=50, classic=True),
}
"""Quality levels by name. "griffin-lim" is there to compare with and to learn from."""


def waveform_from_image(
    image: Image.Image,
    params: SpectrogramParams | None = None,
    *,
    circular: bool = True,
    quality: Quality = "standard",
    seed: int = 0,
    samples: int | None = None,
    device: str = "cpu",
    workers: int = 1,
) -> FloatArray:
    """Turn a spectrogram picture into sound.

    Args:
        image: any picture that `generation.spectrogram.mel_from_image` opens.
        params: the picture format; read from the picture if left out.
        circular: make a loop whose end meets its start. Otherwise make an open-ended clip.
        quality: a name in `PRESETS`.
        seed: of the few random phases; the same seed gives the same bytes on one machine.
        samples: length of the result: stretches or squeezes the time axis without changing the
            pitch. If left out, one hop per column (512 columns: 225,792 samples), or one hop
            between neighbouring columns if not circular.
        device: "cpu" for the compiled loops, which need no torch; "cuda", "mps" or "torch-cpu"
            for the same algorithm in torch.
        workers: threads to use on the CPU; the result is the same with any number.

    Returns:
        Shape `(channels, samples)`, float32, at the level that the picture's tags name. That may
        exceed ±1: pass it through `generation.audio.master`.

    Raises:
        MediaError: the picture is too narrow, too long or out of bounds.
        BadRequestError: there is no such quality or device.
    """
    params = params or params_from_image(image)
    mel = mel_from_image(image, params, max_value=max_value_from_image(image))
    return waveforms_from_mels(
        [mel],
        params,
        circular=circular,
        quality=quality,
        seeds=[seed],
        samples=samples,
        device=device,
        workers=workers,
    )[0]


def waveforms_from_images(
    images: Sequence[Image.Image],
    params: SpectrogramParams | None = None,
    *,
    circular: bool = True,
    quality: Quality = "standard",
    seeds: Sequence[int] | None = None,
    samples: int | None = None,
    device: str = "cpu",
    workers: int = 1,
) -> list[FloatArray]:
    """Turn several pictures of one format into sound; see `waveform_from_image`.

    The pictures may differ in width. The result is the same, byte for byte, as one by one.

    Args:
        images: the pictures; the first one's tags decide if `params` is left out.
        seeds: one per picture; all zero if left out.
        workers: threads to use on the CPU; the result is the same with any number.
    """
    if not images:
        return []
    params = params or params_from_image(images[0])
    mels = [
        mel_from_image(image, params, max_value=max_value_from_image(image)) for image in images
    ]
    return waveforms_from_mels(
        mels,
        params,
        circular=circular,
        quality=quality,
        seeds=seeds,
        samples=samples,
        device=device,
        workers=workers,
    )


def waveforms_from_mels(
    mels: Sequence[npt.ArrayLike],
    params: SpectrogramParams | None = None,
    *,
    circular: bool = True,
    quality: Quality = "standard",
    seeds: Sequence[int] | None = None,
    samples: int | None = None,
    device: str = "cpu",
    workers: int = 1,
) -> list[FloatArray]:
    """Turn mel amplitudes of shape `(channels, mel_bins, width)` each into sound.

    See `waveforms_from_images` for the rest. Stereo channels start from one common phase, so that
    what is in the middle of the picture stays in the middle of the sound.
    """
    params = params or SpectrogramParams()
    preset = preset_named(quality)
    seeds = [0] * len(mels) if seeds is None else seeds
    if len(seeds) != len(mels):
        raise BadRequestError(f"{len(mels)} pictures need as many seeds, not {len(seeds)}.")
    # Several clips are each left to one thread: less waits for the other than within a clip.
    inner = workers if len(mels) == 1 else 1
    iterate = _backend(device, inner)

    prepared = [_prepare(mel, params, preset, circular=circular, samples=samples) for mel in mels]
    jobs = [
        (amplitudes, grid, seed) for (amplitudes, grid), seed in zip(prepared, seeds, strict=True)
    ]

    def convert(batch: Sequence[tuple[FloatArray, WorkGrid, int]]) -> list[FloatArray]:
        """Clips on one grid, in one go."""
        grid = batch[0][1]
        starts = [_starts(amplitudes, grid, preset, seed, inner) for amplitudes, _, seed in batch]
        signals = iterate([start for clip in starts for start in clip], grid, preset)
        clips = signals.reshape(len(batch), -1, grid.length)
        return [_to_output_rate(clip, grid) for clip in clips]

    grids = {(grid.columns, grid.hop, len(amplitudes)) for amplitudes, grid, _ in jobs}
    if device != "cpu" and len(grids) == 1:
        return convert(jobs)
    converted = in_order(len(jobs), workers, lambda number: convert([jobs[number]]))
    return [clip for clips in converted for clip in clips]


def _prepare(
    mel: npt.ArrayLike,
    params: SpectrogramParams,
    preset: Preset,
    *,
    circular: bool,
    samples: int | None,
) -> tuple[FloatArray, WorkGrid]:
    """Check a spectrogram, choose its grid, and mirror its ends if it is open-ended."""
    amplitudes = np.maximum(np.nan_to_num(np.asarray(mel, dtype=np.float32)), 0.0)
    if amplitudes.ndim != 3 or amplitudes.shape[1] != params.mel_bins:
        raise MediaError(
            f"This spectrogram has shape {amplitudes.shape}; expected (channels, "
            f"{params.mel_bins}, width)."
        )
    width = amplitudes.shape[2]
    if width < (1 if circular else 2):
        raise MediaError("This picture is too narrow to hold sound.")
    if samples is None:
        samples = params.samples_for(width, circular=circular)
    if samples < 1:
        raise BadRequestError("A clip must last at least one sample.")
    grid = work_grid(
        params, width, circular=circular, samples=samples, zero_padding=preset.zero_padding
    )
    if grid.guard:
        amplitudes = np.pad(amplitudes, ((0, 0), (0, 0), (grid.guard, grid.guard)), mode="reflect")
    return amplitudes, grid


Iterate = Callable[[Sequence[Start], WorkGrid, Preset], FloatArray]


def _backend(device: str, threads: int) -> Iterate:
    """What runs the iterations: takes the channels' starts, returns `(channels, length)`."""
    if device == "cpu":
        return lambda starts, grid, preset: np.stack(
            [griffin_lim(start, grid, preset, threads) for start in starts]
        )
    # torch takes seconds to import and the CPU path does not need it.
    from generation import inversion_torch  # noqa: PLC0415

    return inversion_torch.backend(device)


def preset_named(quality: str) -> Preset:
    """The preset of a quality level.

    Raises:
        BadRequestError: there is none of that name.
    """
    for name, preset in PRESETS.items():
        if name == quality:
            return preset
    raise BadRequestError(
        f"There is no audio quality called {quality!r}; choose one of {', '.join(PRESETS)}."
    )


def warm_up() -> None:
    """Load or compile every kernel, so that no request waits for the compiler.

    Takes a few seconds the first time on a machine, and well under a second afterwards.
    """
    mel = np.ones((1, 32, 4), dtype=np.float32)
    params = SpectrogramParams(mel_bins=32)
    waveforms_from_mels([mel], params, quality="fast")


def _starts(
    amplitudes: FloatArray, grid: WorkGrid, preset: Preset, seed: int, threads: int
) -> list[Start]:
    """First magnitudes and phases of all channels."""
    fits = [_fit_bands(channel, grid, preset, threads) for channel in amplitudes]
    if preset.classic:
        phase = np.random.default_rng(seed).random(fits[0][1].shape, dtype=np.float32)
    else:
        phase = _guess_phase(sum((fit[1] for fit in fits[1:]), start=fits[0][1]), grid, seed)
    turn = np.empty(phase.shape, dtype=np.complex64)
    phase *= np.float32(2.0 * np.pi)
    turn.real, turn.imag = np.cos(phase), np.sin(phase)
    return [Start(target, magnitude, turn) for target, magnitude in fits]


def _fit_bands(
    amplitudes: FloatArray, grid: WorkGrid, preset: Preset, threads: int
) -> tuple[FloatArray, FloatArray]:
    """The band sums to reach, `(columns, mel_bins + 2)`, and magnitudes that reach them."""
    density = np.pad((amplitudes * grid.density[:, None]).T, ((0, 0), (1, 1)), mode="edge")
    row_sums = np.pad(grid.bands.row_sums.astype(np.float32), 1)
    target = density * row_sums
    magnitude = np.empty((grid.columns, grid.bands.bins), dtype=np.float32)

    def work(first: int, last: int) -> None:
        some = slice(first, last)
        _kernels.fit_magnitudes(
            target[some],
            density[some],
            grid.slot,
            grid.edges,
            grid.bands.rise,
            preset.fit_updates,
            magnitude[some],
        )

    share(grid.columns, threads, work)
    return target, magnitude


def _guess_phase(magnitude: FloatArray, grid: WorkGrid, seed: int) -> FloatArray:
    """Phase in turns from the slope of the magnitudes, for frames that begin at sample zero."""
    window_length = len(grid.window)
    gamma = _HANN_GAMMA * window_length**2
    loudest = float(magnitude.max(initial=0.0))
    level = np.log(np.maximum(magnitude, np.float32(max(loudest, 1e-20) * 1e-9)))
    number = grid.bands.first_bin + np.arange(grid.bands.bins)
    phase = np.empty_like(magnitude)
    _kernels.integrate_phase(
        level,
        (number * grid.hop / grid.n_fft % 1.0).astype(np.float32),
        grid.hop * grid.n_fft / gamma / (2.0 * np.pi),
        gamma / (grid.hop * grid.n_fft) / (2.0 * np.pi),
        float(np.log(max(loudest, 1e-20) * _PHASE_FLOOR)),
        grid.guard == 0,
        seed % 2**63,
        phase,
    )
    centring = (number * (window_length / 2 / grid.n_fft) % 1.0).astype(np.float32)
    return np.asarray(phase - centring, dtype=np.float32)


def _to_output_rate(signals: FloatArray, grid: WorkGrid) -> FloatArray:
    """Resample to the picture's rate and scale to ±1; open-ended sound loses its guards."""
    if not grid.guard:
        return resample_periodic(signals, grid.samples) / np.float32(PCM_SCALE)
    begin = grid.guard * grid.hop
    last = begin + (grid.columns - 2 * grid.guard - 1) * grid.hop
    # Sound followed by its mirror image is periodic, so the ends need no special filter.
    there_and_back = np.concatenate([signals[:, begin:last], signals[:, last:begin:-1]], axis=1)
    resampled = resample_periodic(there_and_back, 2 * grid.samples)
    return resampled[:, : grid.samples] / np.float32(PCM_SCALE)
