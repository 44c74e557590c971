"""A GPU draws with Riffusion's checkpoint once that is there, everything else with the starter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from generation import automatic, hub
from generation.automatic import AUTO, Choice, choose_checkpoint, load_chosen
from generation.checkpoint import STARTER, Checkpoint, CheckpointOptions, load_checkpoint
from generation.errors import CheckpointError
from tests.generation.small_checkpoint import CPU, write_tiny
from tests.peers.hub.server import Hub, Repository

GPU = torch.device("cuda")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("automatic") / "tiny")


@pytest.fixture
def peer(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    files = {
        path.relative_to(tiny).as_posix(): path.read_bytes()
        for path in tiny.rglob("*")
        if path.is_file()
    }
    with Hub({hub.RIFFUSION: Repository(files)}) as one:
        monkeypatch.setenv("HF_ENDPOINT", one.url)
        yield one


def test_a_name_is_taken_as_it_is(tmp_path: Path) -> None:
    for device in (CPU, GPU):
        assert choose_checkpoint("some/where", device, half=False) == Choice("some/where")


def test_a_processor_draws_with_the_starter(tmp_path: Path) -> None:
    assert choose_checkpoint(AUTO, CPU, half=False, cache=tmp_path) == Choice(STARTER)


def test_a_gpu_gets_riffusions_once_it_is_downloaded(peer: Hub, tmp_path: Path) -> None:
    before = choose_checkpoint(AUTO, GPU, half=True, cache=tmp_path)
    assert before == Choice(STARTER, better=hub.RIFFUSION)
    assert not peer.requests, "choosing asks nobody"
    hub.fetch(hub.RIFFUSION, wanted=hub.Wanted.CHECKPOINT, half=True, cache=tmp_path)
    assert choose_checkpoint(AUTO, GPU, half=True, cache=tmp_path) == Choice(hub.RIFFUSION)


def test_what_cannot_be_loaded_leaves_the_starter(
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def load(name: str, device: torch.device, options: CheckpointOptions) -> Checkpoint:
        if name != STARTER:
            raise CheckpointError("This GPU has too little memory.")
        return load_checkpoint(str(tiny), device, options)

    monkeypatch.setattr(automatic, "load_checkpoint", load)
    monkeypatch.setattr(automatic, "choose_checkpoint", lambda *_, **__: Choice(hub.RIFFUSION))
    choice, checkpoint = load_chosen(AUTO, CPU, CheckpointOptions())
    assert choice == Choice(STARTER)
    assert checkpoint.device == CPU
    assert "too little memory" in caplog.text
    with pytest.raises(CheckpointError, match="too little memory"):
        load_chosen(hub.RIFFUSION, CPU, CheckpointOptions())
