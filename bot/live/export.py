"""A whole session as one file, with a cue list and who asked for what."""

from __future__ import annotations

import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal

from bot.live.grid import SAMPLE_RATE
from bot.live.renderer import CHANNELS, pcm, render
from bot.live.sounds import Sound, Sounds
from bot.live.timeline import Segment, Take, Timeline
from bot.live.view import REMOVED
from generation.errors import MediaError
from generation.ffmpeg import ffmpeg_path

ExportFormat = Literal["flac", "mp3"]
_BLOCK = 10 * SAMPLE_RATE
_CODECS: dict[str, tuple[str, ...]] = {
    "flac": ("-c:a", "flac", "-sample_fmt", "s16"),
    "mp3": ("-c:a", "libmp3lame", "-b:a", "192k"),
}
_CUE_FRAMES = 75
UNFINISHED = "writing-"
"""How the names of folders begin in which archives are being written."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A segment whose file is not kept any more; what sounded before it goes on instead."""

    segment: Segment


def export(
    segments: Sequence[Segment], end: int, sounds: Sounds, folder: Path, name: str,
    file_format: ExportFormat = "flac",
) -> Path:  # fmt: skip
    """Write a session as a ZIP archive: the sound, a cue sheet, and who asked for what.

    Takes a while: call it off the event loop. Memory stays flat however long the session is.

    Args:
        segments: all of the session, in order.
        end: sample at which it ends.
        sounds: where takes are read.
        folder: where the archive goes; `name` is what it and its files are called.

    Raises:
        MediaError: nothing of it is kept any more, or it cannot be written.
    """
    kept, missing = _kept(segments, sounds)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.zip"
    with tempfile.TemporaryDirectory(dir=folder, prefix=UNFINISHED) as work:
        sound = Path(work) / f"{name}.{file_format}"
        _encode(_blocks(kept, end, sounds), sound, file_format)
        part = Path(work) / "archive"
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            archive.write(sound, sound.name)
            archive.writestr(f"{name}.cue", cue_sheet(kept, sound.name, file_format))
            archive.writestr("credits.txt", credits_of(kept, end, missing))
        part.replace(target)
    return target


def shown(segments: Sequence[Segment], state: Mapping[str, Any]) -> list[Segment]:
    """Segments without the words and names that a moderator had taken away.

    Args:
        segments: as they are written down.
        state: of the session, by `bot.live.snapshot`.
    """
    topics, names = set(state.get("hushed_topics", ())), set(state.get("hushed_names", ()))
    sources, renamed = set(state.get("hushed_sources", ())), state.get("renamed", {})
    found = []
    for one in segments:
        gone = one.source in sources or (
            one.kind == "guest" and not names.isdisjoint(people_of(one))
        )
        shares = tuple(
            replace(share, prompt=REMOVED, by=())
            if gone or renamed.get(share.topic, share.topic) in topics
            else replace(share, by=tuple(name for name in share.by if name not in names))
            for share in one.shares
        )
        if shares != one.shares:
            take = replace(one.take, recipe={})
            one = replace(one, shares=shares, title=REMOVED if gone else one.title, take=take)
        found.append(one)
    return found


def cue_sheet(segments: Sequence[Segment], file_name: str, file_format: str) -> str:
    """Every change as a track: title, who asked for it, and when it begins.

    Times are minutes, seconds and frames of 1/75 s, as the format has them. It knows 99 tracks; a
    longer session has the rest in its credits.
    """
    kind = "WAVE" if file_format == "flac" else "MP3"
    lines = ['TITLE "Riffbot live session"', f'FILE "{file_name}" {kind}']
    for number, segment in enumerate(_changes(segments)[:99], start=1):
        frames = segment.start * _CUE_FRAMES // SAMPLE_RATE
        seconds, frame = divmod(frames, _CUE_FRAMES)
        minutes, second = divmod(seconds, 60)
        lines += [
            f"  TRACK {number:02d} AUDIO",
            f'    TITLE "{_quoted(title_of(segment))}"',
            f'    PERFORMER "{_quoted(", ".join(people_of(segment)) or "Riffbot")}"',
            f"    INDEX 01 {minutes:02d}:{second:02d}:{frame:02d}",
        ]
    return "\n".join(lines) + "\n"


def credits_of(segments: Sequence[Segment], end: int, missing: Sequence[Missing] = ()) -> str:
    """All changes with who asked for them and what makes them again."""
    lines = [f"Riffbot live session, {_time(end)}", ""]
    for segment in _changes(segments):
        people = ", ".join(people_of(segment)) or "nobody in particular"
        lines.append(f"{_time(segment.start)}  {title_of(segment)} (asked for by {people})")
        request = segment.take.recipe.get("request")
        if request:
            lines.append(f"          {request}")
    if missing:
        lines += ["", f"{len(missing)} clips were not kept; what sounded before them goes on."]
    model = next((one.take.recipe["model"] for one in segments if "model" in one.take.recipe), "")
    lines += ["", "Made by machine" + (f" with the model {model}." if model else ".")]
    return "\n".join(lines) + "\n"


def title_of(segment: Segment) -> str:
    """What sounds, in words."""
    if segment.title or not segment.shares:
        return segment.title or "Riffbot"
    if len(segment.shares) == 1:
        return segment.shares[0].prompt
    return " + ".join(f"{share.share:.0%} {share.prompt}" for share in segment.shares)


def people_of(segment: Segment) -> list[str]:
    """Everybody who asked for something in it, each once."""
    return list(dict.fromkeys(name for share in segment.shares for name in share.by))


def _changes(segments: Sequence[Segment]) -> list[Segment]:
    """Segments that sound otherwise than the one before; a refreshed mix is no news."""
    found: list[Segment] = []
    for segment in segments:
        if not found or title_of(found[-1]) != title_of(segment):
            found.append(segment)
    return found


def _kept(segments: Sequence[Segment], sounds: Sounds) -> tuple[list[Segment], list[Missing]]:
    kept: list[Segment] = []
    missing: list[Missing] = []
    for segment in segments:
        if sounds.is_there(segment.take):
            kept.append(segment)
        else:
            missing.append(Missing(segment))
    if not kept:
        raise MediaError("Nothing of that session is kept any more.")
    return kept, missing


def _blocks(segments: Sequence[Segment], end: int, sounds: Sounds) -> Iterator[bytes]:
    timeline = Timeline(segments)

    def sound_of(take: Take) -> Sound:
        return sounds.of(take)

    for first in range(0, end, _BLOCK):
        last = min(end, first + _BLOCK)
        yield pcm(render(timeline.window(first, last + 1), sound_of, first, last)).tobytes()


def _encode(blocks: Iterator[bytes], target: Path, file_format: ExportFormat) -> None:
    command = [
        *(ffmpeg_path(), "-hide_banner", "-loglevel", "error", "-y", "-f", "s16le"),
        *("-ar", str(SAMPLE_RATE), "-ac", str(CHANNELS), "-i", "pipe:0", "-threads", "1"),
        *_CODECS[file_format],
        str(target),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:  # noqa: S603
        pipe: IO[bytes] | None = process.stdin
        assert pipe is not None
        try:
            for block in blocks:
                pipe.write(block)
        except BrokenPipeError:
            pass  # its exit status says so too
        except BaseException:
            process.kill()
            raise
        finally:
            pipe.close()
    if process.returncode:
        raise MediaError("The session could not be written; is there room on the disk?")


def _time(sample: int) -> str:
    minutes, seconds = divmod(sample // SAMPLE_RATE, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


def _quoted(text: str) -> str:
    return text.replace('"', "'").replace("\n", " ")[:80]
