from __future__ import annotations

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.jobs import Job, Requester
from cogs.discord.place import Place
from cogs.discord.wording import (
    STATUS_MARK,
    clip_line,
    escape,
    picture_text,
    upload_stem,
    with_prefix,
)
from generation.request import GenerationRequest

PROMPTS = st.text(min_size=1, max_size=500).filter(lambda text: bool(text.strip()))
MARKUP = "\\*_~`|<[@"
IDS = st.integers(0, 2**64 - 1)


def job(prompt: str, seed: int = 7) -> Job:
    return Job(
        id="x" * 22,
        state="rendered",
        lane="riffs",
        requester=Requester("discord", "1", "2", "Mia"),
        request=GenerationRequest(prompt=prompt, seed=seed, steps=100),
        created_at=0.0,
        attempts=1,
        crashes=0,
        started_at=0.0,
        rendered_at=12345.6,
    )


def unescape(text: str) -> str:
    """Discord's own rule: a backslash before punctuation disappears."""
    return re.sub(rf"\\([{re.escape(string.punctuation)}])", r"\1", text)


@example("\n>")
@given(st.text(st.sampled_from(MARKUP + "#->+. \n1a:/"), max_size=80) | st.text(max_size=80))
def test_escaped_text_reads_as_typed(text: str) -> None:
    assert unescape(escape(text)) == text


@given(st.text(st.sampled_from(MARKUP + "ab \n"), max_size=80))
def test_no_markup_is_left(text: str) -> None:
    assert not set(re.sub(r"\\.", "", escape(text))) & set(MARKUP)


@pytest.mark.parametrize("line", ["# a", "- a", "> a", "-# a", "1. a", "  - a", "+ a"])
def test_lines_do_not_begin_lists_or_headings(line: str) -> None:
    assert re.match(r"\s*\d*\\[#>+.-]", escape(f"x\n{line}").split("\n")[1])


@given(PROMPTS)
def test_any_prompt_fits_a_message_and_its_picture(prompt: str) -> None:
    line = clip_line(job(prompt))
    assert len(line) <= 2000
    assert line.startswith("-# ")
    assert "\n" not in line
    assert len(picture_text(job(prompt))) <= 1024
    assert not line.startswith(STATUS_MARK)


@given(PROMPTS, st.integers(0, 2**32 - 1))
def test_file_names_are_safe(prompt: str, seed: int) -> None:
    assert re.fullmatch(rf"[a-z0-9]+(-[a-z0-9]+)*-{seed}", upload_stem(job(prompt, seed), 0))


def test_file_names_speak() -> None:
    assert upload_stem(job("Café ~ lo-fi/beat!"), 0) == "cafe-lo-fi-beat-7"
    assert upload_stem(job("雨の音"), 2) == "riff-9"


def test_sentences_take_the_prefix() -> None:
    assert with_prefix("There is no !rif; did you mean !riff?", "r.") == (
        "There is no r.rif; did you mean r.riff?"
    )
    assert with_prefix("Wow! Try !riff.", "!") == "Wow! Try !riff."


@given(IDS, st.none() | IDS, IDS, IDS)
def test_a_place_survives_the_ledger(
    channel: int, guild: int | None, message: int, user: int
) -> None:
    place = Place(channel, guild, message, user)
    assert Place.from_address(place.to_address()) == place
