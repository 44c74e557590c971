"""The one door into generation: requests in, clips out.

request ─► plan ─► embeddings, noise ─► latents ─► picture ─► waveform ─► MP3, WAV, PNG
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image

from generation import inversion
from generation.artist import Artist, Moment
from generation.audio import png_bytes
from generation.automatic import Choice, load_chosen
from generation.checkpoint import STARTER, Checkpoint, CheckpointOptions, choose_device
from generation.errors import GenerationError
from generation.finishing import AUDIO_FILES, sound_bytes, sound_of, write_files
from generation.ladder import is_out_of_memory
from generation.mel import FloatArray
from generation.plan import Drawing, Planner
from generation.request import Clip, GenerationRequest, Length, Progress
from generation.seeds import SeedLoops, prompt_embedding
from generation.spectrogram import SpectrogramParams
from generation.tags import Tags
from generation.task import Outcome, Task
from generation.tempo import MIN_SECONDS
from generation.threads import in_order

log = logging.getLogger(__name__)

_GPU_BATCH = 8
"""A processor is busy with one picture already; on a GPU one leaves most of it idle."""

FileKind = Literal["png", "wav", "mp3"]
_FILES: tuple[FileKind, ...] = ("mp3", "png", "wav")
"""What takes longest is begun first."""

OnProgress = Callable[[Progress], None]

_UNEXPECTED = (
    "Something went wrong inside the sound worker; its log has the details. "
    "A different wording or seed may work."
)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How the engine runs.

    Attributes:
        checkpoint: `auto` (see `generation.automatic`), `starter`, or what else
            `generation.checkpoint.load_checkpoint` takes.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: processor threads for torch; 0 lets torch choose.
        inversion: quality preset of `generation.inversion`.
        sources: folder of sounds and pictures to build on, `sources/ab/abcd…`; empty for none.
        dtype, compiled, configs, vae, loras, inversions, offline: see
            `generation.checkpoint.CheckpointOptions`; empty folders are none.
    """

    checkpoint: str = "starter"
    device: str = "auto"
    threads: int = 0
    inversion: inversion.Quality = "standard"
    sources: str = ""
    dtype: str = "auto"
    compiled: bool = False
    configs: str = ""
    vae: str = ""
    loras: str = ""
    inversions: str = ""
    offline: bool = False

    @property
    def for_checkpoint(self) -> CheckpointOptions:
        """Those of them that say how to load a checkpoint."""
        return CheckpointOptions(
            dtype=self.dtype,
            compiled=self.compiled,
            configs=self.configs,
            vae=self.vae,
            loras=Path(self.loras) if self.loras else None,
            inversions=Path(self.inversions) if self.inversions else None,
            offline=self.offline,
        )


