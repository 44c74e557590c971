from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.loudness import integrated_loudness, limit, master, true_peak
from tests.generation.sounds import Waveform, loop

CEILING = 10 ** (-1 / 20)


def loudness_by_the_book(waveform: Waveform) -> float:
    """BS.1770-4 at 48 kHz, with the filter coefficients printed in its tables 1 and 2."""
    shelf = (
        [1.53512485958697, -2.69169618940638, 1.19839281085285],
        [1, -1.69065929318241, 0.73248077421585],
    )
    highpass = ([1.0, -2.0, 1.0], [1, -1.99004745483398, 0.99007225036621])
    weighted = scipy.signal.lfilter(
        *highpass, scipy.signal.lfilter(*shelf, waveform, axis=1), axis=1
    )
    block, step = 19200, 4800
    starts = range(0, weighted.shape[1] - block + 1, step)
    power = np.array([np.mean(weighted[:, s : s + block] ** 2, axis=1).sum() for s in starts])
    level = -0.691 + 10 * np.log10(power + 1e-20)
    loud = power[level > -70]
    relative = -0.691 + 10 * np.log10(loud.mean()) - 10
    return float(-0.691 + 10 * np.log10(power[(level > -70) & (level > relative)].mean()))


@pytest.mark.parametrize("channels", [1, 2])
def test_loudness_agrees_with_the_standard(channels: int) -> None:
    waveform = np.concatenate([loop(channels=channels), 0.05 * loop(channels=channels)], axis=1)
    ours = integrated_loudness(waveform, 48000, loop=False)
    assert ours == pytest.approx(loudness_by_the_book(waveform), abs=0.1)


def test_a_full_scale_tone_reads_as_the_standard_says() -> None:
    tone = np.sin(2 * np.pi * 997 * np.arange(480_000) / 48000)[None].astype(np.float32)
    assert integrated_loudness(tone, 48000, loop=False) == pytest.approx(-3.01, abs=0.05)


def test_a_loop_is_measured_as_it_repeats() -> None:
    short = loop(8820)
    repeated = np.tile(short, (1, 40))
    assert integrated_loudness(short, 44100) == pytest.approx(
        integrated_loudness(repeated, 44100, loop=False), abs=0.2
    )


def test_true_peak_sees_between_the_samples() -> None:
    # A tone at a quarter of the rate, sampled 45 degrees off its peaks: 3 dB hide in between.
    tone = np.sin(np.pi / 2 * np.arange(4000) + np.pi / 4)[None].astype(np.float32)
    assert np.abs(tone).max() == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert true_peak(tone) == pytest.approx(1.0, abs=1e-3)


@given(
    seed=st.integers(0, 2**31),
    gain=st.floats(1e-3, 300.0),
    samples=st.integers(2000, 60_000),
    channels=st.integers(1, 2),
    as_loop=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_mastered_sound_never_clips(
    seed: int, gain: float, samples: int, channels: int, as_loop: bool
) -> None:
    waveform = np.float32(gain) * loop(samples, channels, seed)
    result = master(waveform, 44100, loop=as_loop)
    assert result.shape == waveform.shape
    assert result.dtype == np.float32
    assert true_peak(result) <= CEILING * 1.0001
    assert np.abs(result).max() <= CEILING * 1.0001
    assert integrated_loudness(result, 44100, loop=as_loop) <= -13.9


@pytest.mark.parametrize("gain", [0.02, 1.0, 50.0])
def test_clips_come_out_at_one_loudness(gain: float) -> None:
    result = master(np.float32(gain) * loop(), 44100)
    assert integrated_loudness(result, 44100) == pytest.approx(-14.0, abs=0.1)


def test_a_spiky_clip_is_limited_only_so_far() -> None:
    spikes = np.zeros((1, 88_200), np.float32)
    spikes[0, ::11_025] = 1.0
    result = master(spikes, 44100)
    assert true_peak(result) <= CEILING * 1.0001
    assert integrated_loudness(result, 44100) < -20.0


def test_a_plain_gain_leaves_the_shape_alone() -> None:
    waveform = loop()
    result = master(waveform, 44100, max_limiting_db=0.0)
    ratio = float(np.sqrt(np.mean(result**2) / np.mean(waveform**2)))
    np.testing.assert_allclose(result, ratio * waveform, atol=1e-4)


def test_limiting_a_loop_does_not_depend_on_where_it_begins() -> None:
    waveform = 4 * loop(44_100)
    limited = limit(waveform, 44100, 0.3)
    turned = limit(np.roll(waveform, 12_345, axis=1), 44100, 0.3)
    np.testing.assert_allclose(np.roll(limited, 12_345, axis=1), turned, atol=1e-4)
    assert true_peak(limited) <= 0.3001


def test_silence_stays_silent() -> None:
    assert (master(np.zeros((2, 5000), np.float32), 44100) == 0).all()
    hiss = np.full((1, 50_000), 1e-7, np.float32)
    assert np.isfinite(master(hiss, 44100)).all()
