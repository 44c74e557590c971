"""What crosses the process border: a request goes in, progress and clips come out.

All of it is frozen, versioned and plain JSON, because a request waits in the ledger (perhaps
across an upgrade) and is read by another process. Sounds and pictures never travel inside: they
are files, named by content hash on the way in and by clip on the way out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from generation.errors import BadRequestError

REQUEST_VERSION = 1
MAX_PROMPT_CHARACTERS = 500
MAX_SEED = 2**32 - 1
MAX_STEPS = 100
MAX_GUIDANCE_SCALE = 30.0
MAX_CLIPS = 16
DEFAULT_SECONDS = 5.12

Kind = Literal["text", "remix", "extend", "blend", "variation"]
SourceRole = Literal["init", "mask", "from", "to"]
LengthUnit = Literal["seconds", "beats"]
Stage = Literal["reading", "drawing", "sounding", "encoding"]


@dataclass(frozen=True, slots=True)
class Source:
    """A sound or picture that the request builds on, named by the SHA-256 of its bytes."""

    role: SourceRole
    sha256: str


@dataclass(frozen=True, slots=True)
class Length:
    """How long each clip is: in seconds, or in beats at the request's tempo."""

    value: float = DEFAULT_SECONDS
    unit: LengthUnit = "seconds"


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One riff, with everything that decides how it sounds.

    The same request on the same machine, versions and thread count gives the same picture byte
    for byte.

    Attributes:
        prompt: what to draw, 1 to 500 characters.
        seed: 0 to 2³²-1; clip `n` of a request for several uses `seed + n`.
        kind: how the sources and prompt are combined; `text` needs no source.
        negative: what to steer away from, up to 500 characters.
        steps: denoising steps, 1 to 100; None takes the checkpoint's own default.
        guidance_scale: classifier-free guidance, 0 to 30; None takes the checkpoint's default.
        length: of each clip.
        bpm: tempo in beats per minute, if one was asked for.
        clips: how many clips to make, 1 to 16.
        sources: what the request builds on.
        checkpoint: name of the checkpoint; empty for the worker's own.

    Raises:
        BadRequestError: a value is out of its range; the sentence says which and what is allowed.
    """

    prompt: str
    seed: int
    kind: Kind = "text"
    negative: str = ""
    steps: int | None = None
    guidance_scale: float | None = None
    length: Length = field(default_factory=Length)
    bpm: float | None = None
    clips: int = 1
    sources: tuple[Source, ...] = ()
    checkpoint: str = ""
    version: int = REQUEST_VERSION

    def __post_init__(self) -> None:
        check_prompt(self.prompt)
        check_length("negative prompt", self.negative)
        if self.kind not in get_args(Kind):
            raise BadRequestError(f"I do not know the kind of riff {self.kind!r}.")
        check_range("seed", self.seed, 0, MAX_SEED)
        check_range("number of clips", self.clips, 1, MAX_CLIPS)
        if self.steps is not None:
            check_range("number of steps", self.steps, 1, MAX_STEPS)
        if self.guidance_scale is not None:
            check_range("guidance", self.guidance_scale, 0, MAX_GUIDANCE_SCALE)
        if self.bpm is not None:
            check_range("tempo", self.bpm, 20, 400)
        if not (math.isfinite(self.length.value) and self.length.value > 0):
            raise BadRequestError("The length has to be a number above zero.")

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
        values["length"] = Length(**data["length"])
        values["sources"] = tuple(Source(**source) for source in data["sources"])
        return cls(**values)


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


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
