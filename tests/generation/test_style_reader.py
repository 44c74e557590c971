"""The reader of styles: what words mean, and how they are spelled."""

from __future__ import annotations

import pytest
import torch

from generation.phrase_book import PhraseBook
from generation.style_reader import StyleReader
from tests.generation.styles import reader_of

STYLES = ("techno", "rain", "choir")


@pytest.fixture
def reader() -> StyleReader:
    return reader_of(torch.eye(3, 5), STYLES)


def test_a_strange_word_is_read_by_its_embedding(reader: StyleReader) -> None:
    for index, embedding in enumerate(torch.eye(3, 5)):
        assert int(reader.scores("what is this", embedding).argmax()) == index


def test_a_known_name_is_read_by_its_letters(reader: StyleReader) -> None:
    nowhere = torch.ones(5)
    for index, name in enumerate(STYLES):
        assert int(reader.scores(f"some {name} please", nowhere).argmax()) == index


def test_the_embedding_decides_between_two_names(reader: StyleReader) -> None:
    for index in (0, 2):
        scores = reader.scores("techno choir", torch.eye(3, 5)[index])
        assert int(scores.argmax()) == index


@pytest.mark.parametrize("scale", [0.1, 30.0])
def test_only_the_direction_counts(reader: StyleReader, scale: float) -> None:
    for one in torch.eye(3, 5):
        assert torch.allclose(reader.scores("x", scale * one), reader.scores("x", one), atol=1e-4)


def test_both_judges_are_heard() -> None:
    """Each is sure of another style; a name outweighs a weak line, and a strong line a letter."""
    line = torch.zeros(3, 2)
    line[0] = torch.tensor([0.0, 1.0])
    book = PhraseBook({"techno": (), "rain": ()})
    weak, strong = StyleReader(line, book), StyleReader(100 * line, book)
    asked = torch.tensor([1.0, 0.0])
    assert int(weak.scores("techno", asked).argmax()) == 0
    assert int(strong.scores("techno", asked).argmax()) == 1
