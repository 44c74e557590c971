from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generation.audio import Tags, write_audio
from generation.decoding import decode_sound
from generation.media_cli import add_commands
from generation.spectrogram import SpectrogramParams, params_from_image
from generation.tags import read_tags
from tests.generation.sounds import loop


def riffbot(*words: str | Path) -> int:
    parser = argparse.ArgumentParser("riffbot")
    add_commands(parser.add_subparsers(required=True))
    arguments = parser.parse_args([str(word) for word in words])
    return int(arguments.func(arguments))


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    (folder / "more").mkdir(parents=True)
    write_audio(folder / "one.mp3", loop(44_100), 44100, Tags("One", {"seed": "7"}))
    write_audio(folder / "more" / "two.wav", loop(88_200, 2), 44100)
    (folder / "notes.txt").write_text("not a sound")
    return folder


def test_there_and_back_again(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        riffbot("audio-to-image", recordings, "-o", tmp_path / "pictures", "--loop", "--json") == 0
    )
    reports = json.loads(capsys.readouterr().out)
    assert [Path(report["output"]).name for report in reports] == ["two.png", "one.png"]
    assert [report["width"] for report in reports] == [200, 100]
    picture = tmp_path / "pictures" / "one.png"
    assert params_from_image(Image.open(picture)) == SpectrogramParams()

    target = tmp_path / "again.wav"
    assert riffbot("image-to-audio", picture, "-o", target, "--quality", "fast") == 0
    assert decode_sound(target).waveform.shape == (2, 44_100)
    assert read_tags(target.read_bytes()) == Tags("One", {"seed": "7"}), "the recipe goes along"


def test_stereo_tempo_and_repeats(recordings: Path, tmp_path: Path) -> None:
    sound = recordings / "more" / "two.wav"
    picture = tmp_path / "two.png"
    assert (
        riffbot("audio-to-image", sound, "-o", picture, "--stereo", "--max-frequency", "20000") == 0
    )
    assert params_from_image(Image.open(picture)) == SpectrogramParams(
        stereo=True, max_frequency=20000
    )
    target = tmp_path / "fast.flac"
    words = ("--bpm", "150", "--beats", "4", "--times", "3", "--quality", "fast")
    assert riffbot("image-to-audio", picture, "-o", target, *words) == 0
    assert decode_sound(target).waveform.shape == (2, 3 * 70_560)


def test_clips_are_cut_from_the_recording_and_the_seed_decides_where(
    recordings: Path, tmp_path: Path
) -> None:
    source = recordings / "more" / "two.wav"
    whole = decode_sound(source).waveform
    for name in ("first", "again"):
        words = ("-o", tmp_path / name, "--count", "3", "--seconds", "0.5", "--seed", "5")
        assert riffbot("sample-clips", source, *words) == 0
    for number in range(3):
        first, again = (tmp_path / name / f"two_{number:03d}.wav" for name in ("first", "again"))
        assert first.read_bytes() == again.read_bytes()
        clip = decode_sound(first).waveform
        assert clip.shape == (2, 22_050)
        starts = np.flatnonzero(np.isclose(whole[0], clip[0, 0], atol=1e-6))
        assert any(
            np.allclose(whole[:, s : s + 22_050], clip, atol=1e-4) for s in starts if s <= 66_150
        )


def test_print_exif(recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    riffbot("audio-to-image", recordings / "one.mp3", "-o", tmp_path / "one.png")
    bare = tmp_path / "bare.jpg"
    Image.new("RGB", (512, 512), "white").save(bare)
    capsys.readouterr()
    assert riffbot("print-exif", tmp_path / "one.png", bare, "--json") == 0
    tagged, untagged = json.loads(capsys.readouterr().out)
    assert tagged["exif"]["sample_rate"] == 44100
    assert tagged["recipe"] == {"seed": "7"}
    assert (untagged["tagged"], untagged["exif"], untagged["seconds"]) == (False, {}, 5.12)
    assert riffbot("print-exif", tmp_path / "one.png") == 0
    assert "exif.mel_bins: 512" in capsys.readouterr().out


def test_one_bad_file_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound at all")
    write_audio(tmp_path / "good.wav", loop(20_000), 44100)
    assert riffbot("audio-to-image", tmp_path) == 1
    captured = capsys.readouterr()
    assert (tmp_path / "good.png").exists()
    assert "bad.wav: This does not look like a sound file" in captured.err
    assert "1 of 2 done" in captured.err
    assert "Traceback" not in captured.err


def test_nothing_is_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_audio(tmp_path / "a.wav", loop(20_000), 44100)
    (tmp_path / "a.png").write_bytes(b"precious")
    assert riffbot("audio-to-image", tmp_path / "a.wav") == 1
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "a.png").read_bytes() == b"precious"
    assert riffbot("audio-to-image", tmp_path / "a.wav", "--force") == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["audio-to-image", "/nonexistent.mp3"], "There is no file"),
        (["image-to-audio", "{empty}"], "holds no"),
        (["audio-to-image", "{sound}", "--max-frequency", "40000"], "half the sample rate"),
        (["image-to-audio", "{sound}", "{sound}", "-o", "x.wav"], "name a folder"),
    ],
)
def test_wrong_commands_get_one_sentence(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    sound = tmp_path / "a.wav"
    write_audio(sound, loop(20_000), 44100)
    places = {"empty": str(tmp_path / "empty"), "sound": str(sound)}
    assert riffbot(*(word.format(**places) for word in words)) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("riffbot: ")
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
