"""The register of styles. A style is one short function that fills a `Sketch`:

@style("bossa nova", beats=(10, 12, 14), says=("bossa", "rio lounge"))
def bossa_nova(sketch: Sketch) -> None: ...
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from generation.training.compose.sketch import Sketch


@dataclass(frozen=True)
class Style:
    """What is known of a style besides its notes: mostly what people call it.

    `says` are phrases that mean the style, `phrases` many more of them, from `phrases.toml`: its
    relatives, players, places, and what it is played for. Two kinds of phrases are kept out of all
    training captions to judge generalisation: `reworded`, an ordinary one, and `unseen`,
    far-fetched ones. `moods`, `places` and `eras` season captions; `weight` is how often the style
    is drawn; `beats` lists the beat counts (in 5.12 s) that suit it.
    """

    name: str
    write: Callable[[Sketch], None]
    beats: tuple[int, ...]
    says: tuple[str, ...]
    phrases: tuple[str, ...]
    reworded: tuple[str, ...]
    unseen: tuple[str, ...]
    moods: tuple[str, ...]
    places: tuple[str, ...]
    eras: tuple[str, ...]
    weight: float
    solo: bool
    rhythmic: bool


STYLES: dict[str, Style] = {}


@functools.cache
def _phrases() -> dict[str, list[str]]:
    return tomllib.loads(Path(__file__).with_name("phrases.toml").read_text("utf-8"))


def style(
    name: str,
    *,
    beats: tuple[int, ...],
    says: tuple[str, ...] = (),
    unseen: tuple[str, ...] = (),
    moods: tuple[str, ...] = (),
    places: tuple[str, ...] = (),
    eras: tuple[str, ...] = (),
    weight: float = 1.0,
    solo: bool = False,
    rhythmic: bool = True,
) -> Callable[[Callable[[Sketch], None]], Callable[[Sketch], None]]:
    """Register the decorated function as style `name`; a second one of that name is an error.

    Of four or more phrases in `says` the last is held out as the style's rewording.
    """
    kept, reworded = (says[:-1], says[-1:]) if len(says) >= 4 else (says, ())

    def register(write: Callable[[Sketch], None]) -> Callable[[Sketch], None]:
        if name in STYLES:
            raise ValueError(f"There are two styles called “{name}”; give one another name.")
        STYLES[name] = Style(
            name,
            write,
            beats,
            (name, *kept),
            tuple(_phrases().get(name, ())),
            reworded,
            unseen,
            moods,
            places,
            eras,
            weight,
            solo,
            rhythmic,
        )
        return write

    return register
