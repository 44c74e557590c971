"""What every training command shares: where it works, how it reports trouble."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from generation.errors import GenerationError

DEFAULT_WORK = Path("riffbot-data/training")


def add_work(parser: argparse.ArgumentParser) -> None:
    """Add `--work DIR`: the training directory, which holds data, state and results."""
    parser.add_argument(
        "--work", type=Path, default=DEFAULT_WORK, help="training directory (default: %(default)s)"
    )


def add_schedule(parser: argparse.ArgumentParser, steps: int, rate: float, batch: int) -> None:
    """Add how long and how fast to train: `--steps`, `--cool-down`, `--minutes`, `--rate`…"""
    parser.add_argument("--steps", type=int, default=steps, help="in all (default: %(default)s)")
    parser.add_argument(
        "--cool-down",
        type=int,
        default=None,
        metavar="STEPS",
        help="let the rate fall to 0 in the last so many steps (default: a quarter of all)",
    )
    parser.add_argument(
        "--keep-cooled",
        action="store_true",
        help="go on from the end of an earlier cool-down instead of from before it",
    )
    parser.add_argument("--minutes", type=float, default=None, help="stop this run after so many")
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--batch", type=int, default=batch, help="samples a process and step")
    parser.add_argument("--log-every", type=int, default=50)


def cool_down_of(options: argparse.Namespace) -> int:
    """Return the steps of the cool-down that `add_schedule`'s options ask for."""
    asked: int | None = options.cool_down
    return int(options.steps) // 4 if asked is None else asked


def run(main: Callable[[], None]) -> None:
    """Run a command; an interruption or an expected error ends it with one friendly line."""
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped; run the same command again to go on from the last saved state.")
    except GenerationError as error:
        sys.exit(str(error))