class Engine:
    """A loaded checkpoint with everything needed to make clips. Not thread-safe: one per process.

    Raises:
        CheckpointError: the checkpoint or device cannot be used.
    """

    def __init__(self, options: EngineOptions, checkpoint: Checkpoint | None = None) -> None:
        """Load what `options` name, or take a checkpoint that is loaded already."""
        if options.threads:
            torch.set_num_threads(options.threads)
        self._options = options
        self._params = SpectrogramParams()
        self._choice = Choice(options.checkpoint)
        if checkpoint is None:
            self._choice, checkpoint = load_chosen(
                options.checkpoint, choose_device(options.device), options.for_checkpoint
            )
        self.checkpoint = checkpoint
        sources = Path(options.sources) if options.sources else None
        self._planner = Planner(self.checkpoint, self._params, sources)
        self._artist = Artist(self.checkpoint, self._params, _seed_loops(self._choice.name))

    @property
    def model(self) -> Mapping[str, str]:
        """Name and hash of the checkpoint, and how many riffs to draw together at best.

        Where a download would give this machine a better checkpoint, `better` names that.
        """
        return {
            "name": self.checkpoint.preferences.name,
            "hash": self.checkpoint.fingerprint,
            "batch": str(1 if self.checkpoint.device.type == "cpu" else _GPU_BATCH),
            "better": self._choice.better,
        }

    def warm_up(self) -> None:
        """Make everything that is slow only once: kernels, memory, the encoder process."""
        inversion.warm_up()
        request = GenerationRequest("warm-up", seed=0, steps=1, length=Length(MIN_SECONDS))
        [drawing] = self._planner.plan(request)
        [image] = self._artist.draw([drawing], _look_at_once)
        waveform = sound_of(drawing, image, self._params, self._options.inversion, 1)
        for kind in AUDIO_FILES:
            sound_bytes(waveform, kind, drawing, self._params.sample_rate, Tags())

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, by which texts that mean the same can be told."""
        return [prompt_embedding(self.checkpoint, text).tolist() for text in texts]

    def relieve(self, level: int) -> None:
        """Use less memory from now on: 0 frees caches, 1 decodes in small tiles as well."""
        self._artist.relieve(level)
        gc.collect()
        if self.checkpoint.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.checkpoint.device.type == "mps":
            torch.mps.empty_cache()

    def make(
        self, request: GenerationRequest, folder: Path, stem: str, on_progress: OnProgress
    ) -> list[Clip]:
        """Make every clip of one request: `make_batch` of one task.

        Raises:
            GenerationError: what became of it, if not clips.
        """
        [outcome] = self.make_batch([Task(request, folder, stem, on_progress)])
        if isinstance(outcome, GenerationError):
            raise outcome
        return outcome

    def make_batch(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Make every clip of several requests; pictures that can be drawn together are.

        Returns:
            For each task its clips, with absolute paths in `files`, or the error that ended it:
            BadRequestError (the checkpoint cannot do what is asked), MediaError (a source cannot be
            read or the result not be written), or what its `on_progress` raised. Such a task
            leaves no file, and the others go on.

        Raises:
            MemoryError, torch.OutOfMemoryError: there was too little memory for this batch.
        """
        hands = [_Hand(task) for task in tasks]
        for hand in hands:
            hand.attempt(self._plan)
        works = [(hand, index) for hand in hands for index in range(len(hand.drawings))]
        drawings = [hand.drawings[index] for hand, index in works]
        for batch in self._artist.batches(drawings):
            self._draw([works[index] for index in batch])
        self._sound([hand for hand in hands if hand.error is None])
        self._encode([hand for hand in hands if hand.error is None])
        return [hand.clips if hand.error is None else hand.error for hand in hands]

    def _plan(self, hand: _Hand) -> None:
        hand.tell(Progress("reading", 0, 1))
        hand.drawings = self._planner.plan(hand.task.request)
        hand.pictures = [None] * len(hand.drawings)
        hand.waveforms = [np.empty((0, 0), dtype=np.float32)] * len(hand.drawings)
        hand.files = [{} for _ in hand.drawings]
        hand.shares = [0.0] * len(hand.drawings)
        hand.tell(hand.drawn(0, Moment(0, 1, bytes)))

    def _draw(self, works: Sequence[tuple[_Hand, int]]) -> None:
        works = [(hand, index) for hand, index in works if hand.error is None]
        if not works:
            return

        def note(row: int, moment: Moment) -> None:
            hand, index = works[row]
            hand.attempt(lambda hand: hand.look(index, moment))
            if all(hand.error is not None for hand, _ in works):
                raise _NobodyWaits

        try:
            images = self._artist.draw([hand.drawings[index] for hand, index in works], note)
        except _NobodyWaits:
            return
        except GenerationError as error:
            for hand, _ in works:
                hand.error = hand.error or error
            return
        for (hand, index), image in zip(works, images, strict=True):
            hand.pictures[index] = image

    def _sound(self, hands: Sequence[_Hand]) -> None:
        """Every picture's sound: several at a time, or one by all threads together."""
        works = [(hand, index) for hand in hands for index in range(len(hand.drawings))]
        threads = torch.get_num_threads()
        inner = threads if len(works) == 1 else 1

        def work(number: int) -> None:
            hand, index = works[number]
            hand.attempt(lambda hand: self._sound_one(hand, index, inner))

        sounded = in_order(len(works), threads, work)
        for hand, index in works:
            hand.attempt(_teller(Progress("sounding", index, len(hand.drawings))))
            next(sounded)

    def _sound_one(self, hand: _Hand, index: int, threads: int) -> None:
        image = hand.pictures[index]
        assert image is not None
        hand.waveforms[index] = sound_of(
            hand.drawings[index], image, self._params, self._options.inversion, threads
        )

    def _encode(self, hands: Sequence[_Hand]) -> None:
        """Every picture's files, several at a time; a hand's are stored when it has them all."""
        works = [
            (hand, index, number)
            for hand in hands
            for index in range(len(hand.drawings))
            for number in range(len(_FILES))
        ]

        def work(number: int) -> None:
            hand, index, file = works[number]
            hand.attempt(lambda hand: self._encode_one(hand, index, _FILES[file]))

        encoded = in_order(len(works), torch.get_num_threads(), work)
        for hand, index, number in works:
            done, steps = index * len(_FILES) + number, len(hand.drawings) * len(_FILES)
            hand.attempt(_teller(Progress("encoding", done, steps)))
            next(encoded)
        # Nothing is written before everything is made: a cancelled task leaves no file.
        for hand in hands:
            hand.attempt(self._store)

    def _encode_one(self, hand: _Hand, index: int, kind: FileKind) -> None:
        drawing, image = hand.drawings[index], hand.pictures[index]
        assert image is not None
        tags = Tags(title=drawing.request.prompt, recipe=self._planner.recipe(drawing))
        if kind == "png":
            hand.files[index][kind] = png_bytes(image, self._params, tags)
            return
        hand.files[index][kind] = sound_bytes(
            hand.waveforms[index], kind, drawing, self._params.sample_rate, tags
        )

    def _store(self, hand: _Hand) -> None:
        hand.clips = [self._stored(hand, index, files) for index, files in enumerate(hand.files)]

    def _stored(self, hand: _Hand, index: int, files: Mapping[FileKind, bytes]) -> Clip:
        drawing, task = hand.drawings[index], hand.task
        stem = task.stem if index == 0 else f"{task.stem}-{index + 1}"
        samples, rate = drawing.measure.samples, self._params.sample_rate
        return Clip(
            index=index,
            files=write_files({kind: files[kind] for kind in _FILES}, task.folder, stem),
            seconds=samples / rate,
            sample_rate=rate,
            samples=samples,
            recipe=self._planner.recipe(drawing),
        )


