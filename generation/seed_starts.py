"""From a prompt to the latents that its riff starts from: a seed loop in its tempo and key."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from generation.checkpoint import Checkpoint
from generation.keys import said_key, semitones_between, transposed
from generation.latents import decode, encode
from generation.seeds import SeedLoops, prompt_embedding
from generation.spectrogram import SpectrogramParams
from generation.tempo import NATIVE_WIDTH

_MOST_STRETCH = 1.5
_PROMPTS, _STARTS = 64, 32


class SeedStarts:
    """Chooses among a checkpoint's seed loops, and fits them to width, tempo and key.

    Prompts come again and again (in a morph, in a live session), so both answers are remembered.
    """

    def __init__(self, checkpoint: Checkpoint, loops: SeedLoops) -> None:
        """Choose among `loops` as the text encoder of `checkpoint` understands prompts."""
        self._checkpoint, self._loops = checkpoint, loops
        self.tile: int | None = None
        """Latent columns to decode at once where memory is short; None decodes all."""
        self._scores = lru_cache(_PROMPTS)(self._read)
        self._fitted = lru_cache(_STARTS)(self._fit)

    def __len__(self) -> int:
        return len(self._loops)

    def clear(self) -> None:
        """Forget what was remembered: the text encoder has changed, or memory is short."""
        self._scores.cache_clear()
        self._fitted.cache_clear()

    def start(self, prompt: str, pick: int, width: int, beats: int | None = None) -> Tensor:
        """Return latents, float32, shape (channels, height, width / downscale), on the CPU.

        Args:
            prompt: what the riff is to be; a key and instruments that it names are taken.
            pick: chooses among loops that fit as well, as `SeedLoops.choose` says.
            width: columns of the picture.
            beats: whole beats that the picture is to hold; None keeps the loop's own tempo, as
                nearly as whole beats allow.

        Raises:
            CheckpointError: there are no seed loops.
        """
        asked = None if beats is None else beats * NATIVE_WIDTH / width
        key = said_key(prompt)
        players = self._loops.asked(prompt)
        index = self._loops.choose(self._scores(prompt), asked, pick, key, players)
        loop = self._loops.loops[index]
        had = float(loop.beats)
        higher = 0 if key is None or loop.key is None else semitones_between(loop.key, key)
        if beats is None:
            beats = max(1, round(had * width / NATIVE_WIDTH))
        had = near_octave(had, beats * NATIVE_WIDTH / width)
        return self._fitted(index, had, beats, width, higher)

    def _read(self, prompt: str) -> Tensor:
        return self._loops.scores(prompt, prompt_embedding(self._checkpoint, prompt))

    def _fit(self, index: int, had: float, beats: int, width: int, higher: int) -> Tensor:
        latents = self._loops.latents(index)
        repeats, rest = divmod(width, NATIVE_WIDTH)
        if rest == 0 and beats == had * repeats and higher == 0:
            return latents.repeat(1, 1, repeats)
        device = self._checkpoint.device
        picture = decode(self._checkpoint, latents[None].to(device), tile=self.tile)[0]
        if higher:
            picture = transposed(picture, higher, SpectrogramParams(mel_bins=len(picture)))
        return encode(self._checkpoint, stretched(picture, had, beats, width)[None])[0].cpu()


def near_octave(had: float, wanted: float) -> float:
    """Count beats in halves or doubles until they are at most half as many more than wanted."""
    while wanted > had * _MOST_STRETCH:
        had *= 2
    while wanted < had / _MOST_STRETCH:
        had /= 2
    return had


def stretched(picture: NDArray[np.uint8], had: float, wanted: int, width: int) -> NDArray[np.uint8]:
    """Play a loop's picture faster or slower, at its pitch, until `wanted` beats fill `width`.

    Args:
        picture: shape (height, columns), a loop of `had` beats; it is repeated where it ends early.
        had: beats in it.
        wanted: beats in the result.
        width: columns of the result.
    """
    columns = picture.shape[1]
    places = (np.arange(width) + 0.5) * (wanted / had) * (columns / width) - 0.5
    before = np.floor(places)
    share = (places - before).astype(np.float32)
    first = before.astype(np.intp) % columns
    grey = picture.astype(np.float32)
    mixed = grey[:, first] * (1 - share) + grey[:, (first + 1) % columns] * share
    greys: NDArray[np.uint8] = np.rint(mixed).astype(np.uint8)
    return greys
