"""Offers whoever starts the bot on a GPU the checkpoint that such a machine can draw with, once."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from generation.download_cli import DECLINED
from generation.worker import Worker

log = logging.getLogger(__name__)

_MARK = "keeps-the-starter"
_DOWNLOAD = (sys.executable, "-m", "bot.cli", "download")


async def offer_better(
    worker: Worker, data: Path, terminal: int | None, command: Sequence[str] = _DOWNLOAD
) -> None:
    """Offer a download where the worker knows of one, and use it once it is there.

    The starter plays meanwhile. The question, its answer and the progress are between the terminal
    and the download's own process; a no is remembered in the data folder, and a download that was
    cut off goes on the next time it is started.

    Args:
        worker: what draws.
        data: the bot's folder.
        terminal: file descriptor of the terminal to ask at; None only writes to the log.
        command: what downloads, to which the name is added.
    """
    await worker.wait_ready()
    name, mark = worker.model.get("better", ""), data / _MARK
    if not name or await asyncio.to_thread(mark.exists):
        return
    log.info(
        "This machine has a GPU, for which %s draws better loops: get it with `riffbot download`. "
        "The starter plays until then.",
        name,
    )
    if terminal is None:
        return
    match await _download(name, terminal, command):
        case 0:
            worker.renew()
        case status if status == DECLINED:
            await asyncio.to_thread(mark.touch)
            log.info("The starter stays; `riffbot download` changes that at any time.")
        case _:
            log.warning("The download did not work out; `riffbot download` goes on with it.")


async def _download(name: str, terminal: int, command: Sequence[str]) -> int:
    process = await asyncio.create_subprocess_exec(*command, name, stdin=terminal)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
