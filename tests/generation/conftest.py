from __future__ import annotations

from pathlib import Path

import pytest
import torch

from generation.checkpoint import Checkpoint, load_checkpoint
from generation.engine import Engine, EngineOptions


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine on the checkpoint that ships, on the processor."""
    return Engine(EngineOptions(device="cpu"))


@pytest.fixture(scope="session")
def flat_checkpoint() -> Checkpoint:
    """The checkpoint that ships, with its convolutions as trained by anyone: not wrapped."""
    return load_checkpoint("starter", torch.device("cpu"))


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return tmp_path / "clips"
