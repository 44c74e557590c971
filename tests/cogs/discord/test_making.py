"""Slash commands that make music, from the command to the answer, over real sockets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from bot.events import JobPreviewed
from bot.grammar import OPTIONS_OF
from bot.jobs import Job
from cogs.discord import place as place_module
from cogs.discord.delivery import ELSEWHERE
from generation.request import Progress
from tests.cogs.discord.conftest import Clips
from tests.cogs.discord.house import RIFFS_AT_ONCE, House, is_status
from tests.peers.discord import Fault, Interaction, NotOfferedError, rate_limited

ORIGINAL = r"/webhooks/\d+/[^/]+/messages/@original"


async def ask(house: House, prompt: str = "lo-fi beat") -> tuple[Interaction, Job]:
    asked = house.slash("riff", prompt=prompt, seed=7)
    assert is_status(await asked.reply())
    return asked, await house.begin()


async def test_a_riff_is_one_message_from_its_status_to_its_sound(
    house: House, clips: Clips
) -> None:
    asked = house.slash("riff", prompt="lo-fi beat", seed=7)
    status = await asked.reply()
    assert "number 1 in line" in status.content
    assert asked.response is not None
    assert asked.response.type == 4
    assert not asked.response.ephemeral
    job = await house.begin()
    await house.until(lambda: "Starting" in status.content)
    house.report(job, Progress("drawing", 5, 10))
    await house.until(lambda: "Drawing… 44%" in status.content)
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    assert [a.filename for a in status.attachments] == ["lo-fi-beat-7.mp3", "lo-fi-beat-7.png"]
    assert "lo-fi beat" in (status.attachments[1].description or "")
    assert status.content.startswith("-# lo-fi beat · seed 7")
    assert list(house.channel.messages.values()) == [status]


async def test_typed_and_chosen_options_give_the_same_request(house: House) -> None:
    options = {
        "seed": 42, "steps": 4, "guidance": 7.5, "negative": "vocals", "bpm": 90.0,
        "length": "4bars", "loop": "no", "clips": 2, "lora": "vinyl:0.8", "sampler": "euler",
    }  # fmt: skip
    line = " ".join(f'--{name} "{value}"' for name, value in options.items())
    await house.status(house.say(f"!riff lo-fi beat {line}"))
    typed = await house.begin()
    await house.slash("riff", prompt="lo-fi beat", **options).reply()
    chosen = await house.begin()
    assert typed.request == chosen.request
    assert typed.requester == chosen.requester
    assert typed.requester.roles == chosen.requester.roles


async def test_every_option_of_a_typed_command_is_in_the_menu(house: House) -> None:
    for name, options in OPTIONS_OF.items():
        command = house.peer.world.commands.find(name, 1, house.channel.guild_id)
        offered = {option["name"] for option in command.data["options"]}
        assert set(options) <= offered, name


@pytest.mark.parametrize(
    ("option", "value"), [("steps", 0), ("steps", 101), ("bpm", 5.0), ("loop", "maybe")]
)
async def test_discord_itself_knows_the_ranges(house: House, option: str, value: object) -> None:
    with pytest.raises(NotOfferedError):
        house.slash("riff", prompt="beat", **{option: value})


async def test_blending(house: House) -> None:
    await house.slash("blend", from_="rain", to="techno", clips=3).reply()
    job = await house.begin()
    assert (job.request.kind, job.request.clips) == ("blend", 3)
    assert [point.prompt for point in job.request.points] == ["rain", "techno"]


async def test_building_on_the_last_clip_and_on_a_chosen_one(house: House, clips: Clips) -> None:
    _, job = await ask(house)
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    await house.slash("again").reply()
    again = await house.begin()
    assert again.request.prompt == "lo-fi beat"
    assert again.request.seed != 7
    await house.end(again, clips(again))
    world = house.peer.world
    (latest, earlier) = await world.autocomplete(
        house.member, "remix", "clip", "LO-FI", channel=house.channel
    )
    assert (latest.value, earlier.value) == (again.id, job.id)
    assert earlier.name == "lo-fi beat · seed 7"
    await house.slash("remix", prompt="jazz", clip=str(earlier.value), strength=0.4).reply()
    remix = await house.begin()
    assert (remix.request.kind, remix.request.prompt) == ("remix", "jazz")
    assert remix.request.strength == 0.4
    refused = await house.slash("extend", clip="no-such-riff").answered()
    assert refused.ephemeral
    assert refused.message is not None
    assert refused.message.content == "There is no riff with this id."


async def test_a_file_can_be_remixed_and_extended(house: House, sound: bytes) -> None:
    await house.slash("remix", prompt="jazz", file=("loop.mp3", sound)).reply()
    job = await house.begin()
    assert job.request.kind == "remix"
    (source,) = job.request.sources
    assert house.services.sources.path(source.sha256).read_bytes() == sound
    await house.slash("extend", prompt="jazz", file=("loop.mp3", sound), side="left").reply()
    job = await house.begin()
    assert (job.request.kind, job.request.side) == ("extend", "left")
    assert job.request.sources == (source,)
    for options, sentence in (
        ({"file": ("notes.txt", b"words"), "prompt": "jazz"}, "that file is neither"),
        ({"file": ("loop.mp3", sound)}, "fill in the prompt as well"),
        ({"file": ("loop.mp3", sound), "prompt": "jazz", "clip": "x"}, "Choose one"),
    ):
        answer = await house.slash("remix", **options).answered()
        assert answer.ephemeral
        assert answer.message is not None
        assert sentence in answer.message.content


async def test_what_is_typed_completes_to_own_past_prompts(house: House) -> None:
    for prompt in ("lo-fi beat", "techno with rain"):
        await house.slash("riff", prompt=prompt).reply()
    world = house.peer.world
    found = await world.autocomplete(house.member, "riff", "prompt", "RAIN", channel=house.channel)
    assert [choice.value for choice in found] == ["techno with rain"]
    other = world.add_user("Otto")
    assert await world.autocomplete(other, "riff", "prompt", "", channel=house.channel) == []


async def test_a_refusal_is_for_the_askers_eyes(house: House) -> None:
    for _ in range(RIFFS_AT_ONCE):
        await house.slash("riff", prompt="lo-fi beat").reply()
    answer = await house.slash("riff", prompt="lo-fi beat").answered()
    assert answer.ephemeral
    assert answer.message is not None
    assert answer.message.content.startswith("That is a lot of riffs at once!")


async def test_a_slow_refusal_leaves_no_public_trace(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogs.discord.asking.PROMPT_SECONDS", 0.0)
    asked = house.slash("riff", prompt="beat", length="9 parsecs")
    await house.until(lambda: asked.messages and not asked.messages[-1].loading)
    (whispered,) = asked.messages
    assert whispered.ephemeral
    assert "seconds, beats or bars" in whispered.content


async def test_a_slow_acceptance_is_still_one_message(
    house: House, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogs.discord.asking.PROMPT_SECONDS", 0.0)
    asked, job = await ask(house)
    assert asked.response is not None
    assert asked.response.type == 5
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    (message,) = asked.messages
    assert len(message.attachments) == 2


async def test_a_fault_is_a_sentence_and_a_log_entry_that_share_an_id(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise OSError("disk on fire in /secret/path")

    monkeypatch.setattr(type(house.studio), "submit", broken)
    answer = await house.slash("riff", prompt="beat").answered()
    assert answer.ephemeral
    assert answer.message is not None
    assert answer.message.content.startswith("Sorry, something went wrong on my side")
    assert "secret" not in answer.message.content
    fault = answer.message.content.split("fault ")[1].rstrip(").")
    assert any(fault in r.getMessage() and r.exc_info for r in caplog.records)


# Where the answer goes ----------------------------------------------------------------------


async def test_a_deleted_status_does_not_cost_the_result(house: House, clips: Clips) -> None:
    asked, job = await ask(house)
    assert asked.original is not None
    house.peer.world.delete(asked.original)
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    (answer,) = house.channel.messages.values()
    assert answer.content.startswith(f"<@{house.member.id}> -# lo-fi beat")
    assert answer.pinged == {house.member.id}
    assert len(answer.attachments) == 2


async def test_a_result_after_a_quarter_of_an_hour_is_a_message_that_mentions(
    house: House, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, job = await ask(house)
    await house.until(lambda: asked.original and "Starting" in asked.original.content)
    later = datetime.now(UTC) + timedelta(minutes=16)
    monkeypatch.setattr(place_module, "now", lambda: later)
    house.peer.world.advance(16 * 60)
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    (answer,) = house.channel.messages.values()
    assert answer is not asked.original, "the status is gone"
    assert answer.content.startswith(f"<@{house.member.id}> -# lo-fi beat")
    assert answer.pinged == {house.member.id}


async def test_a_token_that_dies_early_loses_nothing(house: House, clips: Clips) -> None:
    asked, job = await ask(house)
    asked.token_dies()
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    answers = [m for m in house.channel.messages.values() if m.attachments]
    assert [answer.pinged for answer in answers] == [{house.member.id}]


async def test_a_lost_response_to_the_result_is_no_second_one(house: House, clips: Clips) -> None:
    asked, job = await ask(house)
    await house.until(lambda: asked.original and "Starting" in asked.original.content)
    house.peer.rest.faults.append(Fault("PATCH", ORIGINAL, "lost"))
    await house.end(job, clips(job))
    await house.attempted(job, 1)
    house.later(job, 10)
    await house.state(job, "delivered")
    (answer,) = house.channel.messages.values()
    assert len(answer.attachments) == 2


async def test_a_result_posted_before_the_token_died_is_found_again(
    house: House, clips: Clips
) -> None:
    asked, job = await ask(house)
    await house.until(lambda: asked.original and "Starting" in asked.original.content)
    house.peer.rest.faults.append(Fault("PATCH", ORIGINAL, "lost"))
    await house.end(job, clips(job))
    await house.attempted(job, 1)
    asked.token_dies()
    house.later(job, 10)
    await house.state(job, "delivered")
    (answer,) = house.channel.messages.values()
    assert answer is asked.original
    assert len(answer.attachments) == 2


async def test_what_is_still_thinking_is_no_result(
    house: House, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discord takes the acknowledgement, but never what it is to be filled in with."""
    monkeypatch.setattr("cogs.discord.asking.PROMPT_SECONDS", 0.0)
    house.peer.rest.faults.append(Fault("PATCH", ORIGINAL, status=400, times=100))
    asked = house.slash("riff", prompt="lo-fi beat", seed=7)
    await house.until(lambda: house.peer.rest.faults[0].met)
    job = await house.begin()
    asked.token_dies()
    house.peer.rest.faults.clear()
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    (answer,) = house.channel.messages.values()
    assert answer is not asked.original
    assert answer.content.startswith(f"<@{house.member.id}> -# lo-fi beat")
    assert len(answer.attachments) == 2


