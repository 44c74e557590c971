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

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.fft
from PIL import Image

from generation import _kernels
from generation.errors import BadRequestError, MediaError
from generation.mel import FloatArray, MelBands, mel_bands
from generation.resampling import resample_periodic
from generation.spectrogram import (
    PCM_SCALE,
    SpectrogramParams,
    hann,
    max_value_from_image,
    mel_from_image,
    params_from_image,
)

Quality = Literal["fast", "standard", "best", "griffin-lim"]
ComplexArray = npt.NDArray[np.complex64]

_FRAMES_AT_ONCE = 32
_MAX_CELLS = 120_000_000
_BAND_MARGIN = 1.08
_HANN_GAMMA = 0.25645
_PHASE_FLOOR = 1e-4


@dataclass(frozen=True)
class Preset:
    """What a quality level does.

    Attributes:
        zero_padding: FFT length over window length; 2 resolves the low bands better.
        iterations: Griffin-Lim steps.
        fit_updates: steps of the non-negative fit that spreads bands over bins.
        classic: random start phase and fixed magnitudes, as Griffin and Lim wrote it.
    """

    zero_padding: int
    iterations: int
    fit_updates: int = 4
    momentum: float = 0.99
    classic: bool = False


PRESETS: dict[Quality, Preset] = {
    "fast": Preset(zero_padding=1, iterations=4),
    "standard": Preset(zero_padding=2, iterations=8),
    "best": Preset(zero_padding=2, iterations=32),
    "griffin-lim": Preset(zero_padding=2, iterations=32, fit_updates=50, classic=True),
}
"""Quality levels by name. "griffin-lim" is there to compare with and to learn from."""


