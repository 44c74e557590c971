from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.errors import BadRequestError
from generation.loops import (
    beats_that_fit,
    close_loop,
    crossfade,
    crossfade_on_beats,
    fade,
    repeat,
    samples_per_beat,
    tempo_samples,
    trim_to_bars,
)
from tests.generation.sounds import loop

tempos = st.floats(20.0, 400.0)


@given(beats=st.integers(1, 64), bpm=tempos)
def test_a_tempo_gives_the_length_of_its_beats(beats: int, bpm: float) -> None:
    assert abs(tempo_samples(beats, bpm, 44100) - beats * 60 / bpm * 44100) <= 0.5


@given(seconds=st.floats(0.1, 60.0), bpm=tempos)
def test_the_beats_that_fit_stretch_little(seconds: float, bpm: float) -> None:
    beats = beats_that_fit(seconds, bpm)
    exact = seconds * bpm / 60
    assert beats >= 1
    if exact >= 3:
        assert beats % 4 == 0
        assert abs(beats - exact) <= 2.0


def test_the_tempo_of_the_default_loop() -> None:
    assert beats_that_fit(5.12, 93.75) == 8
    assert tempo_samples(8, 93.75, 44100) == 225_792


@pytest.mark.parametrize("bpm", [0.0, -5.0, 19.9, 1000.0, float("nan"), float("inf")])
def test_impossible_tempos_are_refused(bpm: float) -> None:
    with pytest.raises(BadRequestError, match="beats per minute"):
        samples_per_beat(bpm, 44100)


def test_repeating() -> None:
    waveform = loop(1000, 2)
    assert np.array_equal(repeat(waveform, 3)[:, 1000:2000], waveform)
    with pytest.raises(BadRequestError):
        repeat(waveform, 0)


@given(
    samples=st.integers(1, 2000),
    rise=st.floats(0.0, 0.1),
    fall=st.floats(0.0, 0.1),
)
@settings(deadline=None)
def test_fades_rise_and_fall_steadily(samples: int, rise: float, fall: float) -> None:
    ones = np.ones((1, samples), np.float32)
    faded = fade(ones, 44100, fade_in=rise, fade_out=fall)[0]
    assert (ones == 1.0).all(), "the input is left alone"
    assert (faded >= 0).all() and (faded <= 1).all()
    if round(rise * 44100) + round(fall * 44100) < samples:
        up, down = round(rise * 44100), samples - round(fall * 44100)
        assert (np.diff(faded[:up]) > -1e-6).all()
        assert (faded[up:down] == 1.0).all()
        assert (np.diff(faded[down:]) < 1e-6).all()


@given(first=st.integers(1, 3000), second=st.integers(1, 3000), overlap=st.integers(0, 4000))
@settings(deadline=None)
def test_crossfading_joins_lengths(first: int, second: int, overlap: int) -> None:
    joined = crossfade(np.ones((2, first), np.float32), np.ones((2, second), np.float32), overlap)
    assert joined.shape == (2, first + second - min(overlap, first, second))


def test_crossfading_unrelated_sounds_keeps_their_power() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, 1, 200_000)).astype(np.float32)
    joined = crossfade(noise[0], noise[1], 150_000)[0]
    power = np.mean(joined[: len(joined) // 10 * 10].reshape(10, -1) ** 2, axis=1)
    np.testing.assert_allclose(power, 1.0, atol=0.05)


@given(bpm=st.floats(60, 200), beats=st.integers(0, 8), length=st.integers(4, 16))
@settings(max_examples=50, deadline=None)
def test_the_beat_goes_on_across_a_join(bpm: float, beats: int, length: int) -> None:
    samples = tempo_samples(length, bpm, 8000)
    clicks = np.zeros((1, samples), np.float32)
    for beat in range(length):
        clicks[0, round(beat * 8000 * 60 / bpm)] = 1.0
    joined = crossfade_on_beats(clicks, clicks, 8000, bpm, beats=beats)
    distance = np.diff(np.flatnonzero(joined[0] > 1e-3))
    distance = distance[distance > 2]  # beats that fall on one another to within a sample
    assert np.abs(distance - 8000 * 60 / bpm).max() <= 2


@given(bpm=tempos, samples=st.integers(1, 200_000))
@settings(deadline=None)
def test_trimming_leaves_whole_bars(bpm: float, samples: int) -> None:
    waveform = np.zeros((1, samples), np.float32)
    bar = 4 * 60 / bpm * 8000
    if samples + 0.5 < bar:
        with pytest.raises(BadRequestError, match="one bar"):
            trim_to_bars(waveform, 8000, bpm)
        return
    bars = trim_to_bars(waveform, 8000, bpm).shape[1] / bar
    assert abs(bars - round(bars)) * bar <= 1.0
    assert samples - bars * bar < bar + 1


def test_trimming_keeps_a_loop_that_was_rounded() -> None:
    samples = tempo_samples(8, 97.3, 44100)
    waveform = np.zeros((1, samples), np.float32)
    assert trim_to_bars(waveform, 44100, 97.3).shape[1] == samples


def test_closing_a_loop_removes_its_jump() -> None:
    ramp = np.linspace(-1.0, 1.0, 20_000, dtype=np.float32)[None]
    closed = close_loop(ramp, 2000)
    assert closed.shape == (1, 18_000)
    assert abs(closed[0, 0] - closed[0, -1]) < 0.002
    assert np.array_equal(close_loop(ramp, 0), ramp)


def test_mono_and_stereo_do_not_join() -> None:
    with pytest.raises(BadRequestError, match="Mono and stereo"):
        crossfade(loop(100), loop(100, 2), 10)
