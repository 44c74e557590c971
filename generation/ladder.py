"""What to do when memory runs out: give up as little as possible, one rung at a time.

free caches → split the batch in halves → decode in small tiles → a fresh process
→ fail this job alone
"""

from __future__ import annotations

import errno
import gc
import logging
import sys
from collections.abc import Callable, Iterator, Sequence

from generation.errors import TooLargeError
from generation.resident import return_free_memory
from generation.task import Outcome, Task

log = logging.getLogger(__name__)

FREE_CACHES = 0
SMALL_TILES = 1

# What torch's allocators say where they raise a plain RuntimeError (CPU, Metal, older CUDA calls),
# and what oneDNN says when there is no memory for the code that it compiles.
_TEXTS = (
    "DefaultCPUAllocator",
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "could not create a primitive",
)


class NeedsFreshProcess(Exception):  # noqa: N818 - a request, not a failure
    """The outcome of a task that may succeed in a process that has not drawn anything yet."""


Attempt = Callable[[Sequence[Task]], Sequence[Outcome]]


def climb(
    attempt: Attempt, relieve: Callable[[int], None], tasks: Sequence[Task], *, fresh: bool
) -> Iterator[tuple[Task, Outcome | NeedsFreshProcess]]:
    """Draw tasks together if memory allows, and with ever less of it if not.

    Args:
        attempt: draws tasks together; may be called again for tasks that it ran out of memory on.
        relieve: `BatchEngine.relieve`.
        tasks: what to draw.
        fresh: the process was started for these tasks, so that another start would be no help.

    Yields:
        Each task with its outcome, as soon as there is one.
    """
    outcomes = _try(attempt, tasks)
    if outcomes is None:
        relieve(FREE_CACHES)
        outcomes = _try(attempt, tasks)
    if outcomes is not None:
        yield from zip(tasks, outcomes, strict=True)
    elif len(tasks) == 1:
        yield tasks[0], _alone(attempt, relieve, tasks[0], fresh=fresh)
    else:
        yield from _halves(attempt, relieve, tasks, fresh=fresh)


def _halves(
    attempt: Attempt, relieve: Callable[[int], None], tasks: Sequence[Task], *, fresh: bool
) -> Iterator[tuple[Task, Outcome | NeedsFreshProcess]]:
    """Both halves of a batch that is too large, each split again where it has to be."""
    middle = (len(tasks) + 1) // 2
    for half in (tasks[:middle], tasks[middle:]):
        relieve(FREE_CACHES)
        outcomes = _try(attempt, half)
        if outcomes is not None:
            yield from zip(half, outcomes, strict=True)
        elif len(half) == 1:
            yield half[0], _alone(attempt, relieve, half[0], fresh=fresh)
        else:
            yield from _halves(attempt, relieve, half, fresh=fresh)


def _alone(
    attempt: Attempt, relieve: Callable[[int], None], task: Task, *, fresh: bool
) -> Outcome | NeedsFreshProcess:
    """The last rungs, for one task that does not fit by itself."""
    relieve(SMALL_TILES)
    outcomes = _try(attempt, [task])
    if outcomes is not None:
        return outcomes[0]
    relieve(FREE_CACHES)
    if not fresh:
        return NeedsFreshProcess()
    return TooLargeError(
        "This riff needs more memory than this computer has to spare. Please ask for a shorter "
        "one, or for fewer at once."
    )


def _try(attempt: Attempt, tasks: Sequence[Task]) -> Sequence[Outcome] | None:
    """The outcomes, or None if memory ran out."""
    try:
        return attempt(tasks)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        log.warning("out of memory with %d at once: %s", len(tasks), _first_line(error))
    # Only here, after the except block, are the traceback and with it the tensors of the frames
    # that failed free to go.
    gc.collect()
    return_free_memory()
    return None


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is a failed allocation; without importing torch."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return True
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(error, torch.OutOfMemoryError):
            return True
        if isinstance(error, RuntimeError) and any(text in str(error) for text in _TEXTS):
            return True
        error = error.__cause__
    return False


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
