"""Weighted prompts: the syntax, and the formula against one written down independently."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, BertModel, BertTokenizerFast

from generation.checkpoint import Checkpoint, Preferences
from generation.prompts import PromptEncoder, _tokens, parse_prompt, weigh
from tests.generation.tiny import TOKENS, WIDTH, tiny_checkpoint

ROOM = TOKENS - 2


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return tiny_checkpoint()


@pytest.fixture(scope="module")
def encoder(checkpoint: Checkpoint) -> PromptEncoder:
    return PromptEncoder(checkpoint)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [("", 1)]),
        ("lo-fi beat, 90 bpm", [("lo-fi beat, 90 bpm", 1)]),
        ("a (warm) piano", [("a ", 1), ("warm", 1.1), (" piano", 1)]),
        ("a (warm:1.5) piano", [("a ", 1), ("warm", 1.5), (" piano", 1)]),
        ("(warm : .5 )", [("warm ", 0.5)]),
        ("[hiss] rain", [("hiss", 1 / 1.1), (" rain", 1)]),
        ("((warm))", [("warm", 1.1 * 1.1)]),
        ("(a (b:2) c:1.5)", [("a ", 1.5), ("b", 3), (" c", 1.5)]),
        ("([a] b)", [("a", 1), (" b", 1.1)]),
        ("(a:0)b", [("a", 0), ("b", 1)]),
        (r"a \(live\) \[take\]", [("a (live) [take]", 1)]),
        (r"(a\):1.2)", [("a)", 1.2)]),
        (r"back\slash \\", [("back\\slash \\", 1)]),
        # without a partner, a bracket is a character
        ("smile :)", [("smile :)", 1)]),
        ("(a b", [("(a b", 1)]),
        ("a] [b", [("a] [b", 1)]),
        ("(a [b)", [("a [b", 1.1)]),
        ("[a (b] c)", [("a (b", 1 / 1.1), (" c)", 1)]),
        # no weight, no weight of ours, or one that is used up
        ("(a:x)", [("a:x", 1.1)]),
        ("(a:-1)", [("a:-1", 1.1)]),
        ("[a:1.3]", [("a:1.3", 1 / 1.1)]),
        ("((a:2:3))", [("a:2", 3.3)]),
        ("()", [("", 1)]),
        ("(a:99999)", [("a", 10)]),
    ],
)
def test_the_syntax(text: str, parts: list[tuple[str, float]]) -> None:
    parsed = parse_prompt(text)
    assert [part for part, _ in parsed] == [part for part, _ in parts]
    assert [weight for _, weight in parsed] == pytest.approx([weight for _, weight in parts])


@given(st.text(alphabet="ab :.15()[]\\", max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_text_is_an_error(text: str) -> None:
    parsed = parse_prompt(text)
    assert parsed
    assert all(0 <= weight <= 10 for _, weight in parsed)
    assert all(one[1] != two[1] for one, two in pairwise(parsed))


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_an_escaped_text_is_that_text(text: str) -> None:
    escaped = "".join(f"\\{c}" if c in "()[]\\" else c for c in text)
    assert parse_prompt(escaped) == [(text, 1.0)]


def test_weights_keep_the_mean_over_all_numbers() -> None:
    embedding = torch.randn(9, 6, generator=torch.Generator().manual_seed(0)) + 0.5
    weights = torch.tensor([1, 1, 1.3, 1.3, 0.5, 1, 1, 1, 1])
    weighed = weigh(embedding, weights).numpy()
    formula = embedding.numpy() * weights.numpy()[:, None]
    formula *= embedding.numpy().mean() / formula.mean()
    assert np.allclose(weighed, formula, atol=1e-6)


def test_weights_on_centred_embeddings_keep_the_root_mean_square() -> None:
    embedding = torch.randn(9, 6, generator=torch.Generator().manual_seed(0))
    embedding -= embedding.mean()
    weights = torch.linspace(0.5, 2, 9)
    weighed = weigh(embedding, weights)
    assert float(weighed.square().mean()) == pytest.approx(float(embedding.square().mean()))
    assert torch.cosine_similarity(weighed, embedding, dim=1).min() > 0.9999


def test_all_weights_zero_is_no_division_by_zero() -> None:
    assert torch.isfinite(weigh(torch.randn(4, 3), torch.zeros(4))).all()


def test_a_weighted_prompt_end_to_end(encoder: PromptEncoder) -> None:
    plain, weighted = encoder.encode("a beat c"), encoder.encode("a (beat:2) c")
    ratio = (weighted / plain).mean(dim=1)
    # start, a, beat, c, end, padding: one token doubled, then all scaled alike
    assert torch.allclose(ratio[2] / ratio[0], torch.tensor(2.0), atol=1e-4)
    assert torch.allclose(ratio[[0, 1, *range(3, TOKENS)]], ratio[0], atol=1e-4)
    assert torch.equal(encoder.encode("a (beat:1) c"), plain)


def test_a_long_prompt_is_its_chunks_side_by_side(encoder: PromptEncoder) -> None:
    letters = "a b c d e f g h i j k l m n o p q r s t u v w x y z".split()
    text = " ".join(letters)
    assert encoder.chunks(text) == 3
    whole = encoder.encode(text, 3)
    parts = [
        encoder.encode(" ".join(letters[at : at + ROOM]), 1) for at in range(0, len(letters), ROOM)
    ]
    assert torch.allclose(whole, torch.cat(parts), atol=1e-6)


def test_a_weight_reaches_across_chunks(encoder: PromptEncoder) -> None:
    letters = "a b c d e f g h i j k l".split()
    plain = encoder.encode(" ".join(letters), 2)
    weighted = encoder.encode(f"a b c d e f g h (i j k:2) {letters[-1]}", 2)
    ratio = (weighted / plain).mean(dim=1)
    assert (ratio / ratio[0]).round(decimals=3).tolist() == [
        *[1.0] * 9, 2.0, 2.0, 1.0,
        1.0, 2.0, *[1.0] * 10,
    ]  # fmt: skip


def test_a_short_prompt_is_filled_up_with_empty_chunks(encoder: PromptEncoder) -> None:
    filled = encoder.encode("a", 3)
    assert filled.shape == (3 * TOKENS, WIDTH)
    assert torch.allclose(filled[:TOKENS], encoder.encode("a"), atol=1e-6)
    for at in (1, 2):
        chunk = filled[at * TOKENS : (at + 1) * TOKENS]
        assert torch.allclose(chunk, encoder.encode(""), atol=1e-6)


def test_what_does_not_fit_is_refused(encoder: PromptEncoder) -> None:
    assert encoder.chunks(" ".join("a" * ROOM)) == 1
    assert encoder.chunks(" ".join("a" * (ROOM + 1))) == 2
    with pytest.raises(ValueError, match="do not fit"):
        encoder.encode(" ".join("a" * (ROOM + 1)), 1)


def test_max_tokens_makes_windows_shorter(checkpoint: Checkpoint) -> None:
    short = PromptEncoder(with_preferences(checkpoint, max_tokens=6))
    assert short.window == 6
    assert short.chunks("a b c d e") == 2
    assert short.encode("a b c d e", 2).shape == (12, WIDTH)
    assert PromptEncoder(with_preferences(checkpoint, max_tokens=999)).window == TOKENS


def test_the_marks_of_a_prompts_end_are_plain_text(encoder: PromptEncoder) -> None:
    ids = encoder._checkpoint.tokenizer.all_special_ids
    text = "a <|endoftext|> b"
    assert encoder.chunks(text) > 1  # spelled out
    assert not set(ids) & set(_tokens(encoder._checkpoint.tokenizer, text))


def test_a_textual_inversion_brings_all_its_vectors() -> None:
    checkpoint = tiny_checkpoint()
    names = ["<mine>", "<mine>_1", "<mine>_2", "<yours>"]
    checkpoint.tokenizer.add_tokens(names)
    numbers = checkpoint.tokenizer.convert_tokens_to_ids(names)
    assert _tokens(checkpoint.tokenizer, "<mine> <yours>") == numbers
    checkpoint.text_encoder.resize_token_embeddings(len(checkpoint.tokenizer))
    assert PromptEncoder(checkpoint).encode("a (<mine>:1.2)").isfinite().all()


def test_the_cache_is_bounded_and_can_be_cleared(checkpoint: Checkpoint) -> None:
    encoder = PromptEncoder(checkpoint, cached=2)
    first = encoder.encode("a")
    encoder.encode("b")
    assert encoder.encode("a") is first  # the latest used again
    encoder.encode("c")
    assert encoder.encode("a") is first
    encoder.encode("b")
    encoder.encode("c")
    again = encoder.encode("a")
    assert again is not first
    assert torch.equal(again, first)
    assert len(encoder._cache) == 2
    encoder.clear()
    assert encoder.encode("a") is not again


def test_encoders_of_berts_family_are_masked_where_there_is_padding(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefgh"]
    vocabulary = tmp_path_factory.mktemp("bert") / "vocab.txt"
    vocabulary.write_text("\n".join(words))
    tokenizer = BertTokenizerFast(str(vocabulary), model_max_length=8)
    torch.manual_seed(0)
    model = BertModel(
        BertConfig(
            vocab_size=len(words),
            hidden_size=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=WIDTH,
            max_position_embeddings=8,
        )
    ).eval()
    checkpoint = replace(tiny_checkpoint(), tokenizer=tokenizer, text_encoder=model)
    tokens = tokenizer("a b c", padding="max_length", max_length=8, return_tensors="pt")
    with torch.inference_mode():
        theirs = model(tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state[0]
    ours = PromptEncoder(checkpoint)
    assert torch.allclose(ours.encode("a b c"), theirs, atol=1e-5)
    assert ours.encode("a (b:1.3) c").isfinite().all()


def with_preferences(checkpoint: Checkpoint, max_tokens: int) -> Checkpoint:
    return replace(checkpoint, preferences=Preferences("tiny", max_tokens=max_tokens))
