"""What crosses the process border: a request goes in, progress and clips come out.

All of it is frozen, versioned and plain JSON, because a request waits in the ledger (perhaps
across an upgrade) and is read by another process. Sounds and pictures never travel inside: they
are files, named by content hash on the way in and by clip on the way out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from generation.errors import BadRequestError

REQUEST_VERSION = 1
MAX_PROMPT_CHARACTERS = 500
MAX_SEED = 2**32 - 1
MAX_STEPS = 100
MAX_GUIDANCE_SCALE = 30.0
MAX_CLIPS = 16
MAX_POINTS = 8
MAX_ADAPTERS = 4
DEFAULT_SECONDS = 5.12
DEFAULT_STRENGTH = 0.75
DEFAULT_VARIATION = 0.3
BEATS_PER_BAR = 4

_SHA256 = re.compile("[0-9a-f]{64}")

Kind = Literal["text", "remix", "extend", "blend", "mix", "variation"]
SourceRole = Literal["init", "mask"]
LengthUnit = Literal["seconds", "beats", "bars"]
Side = Literal["right", "left"]
Start = Literal["", "noise", "loop"]
Stage = Literal["reading", "drawing", "sounding", "encoding"]


@dataclass(frozen=True, slots=True)
class Source:
    """A sound or picture that the request builds on, named by the SHA-256 of its bytes."""

    role: SourceRole
    sha256: str

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise BadRequestError("A source is named by the 64 hexadecimal digits of its SHA-256.")


@dataclass(frozen=True, slots=True)
class Length:
    """How long each clip is: in seconds, or in beats or bars of four at the request's tempo."""

    value: float = DEFAULT_SECONDS
    unit: LengthUnit = "seconds"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value > 0):
            raise BadRequestError("The length has to be a number above zero.")


@dataclass(frozen=True, slots=True)
class Point:
    """One end of a blend, or one ingredient of a mix. None takes the request's own value.

    Attributes:
        prompt: what to draw there.
        weight: its share of a mix, above 0; shares are normalised. A blend ignores it.
        seed, guidance_scale, strength: as in the request.
    """

    prompt: str
    weight: float = 1.0
    seed: int | None = None
    guidance_scale: float | None = None
    strength: float | None = None

    def __post_init__(self) -> None:
        check_prompt(self.prompt)
        check_range("weight of a prompt", self.weight, 1e-4, 1e4)
        _check_optional("seed", self.seed, 0, MAX_SEED)
        _check_optional("guidance", self.guidance_scale, 0, MAX_GUIDANCE_SCALE)
        _check_optional("strength", self.strength, 0, 1)


