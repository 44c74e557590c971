"""Keeping memory that will be needed again in a moment."""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_PAD = 64 * 2**20


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed, where it can be told to (glibc).

    It would give the large blocks that pictures are made in back to the system after each layer,
    only to ask for them again, and the system clears every page it hands out: decoding the
    starter's picture takes 60,000 page faults and 1.3 times as long (`benchmarks/sampling.py`).
    What is kept can still be given back at once, with `malloc_trim`.

    Returns:
        Whether it will. Meant for a process that does nothing else; call it before the first riff.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, _PAD))
    return all(mallopt(name, value) == 1 for name, value in settings)
