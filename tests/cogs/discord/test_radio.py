"""`/radio` over real sockets: discord.py's own voice client, and a voice server that listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from discord import voice_client

from bot.events import JobChanged
from bot.jobs import Job, Requester
from bot.moderation.levels import MODERATOR_ROLE
from cogs.discord import radio, station
from tests.cogs.discord.conftest import Clips
from tests.cogs.discord.house import House
from tests.peers.discord import Channel, Guild, Interaction, Permission
from tests.peers.discord.voice_decode import RATE, decode

SECOND = 50  # packets


@pytest.fixture
def guild(house: House) -> Guild:
    (guild,) = house.peer.world.guilds.values()
    return guild


@pytest.fixture
async def lounge(house: House, guild: Guild) -> AsyncIterator[Channel]:
    """A voice channel, with the member in it."""
    lounge = house.peer.world.add_channel(guild, "lounge", is_voice=True)
    house.peer.voice.join(lounge, house.member)
    yield lounge
    await house.disconnect()
    assert house.peer.voice.where(guild, house.peer.world.bot) is None


async def said(asked: Interaction) -> str:
    message = await asked.reply()
    return message.content


async def made(house: House, clips: Clips, prompt: str = "lo-fi beat") -> Job:
    await house.slash("riff", prompt=prompt, seed=7).reply()
    job = await house.begin()
    await house.end(job, clips(job))
    return await house.state(job, "delivered")


async def heard(house: House, seconds: float = 1.0) -> np.ndarray:
    """What the channel hears from now on, as one channel of samples."""
    packets = house.peer.voice.packets
    packets.clear()
    await house.until(lambda: len(packets) >= seconds * SECOND)
    # Not in the event loop, where the radio would have to wait for it.
    return (await asyncio.to_thread(decode, [packet.opus for packet in packets]))[0]


def loudness(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))


def pitch(sound: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * RATE / len(sound))


def purity(sound: np.ndarray) -> float:
    """The share of power in the clip's tone of 440 Hz."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    at = round(440 * len(sound) / RATE)
    return float(power[at - 5 : at + 6].sum() / power.sum())


