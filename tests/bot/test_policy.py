"""Nobody gets a sound past the policy, whichever way they ask."""

from __future__ import annotations

from dataclasses import fields

import pytest

from bot.ask import Ask, Follow
from bot.errors import ForbiddenRefusal
from bot.moderation.desk import Rulebook, open_rulebook
from bot.moderation.scopes import GLOBAL, scope_for
from bot.policy import texts_of
from bot.settings import RiffSettings
from bot.studio import Studio
from generation.request import AdapterUse, GenerationRequest, Length, Point, Source
from tests.bot.conftest import HOME, Kit, person
from tests.bot.moderation.conftest import MEMBER, OWNER, with_roles

WORD = "zonkerflib"
SOURCE = Source("init", "ab" * 32)


@pytest.fixture
async def rulebook(kit: Kit) -> Rulebook:
    rulebook = await open_rulebook(kit.database, kit.clock)
    await rulebook.settings.add(OWNER, GLOBAL, "blocked-words", WORD)
    return rulebook


@pytest.fixture
async def studio(kit: Kit, rulebook: Rulebook) -> Studio:
    return Studio(
        database=kit.database,
        ledger=kit.ledger,
        queue=kit.queue,
        events=kit.events,
        policy=rulebook.policy,
        settings=rulebook.settings,
        clock=kit.clock,
        wake_scheduler=lambda: None,
        cancel_running=lambda job_id: None,
        progress_of=lambda job_id: None,
    )


BAD = {
    "prompt": Ask(WORD),
    "spelled out": Ask("Z o n k e r f l i b"),
    "negative": Ask("jazz", negative=f"no {WORD}"),
    "blend": Ask("a to b", kind="blend", clips=3, points=(Point("jazz"), Point(WORD))),
    "mix": Ask("a and b", kind="mix", points=(Point("jazz"), Point("z0nkerflib", 0.1))),
    "remix": Ask(WORD, kind="remix", sources=(SOURCE,)),
    "extension": Ask(WORD, kind="extend", sources=(SOURCE,)),
    "variation": Ask(WORD, kind="variation"),
    "lora": Ask("jazz", adapters=(AdapterUse(WORD),)),
    "sampler": Ask("jazz", sampler=WORD),
    "an old clip made again": Follow("again").from_clip(GenerationRequest(WORD, 7), SOURCE),
    "an old clip remixed": Follow("remix", WORD).from_clip(GenerationRequest("jazz", 7), SOURCE),
}


@pytest.mark.parametrize("way", BAD)
async def test_every_way_to_a_sound_passes_the_policy(kit: Kit, studio: Studio, way: str) -> None:
    with pytest.raises(ForbiddenRefusal):
        await studio.submit(MEMBER, BAD[way], HOME)
    with pytest.raises(ForbiddenRefusal):
        await studio.submit_request(MEMBER, BAD[way].to_request(_SETTINGS), HOME)
    assert await studio.recent("local", "chat") == []
    rows = await kit.database.read(lambda db: db.execute("SELECT * FROM rate_limits").fetchall())
    assert rows == []


def test_no_text_of_a_request_is_overlooked() -> None:
    """Also none in a field that is added later: whatever is text counts, but for fixed values."""
    request = GenerationRequest(
        "one",
        7,
        kind="mix",
        negative="two",
        points=(Point("three"), Point("four")),
        adapters=(AdapterUse("five"),),
        checkpoint="six",
        sampler="seven",
        length=Length(4, "bars"),
        sources=(SOURCE,),
    )
    assert set(texts_of(request)) == {"one", "two", "three", "four", "five", "six", "seven"}
    texts = {f.name for f in fields(GenerationRequest) if f.type == "str"}
    assert texts <= {"prompt", "negative", "checkpoint", "sampler"}


async def test_the_public_answer_lists_nothing_and_the_private_one_what_was_written(
    studio: Studio,
) -> None:
    with pytest.raises(ForbiddenRefusal) as caught:
        await studio.submit(MEMBER, Ask("nice ZONK\u0435RFL1B beat"), HOME)
    assert "zonk" not in str(caught.value).lower()
    assert "\u201cZONK\u0435RFL1B\u201d" in caught.value.privately


async def test_a_change_counts_for_the_next_job(studio: Studio, rulebook: Rulebook) -> None:
    here = scope_for(MEMBER, "community")
    await rulebook.settings.add(OWNER, here, "allowed-words", f"{WORD} waltz")
    await rulebook.settings.set(OWNER, here, "steps", 7)
    view = await studio.submit(MEMBER, Ask(f"{WORD} waltz"), HOME)
    assert view.job.request.steps == 7
    await rulebook.settings.reset(OWNER, here, "allowed-words")
    with pytest.raises(ForbiddenRefusal):
        await studio.submit(MEMBER, Ask(f"{WORD} waltz"), HOME)


