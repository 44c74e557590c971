from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ask import Ask, Follow
from bot.errors import BadInputRefusal
from bot.grammar import (
    Command,
    ask_from_json,
    follow_from_json,
    parse_ask,
    parse_blend,
    parse_follow,
    read_command,
)
from generation.request import (
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    AdapterUse,
    Length,
    Point,
    Source,
)

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


@pytest.mark.parametrize(
    ("line", "ask"),
    [
        ("jazz --bpm 90 --length 8bars", Ask("jazz", bpm=90, length=Length(8, "bars"))),
        ("jazz --tempo 90", Ask("jazz", bpm=90)),
        ('jazz --length "16 beats" --bpm 120', Ask("jazz", bpm=120, length=Length(16, "beats"))),
        ("jazz --length 10s", Ask("jazz", length=Length(10))),
        ("jazz --seconds 7,5", Ask("jazz", length=Length(7.5))),
        ("jazz --cfg 3 --loop no", Ask("jazz", guidance_scale=3, loop=False)),
        ("jazz --sampler euler --clips 3", Ask("jazz", sampler="euler", clips=3)),
        (
            "jazz --lora vinyl:0.5,tape",
            Ask("jazz", adapters=(AdapterUse("vinyl", 0.5), AdapterUse("tape"))),
        ),
        ("(jazz:1.3) piano", Ask("(jazz:1.3) piano")),
    ],
)
def test_every_option_is_read(line: str, ask: Ask) -> None:
    assert parse_ask(line) == ask


@pytest.mark.parametrize("arrow", ["->", "-->", "=>", "\u2192", " \u2192  "])
def test_a_blend_goes_from_one_prompt_to_another(arrow: str) -> None:
    ask = parse_blend(f"rain {arrow} hard techno --seed 4 --bpm 128")
    assert ask.points == (Point("rain"), Point("hard techno"))
    assert (ask.kind, ask.clips, ask.seed, ask.bpm) == ("blend", 5, 4, 128)
    assert ask.prompt == "rain \u2192 hard techno"
    assert parse_blend("rain -> techno --clips 9").clips == 9


def test_a_blend_of_many_is_a_mix_by_weight() -> None:
    ask = parse_blend("rain + techno:2 + 30% a choir")
    assert ask.points == (Point("rain"), Point("techno", 2), Point("a choir", 30))
    assert (ask.kind, ask.clips) == ("mix", None)
    # a weight inside brackets is the prompt's own
    assert parse_blend("(rain:1.3) + b").points[0] == Point("(rain:1.3)")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("rain", "with an arrow between"),
        ("rain -> ", "Tell me what it should sound like"),
        ("a -> b -> c", "with an arrow between"),
        (" + ".join("abcdefghi"), "up to 8"),
        ("a:0 + b", "weight of a prompt"),
        ("a -> b --distance 0.3", "does not go with this command"),
        ("", "with an arrow between"),
    ],
)
def test_a_blend_that_cannot_be_gets_a_sentence(line: str, sentence: str) -> None:
    with pytest.raises(BadInputRefusal) as caught:
        parse_blend(line)
    assert sentence in str(caught.value)


@given(st.text(max_size=1200))
def test_any_blend_is_read_or_refused_and_can_be_asked_for(text: str) -> None:
    try:
        ask = parse_blend(text)
    except BadInputRefusal as refusal:
        assert str(refusal).endswith((".", "?"))
    else:
        assert 0 < len(ask.prompt) <= MAX_PROMPT_CHARACTERS


@pytest.mark.parametrize(
    ("name", "rest", "follow"),
    [
        ("again", "", Follow("again")),
        ("again", "--seed 3", Follow("again", seed=3)),
        ("vary", "--distance 0.2", Follow("variation", variation=0.2)),
        ("extend", "--length 15s --side left", Follow("extend", length=Length(15), side="left")),
        ("remix", "heavy metal --denoise 0.6", Follow("remix", "heavy metal", strength=0.6)),
        ("remix", "", Follow("remix")),
    ],
)
def test_commands_that_follow_a_clip(name: str, rest: str, follow: Follow) -> None:
    assert parse_follow(Command(name, rest)) == follow


def test_only_a_remix_takes_other_words() -> None:
    with pytest.raises(BadInputRefusal, match="use !remix slower"):
        parse_follow(Command("extend", "slower"))
    with pytest.raises(BadInputRefusal, match="did you mean --distance"):
        parse_follow(Command("variation", "--distanc 0.3"))


def test_json_blends_mixes_and_remixes() -> None:
    assert ask_from_json({"prompt": "a", "to": "b", "clips": 3}) == parse_blend("a -> b --clips 3")
    mix = {"mix": [{"prompt": "a"}, {"prompt": "b", "weight": 2}]}
    assert ask_from_json(mix) == parse_blend("a + b:2")
    source, mask = "ab" * 32, "cd" * 32
    ask = ask_from_json({"prompt": "a", "source": source, "mask": mask, "strength": 0.4})
    assert ask == Ask(
        "a", kind="remix", strength=0.4, sources=(Source("init", source), Source("mask", mask))
    )
    assert follow_from_json("remix", {"prompt": "b", "strength": 0.4}) == Follow(
        "remix", "b", strength=0.4
    )


@pytest.mark.parametrize(
    "data",
    [
        {"prompt": "a", "to": 3},
        {"prompt": "a", "to": ""},
        {"mix": []},
        {"mix": ["a"]},
        {"mix": [{"prompt": "a", "weight": "heavy"}]},
        {"mix": [{"prompt": "a", "weight": float("nan")}]},
        {"mix": [{"prompt": "a", "colour": 1}]},
        {"prompt": "a", "source": "../../etc/passwd"},
        {"prompt": "a", "source": 7},
        {"prompt": "a", "length": "soon"},
        {"prompt": "a", "length": 0},
        {"prompt": "a", "length": True},
        {"prompt": "a", "loop": "maybe"},
        {"prompt": "a", "loop": []},
        {"prompt": "a", "lora": 3},
        {"prompt": "a", "lora": "x:heavy"},
        {"prompt": "a", "strength": 0.5},
    ],
)
def test_unusable_json_for_anything_else_is_refused(data: object) -> None:
    with pytest.raises(BadInputRefusal):
        ask_from_json(data)


def test_there_are_four_ways_to_follow_a_clip() -> None:
    with pytest.raises(BadInputRefusal, match="again, variation, extend, remix"):
        follow_from_json("delete", {})
