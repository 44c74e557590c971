"""What the C library is told, seen in a process of its own by the page faults that it saves."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from generation.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for run in range(11):
    if run == 1:
        before = faults()
    blocks = [np.ones(2**22) for _ in range(3)]  # 32 MiB each: beyond what is ever kept by itself
    del blocks
print((faults() - before) // 10)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about glibc")
def test_large_blocks_are_kept() -> None:
    keeping, giving_back = (
        int(subprocess.check_output([sys.executable, "-c", PROGRAM, what]))
        for what in ("keep", "no")
    )
    assert keeping < giving_back / 10
