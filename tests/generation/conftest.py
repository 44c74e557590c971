from __future__ import annotations

from pathlib import Path

import pytest
import torch

from generation.checkpoint import Checkpoint, load_checkpoint
from generation.engine import Engine, EngineOptions
from tests.generation.tiny import tiny_checkpoint


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where uploads lie, named by their hash."""
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="session")
def engine(sources: Path) -> Engine:
    """The engine on the checkpoint that ships, on the processor."""
    return Engine(EngineOptions(device="cpu", sources=str(sources)))


@pytest.fixture(scope="session")
def quick(sources: Path) -> Engine:
    """An engine on a checkpoint of random weights: it draws in no time, but no music."""
    options = EngineOptions(inversion="fast", sources=str(sources))
    return Engine(options, tiny_checkpoint(vae_channels=(4, 4, 4, 8)))


@pytest.fixture(scope="session")
def flat_checkpoint() -> Checkpoint:
    """The checkpoint that ships, with its convolutions as trained by anyone: not wrapped."""
    return load_checkpoint("starter", torch.device("cpu"))


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return tmp_path / "clips"
