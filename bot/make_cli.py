"""`riffbot make`: one riff, without chat or server, the same way as the bot makes it."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.ask import Ask
from bot.config import Config, load_config
from bot.errors import BadInputRefusal
from bot.grammar import ask_from_json
from bot.names import file_stem
from bot.options import OPTIONS
from bot.settings import UNLIMITED, RiffSettings
from generation.errors import GenerationError
from generation.request import Clip, GenerationRequest, Progress, Side
from generation.worker import Worker, WorkerDied, WorkerOptions

_NO_SETTINGS = RiffSettings(rate=UNLIMITED, queued_per_user=1, queued_in_all=1)
_HELP = {
    "seed": "same seed, same loop (default: a random one)",
    "steps": "denoising steps; more is slower",
    "guidance": "how closely to follow the words",
    "negative": "what to steer away from",
    "bpm": "tempo in beats per minute",
    "length": "such as 10s, 16beats or 4bars (the last two need --bpm)",
    "clips": "how many",
    "strength": "how far a remix goes from its source, 0 to 1",
    "side": "with --extend: left or right (default right)",
    "loop": "no: a piece that just ends",
    "start": "noise, or a stored loop",
    "sampler": "such as dpmpp, euler or ddim",
    "lora": "such as vinyl:0.8",
}


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add `--config`."""
    parser.add_argument("--config", type=Path, help="TOML file (default config.toml, if there)")


def add_make_command(commands: Any) -> None:
    """Add `make` to the subcommands."""
    make = commands.add_parser("make", help="make a loop, without chat or server")
    add_config_option(make)
    make.add_argument("prompt", help='what it should sound like, e.g. "lo-fi beat"')
    make.add_argument("--to", help="blend into this prompt, in --clips steps (default 5)")
    source = make.add_mutually_exclusive_group()
    source.add_argument("--remix", type=Path, metavar="FILE", help="start from a sound or picture")
    source.add_argument("--extend", type=Path, metavar="FILE", help="continue a sound")
    make.add_argument("--mask", type=Path, metavar="FILE", help="picture: white is drawn anew")
    for name, text in _HELP.items():
        make.add_argument(f"--{name}", help=text)
    make.add_argument("--out", type=Path, default=Path(), help="folder for the files (default .)")
    make.add_argument("--json", action="store_true", help="print the result as JSON")
    make.set_defaults(func=_make)


def _make(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    logging.basicConfig(level="WARNING", format="%(message)s")
    with tempfile.TemporaryDirectory(prefix="riffbot-") as sources:
        ask = _ask(arguments, Path(sources))
        # What is left open is the checkpoint's choice here: no community has settings for it.
        request = ask.to_request(_NO_SETTINGS)
        clips = asyncio.run(_make_clips(config, request, arguments.out.absolute(), sources))
    if arguments.json:
        made = [_clip_json(clip) for clip in clips]
        print(json.dumps(made[0] if len(made) == 1 else made, ensure_ascii=False))
    else:
        for clip in clips:
            for path in clip.files.values():
                print(path)
    return 0


def _ask(arguments: argparse.Namespace, sources: Path) -> Ask:
    data: dict[str, Any] = {"prompt": arguments.prompt, "to": arguments.to}
    data |= {name: getattr(arguments, name) for name in _HELP if name != "side"}
    if (file := arguments.remix or arguments.extend) is not None:
        data["source"] = _stored(file, sources)
    if arguments.mask is not None:
        data["mask"] = _stored(arguments.mask, sources)
    ask = ask_from_json({name: value for name, value in data.items() if value is not None})
    if arguments.extend is None:
        return ask
    side: Side = "right" if arguments.side is None else OPTIONS["side"].read(arguments.side)
    return replace(ask, kind="extend", side=side)


def _stored(file: Path, sources: Path) -> str:
    """Copy a file to where the worker looks for it by hash."""
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        place = sources / digest[:2] / digest
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, place)
    except OSError as error:
        raise BadInputRefusal(f"{file} cannot be read: {error.strerror}.") from error
    return digest


async def _make_clips(
    config: Config, request: GenerationRequest, folder: Path, sources: str
) -> list[Clip]:
    """The clips, from a worker process of their own."""
    options = WorkerOptions(engine_settings=config.engine.for_worker(Path(sources)))
    changed = asyncio.Event()
    worker = Worker(options, changed.set)
    life = asyncio.create_task(worker.run())
    try:
        _say("loading …")
        while worker.state != "ready":
            if worker.state == "broken":
                raise GenerationError(worker.detail)
            changed.clear()
            await changed.wait()
        stem = file_stem(request.prompt, request.seed)
        return await worker.make(stem, request, folder, _show_progress)
    except WorkerDied as error:
        raise GenerationError("The sound worker stopped unexpectedly; please try again.") from error
    finally:
        _say("")
        life.cancel()
        with suppress(asyncio.CancelledError):
            await life


def _show_progress(progress: Progress) -> None:
    _say(f"{progress.stage} {progress.fraction:.0%}")


def _say(text: str) -> None:
    """One line that overwrites itself, for people only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _clip_json(clip: Clip) -> Mapping[str, Any]:
    data = clip.to_json()
    data.pop("index")
    return data
