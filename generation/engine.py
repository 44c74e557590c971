"""The one door into generation: requests in, clips out.

request ─► embeddings ─► latents ─► picture ─► waveform ─► MP3, WAV, PNG
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from generation import audio, inversion
from generation.checkpoint import Checkpoint, choose_device, load_checkpoint
from generation.circular import make_circular
from generation.errors import BadRequestError
from generation.prompts import embed
from generation.request import Clip, GenerationRequest, Length, Progress
from generation.sampler import decode, denoise, initial_noise
from generation.spectrogram import SpectrogramParams
from generation.tags import Tags
from generation.version import version

MIN_SECONDS = 2.56
MAX_SECONDS = 20.48

_AUDIO_FILES: tuple[audio.AudioFormat, ...] = ("wav", "mp3")

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How the engine runs.

    Attributes:
        checkpoint: `starter`, or the path of a diffusers folder.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: processor threads for torch; 0 lets torch choose.
        inversion: quality preset of `generation.inversion`.
    """

    checkpoint: str = "starter"
    device: str = "auto"
    threads: int = 0
    inversion: inversion.Quality = "standard"


@dataclass(frozen=True, slots=True)
class _Choices:
    """A request with everything settled that it left open."""

    prompt: str
    negative: str
    seed: int
    steps: int
    guidance_scale: float
    width: int


class Engine:
    """A loaded checkpoint with everything needed to make clips. Not thread-safe: one per process.

    Raises:
        CheckpointError: the checkpoint or device cannot be used.
    """

    def __init__(self, options: EngineOptions) -> None:
        if options.threads:
            torch.set_num_threads(options.threads)
        self._options = options
        self._params = SpectrogramParams()
        self.checkpoint: Checkpoint = load_checkpoint(
            options.checkpoint, choose_device(options.device)
        )
        make_circular(self.checkpoint.unet)
        make_circular(self.checkpoint.vae)

    def warm_up(self) -> None:
        """Make everything that is slow only once: kernels, memory, the encoder process."""
        inversion.warm_up()
        request = GenerationRequest("warm-up", seed=0, steps=1, length=Length(MIN_SECONDS))
        choices = self._choose(request, 0)
        image = self._draw(choices, lambda progress: None)
        self._encode(image, choices, "warm-up", lambda progress: None)

    def make(
        self, request: GenerationRequest, folder: Path, stem: str, on_progress: OnProgress
    ) -> list[Clip]:
        """Make every clip of a request.

        Args:
            request: what to make.
            folder: where the files go; made if it is missing.
            stem: name of the first clip's files; later ones get `-2`, `-3`, ….
            on_progress: told after every step; what it raises ends the run, leaving no file.

        Returns:
            The clips, with absolute paths in `files`.

        Raises:
            BadRequestError: the checkpoint cannot do what is asked.
            MediaError: the result could not be encoded.
        """
        folder.mkdir(parents=True, exist_ok=True)
        return [
            self._make_one(
                request, index, folder, stem if index == 0 else f"{stem}-{index + 1}", on_progress
            )
            for index in range(request.clips)
        ]

    def _make_one(
        self,
        request: GenerationRequest,
        index: int,
        folder: Path,
        stem: str,
        on_progress: OnProgress,
    ) -> Clip:
        choices = self._choose(request, index)
        image = self._draw(choices, on_progress)
        files = self._encode(image, choices, request.prompt, on_progress)
        paths = {kind: folder / f"{stem}.{kind}" for kind in files}
        for kind, data in files.items():
            _write_whole(paths[kind], data)
        samples = self._params.samples_for(choices.width, circular=True)
        return Clip(
            index=index,
            files={kind: str(path) for kind, path in paths.items()},
            seconds=samples / self._params.sample_rate,
            sample_rate=self._params.sample_rate,
            samples=samples,
            recipe=self._recipe(choices),
        )

    def _choose(self, request: GenerationRequest, index: int) -> _Choices:
        preferences = self.checkpoint.preferences
        if request.kind != "text" or request.sources:
            raise BadRequestError("I can only make riffs from text so far.")
        return _Choices(
            prompt=request.prompt,
            negative=request.negative,
            seed=request.seed + index,
            steps=request.steps or preferences.steps,
            guidance_scale=(
                preferences.guidance_scale
                if request.guidance_scale is None
                else request.guidance_scale
            ),
            width=self._width(request),
        )

    def _width(self, request: GenerationRequest) -> int:
        """Columns of the picture: the nearest width that the UNet can draw."""
        length = request.length or Length()
        seconds = length.value
        if length.unit == "beats":
            if request.bpm is None:
                raise BadRequestError("A length in beats needs a tempo, for example 90 bpm.")
            seconds *= 60 / request.bpm
        if not MIN_SECONDS <= seconds <= MAX_SECONDS or math.isnan(seconds):
            raise BadRequestError(
                f"A loop can last {MIN_SECONDS:g} to {MAX_SECONDS:g} seconds, not {seconds:g}."
            )
        multiple = self.checkpoint.width_multiple
        columns = seconds * 1000 / self._params.step_ms
        return multiple * max(1, round(columns / multiple))

    def _draw(self, choices: _Choices, on_progress: OnProgress) -> Image.Image:
        checkpoint = self.checkpoint
        on_progress(Progress("reading", 0, 1))
        embeddings = embed(checkpoint, [choices.negative, choices.prompt])
        on_progress(Progress("drawing", 0, choices.steps))
        noise = initial_noise(
            [choices.seed],
            checkpoint.latent_channels,
            self._params.mel_bins // checkpoint.downscale,
            choices.width // checkpoint.downscale,
        )
        latents = denoise(
            checkpoint,
            embeddings,
            noise,
            steps=choices.steps,
            guidance_scale=choices.guidance_scale,
            on_step=lambda done, steps: on_progress(Progress("drawing", done, steps)),
        )
        return Image.fromarray(decode(checkpoint, latents)[0]).convert("RGB")

    def _encode(
        self, image: Image.Image, choices: _Choices, title: str, on_progress: OnProgress
    ) -> dict[str, bytes]:
        params = self._params
        on_progress(Progress("sounding", 0, 1))
        waveform = inversion.waveform_from_image(
            image, params, circular=True, quality=self._options.inversion, seed=choices.seed
        )
        on_progress(Progress("encoding", 0, 3))
        mastered = audio.master(waveform, params.sample_rate)
        tags = Tags(title=title, recipe=self._recipe(choices))
        files = {"png": audio.png_bytes(image, params, tags)}
        for done, kind in enumerate(_AUDIO_FILES, start=1):
            on_progress(Progress("encoding", done, 3))
            files[kind] = audio.encode(mastered, params.sample_rate, kind, tags)
        return files

    def _recipe(self, choices: _Choices) -> Mapping[str, str]:
        negative = {"negative": choices.negative} if choices.negative else {}
        return {
            "prompt": choices.prompt,
            **negative,
            "seed": str(choices.seed),
            "steps": str(choices.steps),
            "guidance_scale": f"{choices.guidance_scale:g}",
            "width": str(choices.width),
            "scheduler": type(self.checkpoint.scheduler).__name__,
            "model": self.checkpoint.preferences.name,
            "model_hash": self.checkpoint.fingerprint,
            "riffbot": version(),
        }


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file so that its name never stands for half of it."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