@dataclass(frozen=True, slots=True)
class AdapterUse:
    """A LoRA of the checkpoint by name, and how strongly it works (-2 to 2)."""

    name: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_range(f"weight of {self.name!r}", self.weight, -2, 2)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One riff, with everything that decides how it sounds.

    The same request on the same machine, versions and thread count gives the same picture byte
    for byte.

    Attributes:
        prompt: what to draw, 1 to 500 characters.
        seed: 0 to 2³²-1; clip `n` of a request for several uses `seed + n`, except in a blend,
            where the seeds of its points are interpolated.
        kind: `text` draws from noise, or from a stored loop where the checkpoint brings some;
            `remix` from the `init` source; `extend` continues it; `blend` goes from `points[0]` to
            `points[1]` in `clips` steps; `mix` draws all `points` at once by weight; `variation`
            draws near the clip that the other values would give.
        negative: what to steer away from, up to 500 characters.
        steps: denoising steps, 1 to 100; None takes the checkpoint's own default.
        guidance_scale: classifier-free guidance, 0 to 30; None takes the checkpoint's default.
        length: of each clip; None is 5.12 s, the source's own length for a remix, and 5.12 s more
            than the source for an extension.
        bpm: tempo in beats per minute, if one was asked for.
        clips: how many clips to make, 1 to 16.
        sources: what the request builds on: `init` (a sound, or a spectrogram picture), `mask` (a
            picture: white is drawn anew, black is kept).
        checkpoint: name of the checkpoint; empty for the worker's own.
        strength: how far a remix may go from its source, 0 to 1; None is 0.75.
        points: the ends of a blend (two, first to last) or the ingredients of a mix (1 to 8).
        alphas: where between the ends the clips of a blend lie, 0 to 1; empty spreads them evenly.
        variation: distance of a variation, 0 (the same) to 1 (another seed); None is 0.3.
        variation_seed: the seed towards which a variation moves; None derives one.
        side: at which end a clip is extended. `length` is then the length of the whole result.
        loop: True joins the end to the start; False makes a piece that just ends.
        start: what a riff from text starts from: `noise`, or a stored `loop` of the checkpoint that
            fits the prompt; empty is the checkpoint's own choice.
        sampler: name of a sampler (`generation.sampler.SAMPLERS`); empty is the checkpoint's own.
        adapters: LoRAs to apply, at most 4.

    Raises:
        BadRequestError: a value is out of its range; the sentence says which and what is allowed.
    """

    prompt: str
    seed: int
    kind: Kind = "text"
    negative: str = ""
    steps: int | None = None
    guidance_scale: float | None = None
    length: Length | None = None
    bpm: float | None = None
    clips: int = 1
    sources: tuple[Source, ...] = ()
    checkpoint: str = ""
    strength: float | None = None
    points: tuple[Point, ...] = ()
    alphas: tuple[float, ...] = ()
    variation: float | None = None
    variation_seed: int | None = None
    side: Side = "right"
    loop: bool = True
    start: Start = ""
    sampler: str = ""
    adapters: tuple[AdapterUse, ...] = ()
    version: int = REQUEST_VERSION

    def __post_init__(self) -> None:
        check_prompt(self.prompt)
        check_length("negative prompt", self.negative)
        if self.start not in get_args(Start):
            raise BadRequestError(f"A riff can start from noise or a loop, not {self.start!r}.")
        if self.kind not in get_args(Kind):
            raise BadRequestError(f"I do not know the kind of riff {self.kind!r}.")
        check_range("seed", self.seed, 0, MAX_SEED)
        check_range("number of clips", self.clips, 1, MAX_CLIPS)
        _check_optional("number of steps", self.steps, 1, MAX_STEPS)
        _check_optional("guidance", self.guidance_scale, 0, MAX_GUIDANCE_SCALE)
        _check_optional("tempo", self.bpm, 20, 400)
        _check_optional("strength", self.strength, 0, 1)
        _check_optional("distance of a variation", self.variation, 0, 1)
        _check_optional("seed", self.variation_seed, 0, MAX_SEED)
        check_range("number of LoRAs", len(self.adapters), 0, MAX_ADAPTERS)
        self._check_kind()

    def _check_kind(self) -> None:
        """Each kind brings what it needs, and nothing that it would silently ignore."""
        roles = [source.role for source in self.sources]
        wants_init = self.kind in ("remix", "extend")
        if wants_init and "init" not in roles:
            raise BadRequestError(f"To {self.kind} I need a sound or a spectrogram picture.")
        if len(set(roles)) != len(roles):
            raise BadRequestError("I can build on one sound, with one mask, at a time.")
        if "mask" in roles and "init" not in roles:
            raise BadRequestError("A mask needs a sound or picture that it masks.")
        if self.kind == "blend" and len(self.points) != 2:
            raise BadRequestError("A blend goes from one prompt to another: please name two.")
        if self.kind == "mix":
            check_range("number of prompts in a mix", len(self.points), 1, MAX_POINTS)
        if self.kind not in ("blend", "mix") and self.points:
            raise BadRequestError(f"A {self.kind} riff takes one prompt.")
        if self.alphas and (self.kind != "blend" or len(self.alphas) != self.clips):
            raise BadRequestError("A blend needs as many positions as clips.")
        for alpha in self.alphas:
            check_range("position in a blend", alpha, 0, 1)

    @property
    def batch_key(self) -> tuple[Any, ...]:
        """Requests with equal keys may be drawn in one batch (prompts, seeds, guidance differ)."""
        init = any(source.role == "init" for source in self.sources)
        drawing = (self.steps, self.sampler, self.length, self.bpm, self.loop, self.start)
        building = (init, self.strength if init else None, self.kind == "extend")
        return (self.checkpoint, self.adapters, *drawing, *building)

    def to_json(self) -> dict[str, Any]:
        """The request as plain JSON types; `from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GenerationRequest:
        """Read a request that `to_json` wrote, in this version of the program or an older one.

        Raises:
            BadRequestError: written by a newer version, or not a request at all.
        """
        version = data.get("version")
        if version != REQUEST_VERSION:
            raise BadRequestError(
                f"This riff was written down in format {version!r}, and this version of Riffbot "
                f"reads format {REQUEST_VERSION}; please ask for it again."
            )
        unknown = set(data) - {f.name for f in fields(cls)}
        if unknown:
            raise BadRequestError(f"This riff has settings I do not know: {sorted(unknown)}.")
        values = dict(data)
        values["length"] = Length(**data["length"]) if data.get("length") else None
        for name, part in _PARTS.items():
            values[name] = tuple(part(**one) for one in data.get(name, ()))
        values["alphas"] = tuple(data.get("alphas", ()))
        return cls(**values)


_PARTS: Mapping[str, Any] = {"sources": Source, "points": Point, "adapters": AdapterUse}


@dataclass(frozen=True, slots=True)
class Clip:
    """One finished sound with its picture.

    Attributes:
        index: 0 for the first clip of its request.
        files: path of each file by its kind: `mp3`, `wav`, `png`.
        seconds: exact duration.
        sample_rate: in Hz.
        samples: per channel, exact.
        recipe: everything needed to make it again, as readable text by name.
    """

    index: int
    files: Mapping[str, str]
    seconds: float
    sample_rate: int
    samples: int
    recipe: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The clip as plain JSON types."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Clip:
        """Read a clip that `to_json` wrote."""
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running request has come: `done` of `total` units of this stage."""

    stage: Stage
    done: int
    total: int

    @property
    def fraction(self) -> float:
        """Rough share of the whole job that is done, 0 to 1; drawing takes most of it."""
        start, end = {
            "reading": (0.0, 0.02),
            "drawing": (0.02, 0.85),
            "sounding": (0.85, 0.95),
            "encoding": (0.95, 1.0),
        }[self.stage]
        return start + (end - start) * (self.done / self.total if self.total else 0.0)


def check_prompt(prompt: str) -> None:
    """Refuse a prompt that is empty or too long.

    Raises:
        BadRequestError: with a sentence that says what to write instead.
    """
    if not prompt.strip():
        raise BadRequestError(
            "Tell me what it should sound like, for example: lo-fi beat with rain."
        )
    check_length("prompt", prompt)


def check_length(name: str, text: str) -> None:
    """Refuse a text of more than 500 characters.

    Raises:
        BadRequestError: with a sentence that says how long it is and may be.
    """
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise BadRequestError(
            f"That {name} has {len(text)} characters; {MAX_PROMPT_CHARACTERS} is the most I can "
            "read. Try the few words that matter most."
        )


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside `low` to `high` (both allowed), NaN included.

    Raises:
        BadRequestError: with a sentence that names the range.
    """
    if not low <= value <= high:
        raise BadRequestError(f"The {name} has to be between {low:g} and {high:g}, not {value:g}.")


def _check_optional(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None:
        check_range(name, value, low, high)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
