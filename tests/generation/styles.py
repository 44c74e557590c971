"""A reader of styles for tests."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from generation.phrase_book import PhraseBook
from generation.style_reader import StyleReader


def reader_of(embeddings: Tensor, names: Sequence[str]) -> StyleReader:
    """Know where each style points, embeddings (styles, width), and its name, but no phrases."""
    unit = functional.normalize(embeddings.float(), dim=-1)
    line = torch.cat([10 * unit.T, torch.zeros(1, len(unit))])
    return StyleReader(line, PhraseBook(dict.fromkeys(names, ())))
