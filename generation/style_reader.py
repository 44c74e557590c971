"""Which style do words mean? A small reader of prompt embeddings that a checkpoint may carry.

Two judges agree on the answer. The first remembers phrases whose style is known, and lets those
vote that are nearest (Nadaraya, 1964; Watson, 1964): it knows what an odd name means. The second is
softmax regression, fitted to whole captions: it knows which of several words names the style.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_TEMPERATURE = 0.05
"""Cosine distance at which a phrase's vote has fallen to 1/e."""
_DOUBT = 1e-3
"""Share of the votes that a style has for nothing, so that no style is out of the question."""
_LINE_SHARE = 0.5
_LEVELS = 127


@dataclass(frozen=True)
class StyleReader:
    """What it takes to read a style from a prompt's embedding.

    Attributes:
        centre: float16 (width,), the mean of the phrases' unit embeddings.
        basis: float16 (width, axes), their principal axes.
        phrases: int8 (phrases, axes), each along the axes, as a unit vector times 127.
        styles: int16 (phrases,), the number of each one's style.
        line: float16 (width + 1, styles), softmax regression on unit embeddings; last its bias.
    """

    centre: Tensor
    basis: Tensor
    phrases: Tensor
    styles: Tensor
    line: Tensor

    @classmethod
    def remember(cls, embeddings: Tensor, styles: Tensor, line: Tensor, axes: int) -> StyleReader:
        """Keep phrases' embeddings (n, width) and styles (n,), and a fitted line.

        Fewer phrases or dimensions than `axes` keep as many as there are.
        """
        unit = functional.normalize(embeddings.float(), dim=-1)
        centre = unit.mean(0)
        basis = torch.linalg.svd(unit - centre, full_matrices=False)[2][:axes].T
        along = functional.normalize((unit - centre) @ basis, dim=-1)
        return cls(
            centre.half(),
            basis.half(),
            (along * _LEVELS).round().to(torch.int8),
            styles.to(torch.int16),
            line.half(),
        )

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> StyleReader:
        """Take what `tensors` gave; `KeyError` where something is missing."""
        return cls(*(tensors[f"reader.{name}"] for name in cls.__dataclass_fields__))

    def tensors(self) -> dict[str, Tensor]:
        """Return all parts by name, for a weights file."""
        return {f"reader.{name}": getattr(self, name) for name in self.__dataclass_fields__}

    def scores(self, embedding: Tensor) -> Tensor:
        """Return for each style how likely it is meant, as a logarithm, shape (styles,).

        `embedding` has shape (width,); the sum of the scores' exponentials means nothing.
        """
        unit = functional.normalize(embedding.float(), dim=-1)
        line = self.line.float()
        linear = torch.log_softmax(unit @ line[:-1] + line[-1], dim=-1)
        along = functional.normalize((unit - self.centre.float()) @ self.basis.float(), dim=-1)
        near = functional.normalize(self.phrases.float(), dim=-1) @ along
        votes = torch.zeros_like(linear)
        votes.index_add_(0, self.styles.long(), torch.softmax(near / _TEMPERATURE, dim=-1))
        return (votes + _DOUBT).log() + _LINE_SHARE * linear
