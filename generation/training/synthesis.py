"""Instruments without a soundfont: oscillators, struck metal and drum machines, in numpy.

`play` renders one part into a loop. Each voice is a function from (frequency in Hz, length in
samples, random generator) to a sound, peak about 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.signal

from generation.training import speech
from generation.training.compose.instruments import INSTRUMENTS
from generation.training.compose.score import Part
from generation.training.waves import LOOP_SAMPLES, SAMPLE_RATE, Wave, add_wrapped

Voice = Callable[[float, int, np.random.Generator], Wave]


def _time(samples: int) -> Wave:
    return np.arange(samples, dtype=np.float32) / SAMPLE_RATE


def _envelope(samples: int, attack: float, decay: float, sustain: float, release: float) -> Wave:
    """Attack, exponential decay to `sustain`, and a release that ends the sound; in seconds."""
    time = _time(samples)
    shape = sustain + (1 - sustain) * np.exp(-time / decay)
    shape *= np.minimum(1, time / max(attack, 1e-4))
    count = min(samples, int(release * SAMPLE_RATE))
    shape[samples - count :] *= np.linspace(1, 0, count)
    return np.asarray(shape, np.float32)


def _saw(frequency: float, samples: int, phase: float = 0.0) -> Wave:
    """Saw wave with its jump smoothed by polyBLEP (Välimäki & Huovilainen, 2007)."""
    step = frequency / SAMPLE_RATE
    ramp = (phase + step * np.arange(samples)) % 1.0
    wave = 2 * ramp - 1
    early = ramp < step
    t = ramp[early] / step
    wave[early] -= t + t - t * t - 1
    late = ramp > 1 - step
    t = (ramp[late] - 1) / step
    wave[late] -= t * t + t + t + 1
    return np.asarray(wave, np.float32)


def _pulse(frequency: float, samples: int, width: float) -> Wave:
    wave = _saw(frequency, samples) - _saw(frequency, samples, width)
    return np.asarray(0.5 * (wave - wave.mean()), np.float32)


def _swept_low_pass(sound: Wave, start: float, end: float, time: float, resonance: float) -> Wave:
    """Low pass whose cutoff falls from `start` to `end` Hz, in 64 blocks of a biquad each."""
    blocks = np.array_split(sound, max(1, len(sound) // 512))
    state = np.zeros((1, 2))
    done, at = [], 0
    for block in blocks:
        cutoff = end + (start - end) * np.exp(-at / SAMPLE_RATE / time)
        sections = _resonant(min(cutoff, 18_000), resonance)
        out, state = scipy.signal.sosfilt(sections, block, zi=state)
        done.append(out)
        at += len(block)
    return np.concatenate(done).astype(np.float32)


def _resonant(cutoff: float, resonance: float) -> np.ndarray:
    """Return the low-pass biquad of the "Audio EQ Cookbook" (R. Bristow-Johnson) as one section."""
    w = 2 * np.pi * cutoff / SAMPLE_RATE
    alpha, cosine = np.sin(w) / (2 * resonance), np.cos(w)
    a0 = 1 + alpha
    b = (1 - cosine) / 2 / a0
    return np.array([[b, 2 * b, b, 1.0, -2 * cosine / a0, (1 - alpha) / a0]])


def _square(f: float, n: int, rng: np.random.Generator) -> Wave:
    return _pulse(f, n, 0.5) * _envelope(n, 0.002, 0.15, 0.6, 0.02)


def _thin_pulse(f: float, n: int, rng: np.random.Generator) -> Wave:
    return _pulse(f, n, 0.2) * _envelope(n, 0.002, 0.1, 0.5, 0.02)


def _triangle(f: float, n: int, rng: np.random.Generator) -> Wave:
    ramp = (f * _time(n)) % 1.0
    wave = 4 * np.abs(ramp - 0.5) - 1
    return np.asarray(wave * _envelope(n, 0.002, 1, 0.9, 0.02), np.float32)


def _sine(f: float, n: int, rng: np.random.Generator) -> Wave:
    time = _time(n)
    bend = 0.006 * np.sin(2 * np.pi * 5.8 * time) * np.minimum(1, time * 3)
    wave = np.sin(2 * np.pi * f * np.cumsum(1 + bend) / SAMPLE_RATE)
    return wave.astype(np.float32) * _envelope(n, 0.05, 1, 1, 0.08)


def _saw_lead(f: float, n: int, rng: np.random.Generator) -> Wave:
    wave = _saw(f, n) + 0.7 * _saw(f * 1.006, n, 0.3)
    return _swept_low_pass(wave, 7000, 2500, 0.2, 1.1) * _envelope(n, 0.004, 0.4, 0.7, 0.04)


def _supersaw(f: float, n: int, rng: np.random.Generator) -> Wave:
    detunes = (-0.011, -0.006, 0.0, 0.006, 0.0105)
    wave = sum((_saw(f * (1 + d), n, float(rng.random())) for d in detunes), np.zeros(n))
    return np.asarray(0.35 * wave * _envelope(n, 0.006, 0.5, 0.8, 0.06), np.float32)


def _pluck(f: float, n: int, rng: np.random.Generator) -> Wave:
    wave = _saw(f, n) + 0.5 * _pulse(f * 2, n, 0.5)
    return _swept_low_pass(wave, 9000, 500, 0.09, 1.3) * _envelope(n, 0.001, 0.16, 0.05, 0.03)


def _acid(f: float, n: int, rng: np.random.Generator) -> Wave:
    start = float(rng.uniform(1200, 4500))
    return _swept_low_pass(_saw(f, n), start, 250, 0.09, 6.0) * _envelope(n, 0.002, 0.25, 0.4, 0.02)


def _reese(f: float, n: int, rng: np.random.Generator) -> Wave:
    wave = _saw(f, n) + _saw(f * 1.012, n, 0.4) + _saw(f * 0.991, n, 0.7)
    return _swept_low_pass(wave, 1400, 700, 0.5, 1.0) * _envelope(n, 0.005, 1, 0.9, 0.03)


def _sub(f: float, n: int, rng: np.random.Generator) -> Wave:
    wave = np.sin(2 * np.pi * f * _time(n)) + 0.2 * np.sin(4 * np.pi * f * _time(n))
    return np.asarray(wave.astype(np.float32) * _envelope(n, 0.004, 1, 0.9, 0.03))


def _bass_808(f: float, n: int, rng: np.random.Generator) -> Wave:
    time = _time(n)
    pitch = f * (1 + 1.5 * np.exp(-time / 0.02))
    wave = np.tanh(1.8 * np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE))
    return wave.astype(np.float32) * _envelope(n, 0.001, 0.9, 0.05, 0.04)


def _partials(
    f: float, n: int, ratios: tuple[float, ...], levels: tuple[float, ...], decay: float
) -> Wave:
    """Struck metal: partials that die sooner the higher they are."""
    time = _time(n)
    wave = np.zeros(n, np.float32)
    for ratio, level in zip(ratios, levels, strict=True):
        if f * ratio < 18_000:
            tone = np.sin(2 * np.pi * f * ratio * time) * np.exp(-time * ratio**0.7 / decay)
            wave += (level * tone).astype(np.float32)
    return wave * np.asarray(np.minimum(1, time / 0.002), np.float32)


def _fm_bell(f: float, n: int, rng: np.random.Generator) -> Wave:
    time = _time(n)
    index = 3 * np.exp(-time / 0.3)
    wave = np.sin(2 * np.pi * f * time + index * np.sin(2 * np.pi * 3.51 * f * time))
    return np.asarray((wave * np.exp(-time / 0.5)).astype(np.float32))


def _metal(f: float, n: int, rng: np.random.Generator) -> Wave:
    beat = f * 1.012  # paired bronze keys are tuned apart so that they shimmer
    ratios, levels = (1.0, 2.76, 5.4, 8.9), (1.0, 0.5, 0.25, 0.1)
    return _partials(f, n, ratios, levels, 0.8) + 0.7 * _partials(beat, n, ratios, levels, 0.8)


def _church_bell(f: float, n: int, rng: np.random.Generator) -> Wave:
    # hum, prime, minor third, fifth, nominal and above: the tuning of a minor-third bell
    ratios = (0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.4)
    return _partials(f, n, ratios, (0.5, 0.7, 0.8, 0.4, 1.0, 0.4, 0.5, 0.35, 0.2), 2.2)


def _drone(f: float, n: int, rng: np.random.Generator) -> Wave:
    time = _time(n)
    wave = np.zeros(n, np.float32)
    for harmonic in range(1, 14):
        sway = 1 + 0.6 * np.sin(2 * np.pi * time * rng.integers(1, 4) / 5.12 + rng.random() * 6.3)
        detune = 1 + float(rng.normal(0, 0.002))
        tone = np.sin(2 * np.pi * f * harmonic * detune * time + rng.random() * 6.3)
        wave += (sway * tone / harmonic).astype(np.float32)
    return wave * _envelope(n, 0.1, 1, 1, 0.1)


def _tanpura(f: float, n: int, rng: np.random.Generator) -> Wave:
    wave = np.zeros(n, np.float32)
    stroke = n // 4 or n
    for index in range(4):
        pitch = f * (1.0, 1.0, 1.0, 0.5)[index]
        time = _time(n - index * stroke)
        for harmonic in range(1, 16):
            # the bridge makes each harmonic bloom later than the one below
            bloom = np.exp(-((time - 0.05 * harmonic) ** 2) / 0.6)
            tone = bloom * np.sin(2 * np.pi * pitch * harmonic * time)
            wave[index * stroke :] += (tone / harmonic**0.6).astype(np.float32)
    return wave * _envelope(n, 0.01, 1, 1, 0.05)


VOICES: dict[str, Voice] = {
    "square": _square,
    "pulse": _thin_pulse,
    "triangle": _triangle,
    "sine": _sine,
    "saw": _saw_lead,
    "supersaw": _supersaw,
    "pluck": _pluck,
    "acid": _acid,
    "reese": _reese,
    "sub": _sub,
    "808": _bass_808,
    "fm bell": _fm_bell,
    "metal": _metal,
    "church bell": _church_bell,
    "drone": _drone,
    "tanpura": _tanpura,
    "speech": speech.say,
}
RINGS = {"808": 0.9, "fm bell": 1.5, "metal": 2.0, "church bell": 4.5, "pluck": 0.15}
"""Seconds that a voice rings on after its note ends; others stop with the note."""


def _noise(n: int, rng: np.random.Generator) -> Wave:
    return rng.standard_normal(n, dtype=np.float32)


def _hit(pitch: int, flavour: str, rng: np.random.Generator) -> Wave:
    """One hit of a synthesised kit, chosen by the General MIDI drum number."""
    if flavour == "tabla":
        return _tabla_hit(pitch)
    if flavour == "chip":
        length, hold = {36: (0.09, 24), 38: (0.1, 6)}.get(pitch, (0.03, 2))
        n = int(length * SAMPLE_RATE)
        held = np.repeat(np.sign(_noise(n // hold + 1, rng)), hold)[:n]
        return np.asarray(held * np.linspace(1, 0, n) ** 2, np.float32)
    if pitch in (36, 43, 47, 50):
        base, sweep, length = (50, 4.0, 0.4) if pitch == 36 else (40 + 2.2 * pitch, 0.6, 0.35)
        time = _time(int(length * SAMPLE_RATE))
        tone = np.sin(
            2 * np.pi * np.cumsum(base * (1 + sweep * np.exp(-time / 0.025))) / SAMPLE_RATE
        )
        click = 0.1 * np.exp(-time / 0.002)
        return np.asarray(tone * np.exp(-time / 0.13) + click, np.float32)
    if pitch in (38, 39, 37):
        time = _time(int(0.25 * SAMPLE_RATE))
        body = np.sin(2 * np.pi * 185 * time) * np.exp(-time / 0.05) * (pitch == 38)
        bursts = np.exp(-(time % 0.011) / 0.006) if pitch == 39 else 1.0
        crack = _noise(len(time), rng) * np.exp(-time / (0.02 if pitch == 37 else 0.07)) * bursts
        return np.asarray((0.5 * body + 0.5 * crack).astype(np.float32))
    decay = {46: 0.14, 49: 0.5, 51: 0.3, 82: 0.04}.get(pitch, 0.03)
    time = _time(int(min(1.0, decay * 5) * SAMPLE_RATE))
    hiss = np.diff(_noise(len(time) + 2, rng), 2)  # two differences: a steep high pass
    return np.asarray((0.25 * hiss * np.exp(-time / decay)).astype(np.float32))


def _tabla_hit(pitch: int) -> Wave:
    time = _time(int(0.5 * SAMPLE_RATE))
    if pitch == 36:  # the left hand: a bass stroke that bends upwards
        glide = 85 * (1 + 0.35 * (1 - np.exp(-time / 0.12)))
        tone = np.sin(2 * np.pi * np.cumsum(glide) / SAMPLE_RATE)
        return np.asarray(tone * np.exp(-time / 0.22), np.float32)
    tones = sum(
        np.sin(2 * np.pi * 310 * k * time) / k * np.exp(-time * k / 0.16) for k in (1, 2, 3)
    )
    return np.asarray(0.6 * tones, np.float32)


def play(part: Part, beats: int, rng: np.random.Generator) -> Wave:
    """Render a part of a synthesised instrument into a loop of shape (225,792,), not normalised."""
    voice = INSTRUMENTS[part.instrument].synth
    if voice is None:
        raise ValueError(f"“{part.instrument}” is played by a soundfont, not by synthesis.")
    loop = np.zeros(LOOP_SAMPLES, np.float32)
    for note in part.notes:
        start = round(note.start / beats * LOOP_SAMPLES)
        level = (note.velocity / 127) ** 1.4
        if voice.startswith("kit:"):
            sound = _hit(note.pitch, voice.removeprefix("kit:"), rng)
        else:
            seconds = note.length * 5.12 / beats + RINGS.get(voice, 0.0)
            frequency = 440 * 2 ** ((note.pitch - 69) / 12)
            sound = VOICES[voice](frequency, max(64, int(seconds * SAMPLE_RATE)), rng)
            fade = min(len(sound), 441)
            sound[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
        add_wrapped(loop, start, np.float32(level) * sound)
    return loop
