from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generation.audio import AUDIO_FORMATS, encode, png_bytes
from generation.errors import BadRequestError, MediaError
from generation.spectrogram import SpectrogramParams
from generation.tags import Tags, read_tags, tag_flac, tag_mp3, tag_opus

SILENCE = np.zeros((1, 3000), np.float32)
BARE = {name: encode(SILENCE, 44100, name) for name in AUDIO_FORMATS}
TAGGERS = {"mp3": tag_mp3, "flac": tag_flac, "opus": tag_opus}

keys = st.from_regex(r"[a-z][a-z0-9_]{0,30}", fullmatch=True)
texts = st.text(max_size=200)


@given(title=texts, recipe=st.dictionaries(keys, texts, max_size=8))
@settings(max_examples=30, deadline=None)
def test_any_recipe_comes_back_from_any_format(title: str, recipe: dict[str, str]) -> None:
    tags = Tags(title, recipe)
    for name, tagger in TAGGERS.items():
        assert read_tags(tagger(BARE[name], tags)) == tags, name
    assert read_tags(encode(SILENCE, 44100, "wav", tags)) == tags
    picture = Image.new("RGB", (4, 64), "white")
    assert read_tags(png_bytes(picture, SpectrogramParams(mel_bins=64), tags)) == tags


def test_files_without_a_recipe_have_an_empty_one() -> None:
    for data in BARE.values():
        assert read_tags(data) == Tags()


def test_an_empty_value_is_no_value() -> None:
    assert Tags("", {"negative": ""}) == Tags()


def test_tagging_again_replaces() -> None:
    once = tag_flac(BARE["flac"], Tags("a", {"seed": "1"}))
    assert tag_flac(once, Tags()) == tag_flac(BARE["flac"], Tags())


@pytest.mark.parametrize("key", ["", "Seed", "1st", "a b", "a=b", "ä", "x" * 49])
def test_keys_that_some_format_cannot_hold_are_refused(key: str) -> None:
    with pytest.raises(BadRequestError):
        Tags("", {key: "value"})


def test_a_recipe_cannot_be_changed_afterwards_and_travels_between_processes() -> None:
    source = {"seed": "1"}
    tags = Tags("t", source)
    source["seed"] = "2"
    assert tags.recipe["seed"] == "1"
    with pytest.raises(TypeError):
        tags.recipe["seed"] = "3"  # type: ignore[index]
    assert pickle.loads(pickle.dumps(tags)) == tags


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"ID3", b"fLaC", b"OggS", b"RIFF", b"\x89PNG"])
)
@settings(max_examples=150, deadline=None)
def test_junk_is_refused_or_empty_but_never_a_crash(junk: bytes, magic: bytes) -> None:
    try:
        read_tags(magic + junk)
    except MediaError as error:
        assert "recipe" in str(error)
