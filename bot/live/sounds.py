"""The sound of takes: files into samples, at the session's loudness, as many as are needed at once.

Sounds are int16 arrays of shape `(channels, samples)`.
"""

from __future__ import annotations

import threading
import wave
from collections import OrderedDict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bot.live.grid import SAMPLE_RATE
from bot.live.timeline import Segment, Take
from generation.decoding import decode_sound
from generation.errors import MediaError
from generation.loudness import integrated_loudness
from generation.request import Clip

Sound = npt.NDArray[np.int16]
_FULL = 32768.0
_KINDS = ("wav", "mp3")
_LOUDEST = 0.99
"""Peak that a gain may lead to; joins of like sounds are levelled, so that they add nothing."""


class Sounds:
    """Reads the files of takes, and keeps the latest few. May be used from any thread."""

    def __init__(self, clips: Path, most: int = 24) -> None:
        """`clips` is the folder that `Take.files` are relative to."""
        self._clips = clips
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Sound] = OrderedDict()

    def of(self, take: Take) -> Sound:
        """The sound of a take.

        Raises:
            MediaError: its file is gone or cannot be read.
        """
        known = self.known(take)
        if known is not None:
            return known
        sound = _fit(self._read(take), take.samples)
        with self._lock:
            self._kept[take.id] = sound
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return sound

    def known(self, take: Take) -> Sound | None:
        """The same, but only where nothing has to be read for it."""
        with self._lock:
            sound = self._kept.get(take.id)
            if sound is not None:
                self._kept.move_to_end(take.id)
            return sound

    def is_there(self, take: Take) -> bool:
        """Whether its file is kept."""
        return any((self._clips / path).is_file() for kind, path in take.files.items()
                   if kind in _KINDS)  # fmt: skip

    def take_of(self, job_id: str, clip: Clip, loudness: float) -> Take:
        """A clip as something to play, measured; its sound is then known.

        Args:
            job_id: of the job that made it; several clips of one are told apart.
            clip: with paths relative to the clips folder.
            loudness: to bring it to, in LUFS.

        Raises:
            MediaError: its file cannot be read.
        """
        name = job_id if clip.index == 0 else f"{job_id}-{clip.index}"
        take = Take(name, clip.samples, 1.0, dict(clip.files), dict(clip.recipe))
        gain = gain_for(self.of(take), loudness)
        return Take(name, clip.samples, gain, dict(clip.files), dict(clip.recipe))

    def likeness(self, segment: Segment, take: Take, origin: int, start: int) -> float:
        """How alike a segment and a take are over a second from `start`: 0 to 1.

        Raises nothing: where a sound is not at hand they count as not alike.
        """
        before, after = self.known(segment.take), self.known(take)
        if before is None or after is None:
            return 0.0
        x = stretch(before, segment.origin, start, SAMPLE_RATE // 2).astype(np.float64).mean(0)
        y = stretch(after, origin, start, SAMPLE_RATE // 2).astype(np.float64).mean(0)
        power = float(np.sqrt((x @ x) * (y @ y)))
        return min(1.0, max(0.0, float(x @ y) / power)) if power > 0 else 0.0

    def _read(self, take: Take) -> Sound:
        found = [take.files[kind] for kind in _KINDS if kind in take.files]
        path = next((one for one in found if (self._clips / one).is_file()), None)
        if path is None:
            raise MediaError("The sound of this clip is not kept any more.")
        try:
            with wave.open(str(self._clips / path), "rb") as file:
                if (file.getsampwidth(), file.getframerate()) == (2, SAMPLE_RATE):
                    data = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
                    return np.ascontiguousarray(data.reshape(-1, file.getnchannels()).T)
        except (wave.Error, EOFError, OSError):
            pass  # not a plain WAV file
        waveform = decode_sound(self._clips / path, sample_rate=SAMPLE_RATE).waveform
        return np.asarray(np.clip(np.rint(waveform * _FULL), -_FULL, _FULL - 1), dtype=np.int16)


def stretch(sound: Sound, origin: int, first: int, length: int) -> Sound:
    """`length` samples of a loop whose own first sample lies at `origin`, from `first` on."""
    period = sound.shape[1]
    return sound[:, (np.arange(first - origin, first - origin + length)) % period]


def gain_for(sound: Sound, loudness: float) -> float:
    """The factor that brings a loop to a loudness (LUFS), as far as its peak allows."""
    peak = float(np.abs(sound.astype(np.int32)).max(initial=0)) / _FULL
    if peak <= 0:
        return 1.0
    measured = integrated_loudness(sound.astype(np.float32) / np.float32(_FULL), SAMPLE_RATE)
    wanted = 10.0 ** ((loudness - measured) / 20.0) if np.isfinite(measured) else 1.0
    return float(min(wanted, _LOUDEST / peak))


def _fit(sound: Sound, samples: int) -> Sound:
    """Exactly as long as the take says; a file that is shorter is repeated."""
    if sound.shape[1] == samples or not sound.shape[1]:
        return sound if sound.shape[1] else np.zeros((1, max(1, samples)), dtype=np.int16)
    return sound[:, np.arange(samples) % sound.shape[1]]
