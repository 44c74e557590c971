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


def run(main: Callable[[], None]) -> None:
    """Run a command; an interruption or an expected error ends it with one friendly line."""
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped; run the same command again to go on from the last saved state.")
    except GenerationError as error:
        sys.exit(str(error))
