from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from generation.errors import GenerationError
from generation.questions import MOST_TEXTS, Questions
from generation.worker import WorkerOptions
from tests.generation.workers import living
from tests.standin_engine import STAND_IN


async def test_answers_go_to_who_asked() -> None:
    sent: list[Mapping[str, Any]] = []
    questions = Questions(sent.append)
    first, second = (questions.ask([text], ready=True) for text in "ab")
    questions.hear({"is": "embedded", "id": sent[1]["id"], "vectors": [[2.0]]})
    questions.hear({"is": "embedded", "id": sent[0]["id"], "vectors": [[1.0]]})
    questions.hear({"is": "embedded", "id": 99, "vectors": [[3.0]]})
    assert (await first, await second) == ([[1.0]], [[2.0]])


async def test_nobody_waits_for_a_child_that_is_gone() -> None:
    questions = Questions(lambda message: None)
    waiting = questions.ask(["a"], ready=True)
    questions.bury()
    for future in (waiting, questions.ask(["a"], ready=False)):
        with pytest.raises(GenerationError):
            await future
    with pytest.raises(ValueError, match="at most"):
        questions.ask(["a"] * (MOST_TEXTS + 1), ready=True)


async def test_an_engine_without_an_encoder_says_so_and_lives_on(clips: Path) -> None:
    async with living(WorkerOptions(engine=STAND_IN, engine_settings={}), clips) as watched:
        pid = await watched.ready()
        with pytest.raises(GenerationError):
            await watched.worker.embed(["lo-fi beat"])
        assert watched.worker.pid == pid
