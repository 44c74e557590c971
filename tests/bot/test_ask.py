from __future__ import annotations

import itertools
from dataclasses import fields, replace

import pytest

from bot.ask import Ask, Follow
from bot.limits import RateLimit
from bot.settings import RiffSettings, SoundSettings
from generation.request import GenerationRequest, Length, Point, Source

SETTINGS = RiffSettings(RateLimit(5, 30), 10, 200, sound=SoundSettings(steps=9, guidance_scale=3.0))
CLIP = Source("init", "ab" * 32)
TEXT = GenerationRequest("jazz", 7, negative="drums", steps=12, bpm=90, clips=1)
BLEND = GenerationRequest(
    "rain to techno", 7, kind="blend", points=(Point("rain", seed=1), Point("techno"))
)
REMIX = GenerationRequest("choir", 7, kind="remix", sources=(CLIP,), strength=0.6)


def seeds() -> itertools.count[int]:
    return itertools.count(100)


@pytest.mark.parametrize("request_", [TEXT, BLEND, REMIX], ids=["text", "blend", "remix"])
def test_a_request_can_be_asked_for_again_to_the_letter(request_: GenerationRequest) -> None:
    settled = replace(request_, steps=12, guidance_scale=4.0)
    assert Ask.of(settled).to_request(SETTINGS) == settled


def test_every_field_of_a_request_can_be_asked_for() -> None:
    asked = {field.name for field in fields(Ask)}
    assert {field.name for field in fields(GenerationRequest)} - asked == {"checkpoint", "version"}


def test_what_is_left_open_comes_from_the_settings_and_a_new_seed() -> None:
    one, two = (Ask("jazz").to_request(SETTINGS) for _ in range(2))
    assert (one.steps, one.guidance_scale) == (9, 3.0)
    assert one.seed != two.seed


def test_again_changes_the_seeds_and_nothing_else() -> None:
    pick = seeds().__next__
    ask = Follow("again").from_clip(TEXT, CLIP, pick)
    assert ask == replace(Ask.of(TEXT), seed=100)
    blend = Follow("again").from_clip(BLEND, CLIP, pick)
    assert [point.seed for point in blend.points] == [102, None]
    assert Follow("again", seed=5).from_clip(TEXT, CLIP, pick).seed == 5


def test_two_variations_of_a_clip_differ_and_keep_its_seed() -> None:
    pick = seeds().__next__
    follow = Follow("variation", variation=0.2)
    one, two = (follow.from_clip(TEXT, CLIP, pick) for _ in range(2))
    assert (one.kind, one.seed, one.variation) == ("variation", 7, 0.2)
    assert one.variation_seed != two.variation_seed
    assert not follow.needs_source(TEXT)


@pytest.mark.parametrize("request_", [BLEND, REMIX], ids=["blend", "remix"])
def test_a_variation_of_anything_else_is_a_subtle_remix(request_: GenerationRequest) -> None:
    follow = Follow("variation")
    assert follow.needs_source(request_)
    ask = follow.from_clip(request_, CLIP)
    assert (ask.kind, ask.prompt, ask.sources) == ("remix", request_.prompt, (CLIP,))
    assert ask.strength is not None
    assert 0 < ask.strength < 0.5
    ask.to_request(SETTINGS)


def test_a_remix_takes_new_words_and_keeps_the_rest() -> None:
    ask = Follow("remix", "choir", strength=0.6).from_clip(TEXT, CLIP)
    request = ask.to_request(SETTINGS)
    assert (request.prompt, request.negative, request.steps) == ("choir", "drums", 12)
    assert (request.kind, request.strength, request.bpm) == ("remix", 0.6, 90)
    assert Follow("remix").from_clip(TEXT, CLIP).prompt == "jazz"


def test_an_extension_names_the_length_of_the_whole() -> None:
    ask = Follow("extend", length=Length(8, "bars"), side="left").from_clip(TEXT, CLIP)
    request = ask.to_request(SETTINGS)
    assert (request.kind, request.side, request.length) == ("extend", "left", Length(8, "bars"))
    assert request.sources == (CLIP,)


def test_a_tempo_in_the_prompts_own_words_counts_unless_an_option_names_another() -> None:
    assert Ask("techno 128 bpm").to_request(SETTINGS).bpm == 128
    assert Ask("techno 128 bpm", bpm=100).to_request(SETTINGS).bpm == 100
    usual = replace(SETTINGS, sound=replace(SETTINGS.sound, bpm=90))
    assert Ask("techno 128 bpm").to_request(usual).bpm == 128
    assert Ask("techno").to_request(usual).bpm == 90
    # What is repeated stays as it was, and what is built on a clip keeps the clip's tempo.
    assert Ask("techno 128 bpm", settled=True).to_request(usual).bpm is None
    assert Ask("techno 128 bpm", kind="remix", sources=(CLIP,)).to_request(usual).bpm is None
