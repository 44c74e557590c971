"""Cutting, repeating and joining sound in musical time.

Waveforms have shape `(channels, samples)`, float32. Beats are counted from the first sample.
"""

from __future__ import annotations

import numpy as np

from generation.errors import BadRequestError
from generation.mel import FloatArray

SLOWEST_BPM, FASTEST_BPM = 20.0, 400.0


def samples_per_beat(bpm: float, sample_rate: int) -> float:
    """Length of a beat in samples; not a whole number in general.

    Raises:
        BadRequestError: a tempo that nobody could tap.
    """
    if not SLOWEST_BPM <= bpm <= FASTEST_BPM:
        raise BadRequestError(
            f"{bpm:g} beats per minute is not a tempo I can keep; choose "
            f"{SLOWEST_BPM:g} to {FASTEST_BPM:g}."
        )
    return sample_rate * 60.0 / bpm


def tempo_samples(beats: int, bpm: float, sample_rate: int) -> int:
    """Length of a loop of `beats` beats, to the nearest sample.

    Give this to `generation.inversion.waveform_from_image` as `samples`: the picture then lasts
    exactly that long, at the pitch at which it was drawn.
    """
    if beats < 1:
        raise BadRequestError("A loop needs at least one beat.")
    return round(beats * samples_per_beat(bpm, sample_rate))


def beats_that_fit(seconds: float, bpm: float, *, beats_per_bar: int = 4) -> int:
    """How many beats to count into a clip of about `seconds` so that it is stretched least.

    Whole bars if at least one fits, else single beats; at least one.
    """
    beats = seconds / samples_per_beat(bpm, 1)
    if beats >= beats_per_bar * 0.75:
        return max(1, round(beats / beats_per_bar)) * beats_per_bar
    return max(1, round(beats))


def repeat(waveform: FloatArray, times: int) -> FloatArray:
    """The loop, `times` times in a row."""
    if times < 1:
        raise BadRequestError("A loop must be played at least once.")
    return np.tile(waveform, (1, times))


def fade(
    waveform: FloatArray, sample_rate: int, *, fade_in: float = 0.0, fade_out: float = 0.0
) -> FloatArray:
    """Fade in and out with half a cosine wave.

    Args:
        waveform: the sound.
        sample_rate: in Hz.
        fade_in, fade_out: durations in seconds; cut to the length of the sound.
    """
    result = waveform.copy()
    length = waveform.shape[1]
    rising = min(length, max(0, round(fade_in * sample_rate)))
    falling = min(length, max(0, round(fade_out * sample_rate)))
    if rising:
        result[:, :rising] *= _rise(rising) ** 2
    if falling:
        result[:, length - falling :] *= _rise(falling)[::-1] ** 2
    return result


def _rise(samples: int) -> FloatArray:
    """A quarter of a sine wave from 0 to 1, whose mirror image completes it to equal power."""
    return np.sin(0.5 * np.pi * (np.arange(samples) + 0.5) / samples).astype(np.float32)


def crossfade(first: FloatArray, second: FloatArray, overlap: int) -> FloatArray:
    """Join two sounds; the last `overlap` samples of one sound together with the next.

    Equal power: loudness stays level while two unrelated sounds change places.
    """
    _check_same_channels(first, second)
    overlap = min(overlap, first.shape[1], second.shape[1])
    if overlap <= 0:
        return np.concatenate([first, second], axis=1)
    rise = _rise(overlap)
    mixed = first[:, -overlap:] * rise[::-1] + second[:, :overlap] * rise
    return np.concatenate([first[:, :-overlap], mixed, second[:, overlap:]], axis=1)


def crossfade_on_beats(
    first: FloatArray, second: FloatArray, sample_rate: int, bpm: float, *, beats: int = 4
) -> FloatArray:
    """Join two clips of the same tempo so that the beat goes on.

    The second clip starts on a beat of the first, at most `beats` beats before its end; they
    fade into each other over what they share.
    """
    _check_same_channels(first, second)
    beat = samples_per_beat(bpm, sample_rate)
    whole = int(first.shape[1] / beat + 1e-6)
    entry = round(max(0, whole - max(0, beats)) * beat)
    overlap = min(round(beats * beat), first.shape[1] - entry, second.shape[1])
    return crossfade(first[:, : entry + overlap], second, overlap)


def trim_to_bars(
    waveform: FloatArray, sample_rate: int, bpm: float, *, beats_per_bar: int = 4
) -> FloatArray:
    """Cut the end off so that a whole number of bars remains.

    Raises:
        BadRequestError: the sound is shorter than one bar.
    """
    bar = samples_per_beat(bpm, sample_rate) * beats_per_bar
    # A loop that was rounded to the nearest sample still holds its last bar.
    bars = int((waveform.shape[1] + 0.5) / bar)
    if bars < 1:
        raise BadRequestError(
            f"This sound is shorter than one bar at {bpm:g} beats per minute; choose a faster "
            "tempo or a longer sound."
        )
    return waveform[:, : round(bars * bar)]


def close_loop(waveform: FloatArray, overlap: int) -> FloatArray:
    """Make a loop of any sound: its last `overlap` samples fade into its first.

    The result is `overlap` samples shorter and its end runs smoothly into its start.
    """
    length = waveform.shape[1]
    overlap = max(0, min(overlap, length // 2))
    if overlap == 0:
        return waveform
    rise = _rise(overlap)
    result = waveform[:, : length - overlap].copy()
    result[:, :overlap] = result[:, :overlap] * rise + waveform[:, -overlap:] * rise[::-1]
    return result


def _check_same_channels(first: FloatArray, second: FloatArray) -> None:
    if first.shape[0] != second.shape[0]:
        raise BadRequestError("Mono and stereo clips cannot be joined; make both the same first.")
