"""Seed loops: small stored latents that a riff may start from instead of from noise.

A checkpoint may carry a few hundred loops of our own composer, as latents: `seeds.safetensors`
(`latents` uint8 (n, channels, h, w), `low` and `span` float32 (channels,), and `line`, a part of a
`StyleReader`), `seeds.json` (a list of caption, style, beats and key) and `phrases.json` (a
`PhraseBook`; its styles are those of the list, in order of their first loops). Noise is laid over a
loop of the style that the prompt means, so that rhythm and arrangement are there from the start
(the idea of Riffusion's seed images; Meng et al., "SDEdit", 2022).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from generation.checkpoint import Checkpoint
from generation.errors import CheckpointError
from generation.keys import Key, semitones_between
from generation.phrase_book import PhraseBook
from generation.style_reader import StyleReader

WEIGHTS, CAPTIONS, PHRASES = "seeds.safetensors", "seeds.json", "phrases.json"
STRENGTH = 0.6
"""How much of the schedule is drawn anew over a seed loop (see `generation/training/LOG.md`)."""

_LEVELS = 255
_MARGIN = 0.5
"""How much less likely than the best, as a logarithm, a style may be and its loops be picked."""


@dataclass(frozen=True, slots=True)
class SeedLoop:
    """What one stored loop is: its caption, its style, its beats in 512 columns, its key.

    `tonic` is 0 (C) to 11, None where a loop has no key.
    """

    caption: str
    style: str
    beats: int
    tonic: int | None = None
    minor: bool = False

    @property
    def key(self) -> Key | None:
        """The key, if it has one."""
        return None if self.tonic is None else Key(self.tonic, self.minor)


class SeedLoops:
    """The seed loops of a checkpoint; may be empty."""

    def __init__(
        self,
        loops: Sequence[SeedLoop],
        latents: Tensor,
        low: Tensor,
        span: Tensor,
        reader: StyleReader | None,
    ) -> None:
        """Keep quantised latents (n, c, h, w), their range by channel, and who reads prompts."""
        self.loops = tuple(loops)
        self._latents, self._low, self._span, self._reader = latents, low, span, reader
        styles = styles_of(loops)
        self._styles = torch.tensor([styles.index(loop.style) for loop in loops], dtype=torch.long)

    def __len__(self) -> int:
        return len(self.loops)

    @classmethod
    def pack(cls, loops: Sequence[SeedLoop], latents: Tensor, reader: StyleReader) -> SeedLoops:
        """Quantise latents (n, channels, h, w) to 8 bits; the reader knows `styles_of(loops)`."""
        low = latents.amin((0, 2, 3))
        span = (latents.amax((0, 2, 3)) - low).clamp(min=1e-6)
        unit = (latents - low[:, None, None]) / span[:, None, None]
        return cls(loops, (unit * _LEVELS).round().to(torch.uint8), low, span, reader)

    @classmethod
    def load(cls, folder: Path) -> SeedLoops:
        """Read a checkpoint folder's seed loops; without the files there are none.

        Raises:
            CheckpointError: the files are damaged or do not belong together.
        """
        if not (folder / WEIGHTS).is_file():
            return cls([], torch.zeros(0, 1, 1, 1, dtype=torch.uint8), torch.zeros(1),
                       torch.ones(1), None)  # fmt: skip
        try:
            told = json.loads((folder / CAPTIONS).read_text("utf-8"))
            loops = [SeedLoop(**one) for one in told]
            stored = load_file(folder / WEIGHTS)
            latents, low, span = stored["latents"], stored["low"], stored["span"]
            reader = StyleReader(stored["line"], PhraseBook.load(folder / PHRASES))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, SafetensorError) as error:
            raise CheckpointError(
                f"The seed loops in {folder} cannot be read; fetch {WEIGHTS}, {CAPTIONS} and"
                f" {PHRASES} again, or delete all three to do without."
            ) from error
        told_of = len(reader.book.styles), reader.line.shape[1]
        if len(loops) != len(latents) or told_of != (len(styles_of(loops)),) * 2:
            raise CheckpointError(
                f"{CAPTIONS}, {PHRASES} and {WEIGHTS} in {folder} do not belong together."
            )
        return cls(loops, latents, low, span, reader)

    def save(self, folder: Path) -> None:
        """Write the files into a checkpoint folder; without loops there are none."""
        if self._reader is None:
            return
        self._reader.book.save(folder / PHRASES)
        tensors = {
            "latents": self._latents,
            "low": self._low,
            "span": self._span,
            "line": self._reader.line,
        }
        save_file({name: value.contiguous() for name, value in tensors.items()}, folder / WEIGHTS)
        lines = ",\n".join(json.dumps(asdict(loop)) for loop in self.loops)
        (folder / CAPTIONS).write_text(f"[\n{lines}\n]\n", "utf-8")

    def latents(self, index: int) -> Tensor:
        """Return loop `index` as latents: float32, shape (channels, h, w), on the CPU."""
        unit = self._latents[index].float() / _LEVELS
        return unit * self._span[:, None, None] + self._low[:, None, None]

    def scores(self, prompt: str, embedding: Tensor) -> Tensor:
        """Return for each loop how likely a prompt means its style, as a logarithm, shape (n,).

        `embedding` is the prompt's, shape (width,), by `prompt_embedding`.

        Raises:
            CheckpointError: there are no seed loops.
        """
        if self._reader is None:
            raise CheckpointError("This checkpoint has no seed loops; start from noise instead.")
        return self._reader.scores(prompt, embedding)[self._styles]

    def choose(
        self, scores: Tensor, beats: float | None = None, pick: int = 0, key: Key | None = None
    ) -> int:
        """Return the number of a loop that fits a prompt.

        Args:
            scores: the prompt's, by `scores`.
            beats: how many beats 512 columns should hold; the loop that is stretched least wins.
            pick: a request's seed, say: chooses among the loops that fit as well.
            key: the loop that is transposed least wins, of those that are stretched as little.
        """
        fitting = (scores >= scores.max() - _MARGIN).nonzero().flatten().tolist()
        if beats is not None:
            off = {index: abs(math.log2(self.loops[index].beats / beats)) for index in fitting}
            least = min(off.values())
            fitting = [index for index in fitting if off[index] == least]
        if key is not None:
            apart = {index: _semitones(self.loops[index], key) for index in fitting}
            fitting = [index for index in fitting if apart[index] == min(apart.values())]
        return int(fitting[pick % len(fitting)])


def _semitones(loop: SeedLoop, wanted: Key) -> int:
    """How far a loop has to be transposed; one of the other mode is only taken where none is."""
    if loop.key is None:
        return 2 * 12
    other = 0 if loop.minor == wanted.minor else 12
    return other + abs(semitones_between(loop.key, wanted))


def styles_of(loops: Sequence[SeedLoop]) -> list[str]:
    """Return the styles of loops, each once, in order."""
    return list(dict.fromkeys(loop.style for loop in loops))


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
