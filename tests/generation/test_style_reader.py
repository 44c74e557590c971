"""The reader of styles: near phrases vote, the line decides between words."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from generation.style_reader import StyleReader
from tests.generation.styles import reader_of


def clouds(styles: int, phrases: int, width: int = 48) -> tuple[Tensor, Tensor]:
    """Phrases scattered about the middle of their styles: (n, width), and the styles (n,)."""
    generator = torch.Generator().manual_seed(1)
    middles = torch.randn((styles, 1, width), generator=generator)
    scattered = middles + 0.6 * torch.randn((styles, phrases, width), generator=generator)
    return scattered.reshape(-1, width), torch.arange(styles).repeat_interleave(phrases)


def test_unheard_phrases_find_their_style() -> None:
    embeddings, styles = clouds(8, 12)
    known = torch.arange(len(styles)) % 12 < 9
    middles = torch.stack([functional.normalize(embeddings[known & (styles == i)]).mean(0)
                           for i in range(8)])  # fmt: skip
    line = torch.cat([10 * middles.T, torch.zeros(1, 8)])
    reader = StyleReader.remember(embeddings[known], styles[known], line, axes=24)
    found = [int(reader.scores(one).argmax()) for one in embeddings[~known]]
    assert found == styles[~known].tolist()


def test_one_odd_phrase_is_enough_where_the_line_knows_nothing() -> None:
    """A style of two far-apart phrases: their mean means nothing, each of them everything."""
    embeddings = torch.eye(4, 6)
    styles = torch.tensor([0, 0, 1, 1])
    reader = StyleReader.remember(embeddings, styles, torch.zeros(7, 2), axes=4)
    assert [int(reader.scores(one).argmax()) for one in embeddings] == [0, 0, 1, 1]


def test_the_line_decides_between_equally_near_phrases() -> None:
    embeddings = torch.eye(2, 4)
    line = torch.zeros(5, 2)
    line[-1] = torch.tensor([0.0, 3.0])
    reader = StyleReader.remember(embeddings, torch.arange(2), line, axes=2)
    assert int(reader.scores(embeddings.sum(0)).argmax()) == 1


@pytest.mark.parametrize("scale", [0.1, 30.0])
def test_only_the_direction_counts(scale: float) -> None:
    embeddings, _ = clouds(5, 1)
    reader = reader_of(embeddings)
    for one in embeddings:
        assert torch.allclose(reader.scores(scale * one), reader.scores(one), atol=1e-4)


def test_its_tensors_make_it_again() -> None:
    reader = reader_of(clouds(5, 1)[0])
    again = StyleReader.from_tensors(reader.tensors())
    asked = torch.ones(48)
    assert torch.equal(again.scores(asked), reader.scores(asked))
    with pytest.raises(KeyError):
        StyleReader.from_tensors({})