class _NobodyWaits(Exception):  # noqa: N818 - the end of a batch, not a message for people
    """Every task of a batch has ended while it was being drawn."""


@dataclass
class _Hand:
    """One task while it is being made."""

    task: Task
    drawings: list[Drawing] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    pictures: list[Image.Image | None] = field(default_factory=list)
    waveforms: list[FloatArray] = field(default_factory=list)
    files: list[dict[FileKind, bytes]] = field(default_factory=list)
    clips: list[Clip] = field(default_factory=list)
    error: GenerationError | None = None

    def attempt(self, step: Callable[[_Hand], None]) -> None:
        """Take a step, unless the task has ended; an error ends this task alone."""
        if self.error is not None:
            return
        try:
            step(self)
        except GenerationError as error:
            self.error = error
        except Exception as error:
            if is_out_of_memory(error):
                raise
            log.exception("%s failed", self.task.stem)
            self.error = GenerationError(_UNEXPECTED)

    def tell(self, progress: Progress) -> None:
        self.task.on_progress(progress)

    def look(self, index: int, moment: Moment) -> None:
        """One step of a drawing is done."""
        self.tell(self.drawn(index, moment))
        if self.task.on_preview is not None:
            self.task.on_preview(moment.draw_preview)

    def drawn(self, index: int, moment: Moment) -> Progress:
        """How far the task is, in steps; a drawing that its strength cuts short counts full."""
        self.shares[index] = moment.done / moment.total
        steps = self.drawings[0].steps
        return Progress("drawing", round(sum(self.shares) * steps), len(self.shares) * steps)


def _teller(progress: Progress) -> Callable[[_Hand], None]:
    return lambda hand: hand.tell(progress)


def _seed_loops(name: str) -> SeedLoops:
    """The stored loops of a checkpoint folder; a downloaded one or a single file has none."""
    folder = Path(__file__).parent / name if name == STARTER else Path(name).expanduser()
    return SeedLoops.load(folder)


def _look_at_once(row: int, moment: Moment) -> None:
    moment.draw_preview()
