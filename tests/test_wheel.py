"""The wheel is whole: it installs where nothing of ours is, and makes a riff there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def call(*command: str | Path, cwd: Path) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "VIRTUAL_ENV"} and not name.startswith("RIFFBOT_")
    }
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--wheel", "--outdir", folder, cwd=ROOT)
    [built] = folder.glob("riffbot-*.whl")
    return built


def test_a_wheel_holds_what_is_not_code_too(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {
        "bot/store/migrations/0001_ledger.sql",
        "bot/web/static/index.html",
        "bot/moderation/words.txt",
        "generation/seed_images/og_beat.png",
        "generation/starter/model_index.json",
        "generation/starter/unet/diffusion_pytorch_model.safetensors",
        "cogs/discord/__init__.py",
    } <= names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if ".dist-info" not in top} == {"bot", "cogs", "generation"}


@pytest.mark.soak
def test_a_wheel_installs_in_an_empty_environment_and_makes_a_riff(
    wheel: Path, tmp_path: Path
) -> None:
    home = tmp_path / "empty"
    venv.create(home, with_pip=True)
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    call(programs / "python", "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    made = call(
        *(programs / "riffbot", "make", "lo-fi beat", "--seed", "7", "--steps", "2", "--json"),
        cwd=tmp_path,
    )
    clip = json.loads(made)
    assert clip["samples"] == 225_792
    assert all(Path(path).is_file() for path in clip["files"].values())
