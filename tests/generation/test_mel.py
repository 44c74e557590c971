from __future__ import annotations

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.mel import hz_to_mel, mel_bands, mel_to_hz


@given(st.floats(0.0, 24000.0))
def test_the_scale_turns_back(hz: float) -> None:
    assert float(mel_to_hz(hz_to_mel(hz))) == pytest.approx(hz, abs=1e-6)


def test_the_scale_is_the_one_of_librosa() -> None:
    hz = np.linspace(0, 20000, 500)
    np.testing.assert_allclose(hz_to_mel(hz), librosa.hz_to_mel(hz, htk=True), rtol=1e-12)


@pytest.mark.parametrize(("low", "high"), [(0, 10000), (20, 20000)])
def test_the_filterbank_is_the_one_of_librosa(low: int, high: int) -> None:
    bands = mel_bands(512, low, high, 44100 / 17640, 8821)
    full = np.zeros((512, 8821))
    full[:, bands.first_bin : bands.first_bin + bands.bins] = bands.matrix.toarray()
    theirs = librosa.filters.mel(
        sr=44100,
        n_fft=17640,
        n_mels=512,
        fmin=low,
        fmax=high,
        htk=True,
        norm=None,
        dtype=np.float64,
    )
    np.testing.assert_allclose(full, theirs, atol=2e-6)
    np.testing.assert_allclose(bands.row_sums, theirs.sum(axis=1), rtol=1e-5)


@given(
    mel_bins=st.integers(16, 600),
    low=st.integers(0, 500),
    high=st.integers(2000, 20000),
    bin_hz=st.floats(1.0, 40.0),
)
def test_slopes_of_neighbours_add_up_to_one(
    mel_bins: int, low: int, high: int, bin_hz: float
) -> None:
    bands = mel_bands(mel_bins, low, high, bin_hz, int(22050 / bin_hz) + 1)
    weights = bands.matrix.toarray().sum(axis=0)
    between = (bands.lower >= 0) & (bands.lower < mel_bins - 1)
    np.testing.assert_allclose(weights[between], 1.0, atol=1e-5)
    assert (weights[~between] <= 1.0 + 1e-6).all()
    assert ((bands.rise >= 0) & (bands.rise <= 1)).all()
    assert (np.diff(bands.lower) >= 0).all()
