"""The evaluation's HTML report: a table, pictures, and a player for every loop."""

from __future__ import annotations

import html
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from generation.inversion import waveform_from_image
from generation.spectrogram import SpectrogramParams

_STYLE = (
    "body{font:15px system-ui;margin:2em;max-width:75em}td{padding:.1em 1em .1em 0}"
    "figure{display:inline-block;margin:.3em;width:11em;vertical-align:top}"
    "img{width:11em}audio{width:11em;height:2em}figcaption{font-size:80%}"
)


@dataclass(frozen=True)
class Section:
    """A heading, generated (caption, picture) pairs, and real ones to see beside them."""

    title: str
    generated: Sequence[tuple[str, np.ndarray]]
    real: Sequence[tuple[str, np.ndarray]]


def write_report(folder: Path, table: Mapping[str, float], sections: Sequence[Section]) -> Path:
    """Write `index.html` with its pictures and sounds beside it; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"<tr><td>{html.escape(name)}<td>{value:.3f}" for name, value in table.items())
    parts = [
        "<!doctype html><meta charset=utf-8><title>Starter evaluation</title>"
        f"<style>{_STYLE}</style><h1>Starter evaluation</h1><table>{rows}</table>"
    ]
    for number, section in enumerate(sections):
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        for kind, pairs in (("drawn", section.generated), ("real", section.real)):
            if pairs:
                parts.append(f"<h3>{kind}</h3>")
            for index, (caption, picture) in enumerate(pairs):
                name = f"{number:02}-{kind}-{index:03}"
                parts.append(_figure(folder, name, caption, picture))
    path = folder / "index.html"
    path.write_text("".join(parts), "utf-8")
    return path


def _figure(folder: Path, name: str, caption: str, picture: np.ndarray) -> str:
    image = Image.fromarray(picture)
    image.save(folder / f"{name}.png")
    sound = waveform_from_image(image.convert("RGB"), SpectrogramParams(), quality="fast")[0]
    peak = float(np.abs(sound).max()) + 1e-9
    samples = (sound / peak * 30_000).astype("<i2")
    with wave.open(str(folder / f"{name}.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(samples.tobytes())
    return (
        f"<figure><img src='{name}.png' loading=lazy><audio controls loop preload=none "
        f"src='{name}.wav'></audio><figcaption>{html.escape(caption)}</figcaption></figure>"
    )
