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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.fft
from PIL import Image

from generation import _kernels
from generation.errors import BadRequestError, MediaError
from generation.mel import FloatArray
from generation.resampling import resample_periodic
from generation.spectrogram import (
    PCM_SCALE,
    SpectrogramParams,
    max_value_from_image,
    mel_from_image,
    params_from_image,
)
from generation.workgrid import Preset, WorkGrid, work_grid

Quality = Literal["fast", "standard", "best", "griffin-lim"]
ComplexArray = npt.NDArray[np.complex64]

_FRAMES_AT_ONCE = 32
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
        workers: threads to use on the CPU.
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
    iterate = _backend(device)

    prepared = [_prepare(mel, params, preset, circular=circular, samples=samples) for mel in mels]
    jobs = [
        (amplitudes, grid, seed) for (amplitudes, grid), seed in zip(prepared, seeds, strict=True)
    ]

    def convert(batch: Sequence[tuple[FloatArray, WorkGrid, int]]) -> list[FloatArray]:
        """Clips on one grid, in one go."""
        grid = batch[0][1]
        starts = [_starts(amplitudes, grid, preset, seed) for amplitudes, _, seed in batch]
        signals = iterate([start for clip in starts for start in clip], grid, preset)
        clips = signals.reshape(len(batch), -1, grid.length)
        return [_to_output_rate(clip, grid) for clip in clips]

    grids = {(grid.columns, grid.hop, len(amplitudes)) for amplitudes, grid, _ in jobs}
    if device != "cpu" and len(grids) == 1:
        return convert(jobs)
    if min(workers, len(jobs)) <= 1:
        return [clip for job in jobs for clip in convert([job])]
    with ThreadPoolExecutor(min(workers, len(jobs))) as pool:
        return [clip for clips in pool.map(lambda job: convert([job]), jobs) for clip in clips]


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


@dataclass(frozen=True)
class Start:
    """Where the iterations of one channel begin.

    Attributes:
        target: shape `(columns, mel_bins + 2)`: the band sums to reach, see `_kernels`.
        magnitude: shape `(columns, bins)`: magnitudes that nearly reach them.
        turn: shape `(columns, bins)`: complex numbers of size one, the first guess of the phase.
    """

    target: FloatArray
    magnitude: FloatArray
    turn: ComplexArray


Iterate = Callable[[Sequence[Start], WorkGrid, Preset], FloatArray]


def _backend(device: str) -> Iterate:
    """What runs the iterations: takes the channels' starts, returns `(channels, length)`."""
    if device == "cpu":
        return lambda starts, grid, preset: np.stack(
            [_griffin_lim(start, grid, preset) for start in starts]
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


def _starts(amplitudes: FloatArray, grid: WorkGrid, preset: Preset, seed: int) -> list[Start]:
    """First magnitudes and phases of all channels."""
    fits = [_fit_bands(channel, grid, preset) for channel in amplitudes]
    if preset.classic:
        phase = np.random.default_rng(seed).random(fits[0][1].shape, dtype=np.float32)
    else:
        phase = _guess_phase(sum((fit[1] for fit in fits[1:]), start=fits[0][1]), grid, seed)
    turn = np.empty(phase.shape, dtype=np.complex64)
    phase *= np.float32(2.0 * np.pi)
    turn.real, turn.imag = np.cos(phase), np.sin(phase)
    return [Start(target, magnitude, turn) for target, magnitude in fits]


def _fit_bands(
    amplitudes: FloatArray, grid: WorkGrid, preset: Preset
) -> tuple[FloatArray, FloatArray]:
    """The band sums to reach, `(columns, mel_bins + 2)`, and magnitudes that reach them."""
    density = np.pad((amplitudes * grid.density[:, None]).T, ((0, 0), (1, 1)), mode="edge")
    row_sums = np.pad(grid.bands.row_sums.astype(np.float32), 1)
    target = density * row_sums
    magnitude = np.empty((grid.columns, grid.bands.bins), dtype=np.float32)
    _kernels.fit_magnitudes(
        target, density, grid.slot, grid.edges, grid.bands.rise, preset.fit_updates, magnitude
    )
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


def _griffin_lim(start: Start, grid: WorkGrid, preset: Preset) -> FloatArray:
    """Alternate between coefficients that fit the picture and the sound that is nearest."""
    magnitude, turn, target = start.magnitude, start.turn, start.target
    bands, first = grid.bands, grid.bands.first_bin
    inside = slice(first, first + bands.bins)
    coefficients = np.zeros((grid.columns, grid.n_fft // 2 + 1), dtype=np.complex64)
    np.multiply(magnitude, turn, out=coefficients[:, inside])
    previous = np.zeros_like(turn)
    synthesis = grid.synthesis_window
    frames = np.zeros((_FRAMES_AT_ONCE, grid.n_fft), dtype=np.float32)
    signal = _synthesise(coefficients, synthesis, grid)
    for step in range(preset.iterations):
        momentum = preset.momentum if step else 0.0
        for begin in range(0, grid.columns, _FRAMES_AT_ONCE):
            chunk = slice(begin, begin + _FRAMES_AT_ONCE)
            cut = frames[: len(previous[chunk])]
            _kernels.cut_frames(signal, grid.window, grid.hop, begin, cut)
            spectrum = scipy.fft.rfft(cut, axis=1)
            if preset.classic:
                estimate = spectrum[:, inside]
                ahead = estimate + np.float32(momentum) * (estimate - previous[chunk])
                ahead /= np.abs(ahead) + np.float32(1e-16)
                coefficients[chunk, inside] = magnitude[chunk] * ahead
                previous[chunk] = estimate
            else:
                _kernels.project_frames(
                    spectrum.view(np.float32),
                    previous[chunk].view(np.float32),
                    target[chunk],
                    bands.first_bin,
                    grid.slot,
                    grid.edges,
                    bands.rise,
                    momentum,
                    coefficients[chunk].view(np.float32),
                )
        signal = _synthesise(coefficients, synthesis, grid)
    return np.roll(signal[: grid.length], -(len(grid.window) // 2))


def _synthesise(coefficients: ComplexArray, synthesis: FloatArray, grid: WorkGrid) -> FloatArray:
    """Overlap-add around the circle.

    Returns:
        The sound, late by half a window, with as much of its beginning repeated at its end as
        the last frame needs: `(grid.length + window,)`.
    """
    length, window_length = grid.length, len(synthesis)
    signal = np.zeros(length + window_length, dtype=np.float32)
    for begin in range(0, grid.columns, _FRAMES_AT_ONCE):
        frames = scipy.fft.irfft(coefficients[begin : begin + _FRAMES_AT_ONCE], grid.n_fft, axis=1)
        _kernels.overlap_add(frames, synthesis, grid.hop, begin, signal)
    for start in range(length, len(signal), length):
        rest = signal[start : start + length]
        signal[: len(rest)] += rest
    if grid.guard:
        signal[:length] = signal[:length][grid.mirror]
    signal[length:] = np.resize(signal[:length], window_length)
    return signal


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
