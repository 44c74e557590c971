"""`riffbot download`: get a checkpoint from the hub, before the bot runs with it.

The bot itself never downloads: gigabytes come when somebody says so, where they can watch.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from generation.errors import GenerationError
from generation.hub import RIFFUSION, Download, Wanted, fetch

DECLINED = 3
"""Exit status where the owner said no."""


class DeclinedError(GenerationError):
    """The owner does not want the download."""


def add_download_command(commands: Any) -> None:
    """Add `download` to the subcommands."""
    parser = commands.add_parser("download", help="get a checkpoint from the hub (asks first)")
    parser.add_argument(
        "name", nargs="?", default=RIFFUSION, help="owner/name, @revision (default %(default)s)"
    )
    parser.add_argument(
        "--device", default="auto", help="what it is for: GPUs take 16-bit weights (default auto)"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(func=_download)


def _download(arguments: argparse.Namespace) -> int:
    # Imported here: they load torch, and no other command should wait for that.
    from generation.checkpoint import choose_device  # noqa: PLC0415
    from generation.integrity import read_licence  # noqa: PLC0415
    from generation.placement import choose_placement  # noqa: PLC0415

    half = choose_placement(choose_device(arguments.device)).half
    bar = _Bar(arguments.name, ask=not arguments.yes)
    try:
        folder = fetch(arguments.name, wanted=Wanted.CHECKPOINT, half=half, on_download=bar)
    except DeclinedError as error:
        print(f"riffbot: {error}", file=sys.stderr)
        return DECLINED
    bar.clear()
    licence = read_licence(folder)
    print(f"{arguments.name} is in {folder}")
    if licence:
        print(f"Its licence is {licence}: its model card says what you may do with what it makes.")
    print(f'To draw with it: checkpoint = "{arguments.name}" under [engine] in config.toml')
    return 0


class _Bar:
    """Asks once, when the size is known, then shows progress."""

    def __init__(self, name: str, *, ask: bool) -> None:
        self._name = name
        self._ask = ask
        self._shown = sys.stderr.isatty()

    def __call__(self, progress: Download) -> None:
        if self._ask:
            self._ask = False
            self._check(progress)
        if self._shown and progress.total:
            share = progress.done / progress.total
            line = f"{share:4.0%} of {_size(progress.total)}  {progress.file}"
            print(f"\r\x1b[K{line[:100]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Remove the line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _check(self, progress: Download) -> None:
        left = _size(progress.total - progress.done)
        if not sys.stdin.isatty():
            raise DeclinedError(
                f"{self._name} is a download of {left}; say --yes if that is what you want."
            )
        answer = input(f"Download {left} for {self._name}? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            raise DeclinedError("Nothing was downloaded.")


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"
