"""A talking voice by espeak-ng: short words to put on a beat. Training only."""

from __future__ import annotations

import functools
import shutil
import subprocess

import numpy as np
import scipy.signal

from generation.training.waves import SAMPLE_RATE, Wave

WORDS = (
    "yo",
    "check",
    "mic",
    "one",
    "two",
    "flow",
    "go",
    "street",
    "beat",
    "drop",
    "real",
    "deal",
    "never",
    "ever",
    "money",
    "city",
    "riding",
    "night",
    "light",
    "mind",
    "grind",
    "shine",
    "time",
    "rhyme",
    "back",
    "track",
    "stack",
    "black",
    "coming",
    "running",
    "what",
    "up",
    "down",
    "town",
    "hey",
    "listen",
    "people",
    "power",
    "dream",
    "team",
    "fire",
    "higher",
    "hands",
    "move",
)
_VOICES = ("en-us+m3", "en-us+m7", "en-gb+m1", "en-us+f2", "en-us+f4")


@functools.lru_cache(maxsize=1024)
def _word(text: str, voice: str, pitch: int) -> Wave:
    """Speak one word; returns sound at 44.1 kHz, silence where espeak-ng is not installed."""
    program = shutil.which("espeak-ng")
    if program is None:
        return np.zeros(SAMPLE_RATE // 5, np.float32)
    command = [program, "-v", voice, "-p", str(pitch), "-s", "230", "--stdout", text]
    wav = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603
    sound = np.frombuffer(wav[44:], "<i2").astype(np.float32) / 32768
    loud = np.flatnonzero(np.abs(sound) > 0.02)
    if len(loud):
        sound = sound[loud[0] : loud[-1] + 1]
    doubled = scipy.signal.resample_poly(sound, 2, 1)  # espeak-ng speaks at 22,050 Hz
    return np.asarray(doubled, np.float32)


def say(frequency: float, samples: int, rng: np.random.Generator) -> Wave:
    """Speak a random word, cut to `samples`; `frequency` raises the voice's pitch."""
    pitch = int(np.clip(10 * round(frequency / 60), 10, 90))
    word = _word(str(rng.choice(WORDS)), str(rng.choice(_VOICES[:3])), pitch)
    return 3 * word[:samples].copy() if samples < len(word) else 3 * word.copy()
