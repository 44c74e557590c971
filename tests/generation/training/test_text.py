"""Tokenizer and text encoder: every text survives, every reader loads them, distilling helps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

from generation.training.text import corpus
from generation.training.text.distil import make_trainer, naming_loss, start_from_tokens
from generation.training.text.encoder import load_text, new_encoder, save_encoder, tokenize
from generation.training.text.probe import probe
from generation.training.text.tokenizer import MAX_TOKENS, save_tokenizer, train_tokenizer

TEXTS = ["lo-fi beat", "jazz piano melody 120 bpm", "guitar solo with distortion", "rain",
         "classical violin", "chopin's nocturne", "techno synth, fast"] * 3  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return train_tokenizer(TEXTS + corpus.free_requests(300, seed=0), vocabulary=1024)


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=20))
def test_any_text_has_known_tokens(tokenizer: CLIPTokenizer, text: str) -> None:
    tokens = tokenizer(text)["input_ids"]
    assert tokens[0] == tokenizer.bos_token_id
    assert tokens[-1] == tokenizer.eos_token_id
    # the end mark doubles as "unknown": inside a text it would mean a byte without a token
    assert tokenizer.eos_token_id not in tokens[1:-1]


@pytest.mark.parametrize("text", TEXTS[:7])
def test_words_come_back(tokenizer: CLIPTokenizer, text: str) -> None:
    decoded = str(tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True))
    assert decoded.replace(" ", "") == text.replace(" ", "")


def test_saved_files_give_the_same_tokens(tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    save_tokenizer(tokenizer, tmp_path)
    again = CLIPTokenizer.from_pretrained(tmp_path)
    assert again.model_max_length == MAX_TOKENS
    assert len(again) == len(tokenizer)
    for text in TEXTS:
        assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    full = tokenize(again, ["a", "piano " * 200], full=True)
    assert full.shape == (2, MAX_TOKENS)


def test_the_saved_encoder_loads_everywhere(tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    encoder = new_encoder(tokenizer, layers=2).eval()
    save_encoder(encoder, tmp_path / "text_encoder")
    save_tokenizer(tokenizer, tmp_path / "tokenizer")
    stored = load_file(tmp_path / "text_encoder" / "model.safetensors")
    assert all(key.startswith("text_model.") for key in stored)  # what older readers look for
    assert {value.dtype for value in stored.values()} == {torch.float16}
    _, report = CLIPTextModel.from_pretrained(tmp_path / "text_encoder", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    read_tokenizer, loaded = load_text(tmp_path)
    tokens = tokenize(read_tokenizer, TEXTS[:3])
    with torch.inference_mode():
        difference = loaded(tokens).pooler_output - encoder(tokens).pooler_output
    assert difference.abs().max() < 0.05  # half precision


def prepared(folder: Path, tokenizer: CLIPTokenizer) -> torch.Tensor:
    folder.mkdir()
    (folder / "texts.json").write_text(json.dumps(TEXTS[:7]))
    styles = ["lo-fi hip hop", "jazz trio", "guitar solo", None, "violin solo", None, "techno"]
    (folder / "styles.json").write_text(json.dumps(styles))
    target = np.random.default_rng(0).standard_normal((7, 384)).astype(np.float32)
    target /= np.linalg.norm(target, axis=1, keepdims=True)
    np.save(folder / "teacher.npy", target.astype(np.float16))
    return torch.from_numpy(
        np.random.default_rng(1).standard_normal((len(tokenizer), 384)).astype(np.float32) / 20
    )


def test_captions_are_drawn_to_the_names_of_their_styles() -> None:
    names = torch.eye(3, 8)
    right, sure = naming_loss(5 * names, names, torch.arange(3))
    wrong, lost = naming_loss(names.roll(1, 0), names, torch.arange(3))
    none, nothing = naming_loss(names[:0], names, torch.arange(0))
    assert float(right) < 1e-4 < 10 < float(wrong)
    assert float(none) == 0
    assert (sure["named"], lost["named"], nothing["named"]) == (1, 0, 0)


def test_distilling_turns_the_student_to_its_teacher(
    tokenizer: CLIPTokenizer, tmp_path: Path
) -> None:
    tokens = prepared(tmp_path / "text", tokenizer)
    torch.manual_seed(0)
    encoder = new_encoder(tokenizer, layers=1)
    start_from_tokens(encoder, tokens)
    trainer = make_trainer(tmp_path / "text", encoder, tokenizer, batch=4, rate=2e-3)
    trainer.warm_up_steps = 1
    trainer.run(25, log_every=5)
    assert trainer.curve[-1]["cosine"] > trainer.curve[0]["cosine"] + 0.1


def test_the_probe_finds_a_line_where_there_is_one() -> None:
    rng = torch.Generator().manual_seed(0)
    centres = 3 * torch.randn(5, 16, generator=rng)
    labels = [i % 5 for i in range(200)]
    features = centres[labels] + torch.randn(200, 16, generator=rng)
    assert probe(features[:150], labels[:150], features[150:], labels[150:]).top1 > 0.9
    noise = torch.randn(200, 16, generator=rng)
    assert probe(noise[:150], labels[:150], noise[150:], labels[150:]).top1 < 0.5
