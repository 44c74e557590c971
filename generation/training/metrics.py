"""What can be measured of pictures: tempo, beat, key, seam, distances. Pure functions.

A picture is grey levels of shape (512, columns), uint8, 255 silent, low frequencies at the bottom,
10 ms a column.
"""

from __future__ import annotations

import librosa
import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Floats = NDArray[np.float64]

_MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


def amplitude(picture: Picture) -> Floats:
    """Undo the picture's fourth root: relative mel amplitude 0..1, low frequencies first."""
    return np.asarray(((255.0 - picture[::-1]) / 255.0) ** 4, np.float64)


def onset_envelope(picture: Picture, repeats: int = 4) -> Floats:
    """Spectral flux of the loop played `repeats` times, one value a column."""
    decibels = 20 * np.log10(amplitude(picture) + 1e-4)
    tiled = np.tile(decibels, (1, repeats))
    # center would shift by half of an FFT window that these columns never had
    strength = librosa.onset.onset_strength(S=tiled, sr=100, hop_length=1, center=False)
    return np.asarray(strength, np.float64)


def tempo_verdict(measured: float, asked: float, tolerance: float = 0.04) -> str:
    """Compare tempi: "right", "octave" (half, double, or a third off) or "wrong"."""
    if measured <= 0:
        return "wrong"
    for factor in (1.0, 2.0, 0.5, 3.0, 1 / 3, 1.5, 2 / 3):
        if abs(measured / (asked * factor) - 1) <= tolerance:
            return "right" if factor == 1.0 else "octave"
    return "wrong"


def seam(picture: Picture) -> float:
    """Return the step across the loop point over the 95th percentile of steps between columns."""
    columns = picture.astype(np.float64)
    steps = np.abs(np.diff(columns, axis=1)).mean(0)
    across = float(np.abs(columns[:, 0] - columns[:, -1]).mean())
    return across / (float(np.percentile(steps, 95)) + 1e-9)


def starts_on_beat(picture: Picture, beats: int) -> bool:
    """Return whether onsets lie nearer to the asked grid of beats than to one half a beat off."""
    envelope = onset_envelope(picture, 2)[512:1024]
    grid = np.arange(beats) * len(envelope) / beats
    reach = np.arange(-3, 4)

    def strength(shift: float) -> float:
        places = (np.round(grid + shift)[:, None] + reach).astype(int) % len(envelope)
        return float(envelope[places].max(1).sum())

    return strength(0) >= strength(len(envelope) / beats / 2)


def measure_key(picture: Picture) -> tuple[int, str]:
    """Estimate (tonic 0..11, "major" or "minor") by the key profiles of Krumhansl (1990)."""
    mel = librosa.mel_frequencies(n_mels=514, fmin=0, fmax=10_000, htk=True)[1:-1]
    power = (amplitude(picture) ** 2).mean(1)
    inside = (mel > 100) & (mel < 2000)
    pitch_class = np.round(12 * np.log2(mel[inside] / 440) + 69).astype(int) % 12
    chroma = np.bincount(pitch_class, weights=np.sqrt(power[inside]), minlength=12)
    scores = {
        (tonic, mode): float(np.corrcoef(np.roll(profile, tonic), chroma)[0, 1])
        for tonic in range(12) for mode, profile in (("major", _MAJOR), ("minor", _MINOR))
    }  # fmt: skip
    return max(scores, key=lambda key: scores[key])


def frechet_distance(first: Floats, second: Floats) -> float:
    """Fréchet distance of two sets of features (samples, width), as normal distributions.

    Heusel et al., 2017. Covariances are shrunk a little, so that few samples give a number.
    """
    means = first.mean(0), second.mean(0)
    covariances = [np.cov(x, rowvar=False) + 1e-6 * np.eye(x.shape[1]) for x in (first, second)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    trace = np.trace(covariances[0] + covariances[1] - 2 * np.real(root))
    return float(((means[0] - means[1]) ** 2).sum() + trace)


def nearest(features: Floats, library: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return for each feature the row of the nearest one in `library`, and the distance."""
    squares = (features**2).sum(1)[:, None] + (library**2).sum(1)[None] - 2 * features @ library.T
    rows = squares.argmin(1)
    best = squares[np.arange(len(features)), rows]
    return rows, np.sqrt(np.maximum(best, 0))
