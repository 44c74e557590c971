"""A stand-in for the engine in a real worker process: small real files after a fixed time.

`WorkerOptions(engine=STAND_IN, engine_settings={"step_seconds": 0.01, "steps": 12})` starts one in
a fraction of a second. It obeys cancellation, and words in a prompt make it misbehave:

    crash            a segmentation fault at the first step
    crash-at-3       … at the third step
    hang             the drawing thread never comes back, the process goes on beating
    hang-at-3        … from the third step
    stop             the whole process stops as if frozen
    leak-64          keeps 64 MiB, touched, for good
    fits-2           raises MemoryError in a batch of more than two
    needs-caches     raises MemoryError until caches were freed
    needs-tiles      raises MemoryError until it decodes in small tiles
    needs-fresh      raises MemoryError in a process that has made something before
    never-fits       always raises MemoryError
    odd              cannot be made: BadRequestError
    chatty           starts a program that reads its input and prints
    bug              raises KeyError, alone or in a batch
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from generation.errors import BadRequestError, GenerationError
from generation.request import Clip, GenerationRequest, Progress
from generation.task import Outcome, Task

STAND_IN = f"{__name__}:load"

SAMPLE_RATE = 44100
SAMPLES = 2205
_WIDTH, _HEIGHT = 16, 8
# One silent frame: MPEG-1 layer III, 128 kbit/s, 44.1 kHz.
_MP3_FRAME = b"\xff\xfb\x90\x00" + bytes(413)


def load(settings: Mapping[str, Any]) -> StandIn:
    """What the worker process calls.

    Settings: `step_seconds` (0.002) and `steps` (4) of every batch, whatever its size; `delay` of
    the start in seconds; `broken_while` and `crash_while`: paths of files as long as which exist,
    the start fails with a sentence, or with a segmentation fault; `better` and `better_until`: a
    checkpoint that it would rather have, and a path that exists when that is there.
    """
    time.sleep(settings.get("delay", 0))
    if Path(settings.get("broken_while", "")).is_file():
        raise GenerationError("The stand-in was told not to start.")
    if Path(settings.get("crash_while", "")).is_file():
        os.kill(os.getpid(), signal.SIGSEGV)
    engine = StandIn(settings.get("step_seconds", 0.002), settings.get("steps", 4))
    if "better" in settings and not Path(settings["better_until"]).exists():
        engine.model = {**engine.model, "better": settings["better"]}
    return engine


class StandIn:
    """A `generation.task.BatchEngine` that draws nothing."""

    model: Mapping[str, str] = {"name": "stand-in", "hash": "0" * 16}

    def __init__(self, step_seconds: float, steps: int) -> None:
        self._step_seconds = step_seconds
        self._steps = steps
        self._relieved: set[int] = set()
        self._made = 0
        self._kept: list[bytearray] = []

    def relieve(self, level: int) -> None:
        self._relieved.add(level)

    def make_batch(self, tasks: Sequence[Task]) -> list[Outcome]:
        ended: dict[str, GenerationError] = {}
        for step in range(self._steps + 1):
            if step:
                time.sleep(self._step_seconds)
            for task in tasks:
                if task.stem not in ended:
                    try:
                        self._step(task, step, len(tasks))
                    except GenerationError as error:
                        ended[task.stem] = error
            if len(ended) == len(tasks):
                break
        self._made += 1
        return [ended.get(task.stem) or _write(task) for task in tasks]

    def _step(self, task: Task, step: int, together: int) -> None:
        task.on_progress(Progress("drawing", step, self._steps))
        if task.on_preview is not None:
            task.on_preview(lambda: _png(task.request, step))
        words = task.request.prompt.split()
        if step == 0:
            self._run_out_of_memory(words, together)
            for word in words:
                if match := re.fullmatch(r"leak-(\d+)", word):
                    self._kept.append(bytearray(os.urandom(1024) * (int(match[1]) * 1024)))
            if "odd" in words:
                raise BadRequestError("That is too odd for a stand-in.")
            if "chatty" in words:
                code = "import sys; print('hello'); sys.exit(len(sys.stdin.read()))"
                subprocess.run([sys.executable, "-c", code], check=True)
                print("hello")
            if "bug" in words:
                raise KeyError("bug")
        if f"crash-at-{step}" in words or (step == 1 and "crash" in words):
            os.kill(os.getpid(), signal.SIGSEGV)
        if f"hang-at-{step}" in words or (step == 1 and "hang" in words):
            threading.Event().wait()
        if step == 1 and "stop" in words:
            os.kill(os.getpid(), signal.SIGSTOP)

    def _run_out_of_memory(self, words: Sequence[str], together: int) -> None:
        fits = [int(word[5:]) for word in words if re.fullmatch(r"fits-\d+", word)]
        if (
            (fits and together > fits[0])
            or ("needs-caches" in words and 0 not in self._relieved)
            or ("needs-tiles" in words and 1 not in self._relieved)
            or ("needs-fresh" in words and self._made)
            or "never-fits" in words
        ):
            raise MemoryError


def _write(task: Task) -> list[Clip]:
    """The files of every clip of a request, under their names only when they are whole."""
    task.folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for index in range(task.request.clips):
        stem = task.stem if index == 0 else f"{task.stem}-{index + 1}"
        contents = {"mp3": _MP3_FRAME * 4, "wav": _wav(), "png": _png(task.request, index)}
        files = {}
        for kind, content in contents.items():
            path = task.folder / f"{stem}.{kind}"
            part = path.with_name(path.name + ".part")
            part.write_bytes(content)
            part.replace(path)
            files[kind] = str(path)
        recipe = {"prompt": task.request.prompt, "seed": str(task.request.seed + index)}
        clips.append(Clip(index, files, SAMPLES / SAMPLE_RATE, SAMPLE_RATE, SAMPLES, recipe))
    return clips


def _wav() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(bytes(2 * SAMPLES))
    return buffer.getvalue()


def _png(request: GenerationRequest, variant: int) -> bytes:
    """A picture that differs by prompt, seed and variant, and by nothing else."""
    name = f"{request.prompt}\0{request.seed}\0{variant}".encode()
    pixels = b"".join(hashlib.sha256(name + bytes([row])).digest()[:_WIDTH] for row in range(8))
    buffer = io.BytesIO()
    Image.frombytes("L", (_WIDTH, _HEIGHT), pixels).save(buffer, "png")
    return buffer.getvalue()