async def test_words_that_are_no_request_yet_are_checked_too(rulebook: Rulebook) -> None:
    await rulebook.policy.check_texts(MEMBER, ["more bass", "rain.mp3"])
    with pytest.raises(ForbiddenRefusal):
        await rulebook.policy.check_texts(MEMBER, ["more bass", f"my-{WORD}.mp3"])


async def test_a_prompt_may_be_as_long_as_the_community_says(
    studio: Studio, rulebook: Rulebook
) -> None:
    await rulebook.settings.set(OWNER, GLOBAL, "prompt-length", 10)
    await studio.submit(MEMBER, Ask("x" * 10), HOME)
    with pytest.raises(ForbiddenRefusal, match="11 characters, and 10"):
        await studio.submit(MEMBER, Ask("x" * 11), HOME)


@pytest.mark.parametrize(
    ("who", "settings", "may"),
    [
        (with_roles(), {"who-may-riff": "subscribers"}, False),
        (with_roles("subscriber"), {"who-may-riff": "subscribers"}, True),
        (with_roles("moderator"), {"who-may-riff": "subscribers"}, True),
        (with_roles("77"), {"who-may-riff": "roles", "riff-roles": "77, 78"}, True),
        (with_roles("79"), {"who-may-riff": "roles", "riff-roles": "77, 78"}, False),
        (with_roles(), {"who-may-riff": "followers"}, False),
        (with_roles("follower"), {"who-may-riff": "followers"}, True),
        (
            with_roles("follower", follows_days=6.9),
            {"who-may-riff": "followers", "follower-days": 7},
            False,
        ),
        (
            with_roles("follower", follows_days=7.0),
            {"who-may-riff": "followers", "follower-days": 7},
            True,
        ),
        (with_roles("follower"), {"who-may-riff": "followers", "follower-days": 7}, False),
        (with_roles(channel="jams"), {"channels": "jams, lounge"}, True),
        (with_roles(channel="rules"), {"channels": "jams, lounge"}, False),
        (with_roles("moderator", channel="rules"), {"channels": "jams, lounge"}, False),
    ],
)
async def test_who_may_ask_and_where(
    rulebook: Rulebook, who: object, settings: dict[str, object], may: bool
) -> None:
    for key, value in settings.items():
        await rulebook.settings.set(OWNER, scope_for(MEMBER, "community"), key, value)
    check = rulebook.policy.check(who, GenerationRequest("jazz", 7))  # type: ignore[arg-type]
    if may:
        await check
    else:
        with pytest.raises(ForbiddenRefusal):
            await check


async def test_a_community_takes_turns_as_it_chose(
    kit: Kit, studio: Studio, rulebook: Rulebook
) -> None:
    await rulebook.settings.set(OWNER, scope_for(MEMBER, "community"), "turns", "first-come")
    for user in ("ann", "ann", "bob"):
        await studio.submit(person(user), Ask("jazz"), HOME)
    served = [await kit.ledger.claim("worker-1", 60) for _ in range(3)]
    assert [job.requester.user for job in served if job] == ["ann", "ann", "bob"]


async def test_sound_settings_fill_in_what_is_left_open_and_nothing_else(
    rulebook: Rulebook,
) -> None:
    here = scope_for(MEMBER, "community")
    for key, value in {
        "steps": 9, "guidance": 3, "length": "4bars", "loops": 2, "seamless": "no", "bpm": 90,
        "denoising": 0.5,
    }.items():  # fmt: skip
        await rulebook.settings.set(OWNER, here, key, value)
    settings = await rulebook.settings.resolve(MEMBER)
    text = Ask("jazz").to_request(settings)
    assert (text.steps, text.guidance_scale, text.length, text.clips, text.loop, text.bpm) == (
        9, 3, Length(4, "bars"), 2, False, 90,
    )  # fmt: skip
    assert text.strength is None
    asked = Ask("jazz", steps=1, clips=1, loop=True, bpm=60).to_request(settings)
    assert (asked.steps, asked.clips, asked.loop, asked.bpm) == (1, 1, True, 60)
    remix = Ask("jazz", kind="remix", sources=(SOURCE,)).to_request(settings)
    assert (remix.strength, remix.length, remix.bpm) == (0.5, None, None)
    old = GenerationRequest("jazz", 7)
    assert Ask.of(old).to_request(settings) == old


_SETTINGS = RiffSettings(rate=None, queued_per_user=1, queued_in_all=1)  # type: ignore[arg-type]
