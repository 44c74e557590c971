from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from generation.resident import resident_bytes


def test_memory_that_is_touched_is_counted() -> None:
    before = resident_bytes()
    if not before:
        pytest.skip("this platform does not say")
    block = bytearray(b"x" * (256 * 2**20))
    assert resident_bytes() - before > 200 * 2**20
    del block


@pytest.mark.skipif(sys.platform != "linux", reason="other systems choose by themselves")
def test_the_system_would_rather_end_the_worker_than_the_bot() -> None:
    code = (
        "from generation.resident import be_the_first_to_go as go; go();"
        "print(open('/proc/self/oom_score_adj').read())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert int(said) > int(Path("/proc/self/oom_score_adj").read_text("ascii"))
