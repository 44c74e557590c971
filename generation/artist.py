"""Drawings → pictures: what can be denoised together is."""

from __future__ import annotations

import io
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from generation.checkpoint import Checkpoint
from generation.interpolation import mix_embeddings, mix_noise, slerp
from generation.plan import Drawing
from generation.prompts import PromptEncoder
from generation.request import AdapterUse
from generation.sampler import Frame, Sampling, decode, encode, initial_noise, preview, sample
from generation.seed_starts import SeedStarts
from generation.seeds import STRENGTH, SeedLoops
from generation.sources import Mask
from generation.spectrogram import SpectrogramParams, exif_from_params
from generation.tempo import NATIVE_WIDTH, without_bpm

_BATCH_LIMITS = {"cpu": 4, "mps": 4}
_GPU_BATCH_LIMIT = 16
_TILE = 16
"""Latent columns that are decoded at once where memory is short."""


@dataclass(frozen=True, slots=True)
class Moment:
    """How far one drawing has come: `done` of `total` steps, and a look at it on demand."""

    done: int
    total: int
    draw_preview: Callable[[], bytes]


OnMoment = Callable[[int, Moment], None]
"""Told the index of the drawing within its batch, and its moment; what it raises ends the batch."""


class Artist:
    """Draws pictures with one checkpoint."""

    def __init__(self, checkpoint: Checkpoint, params: SpectrogramParams, loops: SeedLoops) -> None:
        """Draw pictures of the format `params`, some of them starting from `loops`."""
        self._checkpoint = checkpoint
        self._params = params
        self._starts = SeedStarts(checkpoint, loops)
        self._encoder = PromptEncoder(checkpoint)
        self._tile: int | None = None

    def relieve(self, level: int) -> None:
        """Use less memory: from level 0 on forget embeddings, from 1 on decode in small tiles."""
        self._encoder.clear()
        self._starts.clear()
        if level >= 1:
            self._tile = self._starts.tile = _TILE

    def batches(self, drawings: Sequence[Drawing]) -> Iterator[list[int]]:
        """Indices of drawings that can be drawn together, in order of their first."""
        device = self._checkpoint.device.type
        groups: dict[Hashable, list[int]] = {}
        for index, drawing in enumerate(drawings):
            key = (drawing.batch_key, drawing.request.adapters, self._chunks(drawing))
            groups.setdefault(key, []).append(index)
        for indices in groups.values():
            wide = max(1, drawings[indices[0]].measure.width // NATIVE_WIDTH)
            most = max(1, _BATCH_LIMITS.get(device, _GPU_BATCH_LIMIT) // wide)
            for at in range(0, len(indices), most):
                yield indices[at : at + most]

    def draw(self, drawings: Sequence[Drawing], on_moment: OnMoment) -> list[Image.Image]:
        """Draw one batch.

        Args:
            drawings: with equal batch keys, adapters and lengths of prompts (see `batches`).
            on_moment: told after every step, for every drawing.

        Returns:
            RGB pictures in the format, whose `getexif()` holds the parameters.

        Raises:
            BadRequestError: there is no such sampler or LoRA.
        """
        first = drawings[0].request
        checkpoint = self._checkpoint
        self._apply(first.adapters)
        chunks = max(self._chunks(drawing) for drawing in drawings)
        frames = [self._frame(drawing, chunks) for drawing in drawings]
        # What continues a clip is drawn on a ring, wherever it is to end.
        loop = first.loop or drawings[0].extension is not None
        sampling = Sampling(
            drawings[0].steps, first.sampler, loop=loop, guided=checkpoint.preferences.guided
        )
        latents = sample(
            checkpoint,
            frames,
            sampling,
            lambda step: _tell(
                on_moment,
                len(drawings),
                step.done,
                step.total,
                lambda row: self._preview(step.latents[row : row + 1]),
            ),
        )
        pictures = decode(checkpoint, latents, loop=loop, tile=self._tile)
        return [
            self._finished(drawing, grey) for drawing, grey in zip(drawings, pictures, strict=True)
        ]

    def _apply(self, uses: Sequence[AdapterUse]) -> None:
        before = self._checkpoint.adapters.applied
        self._checkpoint.apply_adapters(uses)
        if self._checkpoint.adapters.applied != before:
            self._encoder.clear()
            self._starts.clear()

    def _chunks(self, drawing: Drawing) -> int:
        return max(self._encoder.chunks(text) for text in (*self._texts(drawing), drawing.negative))

    def _texts(self, drawing: Drawing) -> list[str]:
        """The prompts, with the tempo in words for a model that learned to read it."""
        words = self._checkpoint.preferences.tempo_words
        if words is None or drawing.tempo is None:
            return [text for text, _ in drawing.prompts]
        tempo = words.format(bpm=drawing.tempo)
        return [f"{without_bpm(text)}{tempo}" for text, _ in drawing.prompts]

    def _frame(self, drawing: Drawing, chunks: int) -> Frame:
        embeddings = [self._encoder.encode(text, chunks) for text in self._texts(drawing)]
        shares = [share for _, share in drawing.prompts]
        canvas, mask, strength = drawing.canvas, drawing.mask, drawing.strength
        init = None
        if canvas is not None:
            # A loop's canvas is a ring; so is an extension's.
            init = encode(self._checkpoint, canvas.grey[None])[0]
        elif drawing.from_loop and len(self._starts):
            init, strength = self._seed_loop(drawing), STRENGTH
        return Frame(
            noise=self._noise(drawing),
            positive=mix_embeddings(embeddings, shares),
            negative=self._encoder.encode(drawing.negative, chunks),
            guidance_scale=drawing.guidance_scale,
            init=init,
            strength=strength,
            mask=None if mask is None else _shrunk(mask, self._checkpoint.downscale),
        )

    def _seed_loop(self, drawing: Drawing) -> torch.Tensor:
        """The stored loops that fit the prompts, by their shares, in the drawing's tempo.

        One loop fading over another is what a morph sounds like; the strongest prompt's loop
        alone would change at once where two prompts change places.
        """
        measure = drawing.measure
        mixed = torch.zeros(())
        for prompt, seed, share in drawing.loop_picks:
            mixed = mixed + share * self._starts.start(prompt, seed, measure.width, measure.beats)
        return mixed

    def _noise(self, drawing: Drawing) -> torch.Tensor:
        checkpoint = self._checkpoint
        noises = initial_noise(
            [seed for seed, _ in drawing.noise],
            checkpoint.latent_channels,
            self._params.mel_bins // checkpoint.downscale,
            drawing.measure.width // checkpoint.downscale,
        )
        shares = [share for _, share in drawing.noise]
        if len(noises) == 2:
            return slerp(noises[0], noises[1], shares[1])
        return mix_noise(list(noises), shares)

    def _preview(self, latents: torch.Tensor) -> bytes:
        buffer = io.BytesIO()
        picture = preview(self._checkpoint, latents)[0]
        Image.fromarray(picture).save(buffer, format="PNG", compress_level=1)
        return buffer.getvalue()

    def _finished(self, drawing: Drawing, grey: NDArray[np.uint8]) -> Image.Image:
        canvas, mask = drawing.canvas, drawing.mask
        if canvas is not None and mask is not None:
            grey = np.where(mask > 0, grey, canvas.grey)
        image = Image.fromarray(grey).convert("RGB")
        if canvas is not None:
            image.getexif().update(exif_from_params(self._params, canvas.max_value))
        return image


def _tell(
    on_moment: OnMoment, rows: int, done: int, total: int, look: Callable[[int], bytes]
) -> None:
    for row in range(rows):
        on_moment(row, Moment(done, total, lambda row=row: look(row)))  # type: ignore[misc]


def _shrunk(mask: Mask, downscale: int) -> torch.Tensor:
    """A mask in latents: a cell may change as much as the most changeable of its pixels."""
    height, width = mask.shape
    cells = mask.reshape(height // downscale, downscale, width // downscale, downscale)
    return torch.from_numpy(cells.max(axis=(1, 3)))
