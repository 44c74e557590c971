from __future__ import annotations

from dataclasses import replace

import pytest

from bot.ask import Ask
from bot.edits import EditForm
from bot.errors import BadInputRefusal
from bot.grammar import parse_ask, parse_blend
from generation.request import GenerationRequest, Source
from tests.bot.conftest import SETTINGS

SOURCE = Source("init", "a" * 64)


def request_of(ask: Ask) -> GenerationRequest:
    return ask.to_request(SETTINGS)


REQUESTS = [
    request_of(parse_ask("lo-fi beat --seed 7")),
    request_of(
        parse_ask('rain --seed 7 --negative "vocals" --steps 9 --bpm 90 --length 4bars --loop no')
    ),
    request_of(parse_ask("rain --seed 7 --guidance 4.5 --clips 3 --lora vinyl:0.8 --start loop")),
    request_of(parse_blend("rain -> techno --seed 7 --clips 3")),
    request_of(parse_blend("rain:2 + techno:1 --seed 7 --sampler euler")),
    request_of(Ask("jazz", seed=7, kind="remix", sources=(SOURCE,), strength=0.4)),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_form_that_was_not_changed_asks_for_the_same(request_: GenerationRequest) -> None:
    assert request_of(EditForm.of(request_).to_ask(request_)) == request_


def test_what_was_changed_is_changed_and_nothing_else() -> None:
    request = REQUESTS[1]
    form = replace(EditForm.of(request), prompt="snow", seed="8", steps="", more="--bpm 100")
    edited = request_of(form.to_ask(request))
    assert (edited.prompt, edited.seed, edited.steps, edited.bpm) == ("snow", 8, None, 100)
    assert (edited.negative, edited.length, edited.loop) == ("vocals", None, True)
    another = request_of(replace(form, seed="").to_ask(request))
    assert replace(another, seed=8) == edited


def test_a_remix_stays_on_its_sound_and_a_variation_becomes_a_riff() -> None:
    remix = REQUESTS[-1]
    edited = request_of(replace(EditForm.of(remix), prompt="metal").to_ask(remix))
    assert (edited.kind, edited.sources, edited.strength) == ("remix", (SOURCE,), 0.4)
    variation = replace(REQUESTS[0], kind="variation", variation=0.3, variation_seed=5)
    assert request_of(EditForm.of(variation).to_ask(variation)).kind == "text"


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("prompt", " ", "Tell me"),
        ("prompt", "lo-fi beat --bpm 100", "field for more options"),
        ("seed", "minus one", "whole number"),
        ("steps", "1e9", "between 1 and 100"),
        ("more", "faster", "--bpm 90"),
        ("more", "--steps 3", "field for the steps"),
        ("more", "--sedd 3", "did you mean"),
    ],
)
def test_bad_values_get_a_sentence(field: str, text: str, sentence: str) -> None:
    form = replace(EditForm.of(REQUESTS[0]), **{field: text})
    with pytest.raises(BadInputRefusal, match=sentence):
        form.to_ask(REQUESTS[0])