@dataclass(frozen=True)
class WorkGrid:
    """The grid on which the inversion works: frames of `window` samples every `hop` at `rate`.

    Attributes:
        rate: in Hz; not a whole number when the tempo was changed.
        columns: frames on the circle, including `guard` mirrored ones at each side.
        guard: 0 for a loop; for open-ended sound, how many columns keep the two ends apart.
        samples: length of the result at the picture's sample rate.
        density: per band, from mel amplitude of the picture to mean magnitude per bin here.
    """

    rate: float
    hop: int
    window: FloatArray
    n_fft: int
    bands: MelBands
    columns: int
    guard: int
    samples: int
    density: FloatArray

    @cached_property
    def slot(self) -> npt.NDArray[np.uint32]:
        """Per bin, the slot below it; see `generation._kernels`."""
        return (self.bands.lower + 1).astype(np.uint32)

    @cached_property
    def edges(self) -> npt.NDArray[np.uint32]:
        """Per slot, the first bin in it."""
        slots = np.arange(len(self.bands.row_sums) + 2)
        return np.searchsorted(self.slot, slots).astype(np.uint32)

    @property
    def length(self) -> int:
        """Samples on the circle."""
        return self.columns * self.hop

    @property
    def synthesis_window(self) -> FloatArray:
        """The window divided by the sum of its overlapped squares."""
        padded = np.zeros(-(-len(self.window) // self.hop) * self.hop)
        padded[: len(self.window)] = self.window.astype(np.float64) ** 2
        overlapped = padded.reshape(-1, self.hop).sum(axis=0)
        tiled = np.tile(overlapped, len(padded) // self.hop)[: len(self.window)]
        return np.asarray(self.window / np.maximum(tiled, 1e-9), dtype=np.float32)


def work_grid(
    params: SpectrogramParams, width: int, *, circular: bool, samples: int, zero_padding: int
) -> WorkGrid:
    """Choose the grid for a picture of `width` columns that lasts `samples` samples.

    Hop and FFT length are whole numbers, so the rate is bent to fit: pitch and length are both
    exact for any tempo.
    """
    hops = width if circular else width - 1
    seconds_per_hop = samples / params.sample_rate / hops
    hop = max(1, round(2.0 * _BAND_MARGIN * params.max_frequency * seconds_per_hop))
    rate = hop / seconds_per_hop
    half_window = max(hop, round(params.win_length / params.sample_rate * rate / 2))
    n_fft = scipy.fft.next_fast_len(2 * half_window * zero_padding, real=True)
    bands = mel_bands(
        params.mel_bins, params.min_frequency, params.max_frequency, rate / n_fft, n_fft // 2 + 1
    )
    if bands.bins < 2:
        raise MediaError("This picture's frequency band is too narrow to hold sound.")
    window = hann(2 * half_window)
    reference = params.bands().row_sums
    gain = window.sum() / hann(params.win_length).sum()
    guard = 0 if circular else half_window // hop + 5
    columns = width + 2 * guard
    if columns * (n_fft // 2 + 1) > _MAX_CELLS:
        raise MediaError(
            f"A picture of {width} columns is too long to turn into sound in one piece; cut it "
            "into shorter ones."
        )
    return WorkGrid(
        rate=rate,
        hop=hop,
        window=window.astype(np.float32),
        n_fft=n_fft,
        bands=bands,
        columns=columns,
        guard=guard,
        samples=samples,
        density=np.asarray(
            np.divide(gain, reference, out=np.zeros_like(reference), where=reference > 0),
            dtype=np.float32,
        ),
    )


def waveform_from_image(
    image: Image.Image,
    params: SpectrogramParams | None = None,
    *,
    circular: bool = True,
    quality: Quality = "standard",
    seed: int = 0,
    samples: int | None = None,
) -> FloatArray:
    """Turn a spectrogram picture into sound.

    Args:
        image: any picture that `generation.spectrogram.mel_from_image` opens.
        params: the picture format; read from the picture if left out.
        circular: make a loop whose end meets its start. Otherwise make an open-ended clip.
        quality: a name in `PRESETS`.
        seed: of the few random phases; the same seed gives the same bytes.
        samples: length of the result: stretches or squeezes the time axis without changing the
            pitch. If left out, one hop per column (512 columns: 225,792 samples), or one hop
            between neighbouring columns if not circular.

    Returns:
        Shape `(channels, samples)`, float32, at the level that the picture's tags name. That may
        exceed ±1: pass it through `generation.audio.master`.
    """
    params = params or params_from_image(image)
    mel = mel_from_image(image, params, max_value=max_value_from_image(image))
    return waveform_from_mel(
        mel, params, circular=circular, quality=quality, seed=seed, samples=samples
    )


def waveform_from_mel(
    mel: npt.ArrayLike,
    params: SpectrogramParams | None = None,
    *,
    circular: bool = True,
    quality: Quality = "standard",
    seed: int = 0,
    samples: int | None = None,
) -> FloatArray:
    """Turn mel amplitudes of shape `(channels, mel_bins, width)` into sound.

    See `waveform_from_image` for the rest. Stereo channels start from one common phase, so that
    what is in the middle of the picture stays in the middle of the sound.
    """
    params = params or SpectrogramParams()
    preset = preset_named(quality)
    amplitudes = np.maximum(np.asarray(mel, dtype=np.float32), 0.0)
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
    signals = _invert(amplitudes, grid, preset, seed)
    return _to_output_rate(signals, grid)


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
    waveform_from_mel(mel, params, quality="fast")


def _invert(amplitudes: FloatArray, grid: WorkGrid, preset: Preset, seed: int) -> FloatArray:
    """All channels' sound around the circle, shape `(channels, grid.length)`."""
    targets, magnitudes = zip(
        *(_fit_bands(channel, grid, preset) for channel in amplitudes), strict=True
    )
    if preset.classic:
        phase = np.random.default_rng(seed).random(magnitudes[0].shape, dtype=np.float32)
    else:
        phase = _guess_phase(sum(magnitudes[1:], magnitudes[0]), grid, seed)
    turn = np.empty(phase.shape, dtype=np.complex64)
    phase *= np.float32(2.0 * np.pi)
    turn.real, turn.imag = np.cos(phase), np.sin(phase)
    return np.stack(
        [
            _griffin_lim(magnitude, turn, target, grid, preset)
            for magnitude, target in zip(magnitudes, targets, strict=True)
        ]
    )


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


def _griffin_lim(
    magnitude: FloatArray,
    turn: ComplexArray,
    target: FloatArray,
    grid: WorkGrid,
    preset: Preset,
) -> FloatArray:
    """Alternate between coefficients that fit the picture and the sound that is nearest."""
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
        signal[:length] = signal[:length][_mirror(grid)]
    signal[length:] = np.resize(signal[:length], window_length)
    return signal


def _mirror(grid: WorkGrid) -> npt.NDArray[np.intp]:
    """For each sample on the circle, where to copy it from: the guards mirror the sound's ends."""
    inner = (grid.columns - 2 * grid.guard - 1) * grid.hop
    late = len(grid.window) // 2
    position = (np.arange(grid.length) - late) % grid.length - grid.guard * grid.hop
    folded = inner - np.abs((position % (2 * inner)) - inner)
    return np.asarray((folded + grid.guard * grid.hop + late) % grid.length, dtype=np.intp)


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
