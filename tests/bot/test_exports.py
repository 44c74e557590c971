from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import mutagen.flac
import mutagen.mp3
import numpy as np
import pytest

from bot import exporting
from bot.errors import BadInputRefusal, NotFoundRefusal
from bot.exports import Exports
from bot.jobs import Job, Requester
from generation.audio import encode
from generation.request import Clip, GenerationRequest
from generation.tags import Tags, read_tags

RATE = 44100
_MP3: type = mutagen.mp3.MP3
_FLAC: type = mutagen.flac.FLAC


def tone(samples: int, channels: int = 1) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    wave = 0.5 * np.sin(2 * np.pi * 441 * np.arange(samples) / RATE)
    return np.tile(wave.astype(np.float32), (channels, 1))


def put(folder: Path, samples: int, channels: int = 1, name: str = "abc") -> Clip:
    folder.mkdir(parents=True, exist_ok=True)
    tags = Tags("rain", {"prompt": "rain", "seed": "7"})
    files = {}
    for kind in ("wav", "mp3"):
        data = encode(tone(samples, channels), RATE, "wav", tags) if kind == "wav" else b"mp3"
        (folder / f"{name}.{kind}").write_bytes(data)
        files[kind] = f"{name}.{kind}"
    return Clip(0, files, samples / RATE, RATE, samples, {"seed": "7"})


def job(prompt: str = "rain") -> Job:
    ann = Requester("local", "chat", "ann", "Ann")
    return Job("j", "delivered", "riffs", ann, GenerationRequest(prompt, 7), 0.0, 1, 0)


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    return Exports(tmp_path / "exports", tmp_path / "clips")


async def test_flac_and_four_loops_are_the_very_sound(exports: Exports, tmp_path: Path) -> None:
    clip = put(tmp_path / "clips", 22050, channels=2)
    flac = await exports.make(job(), clip, "flac")
    assert (flac.name, flac.media_type) == ("rain-7.flac", "audio/flac")
    info = _FLAC(flac.path).info
    assert (info.total_samples, info.channels) == (22050, 2)
    assert read_tags(flac.path.read_bytes()).recipe["seed"] == "7"
    four = await exports.make(job(), clip, "loop4")
    assert four.name == "rain-7-x4.mp3"
    assert _MP3(four.path).info.length == pytest.approx(2.0, abs=0.15)


async def test_the_clips_own_files_are_given_as_they_are(exports: Exports, tmp_path: Path) -> None:
    clip = put(tmp_path / "clips", 1000)
    wav = await exports.make(job("../../etc"), clip, "wav")
    assert wav.path == tmp_path / "clips" / "abc.wav"
    assert wav.name == "etc-7.wav"


async def test_what_was_made_is_kept_and_made_once(exports: Exports, tmp_path: Path) -> None:
    clip = put(tmp_path / "clips", 1000)
    first, second = await asyncio.gather(*(exports.make(job(), clip, "flac") for _ in range(2)))
    made_at = first.path.stat().st_ino
    third = await exports.make(job(), clip, "flac")
    assert first.path == second.path == third.path
    assert third.path.stat().st_ino == made_at
    await exports.forget(clip.files.values())
    assert not first.path.exists()


async def test_the_oldest_go_when_there_are_too_many(tmp_path: Path) -> None:
    exports = Exports(tmp_path / "exports", tmp_path / "clips", most_bytes=1)
    paths = []
    for name in ("one", "two"):
        clip = put(tmp_path / "clips", 1000, name=name)
        paths.append((await exports.make(job(), clip, "flac")).path)
    assert [path.exists() for path in paths] == [False, True]


async def test_what_goes_while_there_is_tidied_is_no_fault(
    exports: Exports, tmp_path: Path
) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "gone-flac.flac").symlink_to(tmp_path / "nowhere")
    clip = put(tmp_path / "clips", 1000)
    assert (await exports.make(job(), clip, "flac")).path.is_file()


async def test_what_is_gone_or_unknown_gets_a_sentence(exports: Exports, tmp_path: Path) -> None:
    clip = put(tmp_path / "clips", 1000)
    with pytest.raises(BadInputRefusal, match="flac"):
        await exports.make(job(), clip, "exe")
    assert await exports.is_kept(clip)
    for name in clip.files.values():
        (tmp_path / "clips" / name).unlink()
    assert not await exports.is_kept(clip)
    for kind in ("mp3", "flac"):
        with pytest.raises(NotFoundRefusal, match="made again"):
            await exports.make(job(), clip, kind)


async def test_a_broken_wav_is_told_and_leaves_nothing(exports: Exports, tmp_path: Path) -> None:
    clip = put(tmp_path / "clips", 1000)
    (tmp_path / "clips" / "abc.wav").write_bytes(b"no sound")
    with pytest.raises(BadInputRefusal, match="could not be made"):
        await exports.make(job(), replace(clip), "flac")
    assert list((tmp_path / "exports").iterdir()) == []


@pytest.mark.parametrize("seconds", [0.5, 5.12, 12.0])
def test_a_soundboard_sound_fits(seconds: float, tmp_path: Path) -> None:
    samples = round(seconds * RATE)
    noise = np.random.default_rng(1).uniform(-0.9, 0.9, (2, samples)).astype(np.float32)
    wav = encode(noise, RATE, "wav")
    data = exporting.make("soundboard", wav, noise, RATE, loop=True)
    path = tmp_path / "sound.mp3"
    path.write_bytes(data)
    # mutagen counts whole frames, as a cautious server would.
    assert _MP3(path).info.length <= 5.2
    assert len(data) <= 512_000


def test_lower_bit_rates_are_smaller() -> None:
    waveform = tone(2 * RATE)
    wav = encode(waveform, RATE, "wav")
    sizes = [
        len(exporting.make(kind, wav, waveform, RATE, loop=True))
        for kind in ("mp3-128", "mp3-64", "mp3-32")
    ]
    assert sizes[0] > 1.5 * sizes[1] > 2 * sizes[2]
