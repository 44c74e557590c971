"""What a riff builds on: uploaded sounds, pictures and earlier clips, as sound and as picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generation import inversion
from generation.decoding import decode_sound, open_picture, recognise
from generation.errors import BadRequestError
from generation.mel import FloatArray
from generation.request import Source
from generation.resampling import resample_periodic
from generation.spectrogram import (
    DEFAULT_MAX_VALUE,
    SpectrogramParams,
    image_from_mel,
    image_from_waveform,
    max_value_from_image,
    mel_from_image,
    params_from_image,
)

GreyPicture = NDArray[np.uint8]
Mask = NDArray[np.float32]
"""What may change, of shape `(mel_bins, width)`: 1 is drawn anew, 0 is kept."""


@dataclass(frozen=True)
class Canvas:
    """A picture to draw on: grey levels of shape `(mel_bins, width)`, and the level of black."""

    grey: GreyPicture
    max_value: float = DEFAULT_MAX_VALUE


@dataclass(frozen=True)
class Sound:
    """A source as sound, shape `(channels, samples)`, float32, at the format's sample rate."""

    waveform: FloatArray
    params: SpectrogramParams

    @property
    def samples(self) -> int:
        """Samples per channel."""
        return int(self.waveform.shape[1])

    def lasting(self, samples: int) -> Sound:
        """The same sound cut, or repeated, to this many samples."""
        repeats = -(-samples // self.samples)
        return Sound(np.tile(self.waveform, (1, repeats))[:, :samples], self.params)

    def canvas(self, width: int) -> Canvas:
        """The sound's picture, as a loop, in `width` columns whatever its length."""
        image = image_from_waveform(
            self.waveform.mean(axis=0), self.params, circular=True, width=width
        )
        return Canvas(_grey(image), max_value_from_image(image))


@dataclass(frozen=True)
class Picture:
    """A source as spectrogram picture."""

    image: Image.Image
    params: SpectrogramParams

    @property
    def samples(self) -> int:
        """Samples per channel of the sound that it shows."""
        own = params_from_image(self.image)
        seconds = own.samples_for(self.image.width) / own.sample_rate
        return round(seconds * self.params.sample_rate)

    @cached_property
    def sound(self) -> Sound:
        """The picture as sound; takes as long as an inversion does."""
        own = params_from_image(self.image)
        waveform = inversion.waveform_from_image(self.image, own)
        peak = float(np.abs(waveform).max(initial=0.0))
        if peak > 1.0:
            waveform = np.asarray(waveform / peak, dtype=np.float32)
        return Sound(resample_periodic(waveform, self.samples), self.params)

    def lasting(self, samples: int) -> Picture | Sound:
        """The same picture where its length fits within an eighth, else its sound cut to length."""
        if abs(samples / self.samples - 1) <= 1 / 8:
            return self
        return self.sound.lasting(samples)

    def canvas(self, width: int) -> Canvas:
        """The picture in our format and `width` columns."""
        own = params_from_image(self.image)
        if not _same_scale(own, self.params):
            return self.sound.canvas(width)
        loudest = max_value_from_image(self.image)
        mel = mel_from_image(self.image, own).mean(axis=0, keepdims=True)
        image = image_from_mel(mel, self.params, max_value=loudest)
        if image.width != width:
            image = image.resize((width, image.height), Image.Resampling.BICUBIC)
        return Canvas(_grey(image), loudest)


def find_source(folder: Path, source: Source) -> Path:
    """The file of a source in a folder where files are named by their hash.

    Raises:
        BadRequestError: it is not there (any more).
    """
    path = folder / source.sha256[:2] / source.sha256
    if not path.is_file():
        raise BadRequestError(
            "The sound or picture that this riff builds on is no longer stored; please send it "
            "again."
        )
    return path


def open_material(path: Path, params: SpectrogramParams) -> Sound | Picture:
    """Open a sound or a spectrogram picture, whatever its file is named.

    Raises:
        MediaError: neither, or damaged.
    """
    with path.open("rb") as file:
        head = file.read(64)
    if recognise(head) is None:
        return Picture(open_picture(path), params)
    sound = decode_sound(path, sample_rate=params.sample_rate, channels=None)
    return Sound(sound.waveform, params)


def open_mask(path: Path, width: int, height: int) -> Mask:
    """Read a mask: white is drawn anew, black is kept, grey in between at every step.

    Returns:
        Shape `(height, width)`, 0 to 1.

    Raises:
        MediaError: not a picture.
        BadRequestError: the mask leaves nothing to draw.
    """
    image = open_picture(path).convert("L").resize((width, height), Image.Resampling.NEAREST)
    mask = np.asarray(image, np.float32) / np.float32(255)
    if not mask.any():
        raise BadRequestError(
            "This mask is all black, so there is nothing to draw: paint white what I may change."
        )
    return mask


def _grey(image: Image.Image) -> GreyPicture:
    return np.array(image.convert("L"))


def _same_scale(one: SpectrogramParams, other: SpectrogramParams) -> bool:
    """Whether rows and grey levels mean the same; the width of columns may differ."""

    def scale(params: SpectrogramParams) -> tuple[float, ...]:
        return (params.min_frequency, params.max_frequency, params.power, params.step_ms)

    return scale(one) == scale(other)
