"""What the bot says keeps to Twitch's limits, which the loopback Twitch enforces."""

from __future__ import annotations

import asyncio
import re

from hypothesis import given
from hypothesis import strategies as st

from cogs.twitch.mouth import UnsentError, plain_text
from cogs.twitch.reading import command_text
from tests.cogs.twitch.house import House
from tests.peers.twitch import fragments


async def test_many_answers_are_merged_and_none_is_dropped(house: House) -> None:
    mouth = house.adapter.mouth
    waiting = [mouth.say(house.channel.id, f"Viewer{n}", f"Answer number {n}.") for n in range(100)]
    await asyncio.wait_for(asyncio.gather(*waiting), 30.0)
    said = house.peer.world.said_by(house.channel, house.bot)
    assert len(said) < 20 and all(len(line) <= 500 for line in said)
    everything = " ".join(said)
    assert all(f"@Viewer{n} Answer number {n}." in everything for n in range(100))


async def test_what_many_are_told_alike_is_said_once(house: House) -> None:
    mouth = house.adapter.mouth
    await asyncio.gather(*(mouth.say(house.channel.id, f"V{n}", "Thanks.") for n in range(30)))
    said = house.peer.world.said_by(house.channel, house.bot)
    assert len(said) == 1 and "and 22 more" in said[0]


async def test_the_same_text_waits_for_half_a_minute(house: House) -> None:
    mouth = house.adapter.mouth
    await mouth.say(house.channel.id, "Ana", "The queue is empty.")
    again = mouth.say(house.channel.id, "Ana", "The queue is empty.")
    await asyncio.wait([again], timeout=1.0)
    assert not again.done()
    house.peer.world.advance(32.0)
    await asyncio.wait_for(again, 10.0)
    assert len(house.peer.world.said_by(house.channel, house.bot)) == 2


async def test_moderators_may_say_more(house: House) -> None:
    house.channel.moderators.add(house.bot.id)
    mouth = house.adapter.mouth
    for number in range(40):
        await asyncio.wait_for(mouth.say(house.channel.id, "Ana", f"Line {number}."), 10.0)
    assert len(house.peer.world.said_by(house.channel, house.bot)) == 40


async def test_a_chat_that_lets_only_followers_write_is_given_up(house: House) -> None:
    house.channel.modes.followers_only = True
    try:
        await asyncio.wait_for(house.adapter.mouth.say(house.channel.id, "Ana", "Hello."), 10.0)
    except UnsentError as error:
        assert not error.again and "followers" in str(error)
    else:
        raise AssertionError("it was sent")


async def test_long_answers_go_on_in_the_next_message(house: House) -> None:
    words = " ".join(f"word{n}" for n in range(150))
    house.adapter.mouth.say(house.channel.id, "Ana", words)
    await house.said("word149")
    said = house.peer.world.said_by(house.channel, house.bot)
    assert set(re.findall(r"word\d+", " ".join(said))) == set(words.split())


@given(st.text(max_size=300))
def test_nothing_that_is_quoted_mentions_anybody(text: str) -> None:
    line = plain_text(text)
    assert not re.search(r"@\w", line)
    assert "\n" not in line


@given(st.text(max_size=60))
def test_any_message_can_be_read(text: str) -> None:
    pieces = fragments.cut(text, {"Kappa": "25"}, 0, lambda login: None)
    line = command_text({"message": {"text": text, "fragments": pieces}})
    assert line is None or line.startswith("!")


def test_emotes_decorate_unless_they_are_all_there_is() -> None:
    def read(text: str, bits: int = 0) -> str | None:
        pieces = fragments.cut(text, {"Kappa": "25"}, bits, lambda login: None)
        return command_text({"message": {"text": text, "fragments": pieces}})

    assert read("!riff lo-fi Kappa beat") == "!riff lo-fi beat"
    assert read("!riff Kappa") == "!riff Kappa"
    assert read("Cheer100 !vote rain", 100) == "!vote rain"
    assert read("@riffbot !again") == "!again"
    assert read("so !riff is a command") is None
