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
    ("data", ("--clips", "6784")),
    ("data", ("--evaluation", "--clips", "256")),
    ("text.distil", ("--texts", "24000", "15000", "20000",
                     "--steps", "2400", "--cool-down", "1200")),
    ("autoencoder", ("--processes", "2", "--steps", "800", "--cool-down", "300")),
    ("latents", ("--shards", "22")),
    ("unet", ("--processes", "2", "--steps", "1650", "--cool-down", "700")),
    ("unet", ("--processes", "2", "--steps", "4000", "--cool-down", "2350", "--keep-cooled",
              "--rate", "8e-4")),
    ("unet", ("--processes", "2", "--steps", "5000", "--cool-down", "1000", "--keep-cooled",
              "--rate", "5e-4")),
    ("export", ()),
    ("classifier", ()),
    ("evaluate", ("--quick", "--seed-loops")),
    ("export", ("--card",)),
)  # fmt: skip
"""What was run for the starter that ships, but that its text encoder was told of styles from step
1,200 on only, and that the denoiser met that encoder at step 4,000. For a better one, append
another `unet` with more.
"""


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
