from __future__ import annotations

from pathlib import Path

import pytest
import torch

from generation import placement, remembered
from generation.checkpoint import CheckpointOptions, load_checkpoint
from generation.errors import CheckpointError
from generation.placement import (
    Placement,
    check_room,
    choose_placement,
    faster_in_bfloat16,
    free_bytes,
    needed_bytes,
    timed_gain,
)

CPU = torch.device("cpu")
CUDA = torch.device("cuda")


@pytest.fixture(autouse=True)
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    faster_in_bfloat16.cache_clear()


def test_a_graphics_card_draws_in_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert choose_placement(CUDA).dtype == torch.float16
    assert choose_placement(CUDA, torch.bfloat16).dtype == torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert choose_placement(CUDA, torch.bfloat16).dtype == torch.float16
    assert choose_placement(torch.device("mps")).half


def test_a_processor_without_bfloat16_is_not_even_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "_has_bfloat16", lambda: False)
    monkeypatch.setattr(placement, "timed_gain", lambda: pytest.fail("timed"))
    assert choose_placement(CPU).dtype == torch.float32


@pytest.mark.parametrize(("gain", "dtype"), [(2.0, torch.bfloat16), (1.1, torch.float32)])
def test_bfloat16_is_used_where_it_is_clearly_faster_and_the_answer_stays(
    monkeypatch: pytest.MonkeyPatch, gain: float, dtype: torch.dtype
) -> None:
    gains = [gain]
    monkeypatch.setattr(placement, "_has_bfloat16", lambda: True)
    monkeypatch.setattr(placement, "timed_gain", gains.pop)
    assert choose_placement(CPU).dtype == dtype
    faster_in_bfloat16.cache_clear()  # another start
    assert choose_placement(CPU).dtype == dtype
    assert not gains


def test_the_timing_is_a_real_one() -> None:
    assert 0 < timed_gain() < 100


def test_a_precision_can_be_asked_for() -> None:
    assert choose_placement(CPU, wanted="bfloat16").dtype == torch.bfloat16
    with pytest.raises(CheckpointError, match="auto, float32, float16, bfloat16"):
        choose_placement(CPU, wanted="float8")


def test_compiling_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "_can_compile", lambda device: False)
    with pytest.raises(CheckpointError, match="please turn it off"):
        choose_placement(CPU, compiled=True)


def test_what_cannot_fit_is_refused_before_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "free_bytes", lambda device: 50_000_000)
    monkeypatch.setattr("generation.weights.Source.fill", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(CheckpointError, match=r"needs about 0\.\d GB of memory and only 0\.1 GB"):
        load_checkpoint("starter", CPU, CheckpointOptions(dtype="float32"))


def test_the_estimate_of_a_full_size_checkpoint_is_of_its_size() -> None:
    weights = 1_066_000_000
    full, half = (
        needed_bytes(weights, 256, Placement(CPU, dtype))
        for dtype in (torch.float32, torch.float16)
    )
    assert 4.3e9 < full < 6e9
    assert full == 2 * half


def test_free_memory_is_found_on_this_machine() -> None:
    free = free_bytes(CPU)
    assert free is not None
    assert free > 100e6
    check_room(1000, Placement(CPU, torch.float32), "small")
    with pytest.raises(CheckpointError, match="use a smaller checkpoint"):
        check_room(10**15, Placement(CPU, torch.float32), "huge")


def test_facts_are_remembered_between_starts(tmp_path: Path) -> None:
    assert remembered.recall("facts", "a") is None
    remembered.note("facts", "a", [1, 2])
    remembered.note("facts", "b", True)
    assert (remembered.recall("facts", "a"), remembered.recall("facts", "b")) == ([1, 2], True)
    (tmp_path / "cache" / "riffbot" / "facts.json").write_text("{broken")
    assert remembered.recall("facts", "a") is None


def test_a_home_that_cannot_be_written_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    remembered.note("facts", "a", 1)
    assert remembered.recall("facts", "a") is None
