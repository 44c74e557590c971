"""A sound becomes its picture, and that a sound again."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot import conversion
from generation.decoding import decode_sound
from tests.cogs.discord.house import House
from tests.peers.discord import Interaction, Message

PATIENCE = 120.0


async def result(asked: Interaction) -> Message:
    def look() -> Message | None:
        done = [message for message in asked.messages if not message.loading]
        return done[-1] if done else None

    return await asked.world.until(look, PATIENCE)


async def test_there_and_back(house: House, wav: bytes) -> None:
    picture = await result(house.slash("sound-to-picture", sound=("Höhen & Tiefen.wav", wav)))
    (png,) = picture.attachments
    assert png.filename.endswith(".png")
    assert png.description
    image = Image.open(io.BytesIO(png.data))
    assert image.height == 512
    assert image.getexif()[11000] == 44_100
    heard = await result(house.slash("picture-to-sound", picture=(png.filename, png.data)))
    (mp3,) = heard.attachments
    sound = decode_sound(mp3.data, sample_rate=44_100)
    assert abs(sound.waveform.shape[1] - 441 * image.width) <= 2 * 1152


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("words.txt", b"words", "no picture"),
        ("broken.png", b"\x89PNG\r\n\x1a\nnothing", ""),
        ("zonk.png", b"\x89PNG", "not welcome"),
    ],
)
async def test_what_cannot_be_converted_is_said_quietly(
    house: House, name: str, data: bytes, words: str
) -> None:
    await house.reply(house.say("!riffset add blocked-words zonk"))
    asked = house.slash("picture-to-sound", picture=(name, data))
    message = await result(asked)
    assert message.ephemeral
    assert words in message.content
    assert "Traceback" not in message.content
    assert "/tmp" not in message.content


async def test_the_files_of_who_is_banned_are_taken_back(
    house: House, wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def quickly(*_: object) -> bytes:
        return b"a picture"

    monkeypatch.setattr(conversion, "_convert", quickly)
    world, guild = house.peer.world, next(iter(house.peer.world.guilds.values()))
    ann = world.add_user("Ann")
    asked = [
        world.slash(house.channel, who, "sound-to-picture", {"sound": ("tone.wav", wav)})
        for who in (ann, house.member)
    ]
    of_ann, of_another = [await result(one) for one in asked]
    world.ban(guild, ann)
    await house.until(lambda: of_ann.deleted)
    assert not of_another.deleted
