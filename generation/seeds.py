"""Seed loops: small stored latents that a riff may start from instead of from noise.

A checkpoint may carry a few hundred loops of our own composer, as latents: `seeds.safetensors`
(`latents` uint8 (n, channels, h, w), `low` and `span` float32 (channels,), `embeddings` float16
(n, width), and if there is one `whitening` float16 (width, width)) and `seeds.json` (a list of
caption, style and beats). Noise is laid over the loop whose style is nearest to the prompt, so that
rhythm and arrangement are there from the start (the idea of Riffusion's seed images; Meng et al.,
"SDEdit", 2022).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from generation.checkpoint import Checkpoint
from generation.errors import CheckpointError

WEIGHTS, CAPTIONS = "seeds.safetensors", "seeds.json"
STRENGTH = 0.6
"""How much of the schedule is drawn anew over a seed loop (see `generation/training/LOG.md`)."""

_LEVELS = 255
_BEATS_WEIGHT = 0.5
"""Cosine similarity that an octave of tempo is worth."""
_FITTING = 3
_MARGIN = 0.1
"""How much worse than the best a loop may fit and still be picked: not so much that another style's
comes in."""


@dataclass(frozen=True, slots=True)
class SeedLoop:
    """What one stored loop is: its caption, its style, its beats in 512 columns."""

    caption: str
    style: str
    beats: int


class SeedLoops:
    """The seed loops of a checkpoint; may be empty."""

    def __init__(
        self,
        loops: Sequence[SeedLoop],
        latents: Tensor,
        low: Tensor,
        span: Tensor,
        embeddings: Tensor,
        whitening: Tensor | None = None,
    ) -> None:
        """Keep quantised latents (n, c, h, w), their range by channel, embeddings (n, width)."""
        self.loops = tuple(loops)
        self._latents, self._low, self._span, self._embeddings = latents, low, span, embeddings
        self._whitening = whitening
        width = embeddings.shape[1]
        unit = functional.normalize(embeddings.float(), dim=-1)
        self._centre = unit.mean(0) if len(embeddings) else torch.zeros(width)
        self._axes = self._directions(embeddings)
        self._beats = torch.tensor([float(loop.beats) for loop in loops])

    def _directions(self, embeddings: Tensor) -> Tensor:
        """Where embeddings (…, width) lie, seen from the middle of all loops'."""
        apart = functional.normalize(embeddings.float(), dim=-1) - self._centre
        if self._whitening is not None:
            apart = apart @ self._whitening.float()
        return functional.normalize(apart, dim=-1)

    def __len__(self) -> int:
        return len(self.loops)

    @classmethod
    def pack(
        cls,
        loops: Sequence[SeedLoop],
        latents: Tensor,
        embeddings: Tensor,
        whitening: Tensor | None = None,
    ) -> SeedLoops:
        """Quantise latents (n, channels, h, w) to 8 bits; embeddings have shape (n, width).

        `whitening` (width, width) is applied to embeddings before they are compared: what captions
        of one style differ in should count for little.
        """
        low = latents.amin((0, 2, 3))
        span = (latents.amax((0, 2, 3)) - low).clamp(min=1e-6)
        unit = (latents - low[:, None, None]) / span[:, None, None]
        packed = (unit * _LEVELS).round().to(torch.uint8)
        half = None if whitening is None else whitening.to(torch.float16)
        return cls(loops, packed, low, span, embeddings.to(torch.float16), half)

    @classmethod
    def load(cls, folder: Path) -> SeedLoops:
        """Read a checkpoint folder's seed loops; without the files there are none.

        Raises:
            CheckpointError: the files are damaged or do not belong together.
        """
        if not (folder / WEIGHTS).is_file():
            return cls([], torch.zeros(0, 1, 1, 1, dtype=torch.uint8), torch.zeros(1),
                       torch.ones(1), torch.zeros(0, 1))  # fmt: skip
        try:
            told = json.loads((folder / CAPTIONS).read_text("utf-8"))
            loops = [SeedLoop(**one) for one in told]
            stored = load_file(folder / WEIGHTS)
            latents, embeddings = stored["latents"], stored["embeddings"]
            low, span = stored["low"], stored["span"]
        except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
            raise CheckpointError(
                f"The seed loops in {folder} cannot be read; fetch {WEIGHTS} and {CAPTIONS} again,"
                " or delete both to do without."
            ) from error
        if not len(loops) == len(latents) == len(embeddings):
            raise CheckpointError(f"{CAPTIONS} and {WEIGHTS} in {folder} do not belong together.")
        return cls(loops, latents, low, span, embeddings, stored.get("whitening"))

    def save(self, folder: Path) -> None:
        """Write both files into a checkpoint folder."""
        tensors = {"latents": self._latents, "low": self._low, "span": self._span,
                   "embeddings": self._embeddings}  # fmt: skip
        if self._whitening is not None:
            tensors["whitening"] = self._whitening
        save_file({name: value.contiguous() for name, value in tensors.items()}, folder / WEIGHTS)
        lines = ",\n".join(json.dumps(asdict(loop)) for loop in self.loops)
        (folder / CAPTIONS).write_text(f"[\n{lines}\n]\n", "utf-8")

    def latents(self, index: int) -> Tensor:
        """Return loop `index` as latents: float32, shape (channels, h, w), on the CPU."""
        unit = self._latents[index].float() / _LEVELS
        return unit * self._span[:, None, None] + self._low[:, None, None]

    def ranked(self, embedding: Tensor, beats: int | None = None) -> list[int]:
        """Return the numbers of all loops, the most fitting first.

        Args:
            embedding: of the prompt, shape (width,), by `prompt_embedding`.
            beats: how many beats 512 columns should hold; a loop of another tempo counts for less.
        """
        return [] if not self.loops else _descending(self._scores(embedding, beats))

    def nearest(self, embedding: Tensor, beats: int | None = None, pick: int = 0) -> Tensor:
        """Return the latents of a fitting loop, shape (channels, h, w), float32.

        `pick` (a request's seed, say) chooses among those of the best three that fit about as well.

        Raises:
            CheckpointError: there are no seed loops.
        """
        if not self.loops:
            raise CheckpointError("This checkpoint has no seed loops; start from noise instead.")
        scores = self._scores(embedding, beats)
        order = _descending(scores)[:_FITTING]
        fitting = [index for index in order if scores[index] >= scores[order[0]] - _MARGIN]
        return self.latents(fitting[pick % len(fitting)])

    def _scores(self, embedding: Tensor, beats: int | None) -> Tensor:
        score = self._axes @ self._directions(embedding)
        if beats is not None:
            score = score - _BEATS_WEIGHT * (self._beats / beats).log2().abs()
        return score


def _descending(scores: Tensor) -> list[int]:
    return [int(index) for index in scores.argsort(descending=True, stable=True)]


@torch.inference_mode()
def prompt_embedding(checkpoint: Checkpoint, prompt: str) -> Tensor:
    """Return one vector for a prompt, shape (width,), float32 on the CPU.

    CLIP pools at the end of the text; other encoders are averaged over their tokens. Text beyond
    the encoder's window is left out.
    """
    tokenizer, encoder = checkpoint.tokenizer, checkpoint.text_encoder
    window = int(encoder.config.max_position_embeddings)
    encoded = tokenizer(
        [prompt], truncation=True, max_length=min(window, 77), return_tensors="pt"
    ).to(checkpoint.device)
    output = encoder(input_ids=encoded["input_ids"])
    pooled = (
        output.pooler_output[0]
        if encoder.config.model_type.startswith("clip")
        else output.last_hidden_state[0].mean(0)
    )
    vector: Tensor = pooled.float().cpu()
    return vector
