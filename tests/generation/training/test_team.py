"""A team of processes whose command is killed."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

_COMMAND = """
import argparse, sys
from pathlib import Path
from torch import nn
from generation.training.team import run_team

def member(team, options):
    folder, line = Path(sys.argv[1]), nn.Linear(2, 1)
    try:
        for step in range(10**9):
            line.zero_grad()
            line(line.weight).sum().backward()
            if team.average_gradients(line, stop=False):
                break
            if step == 3:
                (folder / f"began-{team.rank}").touch()
    finally:
        (folder / f"saved-{team.rank}").touch()

if __name__ == "__main__":
    run_team(member, argparse.Namespace(processes=2, threads=1))
"""


def _wait_for(files: list[Path], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not all(file.exists() for file in files):
        assert time.monotonic() < deadline, f"none of {files}"
        time.sleep(0.05)


@pytest.mark.parametrize("trap", ["", "trap '' INT; "], ids=["foreground", "background"])
def test_members_end_with_a_killed_command(tmp_path: Path, trap: str) -> None:
    """A shell lets its background commands ignore the signal by which PyTorch ends members."""
    (tmp_path / "command.py").write_text(_COMMAND)
    line = shlex.join([sys.executable, str(tmp_path / "command.py"), str(tmp_path)])
    command = subprocess.Popen(["sh", "-c", f"{trap}exec {line}"])
    try:
        _wait_for([tmp_path / f"began-{rank}" for rank in range(2)])
        assert not list(tmp_path.glob("saved-*"))
    finally:
        command.kill()
        command.wait()
    _wait_for([tmp_path / f"saved-{rank}" for rank in range(2)])
