from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from generation import integrity
from generation.checkpoint import load_checkpoint, resolve
from generation.errors import CheckpointError
from generation.integrity import Hashing, read_licence

CPU = torch.device("cpu")


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(resolve("starter"), tmp_path / "sealed"))
    digests = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
    (folder / "sha256.json").write_text(json.dumps(digests))
    return folder


def test_a_sealed_checkpoint_loads(sealed: Path) -> None:
    assert load_checkpoint(str(sealed), CPU).fingerprint


@pytest.mark.parametrize(
    "name", ["unet/diffusion_pytorch_model.safetensors", "riffbot.json", "vae/config.json"]
)
def test_a_changed_file_is_refused_by_name(sealed: Path, name: str) -> None:
    data = bytearray((sealed / name).read_bytes())
    data[-2:] = data[-2:].swapcase() if name.endswith(".json") else b"\1\2"
    if name.endswith(".json"):
        data += b"\n"
    (sealed / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{name} of the checkpoint is damaged"):
        load_checkpoint(str(sealed), CPU)


def test_a_list_that_is_no_json_is_refused(sealed: Path) -> None:
    (sealed / "sha256.json").write_text("[")
    with pytest.raises(CheckpointError, match="cannot be read as JSON"):
        load_checkpoint(str(sealed), CPU)


def test_hashes_of_large_files_are_remembered_until_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(integrity, "_WORTH_REMEMBERING", 1)
    hashed: list[Path] = []
    real = integrity._sha256
    monkeypatch.setattr(integrity, "_sha256", lambda path: (hashed.append(path), real(path))[1])
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    os.utime(file, (1_000_000, 1_000_000))

    def fingerprint() -> str:
        with Hashing({"a": file}, tmp_path) as hashing:
            return hashing.fingerprint()

    first = fingerprint()
    assert fingerprint() == first
    assert len(hashed) == 1
    file.write_bytes(b"two")
    assert fingerprint() != first
    assert fingerprint() != first
    assert len(hashed) == 3  # too new to be remembered


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: creativeml-openrail-m\ntags: [a]\n---\n# Title\n", "creativeml-openrail-m"),
        ("---\r\nlicense: 'mit'\r\n---\r\n", "mit"),
        ("---\nlicense:\n- apache-2.0\n- mit\n---\n", "apache-2.0"),
        ("---\nlicense: other\nlicense_name: my-own\n---\n", "my-own"),
        ("# Title\nlicense: mit\n", ""),
        ("---\ntags: [a]\n---\nlicense: mit\n", ""),
        ("", ""),
    ],
)
def test_the_licence_is_read_from_the_model_card(tmp_path: Path, card: str, licence: str) -> None:
    (tmp_path / "README.md").write_text(card, newline="")
    assert read_licence(tmp_path) == licence


def test_a_checkpoint_without_a_card_states_no_licence(tmp_path: Path) -> None:
    assert read_licence(tmp_path) == ""


def test_the_licence_is_among_the_preferences(sealed: Path) -> None:
    (sealed / "sha256.json").unlink()
    (sealed / "README.md").write_text("---\nlicense: mit\n---\n")
    assert load_checkpoint(str(sealed), CPU).preferences.licence == "mit"
