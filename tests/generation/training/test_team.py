"""A team of processes whose command is killed."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

_COMMAND = """
import argparse, os
from torch import nn
from generation.training.team import run_team

def member(team, options):
    line = nn.Linear(2, 1)
    try:
        for step in range(10**9):
            line.zero_grad()
            line(line.weight).sum().backward()
            if team.average_gradients(line, stop=False):
                break
            if step == 3:
                os.write(1, b"began\\n")
    finally:
        os.write(1, b"saved\\n")

if __name__ == "__main__":
    run_team(member, argparse.Namespace(processes=2, threads=1))
"""


@pytest.mark.parametrize("trap", ["", "trap '' INT; "], ids=["foreground", "background"])
def test_members_end_with_a_killed_command(tmp_path: Path, trap: str) -> None:
    """A shell lets its background commands ignore the signal by which PyTorch ends members."""
    (tmp_path / "command.py").write_text(_COMMAND)
    line = shlex.join([sys.executable, str(tmp_path / "command.py")])
    command = subprocess.Popen(
        ["sh", "-c", f"{trap}exec {line}"], stdout=subprocess.PIPE, start_new_session=True
    )
    assert command.stdout is not None
    deadline = threading.Timer(90, _kill_group, [command.pid])
    deadline.start()
    try:
        assert [command.stdout.readline() for _ in range(2)] == [b"began\n"] * 2
        command.kill()
        command.wait()
        # the members hold the pipe's other end: it ends when the last of them does
        assert command.stdout.read() == b"saved\n" * 2
    finally:
        deadline.cancel()
        _kill_group(command.pid)
        command.wait()


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
