"""The phrase book: styles by the letters of what people say."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.phrase_book import PhraseBook

SAID = {
    "thumb piano": ("kalimba", "mbira", "sansula", "slow kalimba at night"),
    "dubstep": (
        "skrillex drop",
        "wobble bass",
        "wobbly bass",
        "big wobbles",
        "brostep",
        "bass wobble",
        "heavy drop with bass",
    ),
    "upright bass": ("walking bass", "double bass", "warm bass please"),
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
    once = PhraseBook({"a": ("drum",), "b": ("flute",)})
    often = PhraseBook({"a": ("drum", "big drum", "drum roll"), "b": ("flute",)})
    lead = [float(-np.diff(book.scores("drum"))[0]) for book in (once, often)]
    assert 0 < lead[0] < lead[1]


def test_two_words_together_say_more_than_each() -> None:
    said = {"a": ("steel drum", "pan"), "b": ("steel", "drum")}
    assert found(PhraseBook(said), "steel drum") == "a"
    swapped = PhraseBook({"a": ("drum steel", "pan"), "b": ("steel", "drum")})
    lead = [np.subtract(*book.scores("steel drum")) for book in (PhraseBook(said), swapped)]
    assert lead[0] > lead[1]


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
    found = PhraseBook({"a": phrases, "z": ()})
    for piece in {f" {word} " for line in lines for word in line} | {" cc", "abc", "bca ca"}:
        # Line 0 is the name of the style.
        wanted = [i + 1 for i, phrase in enumerate(phrases) if piece in f" {phrase} "]
        wanted = ([0] if piece in " a " else []) + wanted
        assert found._found(piece).tolist() == wanted


def test_what_is_saved_says_the_same(book: PhraseBook, tmp_path: Path) -> None:
    file, other = tmp_path / "phrases.json.gz", tmp_path / "other.json.gz"
    book.save(file)
    again = PhraseBook.load(file)
    assert again.styles == book.styles
    assert np.array_equal(again.scores("warm kalimba drop"), book.scores("warm kalimba drop"))
    again.save(other)
    assert file.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("text", ["[]", "{", '{"a": [{}]}', '{"a": 1}', '{"a": [3]}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "phrases.json.gz").write_bytes(gzip.compress(text.encode()))
    with pytest.raises((ValueError, TypeError, AttributeError)):
        PhraseBook.load(tmp_path / "phrases.json.gz")


@pytest.mark.parametrize("damage", ["plain", "short", "changed", "bomb"])
def test_a_damaged_file_is_refused(book: PhraseBook, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "phrases.json.gz"
    book.save(file)
    data = file.read_bytes()
    file.write_bytes(
        {
            "plain": b"{}",
            "short": data[: len(data) // 2],
            "changed": data[:30] + bytes([data[30] ^ 0xFF]) + data[31:],
            "bomb": gzip.compress(b" " * (17 << 20) + b"{}"),
        }[damage]
    )
    with pytest.raises((ValueError, OSError)):
        PhraseBook.load(file)
