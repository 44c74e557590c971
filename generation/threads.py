"""Work that is shared between threads: for compiled code and libraries that let the lock go."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def share(count: int, threads: int, work: Callable[[int, int], None]) -> None:
    """Let each thread do its part, `work(first, last)`, of `range(count)`."""
    threads = min(threads, count)
    if threads <= 1:
        work(0, count)
        return
    cuts = [count * number // threads for number in range(threads + 1)]
    list(_pool(threads).map(work, cuts[:-1], cuts[1:]))


def in_order(count: int, threads: int, work: Callable[[int], T]) -> Iterator[T]:
    """The results of `work(0)`, `work(1)`…, made by several threads at a time.

    `work` must not itself wait for work that is shared between as many threads.
    """
    if min(threads, count) <= 1:
        return map(work, range(count))
    return _pool(threads).map(work, range(count))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix=f"share-{threads}")
