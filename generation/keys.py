"""Keys: which one a prompt asks for, and how a picture comes into it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generation.mel import hz_to_mel, mel_to_hz
from generation.spectrogram import SpectrogramParams

_TONICS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_ACCIDENTALS = {"": 0, "#": 1, "sharp": 1, "b": -1, "flat": -1}
# "a minor hit" is no key, "in a minor" is one.
_SAID = re.compile(
    r"\b(?:(?:in|key of) (?P<after>[a-g])|(?P<alone>[b-g]))[ -]?(?P<sign>#|sharp|b|flat|)[ -]?"
    r"(?P<mode>major|minor|maj|min)\b",
    re.IGNORECASE,
)
_SILENT = 255


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic, 0 (C) to 11 (B), and whether its scale is a minor one."""

    tonic: int
    minor: bool

    def __str__(self) -> str:
        names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
        return f"{names[self.tonic]} {'minor' if self.minor else 'major'}"


def said_key(prompt: str) -> Key | None:
    """Return the key that a prompt names, such as "sad piano in f# minor", or None."""
    match = _SAID.search(prompt)
    if match is None:
        return None
    letter = (match["after"] or match["alone"]).lower()
    tonic = _TONICS[letter] + _ACCIDENTALS[match["sign"].lower()]
    return Key(tonic % 12, match["mode"].lower().startswith("min"))


def semitones_between(had: Key, wanted: Key) -> int:
    """Return by how many semitones to raise music to bring it from one key to another, -6 to 5.

    A minor key is as good as its relative major one, which has the same notes.
    """
    return (_major(wanted) - _major(had) + 6) % 12 - 6


def _major(key: Key) -> int:
    return key.tonic + (3 if key.minor else 0)


def transposed(
    picture: NDArray[np.uint8], semitones: int, params: SpectrogramParams
) -> NDArray[np.uint8]:
    """Raise a picture's music by semitones, its tempo unchanged.

    Each row takes the grey of that lower or higher place on the mel scale which sounds so many
    semitones apart; what would come from above the picture is silent.

    Args:
        picture: shape (mel bins, columns), high frequencies on top.
        semitones: to raise it by; negative lowers it.
        params: of the picture.
    """
    low, high = hz_to_mel(params.min_frequency), hz_to_mel(params.max_frequency)
    bins = len(picture)
    step = (high - low) / (bins + 1)
    centres = low + step * np.arange(1, bins + 1)
    sources = hz_to_mel(mel_to_hz(centres) / 2 ** (semitones / 12))
    places = np.clip((sources - low) / step - 1, -1, bins)
    below = np.floor(places).astype(np.intp)
    share = (places - below).astype(np.float32)[:, None]
    # Rows from the lowest on, between one more of the lowest and a silent one above the highest.
    silent = np.full((2, picture.shape[1]), _SILENT, np.float32)
    rows = np.concatenate([picture[-1:], picture[::-1], silent]).astype(np.float32)
    mixed = rows[below + 1] * (1 - share) + rows[below + 2] * share
    greys: NDArray[np.uint8] = np.rint(mixed[::-1]).astype(np.uint8)
    return greys
