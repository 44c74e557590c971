"""Sounds into pictures and back, for who has one and wants the other; nothing is drawn for it."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from pathlib import Path
from typing import Literal

from bot.errors import BadInputRefusal, BusyRefusal
from bot.jobs import Requester
from bot.moderation.desk import Rulebook
from bot.moderation.halts import STOPPED

log = logging.getLogger(__name__)

ConversionKind = Literal["picture-to-sound", "sound-to-picture"]
_PATIENCE = 90.0
_TRY_LATER = 60.0
_WAITING = 8


class Conversions:
    """Converts one file at a time, and one of each person; the rest waits, up to a point."""

    def __init__(self, rules: Rulebook) -> None:
        """`rules` say who may ask, and which file names are welcome."""
        self._rules = rules
        self._turn = asyncio.Semaphore(1)
        self._under_way: set[tuple[str, str]] = set()

    async def convert(
        self, requester: Requester, kind: ConversionKind, data: bytes, name: str
    ) -> bytes:
        """A picture's sound as MP3, or a sound's picture as PNG.

        Args:
            requester: who asks; what they may not ask for as a riff, they may not have converted.
            kind: which of the two.
            data: the file, which is looked at in a process of its own.
            name: of the file, which others may come to read.

        Raises:
            ForbiddenRefusal: they may not, or the name is not welcome.
            BusyRefusal: too much is being converted, or it takes too long.
            BadInputRefusal: the file cannot be used; the sentence says why.
        """
        await self._rules.policy.check_texts(requester, [name])
        if self._rules.halts.notice(requester.platform, requester.community) == STOPPED:
            raise BusyRefusal(STOPPED, _TRY_LATER)
        who = (requester.platform, requester.user)
        if who in self._under_way:
            raise BusyRefusal("I am still at your last file; one at a time, please.", _TRY_LATER)
        if len(self._under_way) >= _WAITING:
            raise BusyRefusal("Many files wait to be converted; please try again.", _TRY_LATER)
        self._under_way.add(who)
        try:
            async with self._turn:
                made = await _convert(kind, data)
            # They may have been blocked while it was made.
            await self._rules.policy.check_texts(requester, [name])
            return made
        finally:
            self._under_way.discard(who)


async def _convert(kind: ConversionKind, data: bytes) -> bytes:
    with tempfile.TemporaryDirectory(prefix="riffbot-") as folder:
        source, target = Path(folder) / "source", Path(folder) / "target"
        await asyncio.to_thread(source.write_bytes, data)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot.converting", kind, str(source), str(target)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                _, complaint = await process.communicate()
        except TimeoutError as error:
            raise BusyRefusal(
                "That file takes too long; please try again, or a shorter one.", _TRY_LATER
            ) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == 0:
            return await asyncio.to_thread(target.read_bytes)
    words = complaint.decode(errors="replace").strip()
    if process.returncode == 1 and words and "\n" not in words:
        raise BadInputRefusal(words)
    log.error("%s failed with %s: %s", kind, process.returncode, words)
    raise BadInputRefusal("That file could not be converted.")
