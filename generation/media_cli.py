"""Commands that convert between sound and pictures; they need no chat, no settings, no model.

    riffbot audio-to-image song.mp3
    riffbot image-to-audio pictures/ -o sounds/ --format wav
    riffbot sample-clips recordings/ -o clips/ --count 10
    riffbot print-exif picture.png --json

Every command takes files and folders. A file that cannot be converted gets one sentence, and the
others go on; the exit code is then 1. Signal processing takes a second to load, so it is imported
only when a command runs: `riffbot --help` should not wait for it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from generation.errors import BadRequestError, GenerationError

if TYPE_CHECKING:
    from generation.audio import AudioFormat

SOUND_ENDINGS = (".mp3", ".wav", ".flac", ".ogg", ".opus", ".m4a", ".mp4", ".webm")
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")

_FORMATS: tuple[AudioFormat, ...] = ("mp3", "wav", "flac", "opus")

Subparsers = argparse._SubParsersAction  # argparse names this type in no public way
Task = Callable[[Path], Mapping[str, object]]


def add_commands(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the media commands; each parser sets `func`, which returns the exit code."""
    _add_audio_to_image(subparsers)
    _add_image_to_audio(subparsers)
    _add_sample_clips(subparsers)
    _add_print_exif(subparsers)


def _common(parser: argparse.ArgumentParser, *, writes: bool) -> None:
    parser.add_argument("inputs", nargs="+", type=Path, metavar="FILE", help="files or folders")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    if writes:
        parser.add_argument(
            "-o", "--output", type=Path, help="file or folder to write to (beside the input)"
        )
        parser.add_argument("--force", action="store_true", help="replace existing files")


