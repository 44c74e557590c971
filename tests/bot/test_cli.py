from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from bot.cli import main


def riffbot(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot.cli", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_make_writes_the_same_three_files_for_the_same_seed(tmp_path: Path) -> None:
    first = riffbot(
        *("make", "lo-fi beat", "--seed", "7", "--steps", "2", "--out", "a", "--json"),
        cwd=tmp_path,
    )
    assert first.returncode == 0, first.stderr
    clip = json.loads(first.stdout)
    assert (clip["samples"], clip["recipe"]["seed"]) == (225_792, "7")
    second = riffbot(
        "make", "lo-fi beat", "--seed", "7", "--steps", "2", "--out", "b", cwd=tmp_path
    )
    assert second.returncode == 0, second.stderr
    assert len(second.stdout.splitlines()) == 3
    for ending in ("mp3", "wav", "png"):
        ours = (tmp_path / "a" / f"lo-fi-beat-7.{ending}").read_bytes()
        assert ours == (tmp_path / "b" / f"lo-fi-beat-7.{ending}").read_bytes()
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        f"lo-fi-beat-7.{ending}" for ending in ("mp3", "wav", "png")
    }


def test_make_extends_a_sound(tmp_path: Path) -> None:
    loop = resources.files("generation") / "seed_images" / "vibes.png"
    (tmp_path / "loop.png").write_bytes(loop.read_bytes())
    longer = riffbot(
        *("make", "bells", "--extend", "loop.png", "--length", "7.68s", "--side", "left"),
        *("--steps", "1", "--seed", "4", "--json"),
        cwd=tmp_path,
    )
    assert longer.returncode == 0, longer.stderr
    clip = json.loads(longer.stdout)
    assert clip["samples"] == 225_792 * 3 // 2
    assert (clip["recipe"]["kind"], clip["recipe"]["prompt"]) == ("extend", "bells")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["make", "x", "--remix", "nowhere.wav"], "cannot be read"),
        (["make", "x", "--strength", "0.5"], "strength"),
        (["make", "x", "--mask", "pyproject.toml"], "cannot be read"),
        (["make", " "], "Tell me"),
        (["make", "x", "--seed", "many"], "whole number"),
        (["make", "x", "--config", "nowhere.toml"], "no configuration file"),
        (["run", "--port", "70000", "--no-open"], "web.port"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("riffbot: ")
    assert words in error
    assert error.count("\n") == 1


def test_a_checkpoint_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[engine]\ncheckpoint = "nowhere"\n')
    result = riffbot("make", "x", cwd=tmp_path)
    assert result.returncode == 2
    assert "'nowhere' is not a checkpoint" in result.stderr
    assert "Traceback" not in result.stderr
