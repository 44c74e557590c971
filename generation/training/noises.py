"""Textures in numpy: rain, birds, vinyl. Each returns one seamless loop of shape (225,792,)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from generation.training.waves import (
    LOOP_SAMPLES,
    SAMPLE_RATE,
    Wave,
    add_wrapped,
    band_pass,
    high_pass,
    loudness,
    low_pass,
)

Generator = np.random.Generator


def _white(rng: Generator) -> Wave:
    return rng.standard_normal(LOOP_SAMPLES, dtype=np.float32)


def _silence() -> Wave:
    return np.zeros(LOOP_SAMPLES, np.float32)


def _slow(rng: Generator, fastest: int) -> Wave:
    """A wandering curve 0..1 that is periodic in the loop, of at most `fastest` cycles."""
    turns = 2 * np.pi * np.arange(LOOP_SAMPLES) / LOOP_SAMPLES
    curve = np.zeros(LOOP_SAMPLES)
    for cycles in range(1, fastest + 1):
        curve += rng.normal() / cycles * np.sin(cycles * turns + rng.uniform(0, 6.3))
    low, high = curve.min(), curve.max()
    return np.asarray(((curve - low) / (high - low + 1e-9)).astype(np.float32))


def _time(seconds: float) -> Wave:
    return np.arange(int(seconds * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE


def _scatter(rng: Generator, count: int, make: Callable[[], Wave]) -> Wave:
    loop = _silence()
    for start in rng.integers(LOOP_SAMPLES, size=count):
        add_wrapped(loop, int(start), make())
    return loop


def vinyl(rng: Generator) -> Wave:
    """Crackle and a little hiss."""
    pops = _silence()
    places = rng.integers(LOOP_SAMPLES, size=int(rng.integers(60, 260)))
    pops[places] = rng.normal(0, 1, len(places)) * rng.exponential(1, len(places))
    return band_pass(pops, 800, 9000) * 3 + 0.004 * low_pass(_white(rng), 6000)


def rain(rng: Generator) -> Wave:
    """Steady hiss with single drops."""
    bed = band_pass(_white(rng), float(rng.uniform(300, 1500)), float(rng.uniform(5000, 10000)))
    bed *= 0.8 + 0.2 * _slow(rng, 6)
    time = _time(0.02)

    def drop() -> Wave:
        pitch = rng.uniform(1500, 7000)
        sound = np.sin(2 * np.pi * pitch * time) * np.exp(-time / 0.004) * rng.exponential(1.5)
        return np.asarray(sound, np.float32)

    return bed + _scatter(rng, int(rng.integers(50, 400)), drop)


def typing(rng: Generator) -> Wave:
    """Bursts of key clicks."""
    loop = _silence()
    at = 0.0
    base = rng.uniform(1500, 3500)
    while at < 5.0:
        time = _time(0.06)
        tone = np.sin(2 * np.pi * base * rng.uniform(0.8, 1.2) * time) * np.exp(-time / 0.006)
        click = rng.standard_normal(len(time)) * np.exp(-time / 0.008)
        thud = np.sin(2 * np.pi * 180 * time) * np.exp(-time / 0.02)
        sound = (tone + 0.8 * click + 0.7 * thud) * rng.uniform(0.5, 1)
        add_wrapped(loop, int(at * SAMPLE_RATE), sound.astype(np.float32))
        at += rng.uniform(0.07, 0.2) if rng.random() < 0.85 else rng.uniform(0.3, 0.6)
    return loop


def bird_calls(rng: Generator) -> Wave:
    """Two or three birds, each repeating its own phrase of chirps."""
    loop = _silence()
    for _ in range(int(rng.integers(2, 4))):
        high, low = rng.uniform(4000, 7500), rng.uniform(2000, 3800)
        length = rng.uniform(0.05, 0.15)
        wiggle = rng.uniform(0, 60)
        notes = int(rng.integers(2, 7))
        for start in rng.uniform(0, 5.12, int(rng.integers(2, 5))):
            for index in range(notes):
                time = _time(length)
                glide = high + (low - high) * (time / length) + 400 * np.sin(6.28 * wiggle * time)
                tone = np.sin(2 * np.pi * np.cumsum(glide) / SAMPLE_RATE) * np.hanning(len(time))
                at = int((start + index * length * 1.5) * SAMPLE_RATE)
                add_wrapped(loop, at, tone.astype(np.float32))
    return loop + 0.01 * low_pass(_white(rng), 2000)


def water_drops(rng: Generator) -> Wave:
    """Bubbles that rise in pitch, in a cave."""

    def drop() -> Wave:
        time = _time(0.25)
        pitch = rng.uniform(500, 1800) * (1 + time * rng.uniform(2, 8))
        tone = np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE) * np.exp(-time / 0.05)
        return np.asarray(tone * rng.uniform(0.4, 1), np.float32)

    dry = _scatter(rng, int(rng.integers(5, 18)), drop)
    echo = dry.copy()
    for k in range(1, 6):
        echo += 0.45**k * np.roll(dry, k * 9000)
    return echo


def alarm_clock(rng: Generator) -> Wave:
    """Groups of beeps, or a ringing bell."""
    loop = _silence()
    turns = np.arange(LOOP_SAMPLES) / SAMPLE_RATE
    pitch = float(rng.choice([1000, 1500, 2048, 2500, 3000]))
    if rng.random() < 0.3:  # a hammer between two bells
        hammer = np.exp(-(turns % 0.064) / 0.03)
        tones = np.sin(2 * np.pi * pitch * turns) + np.sin(2 * np.pi * pitch * 1.52 * turns)
        return np.asarray((hammer * tones * ((turns % 2.56) < 1.9)).astype(np.float32))
    beeps = int(rng.choice([1, 2, 4]))
    period = float(rng.choice([0.64, 1.28]))
    inside = turns % period
    on = (inside < beeps * 0.128) & ((inside % 0.128) < 0.08)
    return loop + (np.sign(np.sin(2 * np.pi * pitch * turns)) * on).astype(np.float32)


def applause(rng: Generator) -> Wave:
    """Hundreds of hands, sometimes with cheering."""

    def clap() -> Wave:
        time = _time(0.03)
        centre = rng.uniform(700, 2500)
        tone = np.sin(2 * np.pi * centre * time + 2 * rng.standard_normal(len(time)))
        return np.asarray((tone * np.exp(-time / 0.006) * rng.exponential(1)).astype(np.float32))

    loop = _scatter(rng, int(rng.integers(500, 1500)), clap)
    if rng.random() < 0.4:
        cheer = band_pass(_white(rng), 700, 2200) * _slow(rng, 5)
        loop += 0.5 * loudness(loop) / (loudness(cheer) + 1e-9) * cheer
    return loop


def waves(rng: Generator) -> Wave:
    """Surf: noise that swells once or twice."""
    swell = _slow(rng, 2) ** 2
    deep = low_pass(_white(rng), 500) * 3
    return deep * (0.3 + swell) + high_pass(_white(rng), 1500) * swell**2 * 0.6


def wind(rng: Generator) -> Wave:
    """Noise through a wandering whistle."""
    noise = _white(rng)
    where = _slow(rng, 5)
    bands = [band_pass(noise, c * 0.85, c * 1.15) / c**-0.3 for c in (250, 400, 650, 1000)]
    mix = _silence()
    for index, band in enumerate(bands):
        mix += band * np.exp(-((where * 3 - index) ** 2) * 2)
    return mix + 0.2 * low_pass(noise, 300)


def scratch(rng: Generator) -> Wave:
    """A record pushed to and fro: noise and tone of a swinging pitch, in short bursts."""
    loop = _silence()
    for start in rng.integers(16, size=int(rng.integers(3, 7))):
        time = _time(0.22)
        speed = np.abs(np.sin(2 * np.pi * rng.uniform(3, 7) * time))
        phase = np.cumsum(speed) / SAMPLE_RATE * rng.uniform(500, 1100) * 2 * np.pi
        sound = np.sign(np.sin(phase)) * speed + 0.5 * rng.standard_normal(len(time)) * speed
        add_wrapped(loop, int(start) * LOOP_SAMPLES // 16, sound.astype(np.float32))
    return band_pass(loop, 400, 7000)


NOISES: dict[str, Callable[[Generator], Wave]] = {
    "vinyl": vinyl,
    "rain": rain,
    "typing": typing,
    "bird calls": bird_calls,
    "water drops": water_drops,
    "alarm clock": alarm_clock,
    "applause": applause,
    "waves": waves,
    "wind": wind,
    "scratch": scratch,
}


def make_noise(name: str, rng: Generator) -> Wave:
    """Make the texture `name` at a loudness of 0.1."""
    sound = NOISES[name](rng)
    return np.asarray(sound * (0.1 / (loudness(sound) + 1e-9)), np.float32)