def _add_audio_to_image(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("audio-to-image", help="draw sound as spectrogram pictures")
    _common(parser, writes=True)
    parser.add_argument("--stereo", action="store_true", help="two channels in green and blue")
    parser.add_argument("--loop", action="store_true", help="the end runs into the start")
    parser.add_argument("--bpm", type=float, help="cut to whole bars of this tempo")
    parser.add_argument("--step-ms", type=int, default=10, help="time per column (10)")
    parser.add_argument("--height", type=int, default=512, help="rows, one per mel band (512)")
    parser.add_argument("--min-frequency", type=int, default=0, help="lower edge in Hz (0)")
    parser.add_argument("--max-frequency", type=int, default=10000, help="upper edge in Hz (10000)")
    parser.set_defaults(func=_audio_to_image)


def _audio_to_image(args: argparse.Namespace) -> int:
    def prepare() -> Task:
        from generation import media_tasks as tasks  # noqa: PLC0415
        from generation.spectrogram import SpectrogramParams  # noqa: PLC0415

        params = SpectrogramParams(
            stereo=args.stereo,
            step_ms=args.step_ms,
            mel_bins=args.height,
            min_frequency=args.min_frequency,
            max_frequency=args.max_frequency,
        )
        options = tasks.DrawOptions(params, loop=args.loop, bpm=args.bpm)
        return _converted(args, "png", lambda source, to: tasks.draw(source, to, options))

    return _run(args, SOUND_ENDINGS, prepare)


def _add_image_to_audio(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("image-to-audio", help="play spectrogram pictures")
    _common(parser, writes=True)
    parser.add_argument("--format", choices=_FORMATS, help="sound format (mp3)")
    parser.add_argument(
        "--quality",
        choices=("fast", "standard", "best", "griffin-lim"),
        default="standard",
        help="how much work to put in; griffin-lim is the classic method, to compare (standard)",
    )
    parser.add_argument("--open", action="store_true", help="an open-ended clip, not a loop")
    parser.add_argument("--seed", type=int, default=0, help="of the random phases (0)")
    parser.add_argument("--bpm", type=float, help="stretch to this tempo without changing pitch")
    parser.add_argument("--beats", type=int, help="beats in the picture, with --bpm")
    parser.add_argument("--times", type=int, default=1, help="repeat the loop this often (1)")
    parser.add_argument("--fade", type=float, default=0.0, help="fade in and out, seconds (0)")
    parser.add_argument("--raw", action="store_true", help="leave the loudness as it is")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps (cpu)")
    parser.set_defaults(func=_image_to_audio)


def _image_to_audio(args: argparse.Namespace) -> int:
    def prepare() -> Task:
        from generation import media_tasks as tasks  # noqa: PLC0415

        suffix = args.output.suffix.lower() if args.output else ""
        named = next((name for name in _FORMATS if suffix == f".{name}"), _FORMATS[0])
        ending: AudioFormat = args.format or named
        options = tasks.PlayOptions(
            file_format=ending,
            quality=args.quality,
            loop=not args.open,
            seed=args.seed,
            bpm=args.bpm,
            beats=args.beats,
            times=args.times,
            fade_seconds=args.fade,
            mastered=not args.raw,
            device=args.device,
        )
        return _converted(args, ending, lambda source, to: tasks.play(source, to, options))

    return _run(args, PICTURE_ENDINGS, prepare)


def _add_sample_clips(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("sample-clips", help="cut random clips out of recordings")
    _common(parser, writes=True)
    parser.add_argument("--count", type=int, default=1, help="clips per recording (1)")
    parser.add_argument("--seconds", type=float, default=5.12, help="length of a clip (5.12)")
    parser.add_argument("--mono", action="store_true", help="mix to one channel")
    parser.add_argument("--seed", type=int, default=0, help="picks the same clips again (0)")
    parser.add_argument("--format", choices=_FORMATS, default="wav", help="format (wav)")
    parser.set_defaults(func=_sample_clips)


def _sample_clips(args: argparse.Namespace) -> int:
    def prepare() -> Task:
        from generation import media_tasks as tasks  # noqa: PLC0415

        options = tasks.SampleOptions(
            seconds=args.seconds,
            count=args.count,
            mono=args.mono,
            seed=args.seed,
            file_format=args.format,
        )

        def cut(source: Path) -> Mapping[str, object]:
            folder = args.output or source.parent
            return tasks.sample(source, folder, options, force=args.force)

        return cut

    return _run(args, SOUND_ENDINGS, prepare)


def _add_print_exif(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("print-exif", help="show what a picture says about itself")
    _common(parser, writes=False)
    parser.set_defaults(func=_print_exif)


def _print_exif(args: argparse.Namespace) -> int:
    def prepare() -> Task:
        from generation import media_tasks as tasks  # noqa: PLC0415

        return tasks.exif

    return _run(args, PICTURE_ENDINGS, prepare)


def _converted(
    args: argparse.Namespace, ending: str, convert: Callable[[Path, Path], Mapping[str, object]]
) -> Task:
    """A task that first finds out where the result goes."""
    into_file = args.output is not None and args.output.suffix and not args.output.is_dir()
    if into_file and (len(args.inputs) > 1 or args.inputs[0].is_dir()):
        raise BadRequestError(
            f"Several results do not fit into the one file {args.output}; name a folder instead."
        )

    def task(source: Path) -> Mapping[str, object]:
        if into_file:
            target = args.output
        else:
            target = (args.output or source.parent) / f"{source.stem}.{ending}"
        if target.exists() and not args.force:
            raise BadRequestError(f"{target} exists already; add --force to replace it.")
        return convert(source, target)

    return task


def _run(args: argparse.Namespace, endings: Sequence[str], prepare: Callable[[], Task]) -> int:
    """Convert every input, report each, and say how it went as an exit code."""
    try:
        task = prepare()
        sources = list(_sources(args.inputs, endings))
    except GenerationError as error:
        print(f"riffbot: {error}", file=sys.stderr)
        return 2
    reports: list[Mapping[str, object]] = []
    failures = 0
    bar = _Bar(len(sources), shown=len(sources) > 1 and sys.stderr.isatty())
    for source in sources:
        bar.step(source.name)
        try:
            report = {"input": str(source), **task(source)}
        except GenerationError as error:
            failures += 1
            report = {"input": str(source), "error": str(error)}
        except KeyboardInterrupt:
            bar.clear()
            print("riffbot: stopped.", file=sys.stderr)
            return 130
        reports.append(report)
        bar.clear()
        if not args.json:
            _print_report(report)
    if args.json:
        print(json.dumps(reports, indent=2, ensure_ascii=False))
    elif len(sources) > 1:
        print(f"{len(sources) - failures} of {len(sources)} done.", file=sys.stderr)
    return 1 if failures else 0


def _sources(inputs: Sequence[Path], endings: Sequence[str]) -> Iterator[Path]:
    """The files named, and those in the folders named that have one of the endings.

    Raises:
        BadRequestError: a path does not exist, or a folder holds nothing suitable.
    """
    for path in inputs:
        if path.is_file():
            yield path
        elif path.is_dir():
            found = sorted(
                p for p in path.rglob("*") if p.suffix.lower() in endings and p.is_file()
            )
            if not found:
                raise BadRequestError(f"The folder {path} holds no {', '.join(endings)} files.")
            yield from found
        else:
            raise BadRequestError(f"There is no file {path}.")


def _print_report(report: Mapping[str, object]) -> None:
    name = report["input"]
    if "error" in report:
        print(f"{name}: {report['error']}", file=sys.stderr)
        return
    if "warning" in report:
        print(f"{name}: {report['warning']}", file=sys.stderr)
    if "output" in report:
        print(f"{name} -> {report['output']} ({report['seconds']} s)")
    elif isinstance(clips := report.get("clips"), list):
        for clip in clips:
            print(f"{name} at {clip['start']} s -> {clip['output']}")
    else:
        print(name)
        for key, value in report.items():
            if key != "input":
                _print_item(key, value)


def _print_item(key: str, value: object) -> None:
    if isinstance(value, Mapping):
        for inner, item in value.items():
            print(f"  {key}.{inner}: {item}")
    elif value != "":
        print(f"  {key}: {value}")


class _Bar:
    """A progress bar on a terminal's error stream."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self._total = total
        self._shown = shown
        self._done = 0
        self._begin = time.monotonic()

    def step(self, name: str) -> None:
        """Show that work on the next file begins."""
        if not self._shown:
            return
        filled = 24 * self._done // self._total
        left = ""
        if self._done:
            seconds = (time.monotonic() - self._begin) / self._done * (self._total - self._done)
            left = f" {seconds:.0f} s left"
        bar = "#" * filled + "-" * (24 - filled)
        line = f"[{bar}] {self._done + 1}/{self._total}{left} {name}"
        print(f"\r\x1b[K{line[:100]}", end="", file=sys.stderr, flush=True)
        self._done += 1

    def clear(self) -> None:
        """Remove the bar, so that a line can be printed."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
