from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadInputRefusal
from bot.moderation.desk import Rulebook, open_rulebook
from bot.moderation.keys import KEYS, find_key
from bot.moderation.scopes import GLOBAL, scope_for, scopes_of
from bot.store.database import Database
from generation.request import Length
from tests.bot.moderation.conftest import ADMIN, MEMBER, OWNER, somebody
from tests.clock import HandClock

HERE = scope_for(MEMBER, "community")
MINE = scope_for(MEMBER, "user")
IN_CHANNEL = somebody(channel="jams")


async def test_the_innermost_scope_that_says_something_counts(rulebook: Rulebook) -> None:
    settings = rulebook.settings
    seen = []
    for scope, steps in (
        (GLOBAL, 10),
        (scope_for(IN_CHANNEL, "community"), 20),
        (scope_for(IN_CHANNEL, "channel"), 30),
        (scope_for(IN_CHANNEL, "user"), 40),
    ):
        await settings.set(OWNER, scope, "steps", steps)
        seen.append((await settings.resolve(IN_CHANNEL)).sound.steps)
    assert seen == [10, 20, 30, 40]
    elsewhere = somebody(community="elsewhere")
    assert (await settings.resolve(elsewhere)).sound.steps == 10
    await settings.reset(OWNER, scope_for(IN_CHANNEL, "user"), "steps")
    assert (await settings.resolve(IN_CHANNEL)).sound.steps == 30


async def test_where_nobody_says_anything_the_configuration_counts(rulebook: Rulebook) -> None:
    settings = await rulebook.settings.resolve(MEMBER)
    assert (settings.rate.burst, settings.queued_per_user, settings.rate.period) == (8, 6, 30)
    await rulebook.settings.set(OWNER, GLOBAL, "burst", "9")
    assert (await rulebook.settings.resolve(MEMBER)).rate.burst == 9


async def test_one_may_choose_auto_over_what_the_community_chose(rulebook: Rulebook) -> None:
    await rulebook.settings.set(OWNER, HERE, "bpm", 90)
    await rulebook.settings.set(MEMBER, MINE, "bpm", "auto")
    assert (await rulebook.settings.resolve(MEMBER)).sound.bpm is None
    assert (await rulebook.settings.resolve(ADMIN)).sound.bpm == 90


async def test_a_community_cannot_take_more_than_the_owner_gives(rulebook: Rulebook) -> None:
    with pytest.raises(BadInputRefusal, match="at most 8 here"):
        await rulebook.settings.set(ADMIN, HERE, "burst", 9)
    with pytest.raises(BadInputRefusal, match="at least 30 here"):
        await rulebook.settings.set(ADMIN, HERE, "period", 1)
    await rulebook.settings.set(ADMIN, HERE, "burst", 7)
    # The owner lowers it below what the community chose before.
    await rulebook.settings.set(OWNER, GLOBAL, "burst", 3)
    assert (await rulebook.settings.resolve(MEMBER)).rate.burst == 3
    found = rulebook.settings.find(KEYS["burst"], scopes_of(MEMBER))
    assert (found.value, found.limit) == (3, 3)


async def test_lists_of_words_add_up_over_the_scopes(rulebook: Rulebook) -> None:
    settings = rulebook.settings
    await settings.set(OWNER, HERE, "shipped-list", "off")
    await settings.add(OWNER, GLOBAL, "blocked-words", "one")
    await settings.add(OWNER, HERE, "blocked-words", "two, /th[a-z]{2,3}e/, one")
    assert (await settings.resolve(MEMBER)).words.blocked == ("one", "two", "/th[a-z]{2,3}e/")
    await settings.remove(OWNER, HERE, "blocked-words", "two")
    assert (await settings.resolve(MEMBER)).words.blocked == ("one", "/th[a-z]{2,3}e/")
    with pytest.raises(BadInputRefusal, match="two is not in"):
        await settings.remove(OWNER, HERE, "blocked-words", "two")


async def test_everything_outlives_a_restart_and_is_in_the_log(
    rulebook: Rulebook, database: Database, clock: HandClock
) -> None:
    await rulebook.settings.set(ADMIN, HERE, "length", "4bars")
    await rulebook.settings.set(ADMIN, HERE, "length", "8 bars")
    await rulebook.settings.reset(ADMIN, HERE, "length")
    await rulebook.settings.set(ADMIN, HERE, "length", "8 bars")
    again = await open_rulebook(database, clock)
    assert (await again.settings.resolve(MEMBER)).sound.length == Length(8, "bars")
    log = await again.audit.latest("local", "chat")
    assert [(e.action, e.target, e.before, e.after, e.by.user, e.at) for e in log] == [
        ("set", "length", None, "8 bars", "admin", clock.now()),
        ("reset", "length", "8 bars", None, "admin", clock.now()),
        ("set", "length", "4 bars", "8 bars", "admin", clock.now()),
        ("set", "length", None, "4 bars", "admin", clock.now()),
    ]
    assert await again.audit.latest("local", "elsewhere") == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("steps", "-1", "steps has to be a whole number from 1 to 100 or auto, not -1."),
        ("reward-riff", "2e6", "a whole number from 0 to 1000000, not 2e6."),
        ("steps", "1e9", "steps has to be a whole number from 1 to 100 or auto, not 1e9."),
        ("steps", "2.5", "whole number"),
        ("steps", "nan", "whole number"),
        ("steps", "ten", "whole number"),
        ("steps", True, "whole number"),
        ("steps", [1], "whole number"),
        ("guidance", "inf", "a number from 0 to 30 or auto, not inf"),
        ("stpes", 1, "There is no setting 'stpes'; the nearest is steps."),
        ("", 1, "There is no setting"),
        ("turns", "fast", "fair or first-come, not fast"),
        ("seamless", "maybe", "yes or no"),
        ("length", "long", "seconds, beats or bars"),
        ("channels", 7, "up to 200 channels"),
        ("channels", "x" * 300, "at most 100 characters"),
        ("allowances", "moderator", "roles with numbers"),
        ("allowances", "moderator=lots", "roles with numbers"),
        ("blocked-words", "/[/", "not a regular expression"),
        ("follower-days", -1, "from 0 to 3650"),
        ("admin-roles", "1", "a community only"),
    ],
)
async def test_a_bad_value_gets_one_sentence_with_the_range(
    rulebook: Rulebook, key: str, value: Any, words: str
) -> None:
    with pytest.raises(BadInputRefusal) as caught:
        await rulebook.settings.set(OWNER, GLOBAL, key, value)
    sentence = str(caught.value)
    assert words in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert await rulebook.audit.latest("local", "chat") == []


def test_every_default_is_a_value_that_could_be_set() -> None:
    for key in KEYS.values():
        assert key.kind.read(key.name, key.default) == key.default
        if key.default not in ([], {}):
            assert key.kind.read(key.name, key.kind.show(key.default)) == key.default
        assert key.help.endswith(".")


@given(st.sampled_from(sorted(KEYS)), st.text(max_size=30) | st.integers() | st.floats())
def test_whatever_is_read_can_be_shown_and_read_again(name: str, raw: Any) -> None:
    kind = KEYS[name].kind
    try:
        value = kind.read(name, raw)
    except BadInputRefusal as refusal:
        assert str(refusal)
        return
    assert kind.read(name, value) == value


def test_other_names_that_people_use_are_known() -> None:
    assert find_key("Prompt_Length").name == "prompt-length"
    assert find_key("cfg").name == "guidance"
    assert find_key("strength").name == "denoising"