async def test_a_riff_that_is_taken_is_no_fault_where_the_answer_is_cut_off(
    house: House, clips: Clips
) -> None:
    house.peer.rest.faults.append(Fault("POST", r"/interactions/\d+/[^/]+/callback", "lost"))
    asked, job = await ask(house)
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    (message,) = asked.messages
    assert len(message.attachments) == 2


@pytest.mark.parametrize("by_discord", [True, False])
async def test_a_rate_limit_on_the_answer_delays_it(
    house: House, clips: Clips, by_discord: bool
) -> None:
    """discord.py waits for Discord's own limits; those of the proxy before it are up to us."""
    asked, job = await ask(house)
    await house.until(lambda: asked.original and "Starting" in asked.original.content)
    fault = rate_limited("PATCH", ORIGINAL, 0.05)
    if not by_discord:
        fault = replace(fault, headers={"Retry-After": "40"})
    house.peer.rest.faults.append(fault)
    await house.end(job, clips(job))
    if not by_discord:
        await house.attempted(job, 1)
        assert await house.ledger.deliveries.next_at("discord") == house.clock.now() + 40
        house.later(job, 40)
    await house.state(job, "delivered")
    assert fault.met == 1
    (message,) = asked.messages
    assert len(message.attachments) == 2


async def test_a_closed_channel_is_no_loss_either(house: House, clips: Clips) -> None:
    asked, job = await ask(house)
    asked.token_dies()
    house.channel.may_send = False
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    (answer,) = house.peer.world.dm_channel(house.member).messages.values()
    assert answer.content.startswith(ELSEWHERE)
    assert len(answer.attachments) == 2


