from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.resampling import resample_periodic


@given(
    length=st.integers(8, 400),
    samples=st.integers(8, 900),
    cycles=st.integers(0, 3),
    phase=st.floats(0, 6.28),
)
@settings(max_examples=100, deadline=None)
def test_a_slow_sine_becomes_the_same_sine(
    length: int, samples: int, cycles: int, phase: float
) -> None:
    def sine(count: int) -> np.ndarray:
        turns = cycles * np.arange(count) / count
        return np.cos(2 * np.pi * turns + phase).astype(np.float32)

    np.testing.assert_allclose(resample_periodic(sine(length), samples), sine(samples), atol=2e-5)


@given(length=st.integers(4, 300), factor=st.integers(2, 5), seed=st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_up_and_down_again_changes_nothing_below_half_the_rate(
    length: int, factor: int, seed: int
) -> None:
    signal = np.random.default_rng(seed).standard_normal((2, length)).astype(np.float32)
    if length % 2 == 0:
        # What lies exactly at half the rate has no phase to keep.
        signal -= (
            signal @ (-1.0) ** np.arange(length)[:, None] / length * (-1.0) ** np.arange(length)
        )
    there = resample_periodic(signal.astype(np.float32), length * factor)
    np.testing.assert_allclose(resample_periodic(there, length), signal, atol=2e-5)
    np.testing.assert_allclose(there[:, ::factor], signal, atol=2e-5)
