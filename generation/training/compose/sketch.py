"""The composer's desk: a style asks for drums, bass, chords and a tune; this writes the notes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from generation.training.compose import theory
from generation.training.compose.instruments import INSTRUMENTS
from generation.training.compose.score import Note, Part, Piece

T = TypeVar("T")

DRUMS: dict[str, int] = {
    "kick": 36,
    "snare": 38,
    "rim": 37,
    "clap": 39,
    "hat": 42,
    "pedal": 44,
    "open": 46,
    "low_tom": 43,
    "mid_tom": 47,
    "high_tom": 50,
    "crash": 49,
    "ride": 51,
    "bell": 53,
    "tambourine": 54,
    "cowbell": 56,
    "bongo_high": 60,
    "bongo_low": 61,
    "conga_mute": 62,
    "conga": 63,
    "conga_low": 64,
    "timbale": 65,
    "timbale_low": 66,
    "agogo": 67,
    "agogo_low": 68,
    "cabasa": 69,
    "maracas": 70,
    "guiro": 73,
    "claves": 75,
    "shaker": 82,
    "triangle": 81,
    "surdo_mute": 86,
    "surdo": 87,
}
"""General MIDI percussion notes by the names that grooves use."""

VELOCITY = {"X": 118, "x": 96, "-": 72, "g": 44}
"""Groove letters: accent, hit, soft hit, ghost note; anything else rests."""


class Sketch:
    """One loop being composed: `beats` whole beats, a key, chord changes, and the parts so far."""

    def __init__(self, style: str, beats: int, seed: int, rng: np.random.Generator) -> None:
        self.style = style
        self.beats = beats
        self.rng = rng
        self.seed = seed
        self.tonic = int(rng.integers(12))
        self.scale = "major"
        self.has_key = False
        self.chords: list[tuple[float, float, theory.Chord]] = []
        self.parts: list[Part] = []
        self.textures: list[tuple[str, float]] = []
        self.effects: list[str] = []
        self.tags: list[str] = []

    # -- choices ---------------------------------------------------------------------------------

    def pick(self, *options: T) -> T:
        """Choose one of the options at random."""
        return options[int(self.rng.integers(len(options)))]

    def chance(self, probability: float) -> bool:
        """Return true with that probability."""
        return bool(self.rng.random() < probability)

    def key(self, *scales: str) -> None:
        """Choose one of the scales (names in `theory.SCALES`) on a random tonic."""
        self.scale = self.pick(*scales)
        self.has_key = True
        home = "im7" if 3 in theory.SCALES[self.scale] else "I"
        self.chords = [(0.0, float(self.beats), theory.parse_chord(home, self.tonic))]

    def changes(self, *progressions: str, each: int = 2) -> None:
        """Choose one progression ("ii7 V7 Imaj7") and spread it over the loop.

        No chord is shorter than `each` beats, unless the whole loop is.
        """
        numerals = self.pick(*progressions).split()
        count = min(len(numerals), max(1, self.beats // each))
        edges = [round(i * self.beats / count) for i in range(count + 1)]
        self.chords = [
            (
                float(edges[i]),
                float(edges[i + 1] - edges[i]),
                theory.parse_chord(numerals[i], self.tonic),
            )
            for i in range(count)
        ]

    def chord_at(self, beat: float) -> theory.Chord:
        """Return the chord that sounds at `beat` (taken around the loop)."""
        beat %= self.beats
        for start, length, chord in self.chords:
            if start <= beat < start + length:
                return chord
        return self.chords[-1][2]

    # -- seasoning -------------------------------------------------------------------------------

    def texture(self, name: str, gain: float) -> None:
        """Lay a noise (name in `noises.NOISES`) under the loop at `gain` dB."""
        self.textures.append((name, gain))

    def mix(self, *effects: str) -> None:
        """Treat the whole mix with these effects."""
        self.effects.extend(effects)

    def tag(self, *words: str) -> None:
        """Give captions words that are true of this loop only, such as "fast" or "with fills"."""
        self.tags.extend(words)

    # -- parts -----------------------------------------------------------------------------------

    def add(
        self,
        instrument: str,
        notes: Sequence[Note],
        gain: float = 0.0,
        effects: Sequence[str] = (),
        loose: float = 0.012,
    ) -> None:
        """Add a part; `loose` is the standard deviation of its timing in seconds."""
        beat_seconds = 5.12 / self.beats
        spread = loose / beat_seconds
        played = []
        for note in notes:
            shift = float(np.clip(self.rng.normal(0, spread), -2 * spread, 2 * spread))
            velocity = int(np.clip(note.velocity + self.rng.normal(0, 5), 1, 127))
            start = (note.start + shift) % self.beats
            length = max(0.03, min(note.length, float(self.beats)))
            played.append(dataclasses.replace(note, start=start, length=length, velocity=velocity))
        played.sort(key=lambda note: (note.start, note.pitch))
        if played:
            self.parts.append(Part(instrument, tuple(played), gain, tuple(effects)))

    def drums(
        self,
        kit: str,
        gain: float = 0.0,
        effects: Sequence[str] = (),
        swing: float = 0.0,
        step: int = 4,
        fill: float = 0.25,
        loose: float = 0.004,
        **grooves: str,
    ) -> None:
        """Play a groove: one string per drum (names in `DRUMS`), one letter per 1/`step` beat.

        A string repeats for as long as the loop lasts, so "x..." is four to the floor. `swing`
        delays every second step by that share of a step; `fill` is the chance of a closing fill.
        """
        notes: list[Note] = []
        total = self.beats * step
        fill_from = total
        if self.chance(fill) and self.beats >= 4:
            fill_from = total - step * self.pick(1, 1, 2)
        for drum, groove in grooves.items():
            for index in range(total):
                velocity = VELOCITY.get(groove[index % len(groove)])
                filling = index >= fill_from and drum in ("snare", "low_tom", "clap", "rim")
                if velocity is None or filling:
                    continue
                late = swing if index % 2 else 0.0
                notes.append(Note((index + late) / step, 0.2, DRUMS[drum], velocity))
        if fill_from < total:
            notes.extend(self._fill(fill_from, total, step))
        self.add(kit, notes, gain, effects, loose)

    def _fill(self, start: int, end: int, step: int) -> list[Note]:
        drums = self.pick(
            ("snare",), ("snare", "high_tom", "mid_tom", "low_tom"), ("high_tom", "low_tom")
        )
        notes = []
        for index in range(start, end):
            if self.chance(0.75):
                drum = drums[(index - start) * len(drums) // (end - start)]
                velocity = 70 + 40 * (index - start) // max(1, end - start)
                notes.append(Note(index / step, 0.2, DRUMS[drum], velocity))
        return notes

    def bass(
        self,
        instrument: str,
        groove: str,
        gain: float = 0.0,
        effects: Sequence[str] = (),
        step: int = 4,
        swing: float = 0.0,
        legato: float = 0.9,
        loose: float = 0.006,
    ) -> None:
        """Play a bass line under the changes, one letter per 1/`step` beat.

        r root, 8 octave, 5 fifth, 3 third, 7 seventh, a chromatic approach to the next root,
        n scale neighbour, "-" holds the last note, anything else rests.
        """
        voice = INSTRUMENTS[instrument]
        notes: list[Note] = []
        for index in range(self.beats * step):
            letter = groove[index % len(groove)]
            beat = index / step
            if letter == "-" and notes:
                notes[-1] = dataclasses.replace(notes[-1], length=notes[-1].length + 1 / step)
                continue
            pitch = self._bass_pitch(letter, beat, voice.low)
            if pitch is not None:
                late = swing if index % 2 else 0.0
                accent = 104 if index % step == 0 else 88
                notes.append(Note((index + late) / step, legato / step, pitch, accent))
        self.add(instrument, notes, gain, effects, loose)

    def _bass_pitch(self, letter: str, beat: float, low: int) -> int | None:
        chord = self.chord_at(beat)
        root = low + (chord.root - low) % 12
        tones = {"r": 0, "8": 12, "5": 7, "n": 2}
        if letter == "5" and 6 in chord.intervals and 7 not in chord.intervals:
            return root + 6
        if letter in tones:
            return root + tones[letter]
        if letter == "3":
            return root + (chord.intervals[1] if len(chord.intervals) > 2 else 7)
        if letter == "7":
            return root + (chord.intervals[3] if len(chord.intervals) > 3 else 10)
        if letter == "a":
            following = self.chord_at(beat + 1.0).root
            target = low + (following - low) % 12
            return target + (1 if target < low + 3 or self.chance(0.4) else -1)
        return None

    def walk(self, instrument: str, gain: float = 0.0, effects: Sequence[str] = ()) -> None:
        """Walk a jazz bass line in quarter notes: chord tones, then an approach to each change."""
        letters = []
        for start, length, _ in self.chords:
            count = int(length)
            inner = [self.pick("3", "5", "8", "n", "7") for _ in range(max(0, count - 2))]
            letters += (["r", *inner, "a"] if count > 1 else ["r"])[:count]
            del start
        self.bass(instrument, "".join(letters), gain, effects, step=1, legato=0.85, loose=0.012)

    def comp(
        self,
        instrument: str,
        rhythm: str,
        gain: float = 0.0,
        effects: Sequence[str] = (),
        step: int = 4,
        swing: float = 0.0,
        centre: float | None = None,
        strum: float = 0.0,
        legato: float = 0.9,
        loose: float = 0.012,
    ) -> None:
        """Play the changes as chords in `rhythm` (groove letters; "_" holds the last chord).

        `strum` spreads a chord over that many beats, alternately upwards and downwards.
        """
        voice = INSTRUMENTS[instrument]
        middle = centre if centre is not None else float(np.clip(62, voice.low + 8, voice.high - 8))
        notes: list[Note] = []
        last: list[int] = []
        voicing: tuple[int, ...] = ()
        down = False
        for index in range(self.beats * step):
            letter = rhythm[index % len(rhythm)]
            if letter == "_":
                for position in last:
                    longer = notes[position].length + 1 / step
                    notes[position] = dataclasses.replace(notes[position], length=longer)
                continue
            velocity = VELOCITY.get(letter)
            if velocity is None:
                continue
            beat = (index + (swing if index % 2 else 0.0)) / step
            voicing = theory.voice_chord(self.chord_at(index / step), middle, voicing)
            order = voicing[::-1] if down and strum else voicing
            down = not down
            last = []
            for place, pitch in enumerate(order):
                late = strum * place / len(order)
                last.append(len(notes))
                notes.append(Note(beat + late, legato / step, pitch, velocity - 8))
        self.add(instrument, notes, gain, effects, loose)

    def pad(
        self,
        instrument: str,
        gain: float = -4.0,
        effects: Sequence[str] = (),
        centre: float | None = None,
    ) -> None:
        """Hold each chord for as long as it lasts."""
        voice = INSTRUMENTS[instrument]
        middle = centre if centre is not None else float(np.clip(62, voice.low + 8, voice.high - 8))
        notes: list[Note] = []
        voicing: tuple[int, ...] = ()
        for start, length, chord in self.chords:
            voicing = theory.voice_chord(chord, middle, voicing)
            notes += [Note(start, length * 1.02, pitch, 80) for pitch in voicing]
        self.add(instrument, notes, gain, effects, loose=0.01)

    def arp(
        self,
        instrument: str,
        shape: str = "up",
        gain: float = -2.0,
        effects: Sequence[str] = (),
        step: int = 4,
        octaves: int = 2,
        centre: float | None = None,
        legato: float = 0.9,
        density: float = 1.0,
        swing: float = 0.0,
        loose: float = 0.005,
    ) -> None:
        """Break the chords: `shape` is "up", "down", "updown", "alberti" or "random"."""
        voice = INSTRUMENTS[instrument]
        middle = centre if centre is not None else (voice.low + voice.high) / 2
        notes: list[Note] = []
        for start, length, chord in self.chords:
            close = theory.voice_chord(chord, middle - 6 * (octaves - 1))
            ladder = [p + 12 * o for o in range(octaves) for p in close]
            order = self._arp_order(shape, ladder)
            for index in range(round(length * step)):
                if self.chance(density):
                    late = swing if index % 2 else 0.0
                    at = start + (index + late) / step
                    accent = 100 if index % step == 0 else 82
                    notes.append(Note(at, legato / step, order[index % len(order)], accent))
        self.add(instrument, notes, gain, effects, loose)

    def _arp_order(self, shape: str, ladder: list[int]) -> list[int]:
        if shape == "down":
            return ladder[::-1]
        if shape == "updown":
            return ladder + ladder[-2:0:-1]
        if shape == "alberti":
            low, middle, high = ladder[0], ladder[1], ladder[2 if len(ladder) > 2 else 1]
            return [low, high, middle, high]
        if shape == "random":
            return [ladder[int(i)] for i in self.rng.integers(len(ladder), size=16)]
        return ladder

    def piece(self) -> Piece:
        """Freeze what was sketched."""
        tonic = self.tonic if self.has_key else None
        return Piece(
            self.style,
            self.beats,
            tonic,
            self.scale,
            tuple(self.parts),
            tuple(self.textures),
            tuple(self.effects),
            tuple(self.tags),
            self.seed,
        )