async def test_a_closed_dm_is_answered_through_the_interaction(house: House, clips: Clips) -> None:
    dm = house.peer.world.dm_channel(house.member)
    asked = house.slash("riff", dm, prompt="lo-fi beat")
    await asked.reply()
    job = await house.begin()
    assert job.requester.community == ""
    dm.may_send = False
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    assert asked.original is not None
    assert len(asked.original.attachments) == 2


async def test_a_cancelled_riff_says_so(house: House) -> None:
    asked, job = await ask(house)
    await house.studio.cancel(job.id, job.requester, may_cancel_any=False)
    await house.until(
        lambda: asked.original and asked.original.content == "This riff was cancelled."
    )


async def test_help_is_for_the_askers_eyes(house: House) -> None:
    answer = await house.slash("help").answered()
    assert answer.ephemeral
    assert answer.message is not None
    assert "/riff" in answer.message.content


async def test_the_picture_is_seen_growing(house: House, clips: Clips) -> None:
    asked, job = await ask(house)
    typed = house.say("!riff jazz")
    other = await house.status(typed)
    second = await house.begin()
    for riff, text in ((job, "interaction"), (second, "message")):
        house.report(riff, Progress("drawing", 2, 10))
        await house.until(partial(house.events.is_watched, riff.id))
        house.events.publish(JobPreviewed(riff.id, text.encode()))
    shown = asked.original
    assert shown is not None
    for status, data in ((shown, b"interaction"), (other, b"message")):
        await house.until(partial(getattr, status, "attachments"))
        (preview,) = status.attachments
        assert (preview.filename, preview.data) == ("preview.png", data)
        assert preview.description
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    assert [a.filename for a in shown.attachments] == ["lo-fi-beat-7.mp3", "lo-fi-beat-7.png"]
    assert not house.events.is_watched(job.id)
    await house.studio.cancel(second.id, second.requester, may_cancel_any=True)
    await house.until(lambda: other.content == "This riff was cancelled.")
    assert other.attachments == []


