"""Music to measure with, made on the spot: no recording has to be downloaded.

MIDI phrases are written here and played by FluidSynth with any General MIDI soundfont; speech is
espeak-ng's. Without these programs only the synthetic signals remain. Every loop lasts 8 beats at
93.75 bpm, which is exactly 5.12 seconds, and is cut from the middle of three repeats, so that it
really repeats. `TUNING` was listened to and measured while the inversion was being tuned;
`HELD_OUT` was not.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 44100
LOOP_SAMPLES = 225_792
SOUNDFONTS = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf2/default-GM.sf2"),
    Path("/usr/share/soundfonts/default.sf2"),
)
_TICKS = 96
_BEATS = 8
_DRUMS = 9

Waveform = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Note:
    """One MIDI note: channel 9 is drums; times in beats."""

    channel: int
    beat: float
    length: float
    pitch: int
    velocity: int = 96


@dataclass(frozen=True)
class Phrase:
    """Eight beats of notes and the instrument (General MIDI program) of each channel."""

    programs: dict[int, int]
    notes: tuple[Note, ...]


def chords(channel: int, roots: list[list[int]], length: float, velocity: int = 80) -> list[Note]:
    """Block chords, each for an equal share of the eight beats."""
    step = _BEATS / len(roots)
    return [
        Note(channel, i * step, length * step, pitch, velocity)
        for i, chord in enumerate(roots)
        for pitch in chord
    ]


def line(channel: int, pitches: list[int], length: float = 0.9, velocity: int = 96) -> list[Note]:
    """A melody of equal steps over the eight beats; 0 is a rest."""
    step = _BEATS / len(pitches)
    return [
        Note(channel, i * step, length * step, pitch, velocity)
        for i, pitch in enumerate(pitches)
        if pitch
    ]


def drums(kick: str, snare: str, hat: str) -> list[Note]:
    """Drum patterns as strings of sixteenths (`x` hits), repeated to fill the eight beats."""
    hits = []
    for pitch, pattern, velocity in ((36, kick, 112), (38, snare, 104), (42, hat, 72)):
        for i in range(_BEATS * 4):
            if pattern[i % len(pattern)] == "x":
                hits.append(Note(_DRUMS, i / 4, 0.2, pitch, velocity))
    return hits


BACKBEAT = drums("x-------x-x-----", "----x-------x---", "x-x-x-x-x-x-x-x-")
FOUR = drums("x---", "----x---", "--x-")

PHRASES: dict[str, Phrase] = {
    "lo-fi keys": Phrase(
        {0: 4, 1: 33},
        (
            *chords(0, [[57, 60, 64, 67], [50, 53, 57, 60], [55, 59, 62, 65], [48, 52, 55, 59]], 1),
            *line(1, [33, 0, 33, 38, 0, 38, 31, 0, 31, 36, 0, 36]),
            *BACKBEAT,
        ),
    ),
    "piano": Phrase(
        {0: 0},
        tuple(line(0, [60, 64, 67, 72, 67, 64, 57, 60, 64, 69, 64, 60, 53, 57, 60, 65], 1.5)),
    ),
    "house": Phrase(
        {0: 81, 1: 38},
        (
            *line(0, [69, 0, 72, 69, 0, 76, 0, 72, 67, 0, 71, 67, 0, 74, 0, 71], 0.5, 70),
            *line(1, [33, 45] * 8, 0.7),
            *FOUR,
        ),
    ),
    "strings": Phrase({0: 48}, tuple(chords(0, [[48, 60, 64, 67], [45, 57, 60, 64]], 1.0))),
    "funk brass": Phrase(
        {0: 61, 1: 36},
        (
            *line(0, [0, 64, 64, 0, 67, 0, 0, 69, 0, 64, 0, 62, 64, 0, 0, 0], 0.4, 110),
            *line(1, [28, 0, 28, 40, 0, 31, 33, 0, 28, 28, 0, 40, 38, 0, 35, 0], 0.6),
            *drums("x--x--x---x-----", "----x--x-x--x---", "xxxxxxxx"),
        ),
    ),
    "guitar": Phrase(
        {0: 25},
        tuple(line(0, [40, 52, 55, 59, 64, 59, 55, 52, 45, 52, 57, 60, 64, 60, 57, 52], 2.0)),
    ),
    "marimba": Phrase(
        {0: 12, 1: 32},
        (
            *line(0, [72, 79, 76, 84, 79, 76, 71, 79, 74, 83, 79, 74] * 2, 0.8),
            *line(1, [36, 31, 29, 31]),
        ),
    ),
    "choir and organ": Phrase(
        {0: 52, 1: 19},
        (
            *chords(0, [[62, 65, 69], [60, 64, 67], [58, 62, 65], [57, 61, 64]], 1.0),
            *chords(1, [[38, 50], [36, 48], [34, 46], [33, 45]], 1.0),
        ),
    ),
    "drums": Phrase({}, tuple(drums("x--x--x-x-----x-", "----x--x----x-xx", "x-xxx-x-"))),
}

TUNING = ("lo-fi keys", "piano", "house", "clicks and tones")
HELD_OUT = (
    "strings", "funk brass", "guitar", "marimba", "choir and organ", "drums", "speech", "sweeps",
)  # fmt: skip


def midi_bytes(phrase: Phrase, repeats: int = 3) -> bytes:
    """A standard MIDI file (format 0) of the phrase at 93.75 bpm."""
    events: list[tuple[int, bytes]] = [(0, b"\xff\x51\x03" + (640_000).to_bytes(3, "big"))]
    events += [(0, bytes([0xC0 | ch, program])) for ch, program in phrase.programs.items()]
    for repeat in range(repeats):
        for note in phrase.notes:
            on = round((repeat * _BEATS + note.beat) * _TICKS)
            off = on + max(1, round(note.length * _TICKS))
            events.append((on, bytes([0x90 | note.channel, note.pitch, note.velocity])))
            events.append((off, bytes([0x80 | note.channel, note.pitch, 0])))
    events.sort(key=lambda event: event[0])
    body, now = b"", 0
    for tick, message in events:
        body += _variable(tick - now) + message
        now = tick
    body += b"\x00\xff\x2f\x00"
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, _TICKS)
    return header + b"MTrk" + struct.pack(">I", len(body)) + body


def _variable(number: int) -> bytes:
    data = [number & 0x7F]
    while number := number >> 7:
        data.append(0x80 | (number & 0x7F))
    return bytes(reversed(data))


def clip(name: str) -> Waveform | None:
    """One clip by name, shape `(2, LOOP_SAMPLES)`; None if the program to make it is missing."""
    if name in PHRASES:
        return _played(PHRASES[name])
    if name == "speech":
        return _spoken()
    return {"clicks and tones": _clicks_and_tones, "sweeps": _sweeps}[name]()


def _played(phrase: Phrase) -> Waveform | None:
    program = shutil.which("fluidsynth")
    soundfont = next((path for path in SOUNDFONTS if path.exists()), None)
    if program is None or soundfont is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        midi, sound = Path(folder, "phrase.mid"), Path(folder, "phrase.wav")
        midi.write_bytes(midi_bytes(phrase))
        subprocess.run(
            [
                program,
                "-ni",
                "-q",
                "-g",
                "0.6",
                "-r",
                str(SAMPLE_RATE),
                "-F",
                sound,
                soundfont,
                midi,
            ],
            check=True,
            capture_output=True,
        )
        both = _read_wav(sound)
    return both[:, LOOP_SAMPLES : 2 * LOOP_SAMPLES]


def _spoken() -> Waveform | None:
    program = shutil.which("espeak-ng")
    if program is None:
        return None
    text = "This sentence was never sung, but it can be heard in the loop, again and again."
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder, "speech.wav")
        subprocess.run([program, "-w", sound, text], check=True, capture_output=True)
        speech = _read_wav(sound)[:1, : LOOP_SAMPLES // 2]
    doubled = np.zeros((1, LOOP_SAMPLES), np.float32)
    doubled[:, : 2 * speech.shape[1]] = np.repeat(speech, 2, axis=1)
    return np.repeat(doubled, 2, axis=0)


def _read_wav(path: Path) -> Waveform:
    with wave.open(str(path)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return (data.reshape(-1, file.getnchannels()).T / 32768.0).astype(np.float32)


def _clicks_and_tones() -> Waveform:
    rng = np.random.default_rng(0)
    seconds = np.arange(LOOP_SAMPLES) / SAMPLE_RATE
    sound = sum(0.1 * np.sin(2 * np.pi * cycles / 5.12 * seconds) for cycles in (1126, 1419, 1688))
    sound = sound + 0.1 * np.sign(np.sin(2 * np.pi * 563 / 5.12 * seconds)) * np.exp(
        -6.0 * (seconds % 0.64)
    )
    for hit in range(16):
        start = hit * LOOP_SAMPLES // 16
        sound[start : start + 6000] += (
            0.15 * rng.standard_normal(6000) * np.exp(-np.arange(6000) / 800)
        )
    return np.stack([sound, sound]).astype(np.float32)


def _sweeps() -> Waveform:
    seconds = np.arange(LOOP_SAMPLES) / SAMPLE_RATE
    wobble = np.sin(2 * np.pi * seconds / 5.12)
    tones = sum(
        np.sin(2 * np.pi * cycles / 5.12 * seconds + depth * wobble)
        for cycles, depth in ((700, 300.0), (3000, -900.0), (9000, 2000.0))
    )
    return np.stack([0.15 * tones, 0.15 * tones]).astype(np.float32)
