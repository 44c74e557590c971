"""The spectrogram as people like to see it.

The picture that the model draws is made for machines: mel rows, dark on white. Here it gets a
logarithmic pitch axis with notes, a time axis in beats or seconds, a title, and colours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from generation.colours import ThemeName, loudness_colours, rgb_of
from generation.errors import BadRequestError
from generation.mel import FloatArray, hz_to_mel
from generation.spectrogram import SpectrogramParams, mel_from_image, params_from_image

RANGE_DB = 72.0
"""How far below the loudest point the colours reach."""

_LOWEST_HZ = 40.0
_NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_PLAIN_PUNCTUATION = str.maketrans(
    {"\u2013": "-", "\u2014": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'}
)
_SMALLEST = (320, 180)
_LARGEST = (4096, 4096)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Theme:
    """Colours of everything around the loudness map, as `#rrggbb`."""

    name: ThemeName
    background: str
    ink: str
    faint: str
    grid: tuple[int, int, int, int]


THEMES: dict[ThemeName, Theme] = {
    "dark": Theme("dark", "#16161d", "#f2f2f5", "#a6a6b3", (255, 255, 255, 38)),
    "light": Theme("light", "#fbfbf8", "#1d1d24", "#5c5c68", (0, 0, 0, 46)),
}


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.bottom - self.top


def note_name(hz: float) -> str:
    """The nearest note of the equal-tempered scale (A4 = 440 Hz), such as "F#3"."""
    number = round(69 + 12 * math.log2(hz / 440.0))
    return f"{_NOTES[number % 12]}{number // 12 - 1}"


def note_hz(number: int) -> float:
    """Frequency of a MIDI note number; 60 is middle C."""
    return float(440.0 * 2.0 ** ((number - 69) / 12))


def annotated_picture(
    image: Image.Image,
    params: SpectrogramParams | None = None,
    *,
    title: str = "",
    subtitle: str = "",
    bpm: float | None = None,
    seconds: float | None = None,
    theme: ThemeName = "dark",
    size: tuple[int, int] = (1280, 720),
) -> Image.Image:
    """Draw a spectrogram picture for people.

    Args:
        image: a picture in Riffusion's format.
        params: its format; read from the picture if left out.
        title: first line, shortened with an ellipsis where it does not fit.
        subtitle: second, smaller line.
        bpm: count time in beats of this tempo; in seconds if left out.
        seconds: how long the picture lasts, if it was stretched to a tempo.
        theme: "dark" or "light".
        size: of the result in pixels.

    Returns:
        An RGB picture of the given size.

    Raises:
        BadRequestError: the size is too small to read or too large.
    """
    if not all(a <= b <= c for a, b, c in zip(_SMALLEST, size, _LARGEST, strict=True)):
        raise BadRequestError(
            f"A picture of {size[0]} by {size[1]} pixels does not work; choose at least "
            f"{_SMALLEST[0]} by {_SMALLEST[1]} and at most {_LARGEST[0]} by {_LARGEST[1]}."
        )
    params = params or params_from_image(image)
    mel = mel_from_image(image, params).max(axis=0)
    if seconds is None:
        seconds = params.samples_for(image.width) / params.sample_rate
    look = THEMES[theme]
    unit = min(size[1] / 720.0, size[0] / 900.0)
    box = Box(
        round(78 * unit), round(92 * unit), size[0] - round(96 * unit), size[1] - round(64 * unit)
    )
    lowest = max(_LOWEST_HZ, float(params.min_frequency))
    canvas = Image.new("RGB", size, look.background)
    canvas.paste(
        _heat_map(mel, params, lowest, (box.width, box.height), theme), (box.left, box.top)
    )
    canvas = _with_grid(canvas, box, look, lowest, params.max_frequency, seconds, bpm, unit)
    draw = ImageDraw.Draw(canvas)
    _draw_titles(draw, box, look, title, subtitle, unit, size[0])
    _draw_key(canvas, box, look, unit)
    return canvas


def _heat_map(
    mel: FloatArray,
    params: SpectrogramParams,
    lowest: float,
    size: tuple[int, int],
    theme: ThemeName,
) -> Image.Image:
    """Mel amplitudes in colour, on a logarithmic frequency axis."""
    width, height = size
    frequency = lowest * (params.max_frequency / lowest) ** np.linspace(1.0, 0.0, height)
    low, high = hz_to_mel([params.min_frequency, params.max_frequency])
    # Mel band j peaks at corner j + 1 of mel_bins + 2 equally spaced ones.
    row = (hz_to_mel(frequency) - low) / (high - low) * (params.mel_bins + 1) - 1.0
    loudest = max(float(mel.max(initial=0.0)), 1e-9)
    level = 20.0 * np.log10(np.maximum(mel / loudest, 1e-6)) / RANGE_DB + 1.0
    level = _sampled(level, np.clip(row, 0, params.mel_bins - 1), axis=0)
    column = (np.arange(width) + 0.5) / width * mel.shape[1] - 0.5
    level = _sampled(level, np.clip(column, 0, mel.shape[1] - 1), axis=1)
    index = np.rint(np.clip(level, 0.0, 1.0) * 255).astype(np.uint8)
    return Image.fromarray(loudness_colours(theme)[index])


def _sampled(
    values: npt.NDArray[np.floating], position: npt.NDArray[np.floating], axis: int
) -> npt.NDArray[np.float64]:
    """Linear interpolation along one axis."""
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, values.shape[axis] - 1)
    part = (position - below)[:, None] if axis == 0 else position - below
    first, second = values.take(below, axis), values.take(above, axis)
    return np.asarray(first + part * (second - first))


def _with_grid(
    canvas: Image.Image,
    box: Box,
    look: Theme,
    lowest: float,
    highest: float,
    seconds: float,
    bpm: float | None,
    unit: float,
) -> Image.Image:
    """Axes: Hz at the left, notes at the right, time below."""
    overlay = Image.new("RGBA", canvas.size, (0, 0, 0, 0))
    lines = ImageDraw.Draw(overlay)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(max(9.0, 17 * unit))
    gap = round(8 * unit)

    def height_of(hz: float) -> float:
        return box.bottom - math.log(hz / lowest) / math.log(highest / lowest) * box.height

    for hz in _round_frequencies(lowest, highest):
        y = height_of(hz)
        lines.line([(box.left, y), (box.right, y)], fill=look.grid)
        text = f"{hz / 1000:g} kHz" if hz >= 1000 else f"{hz:g} Hz"
        draw.text((box.left - gap, y), text, fill=look.ink, font=font, anchor="rm")
    for number in range(0, 144, 12):
        hz = note_hz(number)
        if lowest <= hz <= highest:
            y = height_of(hz)
            draw.line([(box.right, y), (box.right + gap // 2, y)], fill=look.faint)
            draw.text((box.right + gap, y), note_name(hz), fill=look.faint, font=font, anchor="lm")
    for position, text, strong in _time_marks(seconds, bpm, box.width / (46 * unit)):
        x = box.left + position / seconds * box.width
        if strong:
            lines.line([(x, box.top), (x, box.bottom)], fill=look.grid)
        draw.line([(x, box.bottom), (x, box.bottom + gap // 2)], fill=look.faint)
        draw.text((x, box.bottom + gap), text, fill=look.ink, font=font, anchor="ma")
    label = "beats" if bpm else "seconds"
    draw.text(
        ((box.left + box.right) / 2, canvas.height - gap // 2),
        label,
        fill=look.faint,
        font=font,
        anchor="md",
    )
    return Image.alpha_composite(canvas.convert("RGBA"), overlay).convert("RGB")


def _round_frequencies(lowest: float, highest: float) -> list[float]:
    candidates = [m * 10.0**e for e in range(1, 5) for m in (1, 2, 5)]
    return [hz for hz in candidates if lowest <= hz <= highest * 1.001]


def _time_marks(seconds: float, bpm: float | None, most: float) -> list[tuple[float, str, bool]]:
    """Positions in seconds, labels, and whether a line goes through the picture.

    Beats are numbered from one, as musicians count, and bars of four are marked.
    """
    if bpm:
        beat = 60.0 / bpm
        count = max(1, math.floor(seconds / beat + 1e-6))
        every = next(n for n in (1, 2, 4, 8, 16, 32, 64, 128, 1 << 30) if count / n <= most)
        return [(i * beat, str(i + 1), i % 4 == 0) for i in range(0, count, every)]
    every_second = next(
        (s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0) if seconds / s <= most),
        seconds,
    )
    marks = math.floor(seconds / every_second + 1e-6)
    return [(i * every_second, f"{i * every_second:g}", True) for i in range(marks + 1)]


def _draw_titles(
    draw: ImageDraw.ImageDraw,
    box: Box,
    look: Theme,
    title: str,
    subtitle: str,
    unit: float,
    width: int,
) -> None:
    large, small = ImageFont.load_default(30 * unit), ImageFont.load_default(max(9.0, 17 * unit))
    room = width - 2 * box.left
    draw.text(
        (box.left, 22 * unit), fitted(title, large, room), fill=look.ink, font=large, anchor="la"
    )
    draw.text(
        (box.left, 60 * unit),
        fitted(subtitle, small, room),
        fill=look.faint,
        font=small,
        anchor="la",
    )


def _draw_key(canvas: Image.Image, box: Box, look: Theme, unit: float) -> None:
    """A small scale of colours at the top right: from quiet to loud."""
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(max(9.0, 14 * unit))
    width, height = round(150 * unit), max(6, round(10 * unit))
    left, top = box.right - width, box.top - height - round(10 * unit)
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    colours = np.repeat(loudness_colours(look.name)[ramp][None], height, axis=0)
    canvas.paste(Image.fromarray(colours), (left, top))
    draw.rectangle([left - 1, top - 1, left + width, top + height], outline=look.faint)
    middle = top + height / 2
    gap = round(8 * unit)
    draw.text((left - gap, middle), "quiet", fill=look.faint, font=font, anchor="rm")
    draw.text((box.right + gap, middle), "loud", fill=look.faint, font=font, anchor="lm")


def fitted(text: str, font: Font, room: float) -> str:
    """One line of text that fits, with an ellipsis if it had to be cut."""
    line = readable(" ".join(text.split())[:400], font)
    if font.getlength(line) <= room:
        return line
    while line and font.getlength(line + "...") > room:
        line = line[:-1]
    return line.rstrip() + "..."


def readable(text: str, font: Font) -> str:
    """Replace what the font has no glyph for: it would show as a row of boxes."""
    text = text.translate(_PLAIN_PUNCTUATION)
    missing = bytes(font.getmask("\uffff"))
    known = {
        character: character if bytes(font.getmask(character)) != missing else "?"
        for character in set(text)
    }
    return "".join(known[character] for character in text)


@dataclass(frozen=True)
class Stage:
    """One step of the way from noise to picture, for `teaching_strip`."""

    caption: str
    image: Image.Image


def teaching_strip(
    stages: Sequence[Stage],
    waveform: FloatArray,
    *,
    caption: str = "the sound",
    theme: ThemeName = "dark",
    panel: int = 320,
) -> Image.Image:
    """How a riff comes about, from left to right: noise, half-denoised, picture, waveform.

    Args:
        stages: pictures with a few words each, usually three.
        waveform: shape `(channels, samples)`, drawn last.
        caption: words below the waveform.
        theme: "dark" or "light".
        panel: side of each panel in pixels, 96 to 1024.
    """
    if not 96 <= panel <= 1024 or not stages:
        raise BadRequestError("A strip needs at least one picture and panels of 96 to 1024 pixels.")
    look = THEMES[theme]
    unit = panel / 320.0
    gap, margin, below = round(44 * unit), round(22 * unit), round(52 * unit)
    count = len(stages) + 1
    width = 2 * margin + count * panel + (count - 1) * gap
    canvas = Image.new("RGB", (width, margin + panel + below), look.background)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(max(10.0, 19 * unit))
    drawings = [
        stage.image.convert("RGB").resize((panel, panel), Image.Resampling.LANCZOS)
        for stage in stages
    ]
    drawings.append(_waveform_panel(waveform, panel, look))
    captions = [*(stage.caption for stage in stages), caption]
    for number, (drawing, words) in enumerate(zip(drawings, captions, strict=True)):
        left = margin + number * (panel + gap)
        canvas.paste(drawing, (left, margin))
        line = fitted(f"{number + 1}. {words}", font, panel + gap * 0.6)
        at = (left + panel / 2, margin + panel + below / 2)
        draw.text(at, line, fill=look.ink, font=font, anchor="mm")
        if number:
            _draw_arrow(draw, left - gap / 2, margin + panel / 2, gap * 0.5, look)
    return canvas


def _waveform_panel(waveform: FloatArray, side: int, look: Theme) -> Image.Image:
    """Highest and lowest value per pixel column, in the colours of the loudness map."""
    panel = Image.new("RGB", (side, side), look.background)
    draw = ImageDraw.Draw(panel)
    mono = waveform.mean(axis=0)
    edges = np.linspace(0, len(mono), side + 1).astype(np.intp)
    peak = max(float(np.abs(mono).max(initial=0.0)), 1e-9)
    red, green, blue = (int(c) for c in loudness_colours(look.name)[168])
    draw.line([(0, side / 2), (side, side / 2)], fill=rgb_of(look.faint))
    for x in range(side):
        part = mono[edges[x] : max(edges[x] + 1, edges[x + 1])] / peak
        top, bottom = (side / 2 - float(v) * side * 0.46 for v in (part.max(), part.min()))
        draw.line([(x, top), (x, max(bottom, top + 1))], fill=(red, green, blue))
    return panel


def _draw_arrow(draw: ImageDraw.ImageDraw, x: float, y: float, length: float, look: Theme) -> None:
    half, head = length / 2, length / 4
    width = max(2, round(length / 9))
    draw.line([(x - half, y), (x + half, y)], fill=look.ink, width=width)
    for side in (-1, 1):
        tip = [(x + half, y), (x + half - head, y + side * head)]
        draw.line(tip, fill=look.ink, width=width)
