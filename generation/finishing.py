"""Pictures → clips: sound at one loudness, with its recipe, as files that are whole or absent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from generation import audio, inversion
from generation.loops import fade
from generation.mel import FloatArray
from generation.plan import Drawing
from generation.spectrogram import SpectrogramParams
from generation.tags import Tags

AUDIO_FILES: tuple[audio.AudioFormat, ...] = ("wav", "mp3")
_END_SECONDS = 0.02
"""A piece that is no loop begins and ends in silence, so that it does not click."""


def sound_of(
    drawing: Drawing,
    image: Image.Image,
    params: SpectrogramParams,
    quality: inversion.Quality,
    threads: int,
) -> FloatArray:
    """The finished sound of a picture, shape `(channels, samples)`, within ±1.

    Everything is brought to one loudness, except a continued clip: what it was stays untouched.
    """
    samples = drawing.measure.samples
    loop = drawing.request.loop or drawing.extension is not None
    waveform = inversion.waveform_from_image(
        image,
        params,
        circular=loop,
        quality=quality,
        seed=drawing.noise[0][0],
        samples=samples,
        workers=threads,
    )
    if drawing.extension is not None:
        return drawing.extension.compose(waveform)
    mastered = audio.master(waveform, params.sample_rate, loop=loop)
    if loop:
        return mastered
    return fade(mastered, params.sample_rate, fade_in=_END_SECONDS, fade_out=_END_SECONDS)


def write_files(files: Mapping[str, bytes], folder: Path, stem: str) -> dict[str, str]:
    """Write `folder/stem.kind` for each; paths by kind."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {kind: folder / f"{stem}.{kind}" for kind in files}
    for kind, data in files.items():
        _write_whole(paths[kind], data)
    return {kind: str(path) for kind, path in paths.items()}


def sound_bytes(
    waveform: FloatArray, kind: audio.AudioFormat, drawing: Drawing, rate: int, tags: Tags
) -> bytes:
    """The sound as a file of this kind."""
    return audio.encode(waveform, rate, kind, tags, loop=drawing.request.loop)


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file so that its name never stands for half of it."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
