"""Keys: said in prompts, reckoned with, and heard in transposed pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from generation.inversion import waveform_from_image
from generation.keys import Key, said_key, semitones_between, transposed
from generation.spectrogram import SpectrogramParams

KEYS = st.builds(Key, st.integers(0, 11), st.booleans())


@pytest.mark.parametrize(
    ("prompt", "key"),
    [
        ("sad piano in f# minor", "F# minor"),
        ("jazz in Bb major, slow", "A# major"),
        ("techno in a minor", "A minor"),
        ("key of a major", "A major"),
        ("string quartet d-minor", "D minor"),
        ("E flat major waltz", "D# major"),
        ("c sharp min drone", "C# minor"),
        ("b major", "B major"),
        ("bb minor", "A# minor"),
        ("cb maj", "B major"),
    ],
)
def test_a_key_that_is_said(prompt: str, key: str) -> None:
    assert str(said_key(prompt)) == key


@pytest.mark.parametrize(
    "prompt",
    ["a minor hit", "major key energy", "minor", "in a minute", "h minor", "bad minority", "",
     "ed minor", "techno in a mood", "c"],
)  # fmt: skip
def test_no_key_is_said(prompt: str) -> None:
    assert said_key(prompt) is None


@given(had=KEYS, wanted=KEYS)
def test_transposing_takes_the_shorter_way_and_arrives(had: Key, wanted: Key) -> None:
    semitones = semitones_between(had, wanted)
    assert -6 <= semitones <= 5
    if had.minor == wanted.minor:
        assert (had.tonic + semitones) % 12 == wanted.tonic
    assert (semitones_between(wanted, had) + semitones) % 12 == 0


def test_relative_keys_have_the_same_notes() -> None:
    assert semitones_between(Key(9, True), Key(0, False)) == 0
    assert semitones_between(Key(0, False), Key(9, True)) == 0


def tone(row: int) -> np.ndarray:
    """A steady tone: one dark row, so many from the bottom."""
    grey = np.full((512, 512), 255, np.uint8)
    grey[511 - row] = 0
    return grey


def heard(grey: np.ndarray) -> float:
    """The frequency of the strongest partial of a picture's sound."""
    waveform = waveform_from_image(Image.fromarray(grey).convert("RGB"), quality="fast")[0]
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return float(np.argmax(spectrum) * 44100 / len(waveform))


@pytest.mark.parametrize("semitones", [-6, -1, 3, 5])
def test_a_transposed_tone_sounds_so_many_semitones_higher(semitones: int) -> None:
    grey = tone(120)
    ratio = heard(transposed(grey, semitones, SpectrogramParams())) / heard(grey)
    assert 12 * np.log2(ratio) == pytest.approx(semitones, abs=0.35)


def test_time_stays_and_nothing_comes_from_above_the_picture() -> None:
    grey = np.zeros((512, 64), np.uint8)
    grey[:, 20] = 200
    lower = transposed(grey, -6, SpectrogramParams())
    assert (lower[-400:, 20] == 200).all()
    assert (lower[:20] == 255).all()
    assert np.array_equal(transposed(grey, 0, SpectrogramParams()), grey)
    noise = np.random.default_rng(1).integers(0, 256, (512, 8), np.uint8)
    assert np.array_equal(transposed(noise, 0, SpectrogramParams()), noise)
