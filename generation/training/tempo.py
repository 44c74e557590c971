"""How many beats a loop holds, and how steadily they come.

librosa's beat tracker believes in 120 bpm and calls other metrical levels the beat; only 0.61 of
real renders pass it. A loop holds a whole number of beats, so the question is only which: the
spectrum of its onsets says which counts come in question (a Fourier tempogram of the endlessly
repeated loop; Grosche et al., 2010), and a small network that was trained on renders, whose beats
are known, tells a count from its half and its double.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from generation.training.captions import ClipFacts
from generation.training.compose import STYLES
from generation.training.compose.score import LOOP_SECONDS
from generation.training.metrics import Picture, amplitude, onset_envelope
from generation.training.shards import Clips
from generation.training.state import load_state, save_state

Floats = NDArray[np.float64]

COUNTS = tuple(range(4, 17))
"""Beats that a loop of 5.12 s may hold: 47 to 188 bpm."""

_BANDS = ((0, 64), (64, 160), (160, 320), (320, 512))  # mel rows, low frequencies first
_PULSES = 64
_HIDDEN, _STEPS, _CLIPS = 128, 400, 2500


def pulses(picture: Picture) -> Floats:
    """Return how strongly onsets repeat 1 to 64 times a loop: shape (5, 64).

    Rows are four bands of pitch and their sum; each is the magnitude spectrum of the band's
    spectral flux, brought to unit variance first.
    """
    decibels = 20 * np.log10(amplitude(picture) + 1e-4)
    flux = np.maximum(0, decibels - np.roll(decibels, 1, axis=1))
    bands = [flux[low:high].mean(0) for low, high in _BANDS]
    rows = np.stack([*bands, np.mean(bands, axis=0)])
    rows -= rows.mean(1, keepdims=True)
    rows /= rows.std(1, keepdims=True) + 1e-6
    spectrum = np.abs(np.fft.rfft(rows, axis=1))[:, 1 : _PULSES + 1]
    return np.asarray(spectrum / (picture.shape[1] / 2), np.float64)


def strongest_count(spectrum: Floats) -> int:
    """Return the count whose pulse, halves and quarters together are strongest.

    No count is preferred to another, and nothing was learned: this names the right family of
    counts (4-8-16, 5-10, 6-12, 7-14, …), and often the wrong member of it.
    """
    whole = spectrum[-1]
    scores = [sum(whole[count * level - 1] for level in (1, 2, 4)) for count in COUNTS]
    return COUNTS[int(np.argmax(scores))]


class BeatCounter(nn.Module):
    """One hidden layer from pulses to the count of beats."""

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        width = (len(_BANDS) + 1) * _PULSES
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.body = nn.Sequential(nn.Linear(width, _HIDDEN), nn.ReLU(), nn.Dropout(0.3),
                                  nn.Linear(_HIDDEN, len(COUNTS)))  # fmt: skip

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (clips, counts) of roots of pulses (clips, 320)."""
        logits: Tensor = self.body((inputs - self.mean) / self.spread)
        return logits

    @torch.inference_mode()
    def count(self, spectra: Sequence[Floats]) -> list[int]:
        """Return the beats of loops whose `pulses` are given."""
        return [COUNTS[int(i)] for i in self(_inputs(spectra)).argmax(1)]


def _inputs(spectra: Sequence[Floats]) -> Tensor:
    return torch.from_numpy(np.sqrt(np.stack(spectra)).reshape(len(spectra), -1)).float()


def is_rhythmic(facts: ClipFacts) -> bool:
    """Return whether a clip's style has a beat that one could count."""
    return STYLES[facts.style].rhythmic and facts.beats in COUNTS


def train_beat_counter(clips: Clips, path: Path, limit: int = _CLIPS) -> BeatCounter:
    """Train on up to `limit` rhythmic clips, or load what an earlier call has saved at `path`."""
    torch.manual_seed(9)
    counter = BeatCounter()
    state = load_state(path)
    if state is None:
        rows = [i for i, facts in enumerate(clips.facts) if is_rhythmic(facts)][:limit]
        spectra = [pulses(clips.picture(i)) for i in tqdm(rows, desc="beats", mininterval=5)]
        _fit(counter, _inputs(spectra), [clips.facts[i].beats for i in rows])
        save_state(path, counter.state_dict())
    else:
        counter.load_state_dict(state)
    return counter.eval().requires_grad_(False)


def _fit(counter: BeatCounter, inputs: Tensor, beats: Sequence[int]) -> None:
    targets = torch.tensor([COUNTS.index(count) for count in beats])
    with torch.no_grad():
        counter.mean.copy_(inputs.mean(0))
        counter.spread.copy_(inputs.std(0) + 1e-6)
    optimizer = torch.optim.AdamW(counter.parameters(), lr=3e-3, weight_decay=0.3)
    for _ in range(_STEPS):
        loss = nn.functional.cross_entropy(counter(inputs), targets, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@dataclass(frozen=True)
class Tempo:
    """What was heard: beats a loop, by the network and by the spectrum alone, and unsteadiness.

    `unsteadiness` is the standard deviation of the intervals between beats over their mean.
    """

    beats: int
    strongest: int
    unsteadiness: float

    @property
    def bpm(self) -> float:
        """Beats a minute at the picture's own length of 5.12 s."""
        return self.beats * 60 / LOOP_SECONDS


def measure_tempo(pictures: Sequence[Picture], counter: BeatCounter) -> list[Tempo]:
    """Measure loops of 512 columns; no prompt, style or asked tempo is looked at."""
    if not pictures:
        return []
    spectra = [pulses(one) for one in pictures]
    counts = counter.count(spectra)
    return [
        Tempo(count, strongest_count(spectrum), unsteadiness(picture, count))
        for picture, spectrum, count in zip(pictures, spectra, counts, strict=True)
    ]


def unsteadiness(picture: Picture, beats: int) -> float:
    """Follow the beat (Ellis, 2007, in librosa) through four repeats; returns its deviation."""
    bpm = beats * 60 / LOOP_SECONDS
    _, places = librosa.beat.beat_track(
        onset_envelope=onset_envelope(picture), sr=100, hop_length=1, trim=False, bpm=bpm
    )
    gaps = np.diff(np.asarray(places, np.float64))
    return float(gaps.std() / gaps.mean()) if len(gaps) > 2 else 1.0
