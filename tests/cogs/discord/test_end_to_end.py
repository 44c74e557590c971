"""The whole bot with its own engine on a loopback Discord: a line typed, a loop heard; a restart;
and every button of a clip of the run before.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyloudnorm
import pytest
from PIL import Image

from bot import app
from bot.config import Config, DiscordConfig, EngineConfig, WebConfig
from generation.decoding import decode_sound
from generation.spectrogram import SpectrogramParams, params_from_image
from generation.tags import read_tags
from tests.cogs.discord.house import is_status
from tests.peers.discord import Attachment, Channel, DiscordPeer, Interaction, Message, User

T = TypeVar("T")
PATIENCE = 240.0
SAMPLES = 225_792  # 512 columns of 441 samples


@pytest.fixture
def config(peer: DiscordPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("RIFFBOT_DISCORD_TOKEN", peer.world.token)
    return Config(
        data=tmp_path,
        adapters=("cogs.discord",),
        web=WebConfig(enabled=False),
        engine=EngineConfig(checkpoint="starter", device="cpu"),
        discord=DiscordConfig(api_url=peer.api_url, gateway_url=peer.gateway.url),
    )


def member_in_a_channel(peer: DiscordPeer) -> tuple[User, Channel]:
    world = peer.world
    member = world.add_user("Mia")
    return member, world.add_channel(world.add_guild(member))


async def until(peer: DiscordPeer, look: Callable[[], T | None]) -> T:
    return await peer.world.until(look, PATIENCE)


def answer_to(asked: Message) -> Message | None:
    """A reply with files that is no status: statuses may show a preview."""
    found = [m for m in asked.channel.messages.values() if m.reference == asked.id]
    return next((m for m in found if m.attachments and not is_status(m)), None)


def result_of(asked: Interaction) -> Message | None:
    shown = asked.original
    return shown if shown is not None and shown.attachments and not is_status(shown) else None


def check_clip(files: list[Attachment], prompt: str) -> None:
    """It is a loop that can be heard, and the picture that it was made from."""
    mp3, png = files
    assert (mp3.filename[-4:], png.filename[-4:]) == (".mp3", ".png")
    sound = decode_sound(mp3.data, sample_rate=44_100)
    assert abs(sound.waveform.shape[1] - SAMPLES) <= 2 * 1152, "whole frames of an MP3"
    loudness = pyloudnorm.Meter(44_100).integrated_loudness(sound.waveform.T.astype(np.float64))
    assert -24 < loudness < -8, loudness
    # No part of it is silent.
    parts = np.array_split(sound.waveform.mean(axis=0), 8)
    assert min(float(np.sqrt(np.mean(part**2))) for part in parts) > 1e-3
    assert read_tags(mp3.data).recipe["prompt"] == prompt
    image = Image.open(io.BytesIO(png.data))
    assert image.size == (512, 512)
    exif = image.getexif()
    assert (exif[11000], exif[11010], exif[11040]) == (44_100, 10, 512)
    assert params_from_image(image) == SpectrogramParams()
    assert prompt in (png.description or "")


async def test_a_line_becomes_a_loop_and_a_button_outlives_the_bot(
    peer: DiscordPeer, config: Config
) -> None:
    member, channel = member_in_a_channel(peer)
    async with app.running(config):
        await until(peer, lambda: peer.gateway.connected and peer.world.commands.synced)
        asked = peer.world.say(channel, member, "!riff lo-fi beat")
        answer = await until(peer, lambda: answer_to(asked))
        await asyncio.to_thread(check_clip, answer.attachments, "lo-fi beat")
        assert answer.content.startswith("-# lo-fi beat · seed ")
        assert "starter" in answer.content
        slashed = peer.world.slash(channel, member, "riff", {"prompt": "techno", "steps": 2})
        result = await until(peer, lambda: result_of(slashed))
        await asyncio.to_thread(check_clip, result.attachments, "techno")
    async with app.running(config):
        await until(peer, lambda: peer.gateway.connected)
        buttons = Buttons(peer, member, result)
        again = await buttons.riff("Again")
        await asyncio.to_thread(check_clip, again.attachments, "techno")
        assert again.attachments[0].data != result.attachments[0].data
        edited = await buttons.riff("Edit", prompt="jazz")
        await asyncio.to_thread(check_clip, edited.attachments, "jazz")
        nearby = await buttons.riff("Variation")
        await asyncio.to_thread(check_clip, nearby.attachments, "techno")
        longer = await buttons.riff("Extend")
        assert seconds(longer.attachments[0]) > 1.2 * seconds(result.attachments[0])
        blended = await buttons.riff("Blend with…", to="ambient")
        sounds = [file for file in blended.attachments if file.filename.endswith(".mp3")]
        assert len({file.data for file in sounds}) == 5
        (wav,) = await buttons.save("WAV")
        assert seconds(wav) * 44_100 == pytest.approx(SAMPLES, abs=1)
        peer.world.press(result, member, "Delete")
        await until(peer, lambda: result.deleted)


@dataclass(frozen=True)
class Buttons:
    """The buttons under a clip, as its requester presses them."""

    peer: DiscordPeer
    member: User
    clip: Message

    async def riff(self, label: str, **filled: str) -> Message:
        """What becomes of pressing one, after filling in its form if it has one."""
        pressed = self.peer.world.press(self.clip, self.member, label)
        if filled:
            await pressed.modal()
            pressed = self.peer.world.submit(pressed, filled)
        return await until(self.peer, lambda: result_of(pressed))

    async def save(self, label: str) -> list[Attachment]:
        """The file that one of the choices under Save gives."""
        chosen = await self.peer.world.press(self.clip, self.member, "Save").answered()
        assert chosen.message is not None
        saved = self.peer.world.press(chosen.message, self.member, label)
        return await until(
            self.peer, lambda: next((m.attachments for m in saved.messages if m.attachments), None)
        )


def seconds(file: Attachment) -> float:
    sound = decode_sound(file.data, sample_rate=44_100)
    return sound.waveform.shape[1] / 44_100