async def test_a_clip_goes_round_in_the_voice_channel(
    house: House, lounge: Channel, clips: Clips
) -> None:
    await made(house, clips)
    assert "In lounge, at 100 %: “lo-fi beat” by Mia" in await said(house.slash("radio join"))
    await heard(house, 0.5)
    sound = await heard(house, 2.0)
    assert pitch(sound) == pytest.approx(440, abs=2)
    # Longer than the clip's quarter of a second. Where a busy computer is late there is silence for
    # a moment; that nothing else leaves a hole is tested in test_voice_sound.py.
    pieces = sound[: len(sound) // 960 * 960].reshape(-1, 960)[5:]
    assert np.quantile([loudness(piece) for piece in pieces], 0.3) > 0.5 * loudness(sound) > 0.01
    packets = house.peer.voice.packets
    assert np.unique(np.diff([packet.sequence for packet in packets])) == [1]
    assert np.unique(np.diff([packet.timestamp for packet in packets])) == [960]

    assert await said(house.slash("radio volume", percent=25)) == "The radio plays at 25 %."
    await heard(house, 1.0)
    assert loudness(await heard(house)) == pytest.approx(loudness(sound) / 4, rel=0.1)
    assert await said(house.slash("radio leave")) == "The radio is off."
    assert "radio is off" in await said(house.slash("radio now"))


async def test_it_needs_packages_a_voice_channel_and_permissions(
    house: House, lounge: Channel, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = house.peer.world
    otto = world.add_user("Otto")
    assert await told(world.slash(lounge, otto, "radio join")) == (
        "Only moderators may do that here."
    )
    with monkeypatch.context() as patch:
        patch.setattr(voice_client, "has_nacl", False)
        assert "PyNaCl and davey" in await told(house.slash("radio join"))
    (guild,) = world.guilds.values()
    for missing, name in ((Permission.CONNECT, "Connect"), (Permission.SPEAK, "Speak")):
        world.overwrite(lounge, guild.everyone, deny=missing)
        refused = await told(house.slash("radio join"))
        assert refused.startswith("I lack the permission")
        assert f"{name} in lounge" in refused.replace(" and Speak", "")
    world.overwrite(lounge, guild.everyone)
    house.peer.voice.leave(guild, house.member)
    assert await told(house.slash("radio join")) == radio.JOIN_FIRST
    small = world.add_channel(guild, "booth", is_voice=True, user_limit=1)
    house.peer.voice.join(small, house.member)
    assert await told(house.slash("radio join")) == "booth is full."
    assert house.peer.voice.identified == 0
    for wrong in ("radio leave", "radio now"):
        assert "The radio is off" in await told(house.slash(wrong))


async def test_typed_and_by_reply_and_by_number(
    house: House, lounge: Channel, clips: Clips
) -> None:
    nothing = await house.reply(house.say("!radio join"))
    assert nothing.content.startswith("There is nothing to play yet")
    asked = house.say("!riff rain")
    await house.status(asked)
    job = await house.begin()
    await house.end(job, clips(job))
    post = await house.until(
        lambda: next((one for one in house.replies(asked) if one.attachments), None)
    )
    await made(house, clips, "snow")
    world = house.peer.world
    replied = world.say(house.channel, house.member, "!radio join", reply_to=post)
    assert "“rain”" in (await house.reply(replied)).content
    assert "“snow”" in (await house.reply(house.say("!radio join 1"))).content
    assert "“rain”" in (await house.reply(house.say("!radio join 2"))).content
    wrong = await house.reply(house.say("!radio join 3"))
    assert wrong.content == "The latest clips here have numbers 1 to 2, not 3."
    (choice,) = await world.autocomplete(
        house.member, "radio join", "clip", "SNO", channel=house.channel
    )
    assert "“snow”" in await said(house.slash("radio join", clip=str(choice.value)))
    assert house.peer.voice.identified == 1
    assert "!radio volume" in (await house.reply(house.say("!radio louder"))).content
    assert (await house.reply(house.say("!radio leave"))).content == "The radio is off."


async def test_it_comes_back_and_is_moved_but_not_after_being_thrown_out(
    house: House, guild: Guild, lounge: Channel, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station, "_AGAIN_AFTER", (0.3, 1.0))
    await made(house, clips)
    await said(house.slash("radio join"))
    await heard(house, 0.4)

    house.peer.voice.cut()
    await house.until(lambda: house.peer.voice.identified == 2)
    await heard(house, 0.6)
    assert loudness(await heard(house, 0.4)) > 0.01

    attic = house.peer.world.add_channel(guild, "attic", is_voice=True)
    house.peer.voice.join(attic, house.member)
    assert "In attic" in await said(house.slash("radio join"))
    await house.until(lambda: house.peer.voice.identified == 3)
    assert loudness(await heard(house, 0.4)) > 0.01
    house.peer.voice.move(lounge, house.peer.world.bot)
    await house.until(lambda: house.peer.voice.identified == 4)
    assert loudness(await heard(house, 0.4)) > 0.01
    assert "In lounge" in await said(house.slash("radio now"))

    house.peer.voice.leave(guild, house.peer.world.bot)
    await on_air(house, "The radio is off")


async def test_it_leaves_an_empty_channel(
    house: House, guild: Guild, lounge: Channel, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station, "EMPTY_SECONDS", 0.2)
    jukebox = house.peer.world.add_user("Jukebox", bot=True)
    house.peer.voice.join(lounge, jukebox)
    await made(house, clips)
    await said(house.slash("radio join"))
    house.peer.voice.leave(guild, house.member)
    await house.until(lambda: house.peer.voice.where(guild, house.peer.world.bot) is None)
    await on_air(house, "The radio is off")


async def test_the_live_session_goes_first_and_hidden_clips_go(
    house: House, lounge: Channel, clips: Clips
) -> None:
    job = await made(house, clips)
    await said(house.slash("radio join"))
    await heard(house, 0.5)
    assert purity(await heard(house)) > 0.9
    guild_id = str(lounge.guild_id)
    mod = Requester("discord", guild_id, "1", "Mod", frozenset({MODERATOR_ROLE}))
    live = house.services.live
    await live.start(mod)
    await on_air(house, "the live session, with")
    house.clock.time += 2.0  # the session's playhead
    sound = await heard_while_time_passes(house)
    assert loudness(sound) > 0.01
    assert purity(sound) < 0.5
    await live.stop(mod)
    await on_air(house, "“lo-fi beat”")
    await house.database.write(
        lambda tx: tx.execute("UPDATE jobs SET hidden = 'message' WHERE id = ?", (job.id,))
    )
    house.events.publish(JobChanged(job.id))
    await on_air(house, "There is nothing to play")
    await heard(house, 0.8)
    assert loudness(await heard(house, 0.4)) < 1e-4


async def told(asked: Interaction) -> str:
    """What the asker alone is told."""
    answer = await asked.answered()
    assert answer.message is not None
    return answer.message.content


async def on_air(house: House, what: str) -> None:
    """Ask until something plays."""
    async with asyncio.timeout(15):
        while what not in await told(house.slash("radio now")):
            pass


async def heard_while_time_passes(house: House) -> np.ndarray:
    """Another second, as `heard`, on a clock that is turned by hand."""
    packets = house.peer.voice.packets
    packets.clear()
    while len(packets) < 4 * SECOND:
        before = len(packets)
        await house.until(lambda before=before: len(packets) > before)
        house.clock.time += (len(packets) - before) / SECOND
    late = [packet.opus for packet in packets[3 * SECOND :]]
    return (await asyncio.to_thread(decode, late))[0]
