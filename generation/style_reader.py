"""Which style does a prompt mean? A small reader that a checkpoint may carry.

Two judges agree on the answer. One is softmax regression on the prompt's embedding: it knows what
words mean. The other is a `PhraseBook`: it knows names by their letters.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from generation.phrase_book import PhraseBook

_LINE_SHARE, _BOOK_SHARE = 0.6, 0.8


@dataclass(frozen=True)
class StyleReader:
    """What it takes to read a style from a prompt.

    Attributes:
        line: float16 (width + 1, styles), softmax regression on unit embeddings; last its bias.
        book: phrases of the same styles, in the same order.
    """

    line: Tensor
    book: PhraseBook

    def scores(self, prompt: str, embedding: Tensor) -> Tensor:
        """Return for each style how likely it is meant, as a logarithm, shape (styles,).

        `embedding` is the prompt's, shape (width,); the sum of the scores' exponentials means
        nothing.
        """
        unit = functional.normalize(embedding.float(), dim=-1)
        line = self.line.float()
        meant = torch.log_softmax(unit @ line[:-1] + line[-1], dim=-1)
        named = torch.from_numpy(self.book.scores(prompt)).float()
        return _LINE_SHARE * meant + _BOOK_SHARE * named
