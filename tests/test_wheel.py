"""The wheel is whole: it installs where nothing of ours is, and makes a riff there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

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


def test_a_wheel_installs_in_an_empty_environment_and_makes_a_riff(tmp_path: Path) -> None:
    call(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, cwd=ROOT)
    [wheel] = tmp_path.glob("riffbot-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {
        "bot/store/migrations/0001_ledger.sql",
        "bot/web/static/index.html",
        "generation/starter/model_index.json",
        "generation/starter/unet/diffusion_pytorch_model.safetensors",
        "cogs/discord/__init__.py",
    } <= names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if ".dist-info" not in top} == {"bot", "cogs", "generation"}

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
