"""The whole bot with its own engine on a loopback Discord: a line typed, a loop heard; a restart;
and a click on a button of the run before.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
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
        slashed = peer.world.slash(channel, member, "riff", {"prompt": "techno", "steps": 4})
        result = await until(peer, lambda: result_of(slashed))
        await asyncio.to_thread(check_clip, result.attachments, "techno")
    async with app.running(config):
        await until(peer, lambda: peer.gateway.connected)
        pressed = peer.world.press(result, member, "Again")
        again = await until(peer, lambda: result_of(pressed))
        await asyncio.to_thread(check_clip, again.attachments, "techno")
        assert again.attachments[0].data != result.attachments[0].data
