"""Each rung of the out-of-memory ladder, with memory that is a number."""

from __future__ import annotations

import errno
import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generation.errors import BadRequestError, TooLargeError
from generation.ladder import NeedsFreshProcess, climb, is_out_of_memory
from generation.request import GenerationRequest
from generation.task import Outcome, Task


@pytest.fixture(scope="module", autouse=True)
def few_objects() -> Iterator[None]:
    """Each rung collects garbage, and the collector need not go through all of torch each time."""
    gc.freeze()
    yield
    gc.unfreeze()


def task(stem: str) -> Task:
    return Task(GenerationRequest("x", seed=1), Path("x"), stem, lambda progress: None)


@dataclass
class Memory:
    """Room for so many units; each task takes its own, less once the engine was relieved."""

    room: int
    needs: dict[str, int]
    freed_by_caches: int = 0
    tiles_save: int = 0
    attempts: list[list[str]] = field(default_factory=list)
    relieved: list[int] = field(default_factory=list)

    def relieve(self, level: int) -> None:
        self.relieved.append(level)

    def attempt(self, tasks: Sequence[Task]) -> list[Outcome]:
        self.attempts.append([one.stem for one in tasks])
        room = self.room + (self.freed_by_caches if 0 in self.relieved else 0)
        saved = self.tiles_save if 1 in self.relieved else 0
        if sum(max(self.needs[one.stem] - saved, 0) for one in tasks) > room:
            raise MemoryError
        return [[] for _ in tasks]

    def climb(self, fresh: bool = False) -> dict[str, Outcome | NeedsFreshProcess]:
        tasks = [task(stem) for stem in self.needs]
        outcomes = list(climb(self.attempt, self.relieve, tasks, fresh=fresh))
        assert len(outcomes) == len(tasks)
        return {one.stem: outcome for one, outcome in outcomes}


def test_a_batch_that_fits_is_drawn_once_and_nothing_is_given_up() -> None:
    memory = Memory(4, {"a": 2, "b": 2})
    assert memory.climb() == {"a": [], "b": []}
    assert (memory.attempts, memory.relieved) == ([["a", "b"]], [])


def test_the_first_rung_frees_caches() -> None:
    memory = Memory(3, {"a": 2, "b": 2}, freed_by_caches=1)
    assert memory.climb() == {"a": [], "b": []}
    assert (memory.attempts, memory.relieved) == ([["a", "b"], ["a", "b"]], [0])


def test_the_second_rung_halves_the_batch() -> None:
    memory = Memory(4, {"a": 2, "b": 2, "c": 2, "d": 2, "e": 2})
    assert set(memory.climb()) == set("abcde")
    assert memory.attempts[2:] == [["a", "b", "c"], ["a", "b"], ["c"], ["d", "e"]]
    assert 1 not in memory.relieved


def test_the_third_rung_decodes_in_small_tiles() -> None:
    memory = Memory(4, {"a": 5, "b": 1}, tiles_save=2)
    assert memory.climb() == {"a": [], "b": []}
    assert 1 in memory.relieved


def test_the_fourth_rung_asks_for_a_fresh_process_and_the_others_are_drawn() -> None:
    outcomes = Memory(4, {"a": 9, "b": 1, "c": 1}).climb()
    assert isinstance(outcomes["a"], NeedsFreshProcess)
    assert outcomes["b"] == outcomes["c"] == []


def test_the_last_rung_fails_this_one_alone_with_a_friendly_sentence() -> None:
    outcomes = Memory(4, {"a": 9, "b": 1}).climb(fresh=True)
    assert isinstance(outcomes["a"], TooLargeError)
    assert "shorter" in str(outcomes["a"])
    assert outcomes["b"] == []


@given(
    room=st.integers(0, 20),
    needs=st.lists(st.integers(1, 12), min_size=1, max_size=9),
    caches=st.integers(0, 3),
    tiles=st.integers(0, 3),
    fresh=st.booleans(),
)
def test_whoever_fits_alone_is_drawn_and_nobody_is_lost(
    room: int, needs: list[int], caches: int, tiles: int, fresh: bool
) -> None:
    memory = Memory(room, {str(n): need for n, need in enumerate(needs)}, caches, tiles)
    for stem, outcome in memory.climb(fresh).items():
        need = memory.needs[stem]
        if need <= room + caches:
            assert outcome == []
        elif need - tiles > room + caches:
            assert isinstance(outcome, TooLargeError if fresh else NeedsFreshProcess)
    # Halving costs little: no more attempts than nodes in the tree of halves, and three for each.
    assert len(memory.attempts) <= 2 * len(needs) + 1 + len(needs)


def test_an_outcome_is_passed_on_and_another_error_is_not_caught() -> None:
    refusal = BadRequestError("no")
    [(_, outcome)] = climb(lambda tasks: [refusal], lambda level: None, [task("a")], fresh=False)
    assert outcome is refusal

    def broken(tasks: Sequence[Task]) -> list[Outcome]:
        raise KeyError("x")

    with pytest.raises(KeyError):
        list(climb(broken, lambda level: None, [task("a")], fresh=False))


def test_real_failed_allocations_are_known_for_what_they_are() -> None:
    huge = 2**48
    with pytest.raises(RuntimeError) as tensor:
        torch.empty(huge)
    with pytest.raises(MemoryError) as array:
        np.ones(huge)
    for error in (tensor.value, array.value, OSError(errno.ENOMEM, "fork")):
        assert is_out_of_memory(error)
    assert is_out_of_memory(RuntimeError("could not create a primitive"))
    for other in (torch.OutOfMemoryError("CUDA out of memory."), MemoryError()):
        wrapped = ValueError("while decoding")
        wrapped.__cause__ = other
        assert is_out_of_memory(other) and is_out_of_memory(wrapped)
    for harmless in (RuntimeError("shape mismatch"), OSError(errno.ENOENT, "x"), ValueError("x")):
        assert not is_out_of_memory(harmless)
