from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadInputRefusal
from bot.grammar import Ask, ask_from_json, parse_ask, read_command
from generation.request import MAX_PROMPT_CHARACTERS, MAX_SEED

WORDS = st.lists(
    st.from_regex(r"[a-zäé0-9][a-zäé0-9&'-]{0,8}", fullmatch=True), min_size=1, max_size=8
).map(" ".join)


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("!riff lo-fi beat", "riff", "lo-fi beat"),
        ("  !Riff   jazz ", "riff", "jazz"),
        ("!riff", "riff", ""),
        ("!riff\nover\ntwo lines", "riff", "over\ntwo lines"),
        ("!RIFFHELP", "riffhelp", ""),
    ],
)
def test_a_command_is_read_as_people_type_it(text: str, name: str, rest: str) -> None:
    command = read_command(text)
    assert command is not None
    assert (command.name, command.rest) == (name, rest)


@pytest.mark.parametrize("text", ["hello", "riff jazz", "!play jazz", "! riff x", "", "!!riff x"])
def test_other_messages_are_not_for_us(text: str) -> None:
    assert read_command(text) is None


def test_a_near_miss_is_told_the_right_name() -> None:
    with pytest.raises(BadInputRefusal, match="did you mean !riff"):
        read_command("!rif jazz")


@given(
    prompt=WORDS,
    seed=st.none() | st.integers(0, MAX_SEED),
    steps=st.none() | st.integers(1, 100),
    guidance=st.none() | st.floats(0, 30).map(lambda x: round(x, 3)),
    negative=st.just("") | WORDS,
    first=st.booleans(),
)
def test_what_is_written_out_is_read_back(
    prompt: str,
    seed: int | None,
    steps: int | None,
    guidance: float | None,
    negative: str,
    first: bool,
) -> None:
    options = " ".join(
        [
            *([f"--seed {seed}"] if seed is not None else []),
            *([f"--steps={steps}"] if steps is not None else []),
            *([f"--guidance {guidance}"] if guidance is not None else []),
            *([f'--negative "{negative}"'] if negative else []),
        ]
    )
    line = f"{options} {prompt}" if first else f"{prompt} {options}"
    assert parse_ask(line) == Ask(prompt, seed, negative, steps, guidance)


@given(st.text(max_size=600))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    try:
        ask = parse_ask(text)
    except BadInputRefusal as refusal:
        assert str(refusal)[0].isupper() or str(refusal).startswith("--")
    else:
        assert 0 < len(ask.prompt) <= MAX_PROMPT_CHARACTERS


def test_phones_write_dashes_and_quotes_their_own_way() -> None:
    line = "rock \u2014seed 4 \u2013negative \u201cloud vocals\u201d"
    assert parse_ask(line) == Ask("rock", seed=4, negative="loud vocals")
    assert parse_ask("rock \u2014 and roll").prompt == "rock \u2014 and roll"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "Tell me what it should sound like"),
        ("--seed 3", "Tell me what it should sound like"),
        ("x" * 501, "501 characters; 500 is the most"),
        ('x --negative "' + "y" * 501 + '"', "negative prompt has 501"),
        ("x --sed 3", "did you mean --seed"),
        ("x --zzz 3", "there are --seed"),
        ("x --seed", "--seed needs a value"),
        ("x --seed --steps 3", "--seed needs a value"),
        ("x --seed 1 --seed 2", "there twice"),
        ("x --steps 1.5", "whole number"),
        ("x --steps 101", "between 1 and 100"),
        ("x --seed -1", "between 0"),
        ("x --guidance nan", "has to be a number"),
        ("x --guidance inf", "between 0 and 30"),
    ],
)
def test_a_mistake_gets_a_sentence_that_says_what_to_write(line: str, sentence: str) -> None:
    with pytest.raises(BadInputRefusal) as caught:
        parse_ask(line)
    assert sentence in str(caught.value)


def test_json_says_the_same_as_a_message() -> None:
    data = {"prompt": "jazz", "seed": 4, "steps": 9, "guidance": 3.5, "negative": "drums"}
    assert ask_from_json(data) == parse_ask(
        "jazz --seed 4 --steps 9 --guidance 3.5 --negative drums"
    )
    assert ask_from_json({"prompt": "jazz", "seed": None}) == Ask("jazz")


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "jazz",
        {},
        {"prompt": 3},
        {"prompt": "x", "negative": 3},
        {"prompt": "x", "sede": 3},
        {"prompt": "x", "seed": True},
        {"prompt": "x", "seed": []},
        {"prompt": "x", "steps": 1e400},
        {"prompt": "x", "seed": 10**400},
    ],
)
def test_unusable_json_is_refused(data: object) -> None:
    with pytest.raises(BadInputRefusal):
        ask_from_json(data)
