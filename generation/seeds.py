"""Seed loops: small stored latents that a riff may start from instead of from noise.

A checkpoint may carry a few hundred loops of our own composer, as latents: `seeds.safetensors`
(`codes` and `levels` of `Quantised` latents, and `line`, a part of a `StyleReader`), `seeds.json`
(`loops`: what each is; `instruments`: what people call those that play in them) and
`phrases.json.gz` (a `PhraseBook`; its styles are those of the loops, in order of their first ones).
Noise is laid over a loop of the style that the prompt means, so that rhythm and arrangement are
there from the start (the idea of Riffusion's seed images; Meng et al., "SDEdit", 2022).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from generation.checkpoint import Checkpoint
from generation.errors import CheckpointError
from generation.instruments import Asked, asked_instruments, fit
from generation.keys import Key, semitones_between
from generation.phrase_book import PhraseBook
from generation.quantised import Quantised
from generation.style_reader import StyleReader

WEIGHTS, CAPTIONS, PHRASES = "seeds.safetensors", "seeds.json", "phrases.json.gz"
STRENGTH = 0.6
"""How much of the schedule is drawn anew over a seed loop (see `generation/training/LOG.md`)."""

_MARGIN = 0.5
"""How much less likely than the best, as a logarithm, a style may be and its loops be picked."""
_STRETCH_MARGIN = math.log2(1.2)
"""How much more than the least a loop may be stretched and be picked: else one tempo, one loop."""


@dataclass(frozen=True, slots=True)
class SeedLoop:
    """What one stored loop is.

    Attributes:
        caption: in words.
        style: its style's name.
        beats: in 512 columns.
        tonic: 0 (C) to 11, None where a loop has no key.
        minor: whether its key is minor.
        instruments: that play in it, by the names of the checkpoint's table.
    """

    caption: str
    style: str
    beats: int
    tonic: int | None = None
    minor: bool = False
    instruments: tuple[str, ...] = ()

    @property
    def key(self) -> Key | None:
        """The key, if it has one."""
        return None if self.tonic is None else Key(self.tonic, self.minor)


class SeedLoops:
    """The seed loops of a checkpoint; may be empty."""

    def __init__(
        self,
        loops: Sequence[SeedLoop],
        stored: Quantised | None,
        reader: StyleReader | None,
        names: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Keep the loops' latents, and who reads prompts; both are None where there are none.

        `names` is what people call each instrument.
        """
        self.loops = tuple(loops)
        self._names = dict(names or {})
        self._stored, self._reader = stored, reader
        styles = styles_of(loops)
        self._styles = torch.tensor([styles.index(loop.style) for loop in loops], dtype=torch.long)

    def __len__(self) -> int:
        return len(self.loops)

    @classmethod
    def pack(
        cls,
        loops: Sequence[SeedLoop],
        latents: Tensor,
        reader: StyleReader,
        names: Mapping[str, Sequence[str]] | None = None,
    ) -> SeedLoops:
        """Store latents (n, channels, h, w); the reader knows `styles_of(loops)`."""
        return cls(loops, Quantised.of(latents), reader, names)

    @classmethod
    def load(cls, folder: Path) -> SeedLoops:
        """Read a checkpoint folder's seed loops; without the files there are none.

        Raises:
            CheckpointError: the files are damaged or do not belong together.
        """
        if not (folder / WEIGHTS).is_file():
            return cls([], None, None)
        try:
            told = json.loads((folder / CAPTIONS).read_text("utf-8"))
            loops = [_loop_of(one) for one in told["loops"]]
            names = {str(name): [*map(str, said)] for name, said in told["instruments"].items()}
            tensors = load_file(folder / WEIGHTS)
            stored = Quantised(tensors["codes"], tensors["levels"])
            reader = StyleReader(tensors["line"], PhraseBook.load(folder / PHRASES))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, SafetensorError) as error:
            raise CheckpointError(
                f"The seed loops in {folder} cannot be read; fetch {WEIGHTS}, {CAPTIONS} and"
                f" {PHRASES} again, or delete all three to do without."
            ) from error
        told_of = len(reader.book.styles), reader.line.shape[1]
        if len(loops) != len(stored) or told_of != (len(styles_of(loops)),) * 2:
            raise CheckpointError(
                f"{CAPTIONS}, {PHRASES} and {WEIGHTS} in {folder} do not belong together."
            )
        return cls(loops, stored, reader, names)

    def save(self, folder: Path) -> None:
        """Write the files into a checkpoint folder; without loops there are none."""
        if self._reader is None or self._stored is None:
            return
        self._reader.book.save(folder / PHRASES)
        tensors = {
            "codes": self._stored.codes,
            "levels": self._stored.levels,
            "line": self._reader.line,
        }
        save_file({name: value.contiguous() for name, value in tensors.items()}, folder / WEIGHTS)
        lines = ",\n".join(json.dumps(asdict(loop)) for loop in self.loops)
        names = json.dumps(self._names)
        (folder / CAPTIONS).write_text(
            f'{{"instruments": {names},\n"loops": [\n{lines}\n]}}\n', "utf-8"
        )

    def latents(self, index: int) -> Tensor:
        """Return loop `index` as latents: float32, shape (channels, h, w), on the CPU."""
        if self._stored is None:
            raise IndexError(index)
        return self._stored.row(index)

    def scores(self, prompt: str, embedding: Tensor) -> Tensor:
        """Return for each loop how likely a prompt means its style, as a logarithm, shape (n,).

        `embedding` is the prompt's, shape (width,), by `prompt_embedding`.

        Raises:
            CheckpointError: there are no seed loops.
        """
        if self._reader is None:
            raise CheckpointError("This checkpoint has no seed loops; start from noise instead.")
        return self._reader.scores(prompt, embedding)[self._styles]

    def asked(self, prompt: str) -> dict[str, Asked]:
        """Return which of the loops' instruments a prompt may mean."""
        return asked_instruments(prompt, self._names)

    def choose(
        self,
        scores: Tensor,
        beats: float | None = None,
        pick: int = 0,
        key: Key | None = None,
        asked: Mapping[str, Asked] | None = None,
    ) -> int:
        """Return the number of a loop that fits a prompt.

        A style weighs most, then the instruments, which no later change of a loop can give it.

        Args:
            scores: the prompt's, by `scores`.
            beats: how many beats 512 columns should hold; loops that are stretched little win.
            pick: a request's seed, say: chooses among the loops that fit as well.
            key: the loop that is transposed least wins, of those that are stretched little.
            asked: the prompt's instruments, by `asked`; the loops that have most of them win.
        """
        fitting = (scores >= scores.max() - _MARGIN).nonzero().flatten().tolist()
        if asked:
            has = {index: fit(asked, self.loops[index].instruments) for index in fitting}
            fitting = [index for index in fitting if has[index] == max(has.values())]
        if beats is not None:
            off = {index: abs(math.log2(self.loops[index].beats / beats)) for index in fitting}
            most = min(off.values()) + _STRETCH_MARGIN
            fitting = [index for index in fitting if off[index] <= most]
        if key is not None:
            apart = {index: _semitones(self.loops[index], key) for index in fitting}
            fitting = [index for index in fitting if apart[index] == min(apart.values())]
        return int(fitting[pick % len(fitting)])


def _loop_of(told: Mapping[str, Any]) -> SeedLoop:
    return SeedLoop(**{**told, "instruments": tuple(told["instruments"])})


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
