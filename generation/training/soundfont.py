"""A soundfont player: FluidSynth's library through ctypes, all parts in one pass, one stem each.

FluidSynth (LGPL) and the soundfonts are Debian packages (`fluidsynth`, `fluid-soundfont-gm`,
`musescore-general-soundfont`) that only training needs. Every MIDI channel is its own audio group,
so one pass over time gives a separate stem for every part, ready for its own effects.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from generation.errors import GenerationError
from generation.training.compose.instruments import INSTRUMENTS
from generation.training.compose.score import Note, Part
from generation.training.waves import LOOP_SAMPLES, SAMPLE_RATE, Wave, wrap

SOUNDFONTS: dict[str, Path] = {
    "fluidr3": Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    "musescore": Path("/usr/share/sounds/sf3/MuseScore_General_Full.sf3"),
    "timgm6mb": Path("/usr/share/sounds/sf2/TimGM6mb.sf2"),
}
"""FluidR3 and MuseScore General are MIT, for training; TimGM6mb is GPL, for evaluation only."""

CHANNELS = 16
TAIL_SAMPLES = 96_000
_BLOCK = 64  # FluidSynth applies events at borders of 64 samples: 1.5 ms
_DRUM_BANK = 128
_pointer, _int = ctypes.c_void_p, ctypes.c_int


def is_available(name: str = "fluidr3") -> bool:
    """Return whether FluidSynth and that soundfont are installed."""
    return _library_name() is not None and SOUNDFONTS[name].exists()


def _library_name() -> str | None:
    return ctypes.util.find_library("fluidsynth")


def _load_library() -> ctypes.CDLL:
    name = _library_name()
    if name is None:
        raise GenerationError(
            "Rendering training sounds needs FluidSynth; install the package fluidsynth and retry."
        )
    library = ctypes.CDLL(name)
    library.new_fluid_settings.restype = _pointer
    library.new_fluid_synth.restype = _pointer
    signatures: dict[str, list[object]] = {
        "new_fluid_synth": [_pointer],
        "fluid_settings_setnum": [_pointer, ctypes.c_char_p, ctypes.c_double],
        "fluid_settings_setint": [_pointer, ctypes.c_char_p, _int],
        "fluid_synth_sfload": [_pointer, ctypes.c_char_p, _int],
        "fluid_synth_program_select": [_pointer, _int, _int, _int, _int],
        "fluid_synth_noteon": [_pointer, _int, _int, _int],
        "fluid_synth_noteoff": [_pointer, _int, _int],
        "fluid_synth_system_reset": [_pointer],
        "fluid_synth_nwrite_float": [_pointer, _int, _pointer, _pointer, _pointer, _pointer],
    }
    for function, arguments in signatures.items():
        getattr(library, function).argtypes = arguments
    library.fluid_set_log_function.argtypes = [_int, _pointer, _pointer]
    library.fluid_set_log_function(2, None, None)  # warnings about absent kits are handled below
    return library


class SoundfontPlayer:
    """Plays parts through one soundfont; make one and keep it, loading takes a moment."""

    def __init__(self, soundfont: str = "fluidr3") -> None:
        """Load a soundfont by its name in `SOUNDFONTS`; `GenerationError` if it is missing."""
        path = SOUNDFONTS[soundfont]
        if not path.exists():
            raise GenerationError(
                f"The soundfont {soundfont} is not installed; see generation/training/LOG.md for"
                " the packages that training needs."
            )
        self._library = _load_library()
        settings = self._library.new_fluid_settings()
        self._library.fluid_settings_setnum(settings, b"synth.sample-rate", float(SAMPLE_RATE))
        self._library.fluid_settings_setnum(settings, b"synth.gain", 0.4)
        for key, value in (
            (b"synth.audio-channels", CHANNELS),
            (b"synth.audio-groups", CHANNELS),
            (b"synth.reverb.active", 0),
            (b"synth.chorus.active", 0),
            (b"synth.dynamic-sample-loading", 1),
            (b"synth.polyphony", 256),
        ):
            self._library.fluid_settings_setint(settings, key, value)
        self._synth = self._library.new_fluid_synth(settings)
        self._font = self._library.fluid_synth_sfload(self._synth, str(path).encode(), 1)

    def play(self, parts: Sequence[Part], beats: int) -> list[Wave]:
        """Render up to 16 soundfont parts; returns one loop of shape (225,792,) for each."""
        if len(parts) > CHANNELS:
            raise ValueError(f"A piece has at most {CHANNELS} soundfont parts, not {len(parts)}.")
        self._library.fluid_synth_system_reset(self._synth)
        for channel, part in enumerate(parts):
            self._select(channel, part.instrument)
        events = self._events(parts, beats)
        total = LOOP_SAMPLES + TAIL_SAMPLES
        buffer = np.zeros((2 * CHANNELS, total), np.float32)
        at = 0
        for block in sorted(events):
            self._write(buffer, at, min(block * _BLOCK, total))
            at = min(block * _BLOCK, total)
            for channel, pitch, velocity in sorted(events[block], key=lambda event: event[2] > 0):
                if velocity:
                    self._library.fluid_synth_noteon(self._synth, channel, pitch, velocity)
                else:
                    self._library.fluid_synth_noteoff(self._synth, channel, pitch)
        self._write(buffer, at, total)
        fade = np.linspace(1, 0, SAMPLE_RATE // 4, dtype=np.float32)
        stems = []
        for channel in range(len(parts)):
            mono = 0.5 * (buffer[2 * channel] + buffer[2 * channel + 1])
            mono[-len(fade) :] *= fade
            stems.append(wrap(mono))
        return stems

    def _select(self, channel: int, instrument: str) -> None:
        voice = INSTRUMENTS[instrument]
        bank, preset = (_DRUM_BANK, voice.kit) if voice.kit is not None else (0, voice.program)
        if preset is None:
            raise ValueError(f"“{instrument}” is synthesised; no soundfont plays it.")
        select = self._library.fluid_synth_program_select
        if select(self._synth, channel, self._font, bank, preset) != 0:
            # a small soundfont has fewer kits; its standard kit stands in
            select(self._synth, channel, self._font, bank, 0)

    def _events(
        self, parts: Sequence[Part], beats: int
    ) -> defaultdict[int, list[tuple[int, int, int]]]:
        """Return (channel, pitch, velocity) events by block; velocity 0 ends a note."""
        events: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
        blocks_per_beat = LOOP_SAMPLES / beats / _BLOCK
        for channel, part in enumerate(parts):
            for note in _untangle(part.notes):
                start = round(note.start * blocks_per_beat)
                end = max(start + 2, round((note.start + note.length) * blocks_per_beat))
                events[start].append((channel, note.pitch, note.velocity))
                events[end].append((channel, note.pitch, 0))
        return events

    def _write(self, buffer: Wave, start: int, end: int) -> None:
        step = 16_384
        base, row = buffer.ctypes.data, buffer.strides[0]
        for at in range(start, end, step):
            address = base + at * buffer.itemsize
            left = (_pointer * CHANNELS)(*[address + 2 * c * row for c in range(CHANNELS)])
            right = (_pointer * CHANNELS)(*[address + (2 * c + 1) * row for c in range(CHANNELS)])
            count = min(step, end - at)
            self._library.fluid_synth_nwrite_float(self._synth, count, left, right, None, None)


def _untangle(notes: Sequence[Note]) -> list[Note]:
    """Cut notes that the same key plays again before they end, so that no release cuts the next."""
    by_pitch: dict[int, Note] = {}
    done: list[Note] = []
    for note in sorted(notes, key=lambda n: n.start):
        earlier = by_pitch.get(note.pitch)
        if earlier is not None:
            length = min(earlier.length, max(0.02, note.start - earlier.start))
            done.append(Note(earlier.start, length, earlier.pitch, earlier.velocity))
        by_pitch[note.pitch] = note
    return done + list(by_pitch.values())
