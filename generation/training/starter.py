"""Repeat everything from seeds: `python -m generation.training.starter`.

Runs each step as its own process, in order; every step skips or resumes what is already there, so
the command can be stopped at any time and started again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from generation.errors import GenerationError
from generation.training.options import add_work, run

STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("data", ()),
    ("data", ("--evaluation", "--clips", "1024")),
    ("text.distil", ()),
    ("autoencoder", ("--processes", "2")),
    ("latents", ()),
    ("unet", ("--processes", "2")),
    ("export", ()),
    ("classifier", ()),
    ("evaluate", ()),
    ("export", ("--card",)),
)


def main() -> None:
    """Run all the steps, or those from `--from` on."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_work(parser)
    names = list(dict.fromkeys(name for name, _ in STEPS))
    parser.add_argument("--from", dest="first", choices=names, default=names[0])
    options = parser.parse_args()
    waiting = True
    for name, arguments in STEPS:
        waiting = waiting and name != options.first
        if waiting:
            continue
        command = [sys.executable, "-m", f"generation.training.{name}"]
        command += ["--work", str(options.work), *arguments]
        print("$ " + " ".join(command[1:]), flush=True)
        if subprocess.run(command, check=False).returncode != 0:  # noqa: S603
            raise GenerationError(f"The step “{name}” stopped; start again to resume it.")


if __name__ == "__main__":
    run(main)
