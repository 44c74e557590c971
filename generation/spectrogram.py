"""Waveform ↔ mel spectrogram ↔ picture, in the image format of Riffusion v1.

A picture is a spectrogram: time runs to the right (one column per step), pitch runs upwards (one
row per mel band), and dark is loud. The parameters travel inside the picture as EXIF tags, so
that pictures can be exchanged with any tool that knows the format, in both directions.

The format stores `255 - 255·(a / max)^power`, cut down (not rounded) to 8 bits, where `a` is the
mel amplitude of sound in 16-bit units and `max` the loudest value of the picture. Mono is grey
in all three channels; stereo keeps left in green and right in blue, and leaves red at zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft
from PIL import Image

from generation.errors import MediaError
from generation.mel import FloatArray, MelBands, mel_bands

PCM_SCALE = 32768.0
"""The format counts amplitude in 16-bit steps; waveforms here are floats within ±1."""

DEFAULT_MAX_VALUE = 30e6
"""What the format assumes as the loudest mel value where a picture does not say."""

MAX_PICTURE_WIDTH = 65536
MAX_PICTURE_HEIGHT = 4096
MIN_PICTURE_HEIGHT = 16

_FRAMES_AT_ONCE = 256

TAG_SAMPLE_RATE = 11000
TAG_STEREO = 11005
TAG_STEP_MS = 11010
TAG_WINDOW_MS = 11020
TAG_PADDED_MS = 11030
TAG_MEL_BINS = 11040
TAG_MIN_FREQUENCY = 11050
TAG_MAX_FREQUENCY = 11060
TAG_POWER = 11070
TAG_MAX_VALUE = 11080

TAG_NAMES: dict[int, str] = {
    TAG_SAMPLE_RATE: "sample_rate",
    TAG_STEREO: "stereo",
    TAG_STEP_MS: "step_ms",
    TAG_WINDOW_MS: "window_ms",
    TAG_PADDED_MS: "padded_ms",
    TAG_MEL_BINS: "mel_bins",
    TAG_MIN_FREQUENCY: "min_frequency",
    TAG_MAX_FREQUENCY: "max_frequency",
    TAG_POWER: "power",
    TAG_MAX_VALUE: "max_value",
}


@dataclass(frozen=True)
class SpectrogramParams:
    """How a picture relates to sound. The defaults are those of Riffusion v1.

    Attributes:
        sample_rate: of the waveform, in Hz.
        stereo: two channels (green and blue) instead of one grey one.
        step_ms: time from one column to the next.
        window_ms: length of the Hann window.
        padded_ms: length of the zero-padded FFT frame.
        mel_bins: rows of the picture.
        min_frequency, max_frequency: lower and upper edge of the picture in Hz.
        power: exponent that turns amplitude into grey.

    Raises:
        MediaError: the values contradict each other (a window shorter than a step, a band above
            half the sample rate, …).
    """

    sample_rate: int = 44100
    stereo: bool = False
    step_ms: int = 10
    window_ms: int = 100
    padded_ms: int = 400
    mel_bins: int = 512
    min_frequency: int = 0
    max_frequency: int = 10000
    power: float = 0.25

    def __post_init__(self) -> None:
        sane = (
            4000 <= self.sample_rate <= 384_000
            and 1 <= self.step_ms <= self.window_ms <= self.padded_ms <= 4000
            and 2 * self.step_ms <= self.window_ms
            and MIN_PICTURE_HEIGHT <= self.mel_bins <= MAX_PICTURE_HEIGHT
            and 0 <= self.min_frequency < self.max_frequency <= self.sample_rate / 2
            and 0.01 <= self.power <= 4.0
        )
        if not sane:
            raise MediaError(
                f"A spectrogram with steps of {self.step_ms} ms, windows of {self.window_ms} ms "
                f"(padded to {self.padded_ms}), {self.mel_bins} bands from {self.min_frequency} "
                f"to {self.max_frequency} Hz at {self.sample_rate} Hz does not work: a window "
                "must hold two steps or more, and the bands must stay below half the sample rate."
            )

    @property
    def channels(self) -> int:
        """1 for mono, 2 for stereo."""
        return 2 if self.stereo else 1

    @property
    def hop_length(self) -> int:
        """Samples from one column to the next (441)."""
        return int(self.step_ms / 1000 * self.sample_rate)

    @property
    def win_length(self) -> int:
        """Samples in the Hann window (4,410)."""
        return int(self.window_ms / 1000 * self.sample_rate)

    @property
    def n_fft(self) -> int:
        """Samples in the zero-padded FFT frame (17,640)."""
        return int(self.padded_ms / 1000 * self.sample_rate)

    def samples_for(self, width: int, *, circular: bool = True) -> int:
        """Length in samples of the sound that a picture of `width` columns holds.

        A loop has one hop per column. An open-ended clip has one hop between neighbouring
        columns: its first column is centred on the first sample and its last on the last.
        """
        return (width if circular else width - 1) * self.hop_length

    def width_for(self, samples: int, *, circular: bool = True) -> int:
        """Columns of the picture of a sound of `samples` samples: the inverse of `samples_for`."""
        if circular:
            return max(1, round(samples / self.hop_length))
        return 1 + samples // self.hop_length

    def bands(self) -> MelBands:
        """The mel filterbank on this FFT grid."""
        return mel_bands(
            self.mel_bins,
            self.min_frequency,
            self.max_frequency,
            self.sample_rate / self.n_fft,
            self.n_fft // 2 + 1,
        )


def hann(length: int) -> npt.NDArray[np.float64]:
    """Periodic Hann window of `length` samples."""
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length))


def as_channels(waveform: npt.ArrayLike, params: SpectrogramParams) -> FloatArray:
    """Bring a waveform to shape `(params.channels, samples)`, float32.

    A mono waveform may be one-dimensional. Stereo becomes mono by averaging, mono becomes stereo
    by doubling.

    Raises:
        MediaError: no samples, more than two channels, or values that are not finite.
    """
    array = np.atleast_2d(np.asarray(waveform, dtype=np.float32))
    if array.ndim != 2 or array.shape[0] not in (1, 2) or array.shape[1] == 0:
        raise MediaError(
            "A waveform needs one or two channels and at least one sample; "
            f"this one has shape {np.shape(waveform)}."
        )
    if not np.isfinite(array).all():
        raise MediaError("This sound contains values that are not numbers, so it cannot be drawn.")
    if array.shape[0] == params.channels:
        return array
    if params.channels == 1:
        return np.asarray(array.mean(axis=0, keepdims=True), dtype=np.float32)
    return np.repeat(array, 2, axis=0)


def mel_from_waveform(
    waveform: npt.ArrayLike,
    params: SpectrogramParams | None = None,
    *,
    circular: bool = False,
    width: int | None = None,
) -> FloatArray:
    """Mel amplitude spectrogram of a waveform.

    Args:
        waveform: shape `(samples,)` or `(channels, samples)`, floats within ±1.
        params: the picture format; Riffusion v1 if left out.
        circular: the sound is a loop. Frames wrap around its end, the picture gets
            `round(samples / hop)` columns spread evenly over the loop, and repeating the sound
            rotates the picture. Otherwise both ends are mirrored and there are
            `1 + samples // hop` columns, as in the original.
        width: spread the frames of a loop over this many columns instead.

    Returns:
        Shape `(channels, mel_bins, width)`, float32, not negative, in 16-bit units.
    """
    params = params or SpectrogramParams()
    channels = as_channels(waveform, params)
    if width is None:
        width = params.width_for(channels.shape[1], circular=circular)
    elif not circular:
        raise ValueError("only a loop can be spread over any number of columns")
    return np.stack([_mel_of_channel(channel, params, width, circular) for channel in channels])


def _mel_of_channel(
    samples: FloatArray, params: SpectrogramParams, width: int, circular: bool
) -> FloatArray:
    window_length, half = params.win_length, params.win_length // 2
    before, after = half, half + params.hop_length + 1
    if circular:
        starts = np.round(np.arange(width) * (len(samples) / width)).astype(np.intp)
        padded = np.pad(samples, (before, after), mode="wrap")
    else:
        starts = np.arange(width) * params.hop_length
        # A lone sample cannot be mirrored: it stands for a constant.
        padded = np.pad(samples, (before, after), mode="reflect" if len(samples) > 1 else "edge")
    frames = np.lib.stride_tricks.sliding_window_view(padded, window_length)
    window = (hann(window_length) * PCM_SCALE).astype(np.float32)
    bands = params.bands()
    mel = np.empty((params.mel_bins, width), dtype=np.float32)
    for begin in range(0, width, _FRAMES_AT_ONCE):
        chunk = frames[starts[begin : begin + _FRAMES_AT_ONCE]] * window
        spectrum = scipy.fft.rfft(chunk, params.n_fft, axis=1)
        magnitude = np.abs(spectrum[:, bands.first_bin : bands.first_bin + bands.bins])
        mel[:, begin : begin + len(chunk)] = bands.matrix @ magnitude.T
    return mel


def image_from_mel(
    mel: npt.ArrayLike, params: SpectrogramParams | None = None, *, max_value: float | None = None
) -> Image.Image:
    """Draw a mel spectrogram.

    Args:
        mel: shape `(channels, mel_bins, width)`, amplitudes in 16-bit units.
        params: the picture format; Riffusion v1 if left out.
        max_value: the amplitude that becomes black; the loudest one if left out. Louder values
            are cut off.

    Returns:
        An RGB picture of size `(width, mel_bins)` whose `getexif()` holds the parameters.
    """
    params = params or SpectrogramParams()
    amplitudes = np.asarray(mel, dtype=np.float32)
    if amplitudes.shape[:2] != (params.channels, params.mel_bins):
        raise MediaError(
            f"This spectrogram has shape {amplitudes.shape}, but its parameters describe "
            f"{params.channels} channel(s) of {params.mel_bins} bands."
        )
    loudest = float(amplitudes.max(initial=0.0)) if max_value is None else float(max_value)
    scale = loudest if loudest > 0.0 else 1.0
    level = np.clip(amplitudes / np.float32(scale), 0.0, 1.0) ** np.float32(params.power)
    # Cut down, not rounded: this is how pictures in this format have always been written.
    grey = (np.float32(255.0) - level * np.float32(255.0)).astype(np.uint8)[:, ::-1, :]
    if params.stereo:
        rgb = np.stack([np.zeros_like(grey[0]), grey[0], grey[1]], axis=-1)
    else:
        rgb = np.repeat(grey[0][:, :, None], 3, axis=2)
    image = Image.fromarray(np.ascontiguousarray(rgb))
    image.getexif().update(exif_from_params(params, scale))
    return image


def image_from_waveform(
    waveform: npt.ArrayLike,
    params: SpectrogramParams | None = None,
    *,
    circular: bool = False,
    width: int | None = None,
) -> Image.Image:
    """Draw a waveform: `mel_from_waveform`, then `image_from_mel`.

    The picture's `getexif()` holds the parameters and the loudest value, so its level survives.
    """
    params = params or SpectrogramParams()
    mel = mel_from_waveform(waveform, params, circular=circular, width=width)
    return image_from_mel(mel, params)


def mel_from_image(
    image: Image.Image, params: SpectrogramParams | None = None, *, max_value: float | None = None
) -> FloatArray:
    """Read the mel amplitudes back from a picture.

    Any mode opens: grey, palette, transparency (shown on white, which is silence), 16 bits,
    CMYK. Because grey was cut down to whole steps when it was drawn, each step stands for the
    middle of what fell into it, except pure white, which is silence.

    Args:
        image: of any width.
        params: the picture format; read from the picture if left out.
        max_value: the amplitude of black; read from the picture if left out.

    Returns:
        Shape `(channels, mel_bins, width)`, float32, in 16-bit units.
    """
    params = params or params_from_image(image)
    if max_value is None:
        max_value = max_value_from_image(image)
    if image.height != params.mel_bins:
        image = image.resize((image.width, params.mel_bins), Image.Resampling.BICUBIC)
    rgb = rgb_from_image(image)
    if params.stereo:
        grey = rgb[:, :, 1:].transpose(2, 0, 1)
    elif (rgb[:, :, 0] == rgb[:, :, 1]).all() and (rgb[:, :, 0] == rgb[:, :, 2]).all():
        grey = rgb[None, :, :, 0]
    else:
        grey = np.asarray(Image.fromarray(rgb).convert("L"))[None]
    return (_amplitude_of_grey(params.power) * np.float32(max_value))[grey[:, ::-1, :]]


@lru_cache(maxsize=8)
def _amplitude_of_grey(power: float) -> FloatArray:
    """Relative amplitude for each of the 256 grey levels."""
    level = np.clip((254.5 - np.arange(256)) / 255.0, 0.0, 1.0)
    return np.asarray(level ** (1.0 / power), dtype=np.float32)


def rgb_from_image(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Pixels as uint8, shape `(height, width, 3)`, whatever the picture's mode.

    Raises:
        MediaError: the picture is empty, too large, or cannot be read.
    """
    check_image_size(image)
    try:
        if image.mode.startswith("I") or image.mode == "F":
            return _rgb_from_deep_grey(image)
        if image.has_transparency_data:
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise MediaError(
            "This picture is damaged and could not be read; save it again as PNG and retry."
        ) from error


