from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from generation.download_cli import DECLINED
from tests.generation.small_checkpoint import write_tiny
from tests.peers.hub.server import Hub, Repository

NAME = "somebody/tiny-riffs"
CARD = b"---\nlicense: creativeml-openrail-m\n---\n# Tiny\n"


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = write_tiny(tmp_path_factory.mktemp("hub") / "tiny")
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    with Hub({NAME: Repository({**files, "README.md": CARD})}) as one:
        yield one


def riffbot(peer: Hub, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot.cli", *arguments],
        env={**os.environ, "HF_ENDPOINT": peer.url, "HF_HOME": str(home)},
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_download_is_asked_for_then_drawn_with(peer: Hub, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f'[engine]\ncheckpoint = "{NAME}"\ndevice = "cpu"\n')
    # nothing is downloaded unasked: not by the bot, and not by the command without a yes
    early = riffbot(peer, tmp_path, "make", "rain")
    assert early.returncode == 2
    assert f"riffbot download {NAME}" in early.stderr
    declined = riffbot(peer, tmp_path, "download", NAME, "--device", "cpu")
    assert declined.returncode == DECLINED
    assert "say --yes" in declined.stderr
    got = riffbot(peer, tmp_path, "download", NAME, "--device", "cpu", "--yes")
    assert got.returncode == 0, got.stderr
    assert "Its licence is creativeml-openrail-m" in got.stdout
    requests = len(peer.requests)
    again = riffbot(peer, tmp_path, "download", NAME, "--device", "cpu")
    assert (again.returncode, len(peer.requests)) == (0, requests)
