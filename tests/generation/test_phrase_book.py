"""The phrase book: styles by the letters of what people say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.phrase_book import PhraseBook, Sayings

SAID = {
    "thumb piano": Sayings(("kalimba", "mbira", "sansula"), ("slow kalimba at night",)),
    "dubstep": Sayings(
        ("skrillex drop", "wobble bass", "wobbly bass", "big wobbles", "brostep", "bass wobble"),
        ("heavy drop with bass",),
    ),
    "upright bass": Sayings(("walking bass", "double bass"), ("warm bass please",)),
}


@pytest.fixture(scope="module")
def book() -> PhraseBook:
    return PhraseBook(SAID)


def found(book: PhraseBook, prompt: str) -> str:
    return book.styles[int(book.scores(prompt).argmax())]


@pytest.mark.parametrize(
    ("prompt", "style"),
    [
        ("Kalimba!", "thumb piano"),
        ("some kalimbas pls", "thumb piano"),
        ("skrilex", "dubstep"),
        ("like skrillex", "dubstep"),
        ("double basses", "upright bass"),
        ("walking bass", "upright bass"),
        ("wobble bass", "dubstep"),
        ("bass that wobbles", "dubstep"),
        ("thumb piano", "thumb piano"),
    ],
)
def test_words_and_parts_of_them_name_a_style(book: PhraseBook, prompt: str, style: str) -> None:
    assert found(book, prompt) == style


@pytest.mark.parametrize("prompt", ["", "?!", "zzz qqq", "日本語", "a" * 5000])
def test_what_it_never_saw_means_nothing(book: PhraseBook, prompt: str) -> None:
    assert not book.scores(prompt).any()


def test_more_phrases_that_say_a_word_are_more_evidence() -> None:
    once = PhraseBook({"a": Sayings(("drum",), ()), "b": Sayings(("flute",), ())})
    often = PhraseBook(
        {"a": Sayings(("drum", "big drum", "drum roll"), ()), "b": Sayings(("flute",), ())}
    )
    lead = [float(-np.diff(book.scores("drum"))[0]) for book in (once, often)]
    assert 0 < lead[0] < lead[1]


def test_a_caption_counts_for_less_than_a_phrase() -> None:
    book = PhraseBook({"a": Sayings(("flute",), ()), "b": Sayings((), ("flute",))})
    assert found(book, "flute") == "a"


@given(st.text(max_size=80))
def test_any_prompt_has_finite_scores(prompt: str) -> None:
    scores = PhraseBook(SAID).scores(prompt)
    assert scores.shape == (3,)
    assert np.isfinite(scores).all()


def test_case_order_and_repetition_of_words_change_little(book: PhraseBook) -> None:
    assert np.array_equal(book.scores("Walking BASS"), book.scores("walking bass"))
    assert np.array_equal(book.scores("kalimba kalimba mbira kalimba"),
                          book.scores("kalimba kalimba mbira kalimba kalimba"))  # fmt: skip


@given(st.data())
def test_every_line_with_a_piece_is_found(data: st.DataObject) -> None:
    words = st.text("abc", min_size=1, max_size=12)
    lines = data.draw(st.lists(st.lists(words, min_size=1, max_size=3), min_size=1, max_size=8))
    phrases = [" ".join(line) for line in lines]
    found = PhraseBook({"a": Sayings(phrases, ()), "z": Sayings((), ())})
    for piece in {f" {word} " for line in lines for word in line} | {" cc", "abc", "bca ca"}:
        # Line 0 is the name of the style.
        wanted = [i + 1 for i, phrase in enumerate(phrases) if piece in f" {phrase} "]
        wanted = ([0] if piece in " a " else []) + wanted
        assert found._found(piece).tolist() == wanted


def test_what_is_saved_says_the_same(book: PhraseBook, tmp_path: Path) -> None:
    book.save(tmp_path / "phrases.json")
    again = PhraseBook.load(tmp_path / "phrases.json")
    assert again.styles == book.styles
    assert np.array_equal(again.scores("warm kalimba drop"), book.scores("warm kalimba drop"))


@pytest.mark.parametrize("text", ["[]", "{", '{"a": {}}', '{"a": 1}', '{"a": {"phrases": 3}}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "phrases.json").write_text(text)
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        PhraseBook.load(tmp_path / "phrases.json")