def _rgb_from_deep_grey(image: Image.Image) -> npt.NDArray[np.uint8]:
    deep = np.asarray(image, dtype=np.float64)
    if deep.size and deep.max() > 255.0:
        deep = deep / 257.0
    grey = np.clip(np.nan_to_num(deep), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def check_image_size(image: Image.Image) -> None:
    """Refuse pictures that no spectrogram can be, before their pixels are decoded.

    Raises:
        MediaError: see the text.
    """
    width, height = image.size
    if not (1 <= width <= MAX_PICTURE_WIDTH and MIN_PICTURE_HEIGHT <= height <= MAX_PICTURE_HEIGHT):
        raise MediaError(
            f"This picture is {width} by {height} pixels; a spectrogram needs a height of "
            f"{MIN_PICTURE_HEIGHT} to {MAX_PICTURE_HEIGHT} and a width of at most "
            f"{MAX_PICTURE_WIDTH}."
        )


def exif_from_params(
    params: SpectrogramParams, max_value: float = DEFAULT_MAX_VALUE
) -> dict[int, int | float]:
    """The EXIF tags that describe a picture, by tag number."""
    return {
        TAG_SAMPLE_RATE: params.sample_rate,
        TAG_STEREO: int(params.stereo),
        TAG_STEP_MS: params.step_ms,
        TAG_WINDOW_MS: params.window_ms,
        TAG_PADDED_MS: params.padded_ms,
        TAG_MEL_BINS: params.mel_bins,
        TAG_MIN_FREQUENCY: params.min_frequency,
        TAG_MAX_FREQUENCY: params.max_frequency,
        TAG_POWER: float(params.power),
        TAG_MAX_VALUE: float(max_value),
    }


def params_from_image(image: Image.Image) -> SpectrogramParams:
    """Read a picture's parameters from its EXIF tags.

    Pictures without tags, or with tags that make no sense, get the defaults; their height then
    decides the number of bands, and a red channel that is black throughout means stereo.

    Raises:
        MediaError: the picture's size is out of bounds.
    """
    check_image_size(image)
    tags = _numeric_tags(image)
    fallback = SpectrogramParams(mel_bins=image.height, stereo=_looks_stereo(image))
    if TAG_SAMPLE_RATE not in tags:
        return fallback
    try:
        return SpectrogramParams(
            sample_rate=int(tags[TAG_SAMPLE_RATE]),
            stereo=bool(tags.get(TAG_STEREO, fallback.stereo)),
            step_ms=int(tags.get(TAG_STEP_MS, fallback.step_ms)),
            window_ms=int(tags.get(TAG_WINDOW_MS, fallback.window_ms)),
            padded_ms=int(tags.get(TAG_PADDED_MS, fallback.padded_ms)),
            mel_bins=int(tags.get(TAG_MEL_BINS, fallback.mel_bins)),
            min_frequency=int(tags.get(TAG_MIN_FREQUENCY, fallback.min_frequency)),
            max_frequency=int(tags.get(TAG_MAX_FREQUENCY, fallback.max_frequency)),
            power=float(tags.get(TAG_POWER, fallback.power)),
        )
    except MediaError:
        return fallback


def max_value_from_image(image: Image.Image) -> float:
    """The amplitude of black that the picture's tags name, or the format's default."""
    value = _numeric_tags(image).get(TAG_MAX_VALUE, DEFAULT_MAX_VALUE)
    return value if 0.0 < value < 1e12 else DEFAULT_MAX_VALUE


def _numeric_tags(image: Image.Image) -> dict[int, float]:
    """Those of our tags that hold a finite number; strangers' files may hold anything."""
    numbers: dict[int, float] = {}
    try:
        exif = image.getexif()
        raw = {tag: exif.get(tag) for tag in TAG_NAMES}
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, EOFError, MemoryError):
        return numbers
    for tag, value in raw.items():
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, ZeroDivisionError, OverflowError):
            continue
        if math.isfinite(number):
            numbers[tag] = number
    return numbers


def _looks_stereo(image: Image.Image) -> bool:
    """Whether red is black throughout while green or blue are not: how stereo is drawn."""
    if image.mode != "RGB":
        return False
    try:
        red, green, blue = np.asarray(image).reshape(-1, 3).max(axis=0)
    except (OSError, SyntaxError):
        return False
    return bool(red <= 8 and max(green, blue) > 64)
