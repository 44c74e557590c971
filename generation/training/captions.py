"""What people would type to get a given clip: short, sloppy, and never twice the same.

Captions are not stored: they are drawn from a clip's facts whenever they are needed, so a clip has
as many as it is looked at. Each style's `reworded` and `unseen` phrases are kept out of them, to
judge whether the model understands words that it was not trained on.
"""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from generation.training.compose import STYLES, Piece, Style
from generation.training.compose.instruments import INSTRUMENTS
from generation.training.compose.score import LOOP_SECONDS
from generation.training.compose.theory import NOTE_NAMES

_TEXTURES = {
    "vinyl": ("vinyl crackle", "vinyl noise", "record crackle"),
    "rain": ("rain", "rain sounds"),
    "wind": ("wind",),
    "waves": ("ocean waves", "waves"),
    "bird calls": ("birds", "birdsong"),
    "scratch": ("scratching", "turntable scratches", "dj scratches"),
}
_ASKS = ("play ", "give me ", "make me ", "some ", "a ", "can you do ", "i want ", "need ")
_TAILS = (" music", " loop", " please", " pls", " vibes", " song", " track", " sound", " riff")


@dataclass(frozen=True)
class ClipFacts:
    """What captions may say about a clip; stored beside its picture.

    `instruments` are names in `INSTRUMENTS`, loudest first; `tonic` is 0..11 or -1 without a key.
    """

    seed: int
    style: str
    soundfont: str
    beats: int
    tonic: int
    scale: str
    instruments: tuple[str, ...]
    textures: tuple[str, ...]

    @property
    def bpm(self) -> float:
        """Tempo in beats a minute."""
        return self.beats * 60 / LOOP_SECONDS

    def to_json(self) -> dict[str, object]:
        """Return the facts as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ClipFacts:
        """Read back what `to_json` wrote."""
        lists = {key: tuple(values[key]) for key in ("instruments", "textures")}
        return cls(**{**values, **lists})


def facts_of(piece: Piece, soundfont: str) -> ClipFacts:
    """Collect a piece's facts."""
    parts = sorted(piece.parts, key=lambda part: -part.gain)
    instruments = tuple(dict.fromkeys(part.instrument for part in parts))
    return ClipFacts(
        piece.seed,
        piece.style,
        soundfont,
        piece.beats,
        -1 if piece.tonic is None else piece.tonic,
        piece.scale,
        instruments,
        tuple(name for name, _ in piece.textures),
    )


def _one(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def tempo_words(bpm: float, rng: np.random.Generator) -> str:
    """Say a tempo: as a word, as a rounded bpm, or as the loop's number of beats."""
    if rng.random() < 0.3:
        return f"{round(bpm * LOOP_SECONDS / 60)} beats"
    if rng.random() < 0.6:
        near = bpm * rng.uniform(0.985, 1.015)
        near = 5 * round(near / 5) if rng.random() < 0.3 else round(near)
        return f"{near}{_one(rng, (' bpm', 'bpm', ' bpm'))}"
    if bpm < 75:
        return _one(rng, ("slow", "very slow", "slow tempo", "downtempo"))
    if bpm < 105:
        return _one(rng, ("mid tempo", "medium tempo", "relaxed tempo", "moderate"))
    if bpm < 135:
        return _one(rng, ("upbeat", "lively", "up tempo", "uptempo"))
    return _one(rng, ("fast", "very fast", "fast tempo", "high speed", "quick"))


def _instrument_words(facts: ClipFacts, rng: np.random.Generator) -> list[str]:
    named = [name for name in facts.instruments if INSTRUMENTS[name].family != "drums"]
    pool = named[:3] if rng.random() < 0.85 else list(facts.instruments)
    if not pool:
        return []
    count = 1 if rng.random() < 0.65 else 2
    chosen = rng.permutation(len(pool))[:count]
    return [_one(rng, INSTRUMENTS[pool[int(i)]].words) for i in chosen]


def _sloppy(text: str, rng: np.random.Generator) -> str:
    """Type it as people do: now and then a doubled, dropped or swapped letter."""
    if rng.random() < 0.04 and len(text) > 6:
        at = int(rng.integers(1, len(text) - 2))
        change = rng.integers(3)
        if change == 0:
            return text[:at] + text[at + 1 :]
        if change == 1:
            return text[:at] + text[at] + text[at:]
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text


def caption(facts: ClipFacts, rng: np.random.Generator) -> str:
    """Draw one caption for a clip: lower case, a few words, true, nothing that is held out."""
    while True:
        text = _draw_caption(facts, rng)
        if not any(phrase in text for phrase in _held_out()):
            return text


def _name(style: Style, rng: np.random.Generator) -> str:
    """Say the style: by its own name, by another of them, or by what it reminds of."""
    chance = rng.random()
    if chance < 0.25:
        return style.name
    return _one(rng, style.phrases if style.phrases and chance > 0.6 else style.says)


def _draw_caption(facts: ClipFacts, rng: np.random.Generator) -> str:
    style = STYLES[facts.style]
    main = _name(style, rng)
    instruments = _instrument_words(facts, rng)
    words = [main]
    # sometimes only the instruments are asked for; a solo is its instrument anyway
    if instruments and rng.random() < (0.2 if style.solo else 0.12):
        words = [" and ".join(instruments)]
        if style.solo and rng.random() < 0.5:
            words[0] += _one(rng, (" solo", " melody", " alone", ""))
    elif instruments and rng.random() < 0.35:
        link = _one(rng, (" with ", " with ", ", ", " "))
        words[0] = main + link + " and ".join(instruments)
    for chance, options in ((0.3, style.moods), (0.06, style.places), (0.1, style.eras)):
        if options and rng.random() < chance:
            extra = _one(rng, options)
            if rng.random() < 0.6:
                words.insert(0, extra)
            else:
                words.append(extra)
    if facts.textures and facts.textures[0] in _TEXTURES and rng.random() < 0.3:
        words.append("with " + _one(rng, _TEXTURES[facts.textures[0]]))
    if style.rhythmic and rng.random() < 0.3:
        tempo = tempo_words(facts.bpm, rng)
        words.insert(int(rng.integers(2)) * len(words), tempo)
    if facts.tonic >= 0 and rng.random() < 0.04:
        mode = "minor" if "minor" in facts.scale or facts.scale == "blues" else "major"
        if facts.scale in ("major", "minor", "harmonic minor", "minor pentatonic", "blues"):
            words.append(f"in {NOTE_NAMES[facts.tonic].lower()} {mode}")
    joint = _one(rng, (" ", " ", ", "))
    text = joint.join(words)
    if rng.random() < 0.08:
        text = _one(rng, _ASKS) + text
    if rng.random() < 0.08:
        text += _one(rng, _TAILS)
    return _sloppy(text, rng)


@functools.cache
def _held_out() -> tuple[str, ...]:
    return tuple(phrase for phrase, _ in (*unseen_prompts(), *reworded_prompts()))


def reworded_prompts() -> list[tuple[str, str]]:
    """Return every (held-out ordinary phrase, style) pair, in order."""
    return [(phrase, name) for name, style in STYLES.items() for phrase in style.reworded]


def unseen_prompts() -> list[tuple[str, str]]:
    """Return every (held-out far-fetched phrase, style) pair, in order."""
    return [(phrase, name) for name, style in STYLES.items() for phrase in style.unseen]
