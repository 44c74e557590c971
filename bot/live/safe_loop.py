"""The loop that ships: what plays before the first clip is there, and in a panic.

A soft chord that breathes once a bar, made of sines that go round the loop a whole number of times,
so it fits any tempo and has no seam. It says nothing in any style and disturbs nobody.
"""

from __future__ import annotations

import math
import wave
from pathlib import Path

import numpy as np

from bot.live.grid import SAMPLE_RATE, Grid
from bot.live.sounds import Sound, gain_for
from bot.live.timeline import Take
from generation.request import BEATS_PER_BAR

_CHORD = (110.0, 164.81, 220.0, 246.94, 329.63)  # A2 E3 A3 B3 E4
_FOLDER = "live"
_LEVEL = 0.25


def safe_sound(grid: Grid) -> Sound:
    """One loop of it, mono."""
    turn = 2 * math.pi * np.arange(grid.loop) / grid.loop
    bars = max(1, round(grid.beats / BEATS_PER_BAR))
    total = np.zeros(grid.loop)
    for index, frequency in enumerate(_CHORD):
        for partial in (1, 2, 3):
            rounds = round(frequency * partial * grid.seconds)
            breath = 0.75 + 0.25 * np.sin(bars * turn + index * 1.3)
            phase = 2.4 * index + partial
            total += breath * np.sin(rounds * turn + phase) / partial**2 / (index + 2)
    total *= _LEVEL / np.abs(total).max()
    return np.asarray(np.rint(total * 32767), dtype=np.int16)[None, :]


def safe_take(grid: Grid, clips: Path, loudness: float) -> Take:
    """The loop as a take, with its file in the clips folder, written if it is not there."""
    sound = safe_sound(grid)
    # Its name is none that the clips folder gives, so tidying up leaves it alone.
    name = f"{_FOLDER}/safe-{grid.bpm:g}-{grid.beats}.wav"
    path = clips / name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with wave.open(str(part), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(sound.astype("<i2").tobytes())
        part.replace(path)
    return Take(f"safe-{grid.bpm:g}-{grid.beats}", grid.loop, gain_for(sound, loudness),
                {"wav": name}, {"prompt": "safe loop"})  # fmt: skip
