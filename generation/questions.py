"""Questions to the worker that are no jobs: embeddings of texts, by its text encoder."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from generation.errors import GenerationError

MOST_TEXTS = 64
_NO_ANSWER = "The sound worker cannot say that at present."


class Questions:
    """What was asked of the child and not answered yet."""

    def __init__(self, send: Callable[[Mapping[str, Any]], None]) -> None:
        """`send` takes a message to the child."""
        self._send = send
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[list[list[float]]]] = {}

    def ask(self, texts: Sequence[str], *, ready: bool) -> asyncio.Future[list[list[float]]]:
        """Ask for one vector for each text.

        Returns:
            A future that resolves to them, between two jobs of the child; or to a GenerationError
            where there is no child, it dies, or its engine has no encoder.

        Raises:
            ValueError: more than 64 texts.
        """
        if len(texts) > MOST_TEXTS:
            raise ValueError(f"at most {MOST_TEXTS} texts at once, not {len(texts)}")
        future: asyncio.Future[list[list[float]]] = asyncio.get_running_loop().create_future()
        if not ready:
            future.set_exception(GenerationError(_NO_ANSWER))
            return future
        number = next(self._numbers)
        self._open[number] = future
        self._send({"do": "embed", "id": number, "texts": list(texts)})
        return future

    def hear(self, message: Mapping[str, Any]) -> None:
        """The child's answer."""
        future = self._open.pop(message["id"], None)
        if future is None or future.done():
            return
        vectors = message["vectors"]
        if vectors is None:
            future.set_exception(GenerationError(_NO_ANSWER))
        else:
            future.set_result(vectors)

    def bury(self) -> None:
        """The child has ended and will answer nothing."""
        for future in self._open.values():
            if not future.done():
                future.set_exception(GenerationError(_NO_ANSWER))
        self._open.clear()
