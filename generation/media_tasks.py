"""What the media commands do with one file; `generation.media_cli` is their command line."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from generation.audio import (
    AudioFormat,
    Tags,
    encode,
    master,
    png_bytes,
    segment_from_waveform,
    waveform_from_segment,
)
from generation.decoding import DecodedSound, DecodeLimits, decode_sound, open_picture
from generation.errors import BadRequestError, MediaError
from generation.inversion import Quality, waveform_from_image
from generation.loops import fade, repeat, tempo_samples, trim_to_bars
from generation.mel import FloatArray
from generation.spectrogram import (
    TAG_NAMES,
    SpectrogramParams,
    image_from_waveform,
    max_value_from_image,
    params_from_image,
)
from generation.tags import read_tags

Report = Mapping[str, object]

# The owner of this computer may convert larger files than a stranger may upload.
LOCAL_LIMITS = DecodeLimits(
    max_seconds=3600.0,
    max_bytes=2 << 30,
    timeout_seconds=600.0,
    memory_bytes=4 << 30,
    max_pixels=300_000_000,
)
"""Limits for files on one's own disk."""


@dataclass(frozen=True)
class DrawOptions:
    """How to draw sound: see the options of `audio-to-image`."""

    params: SpectrogramParams
    loop: bool = False
    bpm: float | None = None


@dataclass(frozen=True)
class PlayOptions:
    """How to turn pictures into sound: see the options of `image-to-audio`."""

    file_format: AudioFormat = "mp3"
    quality: Quality = "standard"
    loop: bool = True
    seed: int = 0
    bpm: float | None = None
    beats: int | None = None
    times: int = 1
    fade_seconds: float = 0.0
    mastered: bool = True
    device: str = "cpu"


@dataclass(frozen=True)
class SampleOptions:
    """How to cut clips out of recordings: see the options of `sample-clips`."""

    seconds: float = 5.12
    count: int = 1
    mono: bool = False
    seed: int = 0
    file_format: AudioFormat = "wav"


def draw(source: Path, target: Path, options: DrawOptions) -> Report:
    """Write the picture of one sound file."""
    params = options.params
    sound = _decode(source, params.sample_rate, params.channels)
    waveform = sound.waveform
    if options.bpm is not None:
        waveform = trim_to_bars(waveform, params.sample_rate, options.bpm)
    image = image_from_waveform(waveform, params, circular=options.loop)
    _write(target, png_bytes(image, params, _tags_of(source)))
    return {
        "output": str(target),
        "width": image.width,
        "height": image.height,
        "seconds": round(waveform.shape[1] / params.sample_rate, 3),
        **({"warning": sound.warning} if sound.warning else {}),
    }


def play(source: Path, target: Path, options: PlayOptions) -> Report:
    """Write the sound of one picture."""
    image = open_picture(source, limits=LOCAL_LIMITS)
    params = params_from_image(image)
    samples = None
    if options.bpm is not None:
        if options.beats is None:
            raise BadRequestError("Say how many beats the picture holds: --beats N with --bpm.")
        samples = tempo_samples(options.beats, options.bpm, params.sample_rate)
    waveform = waveform_from_image(
        image,
        params,
        circular=options.loop,
        quality=options.quality,
        seed=options.seed,
        samples=samples,
        device=options.device,
    )
    if options.mastered:
        waveform = master(waveform, params.sample_rate, loop=options.loop)
    waveform = repeat(waveform, options.times)
    seconds = options.fade_seconds
    if seconds:
        waveform = fade(waveform, params.sample_rate, fade_in=seconds, fade_out=seconds)
    looping = options.loop and not seconds
    data = encode(waveform, params.sample_rate, options.file_format, _tags_of(source), loop=looping)
    _write(target, data)
    return {
        "output": str(target),
        "samples": waveform.shape[1],
        "seconds": round(waveform.shape[1] / params.sample_rate, 3),
        "channels": waveform.shape[0],
    }


def sample(source: Path, folder: Path, options: SampleOptions, *, force: bool) -> Report:
    """Write random clips of one recording; the same seed picks the same clips."""
    rate = SpectrogramParams().sample_rate
    sound = _decode(source, rate, 1 if options.mono else 2)
    length = round(options.seconds * rate)
    room = sound.waveform.shape[1] - length
    if length < 1 or options.count < 1:
        raise BadRequestError("Ask for at least one clip that lasts a moment.")
    if room < 0:
        raise MediaError(
            f"This sound lasts {sound.seconds:.2f} seconds, so no clip of {options.seconds:g} "
            "seconds fits in."
        )
    # Not the built-in hash, which differs from run to run.
    name_key = int.from_bytes(hashlib.sha256(source.name.encode()).digest()[:8], "big")
    rng = np.random.default_rng([options.seed, name_key])
    clips = []
    for number, start in enumerate(sorted(rng.integers(0, room + 1, options.count).tolist())):
        target = folder / f"{source.stem}_{number:03d}.{options.file_format}"
        refuse_overwriting(target, force=force)
        clip = sound.waveform[:, start : start + length]
        _write(target, encode(clip, rate, options.file_format, loop=False))
        clips.append({"output": str(target), "start": round(start / rate, 3)})
    return {"clips": clips}


def exif(source: Path) -> Report:
    """The parameters and the recipe that one picture carries."""
    image = open_picture(source, limits=LOCAL_LIMITS)
    params = params_from_image(image)
    raw = image.getexif()
    tagged = {name: raw[tag] for tag, name in TAG_NAMES.items() if tag in raw}
    tags = _tags_of(source)
    return {
        "width": image.width,
        "height": image.height,
        "tagged": bool(tagged),
        "exif": {name: _plain(value) for name, value in tagged.items()},
        "seconds": round(params.samples_for(image.width) / params.sample_rate, 3),
        "channels": params.channels,
        "max_value": max_value_from_image(image),
        "title": tags.title,
        "recipe": dict(tags.recipe),
    }


def _plain(value: object) -> int | float | str:
    return value if isinstance(value, int | float) else str(value)


def _decode(source: Path, sample_rate: int, channels: int) -> DecodedSound:
    sound = decode_sound(source, sample_rate=sample_rate, channels=2, limits=LOCAL_LIMITS)
    if channels == 2:
        return sound
    return DecodedSound(_mono(sound.waveform), sample_rate, sound.format_name, sound.warning)


def _mono(waveform: FloatArray) -> FloatArray:
    """Mono as pydub mixes it (the floor of the mean), which is how such pictures were made."""
    mixed = segment_from_waveform(waveform, 44100).set_channels(1)
    return waveform_from_segment(mixed)


def _tags_of(source: Path) -> Tags:
    try:
        return read_tags(source.read_bytes())
    except (MediaError, OSError):
        return Tags()


def refuse_overwriting(target: Path, *, force: bool) -> None:
    """Raise `BadRequestError` if the file exists and `force` is not given."""
    if target.exists() and not force:
        raise BadRequestError(f"{target} exists already; add --force to replace it.")


def _write(target: Path, data: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    except OSError as error:
        raise MediaError(f"{target} could not be written: {error.strerror}.") from error
