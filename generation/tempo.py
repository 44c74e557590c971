"""How long a clip is: seconds, beats or bars → columns of the picture and samples of the sound.

The picture's width comes in steps of the UNet's coarsest cell; the sound's length does not. So the
picture is drawn at the nearest width, and the inversion stretches its columns a little (without a
change of pitch) until the loop is exactly as long as its beats.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from generation.errors import BadRequestError
from generation.loops import FASTEST_BPM, SLOWEST_BPM, samples_per_beat, tempo_samples
from generation.request import BEATS_PER_BAR, Length
from generation.spectrogram import SpectrogramParams

MIN_SECONDS = 2.56
MAX_SECONDS = 60.0
NATIVE_WIDTH = 512
"""Columns of the pictures that models of this format were trained on."""

FEWEST_BEATS = 4
_MOST_STRETCH = 1 / 8
_SAID_BPM = re.compile(
    r"(?:(?<=[\s,])|\A)(?P<bpm>\d{2,3}(?:\.\d+)?)\s?-?bpm(?=[\s,.!?]|\Z)", re.IGNORECASE
)
_EASY_TEMPI = (47.0, 188.0)
"""4 to 16 beats in 512 columns: what the starter was trained on, in beats per minute."""


@dataclass(frozen=True, slots=True)
class Measure:
    """The settled length of a clip.

    Attributes:
        width: columns of the picture.
        samples: of the sound, per channel.
        beats: whole beats in it, where a tempo was asked for.
        bpm: that tempo.
    """

    width: int
    samples: int
    beats: int | None = None
    bpm: float | None = None

    def drawn_bpm(self, params: SpectrogramParams) -> int | None:
        """The tempo as the picture shows it, before it is stretched; folded into 47 to 188.

        This is the number to tell a model that draws tempi. Folding by octaves keeps it within
        what the model was trained on: 40 beats a minute are drawn like 80.
        """
        if self.beats is None:
            return None
        bpm = self.beats * 60_000 / (self.width * params.step_ms)
        while bpm < _EASY_TEMPI[0]:
            bpm *= 2
        while bpm > _EASY_TEMPI[1]:
            bpm /= 2
        return round(bpm)


def settle(length: Length, bpm: float | None, params: SpectrogramParams, multiple: int) -> Measure:
    """Choose width and samples for a length.

    With a tempo, a length in seconds becomes the nearest whole number of beats (at least four),
    so that the loop is in tempo and not cut in the middle of a beat.

    Args:
        length: what was asked for.
        bpm: tempo in beats per minute; None for no tempo.
        params: picture format.
        multiple: widths that the UNet can draw are multiples of this.

    Raises:
        BadRequestError: beats without a tempo, half beats, or a clip that is too short or long.
    """
    rate = params.sample_rate
    if bpm is None:
        if length.unit != "seconds":
            raise BadRequestError(f"A length in {length.unit} needs a tempo, for example 90 bpm.")
        _check_seconds(length.value)
        width = _width(length.value * 1000 / params.step_ms, multiple)
        # Without a tempo nothing asks for an exact length, so nothing needs to be stretched.
        return Measure(width, params.samples_for(width))
    beats = _whole_beats(length, bpm)
    samples = tempo_samples(beats, bpm, rate)
    _check_seconds(samples / rate)
    return Measure(_width(samples / params.hop_length, multiple), samples, beats, bpm)


def settle_samples(samples: int, params: SpectrogramParams, multiple: int) -> Measure:
    """The measure of a sound that is already there and keeps its length.

    Raises:
        BadRequestError: it is too short or too long.
    """
    _check_seconds(samples / params.sample_rate)
    return Measure(_width(samples / params.hop_length, multiple), samples)


def _whole_beats(length: Length, bpm: float) -> int:
    if length.unit == "seconds":
        _check_seconds(length.value)
        beat = samples_per_beat(bpm, 1)
        longest, shortest = int(MAX_SECONDS / beat), math.ceil(MIN_SECONDS / beat)
        return max(FEWEST_BEATS, shortest, min(longest, round(length.value / beat)))
    beats = length.value * (BEATS_PER_BAR if length.unit == "bars" else 1)
    if beats != int(beats):
        raise BadRequestError(f"A loop holds whole beats, not {beats:g}; try {round(beats) or 1}.")
    return int(beats)


def _check_seconds(seconds: float) -> None:
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise BadRequestError(
            f"A riff can last {MIN_SECONDS:g} to {MAX_SECONDS:g} seconds, not {seconds:.3g}."
        )


def _width(columns: float, multiple: int) -> int:
    """The nearest width that can be drawn, whole native pictures preferred.

    Models keep the beat best in the width they were trained on: up to an eighth of stretching is
    the smaller evil.
    """
    native = NATIVE_WIDTH * max(1, round(columns / NATIVE_WIDTH))
    if abs(columns / native - 1) <= _MOST_STRETCH and native % multiple == 0:
        return native
    return multiple * max(1, round(columns / multiple))


def said_bpm(prompt: str) -> float | None:
    """Return the tempo that a prompt names, such as "techno 128 bpm"; None if none can be kept."""
    match = _SAID_BPM.search(prompt)
    if match is None:
        return None
    bpm = float(match["bpm"])
    return bpm if SLOWEST_BPM <= bpm <= FASTEST_BPM else None


def without_bpm(prompt: str) -> str:
    """Return a prompt without the tempo that it names, unless it says nothing else."""
    return " ".join(_SAID_BPM.sub("", prompt).split()).strip(" ,") or prompt