# Without a server ---------------------------------------------------------------------------


async def test_an_app_that_somebody_brought_along_answers_where_the_bot_is_not(
    house: House, clips: Clips
) -> None:
    world = house.peer.world
    elsewhere = world.add_guild(world.add_user("Otto"), "Elsewhere")
    elsewhere.has_bot = False
    channel = world.add_channel(elsewhere)
    house.member.installed = True
    asked = house.slash("riff", channel, prompt="lo-fi beat", seed=7)
    assert is_status(await asked.reply())
    job = await house.begin()
    # That server is no community of ours: it has no moderators and no queue here.
    assert (job.requester.community, job.requester.roles) == ("", frozenset())
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    assert asked.original is not None
    assert len(asked.original.attachments) == 2


async def test_a_lost_status_where_the_bot_is_not_is_followed_up(
    house: House, clips: Clips
) -> None:
    world = house.peer.world
    elsewhere = world.add_guild(world.add_user("Otto"), "Elsewhere")
    elsewhere.has_bot = False
    house.member.installed = True
    asked = house.slash("riff", world.add_channel(elsewhere), prompt="lo-fi beat")
    status = await asked.reply()
    job = await house.begin()
    world.delete(status)
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    (answer,) = asked.followups
    assert len(answer.attachments) == 2


async def test_what_somebody_asked_directly_is_theirs_alone(house: House, clips: Clips) -> None:
    world, other = house.peer.world, house.peer.world.add_user("Otto")
    await house.slash("riff", house.member, prompt="a secret").reply()
    job = await house.begin()
    await house.end(job, clips(job))
    await house.state(job, "delivered")
    await house.slash("riff", house.member, prompt="another secret").reply()
    for name, sentence in (("again", "no clip to build on"), ("queue", "Nothing is waiting")):
        answer = await world.slash(other, other, name).answered()
        assert answer.message is not None
        assert sentence in answer.message.content
        assert "secret" not in answer.message.content
    answer = await house.slash("queue", house.member).answered()
    assert answer.message is not None
    assert "another secret" in answer.message.content
