"""Other files of a clip, made when somebody asks for them: FLAC, loop ×4, soundboard, small MP3s.

Each is made once, in a process of its own, and kept in a folder of limited size under the name of
the WAV that it was made from (which is named by its content), so nothing in it is ever out of date.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bot.errors import BadInputRefusal, BusyRefusal, NotFoundRefusal
from bot.ids import new_id
from bot.jobs import Job
from bot.names import file_stem
from generation.request import Clip

log = logging.getLogger(__name__)

GONE = (
    "The files of that clip are no longer kept; it can be made again from its recipe, with the "
    "same seed."
)
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "png": "image/png",
}
SMALLER = ("mp3-128", "mp3-96", "mp3-64", "mp3-48", "mp3-32")
"""MP3s of ever lower bit rates, for where uploads are limited."""

_ORIGINAL = ("mp3", "wav", "png")
_MADE = {"flac": "flac", "loop4": "mp3", "soundboard": "mp3", **dict.fromkeys(SMALLER, "mp3")}
_SUFFIX = {"loop4": "-x4", "soundboard": "-sound"}
_OURS = re.compile(r"[A-Za-z0-9]+-[a-z0-9-]+\.(mp3|flac)(\.part)?\Z")
_MOST_BYTES = 256 * 2**20
_PATIENCE = 90.0
_TRY_LATER = 10.0


@dataclass(frozen=True, slots=True)
class Export:
    """A file that is ready.

    Attributes:
        path: where it is; read it soon, it may be given up for another.
        name: a readable file name.
    """

    path: Path
    name: str
    media_type: str


class Exports:
    """Makes and keeps these files."""

    def __init__(self, root: Path, clips: Path, most_bytes: int = _MOST_BYTES) -> None:
        """`root` is the folder of what is made, `clips` that of clip files; `most_bytes` may be
        kept altogether, the ones not asked for longest go first."""
        self._root = root
        self._clips = clips
        self._most_bytes = most_bytes
        self._locks: dict[str, asyncio.Lock] = {}
        # One at a time: drawing needs the processor more.
        self._turn = asyncio.Semaphore(1)

    async def make(self, job: Job, clip: Clip, kind: str) -> Export:
        """A clip's file of this kind: `mp3`, `wav`, `png`, `flac`, `loop4`, `soundboard`, or one
        of `SMALLER`.

        Raises:
            NotFoundRefusal: the clip's own files are no longer kept.
            BadInputRefusal: there is no such kind, or the sound cannot be turned into it.
            BusyRefusal: it took too long.
        """
        stem = file_stem(job.request.prompt, job.request.seed + clip.index)
        if kind in _ORIGINAL:
            path = await self._original(clip, kind)
            return Export(path, f"{stem}.{kind}", MEDIA_TYPES[kind])
        if kind not in _MADE:
            known = ", ".join((*_ORIGINAL, *_MADE))
            raise BadInputRefusal(f"A clip can be saved as {known}; not {kind[:40]!r}.")
        wav = await self._original(clip, "wav")
        ending = _MADE[kind]
        target = self._root / f"{wav.stem}-{kind}.{ending}"
        lock = self._locks.setdefault(target.name, asyncio.Lock())
        try:
            async with lock:
                if not await asyncio.to_thread(_touch, target):
                    async with self._turn:
                        await self._make(kind, wav, target, loop=job.request.loop)
                    await asyncio.to_thread(_prune, self._root, self._most_bytes, target)
        finally:
            if not lock.locked():
                self._locks.pop(target.name, None)
        return Export(target, f"{stem}{_SUFFIX.get(kind, '')}.{ending}", MEDIA_TYPES[ending])

    async def is_kept(self, clip: Clip) -> bool:
        """Whether a clip's own sound is still there."""
        try:
            await self._original(clip, "mp3")
        except NotFoundRefusal:
            return False
        return True

    async def forget(self, paths: Iterable[str]) -> None:
        """Remove what was made from these clip files."""
        stems = {Path(path).stem for path in paths}
        await asyncio.to_thread(_forget, self._root, stems)

    async def clean_up(self) -> None:
        """After a start: remove halves of files."""
        await asyncio.to_thread(_clear_parts, self._root)

    async def _original(self, clip: Clip, kind: str) -> Path:
        path = self._clips / clip.files[kind] if kind in clip.files else None
        if path is None or not await asyncio.to_thread(path.is_file):
            raise NotFoundRefusal(GONE)
        return path

    async def _make(self, kind: str, wav: Path, target: Path, *, loop: bool) -> None:
        await asyncio.to_thread(self._root.mkdir, parents=True, exist_ok=True)
        part = target.with_name(f"{target.stem}-{new_id()}{target.suffix}.part")
        options = () if loop else ("--no-loop",)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot.exporting", kind, str(wav), str(part), *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                _, complaint = await process.communicate()
            if process.returncode != 0:
                log.error("no %s of %s: %s", kind, wav.name, complaint.decode(errors="replace"))
                raise BadInputRefusal("That file could not be made from this clip.")
            await asyncio.to_thread(part.replace, target)
        except TimeoutError as error:
            raise BusyRefusal(
                "That file takes too long to make right now; please try again.", _TRY_LATER
            ) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await asyncio.to_thread(part.unlink, missing_ok=True)


def _touch(path: Path) -> bool:
    """Note that a file was asked for; False if it is not there."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _prune(root: Path, most_bytes: int, keep: Path) -> None:
    found = []
    for path in root.iterdir():
        # Another that tidies at the same time may have removed it.
        with suppress(FileNotFoundError):
            if _OURS.match(path.name):
                found.append((path.stat(), path))
    total = sum(stat.st_size for stat, _ in found)
    for stat, path in sorted(found, key=lambda one: one[0].st_mtime):
        if total <= most_bytes:
            return
        if path != keep:
            path.unlink(missing_ok=True)
            total -= stat.st_size


def _forget(root: Path, stems: set[str]) -> None:
    if not root.is_dir():
        return
    for path in root.iterdir():
        if _OURS.match(path.name) and path.name.partition("-")[0] in stems:
            path.unlink(missing_ok=True)


def _clear_parts(root: Path) -> None:
    if root.is_dir():
        for path in root.glob("*.part"):
            with suppress(OSError):
                path.unlink()
