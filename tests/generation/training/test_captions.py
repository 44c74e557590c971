"""Captions are short, true, many, and never say what is held out."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from generation.training.captions import (
    ClipFacts,
    caption,
    facts_of,
    reworded_prompts,
    tempo_words,
    unseen_prompts,
)  # fmt: skip
from generation.training.compose import STYLES, compose, registry
from generation.training.text.corpus import free_requests


def test_held_out_wordings_are_never_captions() -> None:
    held_out = {phrase for phrase, _ in (*unseen_prompts(), *reworded_prompts())}
    said = {phrase for style in STYLES.values() for phrase in style.says}
    assert not held_out & said
    rng = np.random.default_rng(0)
    for name in STYLES:
        facts = facts_of(compose(name, 1), "none")
        for _ in range(40):
            text = caption(facts, rng)
            assert not any(phrase in text for phrase in held_out), text
    far_fetched = {phrase for phrase, _ in unseen_prompts()}
    assert not far_fetched & set(free_requests(2000, seed=1))


def test_most_styles_have_held_out_wordings() -> None:
    assert len({style for _, style in unseen_prompts()}) > 0.6 * len(STYLES)


@pytest.mark.parametrize("name", ["lo-fi hip hop", "guitar solo", "techno", "rain"])
def test_captions_are_many_short_and_lower_case(name: str) -> None:
    facts = facts_of(compose(name, 2), "none")
    rng = np.random.default_rng(4)
    texts = [caption(facts, rng) for _ in range(200)]
    assert len(set(texts)) > 40 or name == "rain"
    assert all(text == text.lower() and 0 < len(text) < 120 for text in texts)
    assert texts == [caption(facts, np.random.default_rng(4)) for _ in range(1)] + texts[1:]


@pytest.mark.parametrize("beats", range(4, 17))
def test_tempo_words_are_true(beats: int) -> None:
    bpm = beats * 60 / 5.12
    rng = np.random.default_rng(beats)
    for _ in range(60):
        words = tempo_words(bpm, rng)
        if words.endswith("bpm"):
            assert abs(int(words.removesuffix("bpm")) / bpm - 1) < 0.07
        elif words.endswith("beats"):
            assert words == f"{beats} beats"
        else:
            assert ("slow" in words) <= (bpm < 75)
            assert ("fast" in words) <= (bpm >= 135)


def test_facts_survive_json() -> None:
    facts = facts_of(compose("samba", 9), "fluidr3")
    assert ClipFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_phrases_are_of_known_styles_and_of_one_each() -> None:
    path = Path(registry.__file__).with_name("phrases.toml")
    told = tomllib.loads(path.read_text("utf-8"))
    assert told.keys() == STYLES.keys()
    everything = [phrase for style in STYLES.values() for phrase in style.phrases]
    assert len(everything) == len(set(everything)) > 4000
    assert all(phrase == phrase.lower().strip() and phrase.isascii() for phrase in everything)
    held_out = [phrase for phrase, _ in (*reworded_prompts(), *unseen_prompts())]
    assert not [phrase for phrase in everything if any(one in phrase for one in held_out)]


def test_captions_call_a_style_by_all_its_phrases() -> None:
    facts = facts_of(compose("techno", 5), "none")
    rng = np.random.default_rng(6)
    phrases = STYLES["techno"].phrases
    # two fifths of the captions say one: sixteen chances each, so that none is left out by chance
    texts = " | ".join(caption(facts, rng) for _ in range(40 * len(phrases)))
    assert not [phrase for phrase in phrases if phrase not in texts]
