"""The inner loops of the inversion, compiled.

Arrays are time-major, `(frames, bins)`, because one frame is what fits the cache. Nothing here
runs in parallel or depends on the number of threads: the same input gives the same bytes.
Band values live in rows of `mel_bins + 2` slots, with band j in slot j + 1, so that bins below the
first and above the last centre need no special case. Bin i lies between slots `slot[i]` and
`slot[i] + 1`, and belongs to the latter by `rise[i]`; slot j begins with bin `edges[j]`. Both are
unsigned numbers, which spares a check for negative indices, and rows are cut out of contiguous
arrays before the inner loop: otherwise it is not vectorised, and three times slower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

F = TypeVar("F", bound=Callable[..., Any])
Array = npt.NDArray[Any]

BUCKETS = 512
"""Loudness classes of the phase integration; they take the place of a sorted heap."""

_SILENT = 1e-12


def compiled(function: F) -> F:
    """Compile a kernel once per machine.

    The machine code is kept beside this file, or under the user's cache folder where the
    installation is read-only. Where neither can be written it is compiled in every process: a
    shared temporary folder would let other users of the machine plant code there.
    """
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"contract", "reassoc", "nsz"},
    }
    try:
        return cast(F, njit(cache=True, **options)(function))
    except RuntimeError:
        return cast(F, njit(**options)(function))


@compiled
def _band_gains(
    magnitude: Array, target: Array, slot: Array, edges: Array, rise: Array, sums: Array
) -> None:
    """One multiplicative update of a frame: `magnitude ← magnitude · Fᵀ(target / F·magnitude)`."""
    up = np.float32(0.0)
    last = len(sums) - 1
    for j in range(last):
        above, below = np.float32(0.0), np.float32(0.0)
        for i in range(edges[j], edges[j + 1]):
            part = rise[i] * magnitude[i]
            above += part
            below += magnitude[i] - part
        sums[j] = up + below + np.float32(_SILENT)
        up = above
    for j in range(1, last):
        sums[j] = target[j] / sums[j]
    sums[0] = sums[1]
    sums[last] = sums[last - 1]
    one = np.uint32(1)
    for i in range(len(magnitude)):
        low = sums[slot[i]]
        magnitude[i] *= low + rise[i] * (sums[slot[i] + one] - low)


@compiled
def fit_magnitudes(
    target: Array,
    density: Array,
    slot: Array,
    edges: Array,
    rise: Array,
    updates: int,
    out: Array,
) -> None:
    """Spread mel values over FFT bins: multiplicative updates from an interpolated start.

    Args:
        target: `(frames, slots)`, the wanted band sums on this grid.
        density: `(frames, slots)`, the target divided by each band's row sum: where to start.
        slot, edges, rise: the bands.
        updates: how many times to apply `A ← A·Fᵀ(target / F·A)`.
        out: `(frames, bins)`, receives the magnitudes.
    """
    frames, bins = out.shape
    sums = np.empty(target.shape[1], np.float32)
    one = np.uint32(1)
    for t in range(frames):
        row = out[t]
        start = density[t]
        for i in range(bins):
            below = start[slot[i]]
            row[i] = below + rise[i] * (start[slot[i] + one] - below)
        for _ in range(updates):
            _band_gains(row, target[t], slot, edges, rise, sums)


@compiled
def _noise(seed: np.uint64, cell: int) -> float:
    """A uniform number in 0…1 for a cell: SplitMix64 of the cell's number (Steele et al. 2014)."""
    z = seed + np.uint64(cell) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return float(z >> np.uint64(40)) * (1.0 / 16777216.0)


@compiled
def _phase_steps(
    level: Array, advance: Array, per_bin: float, per_frame: float, circular: bool, steps: Array
) -> None:
    """How far the phase turns towards the next frame and the next bin, in whole turns.

    Source: Průša, Balazs, Søndergaard, *A Noniterative Method for Reconstruction of Phase from
    STFT Magnitude* (2017), equations 12 and 13, with centred differences.
    """
    frames, bins = level.shape
    for t in range(frames):
        before, after = t - 1, t + 1
        if circular:
            before, after = (t - 1) % frames, (t + 1) % frames
        else:
            before, after = max(before, 0), min(after, frames - 1)
        span = np.float32(0.5) if circular or (0 < t < frames - 1) else np.float32(1.0)
        for k in range(bins):
            low, high = max(k - 1, 0), min(k + 1, bins - 1)
            slope = (level[t, high] - level[t, low]) / np.float32(high - low)
            steps[t, k, 0] = np.float32(per_bin) * slope + advance[k]
            steps[t, k, 1] = -np.float32(per_frame) * span * (level[after, k] - level[before, k])


@compiled
def integrate_phase(
    level: Array,
    advance: Array,
    per_bin: float,
    per_frame: float,
    floor: float,
    circular: bool,
    seed: int,
    phase: Array,
) -> None:
    """Phase-gradient heap integration: follow the phase along ridges, the loudest first.

    Args:
        level: `(frames, bins)`, natural logarithm of the magnitudes.
        advance: `(bins,)`, turns that each bin's frequency makes in one hop.
        per_bin, per_frame: factors from the level's slope to phase steps, in turns.
        floor: cells below this level get a random phase.
        circular: the last frame is followed by the first.
        seed: of the random phases.
        phase: `(frames, bins)`, receives the phase in turns, for windows centred on time zero.

    A heap would visit the cells in exact order of loudness. Stacks of cells of nearly the same
    loudness do as well and are several times faster.
    """
    frames, bins = level.shape
    cells = frames * bins
    steps = np.empty((frames, bins, 2), np.float32)
    _phase_steps(level, advance, per_bin, per_frame, circular, steps)
    bucket = np.empty(cells, np.int16)
    count = np.zeros(BUCKETS + 1, np.int64)
    top = np.float32(-1e30)
    for t in range(frames):
        for k in range(bins):
            top = max(top, level[t, k])
    scale = np.float32((BUCKETS - 1) / max(float(top - floor), 1e-6))
    key = np.uint64(seed) * np.uint64(0xD1342543DE82EF95)
    for t in range(frames):
        for k in range(bins):
            cell = t * bins + k
            if level[t, k] <= floor:
                bucket[cell] = -1
                phase[t, k] = np.float32(_noise(key, cell))
            else:
                bucket[cell] = np.int16((level[t, k] - np.float32(floor)) * scale)
                count[bucket[cell]] += 1
    ordered = np.empty(cells, np.int32)
    place = np.empty(BUCKETS + 1, np.int64)
    position = 0
    for b in range(BUCKETS - 1, -1, -1):
        place[b] = position
        position += count[b]
    for cell in range(cells):
        if bucket[cell] >= 0:
            ordered[place[bucket[cell]]] = cell
            place[bucket[cell]] += 1
    _spread(ordered[:position], bucket, steps, circular, key, phase)


@compiled
def _spread(
    ordered: Array, bucket: Array, steps: Array, circular: bool, key: np.uint64, phase: Array
) -> None:
    """Visit the cells from each unvisited loudest one outwards; `bucket` becomes -1 when done."""
    frames, bins = phase.shape
    following = np.empty(frames * bins, np.int32)
    head = np.full(BUCKETS, -1, np.int32)
    half = np.float32(0.5)
    for start in ordered:
        if bucket[start] < 0:
            continue
        phase[start // bins, start % bins] = np.float32(_noise(key, start))
        loudest = int(bucket[start])
        bucket[start] = -1
        following[start] = -1
        head[loudest] = start
        while loudest >= 0:
            cell = head[loudest]
            if cell < 0:
                loudest -= 1
                continue
            head[loudest] = following[cell]
            t, k = cell // bins, cell % bins
            here = phase[t, k]
            for side in range(4):
                other_t, other_k = t, k
                if side == 0:
                    other_t = t + 1
                    if other_t == frames:
                        other_t = 0 if circular else -1
                elif side == 1:
                    other_t = t - 1
                    if other_t < 0 and circular:
                        other_t = frames - 1
                elif side == 2:
                    other_k = k + 1 if k + 1 < bins else -1
                else:
                    other_k = k - 1
                if other_t < 0 or other_k < 0:
                    continue
                other = other_t * bins + other_k
                level = int(bucket[other])
                if level < 0:
                    continue
                axis = 0 if side < 2 else 1
                turn = half * (steps[t, k, axis] + steps[other_t, other_k, axis])
                value = here + turn if side % 2 == 0 else here - turn
                phase[other_t, other_k] = value - np.floor(value)
                bucket[other] = -1
                following[other] = head[level]
                head[level] = other
                loudest = max(loudest, level)


@compiled
def overlap_add(frames: Array, window: Array, hop: int, begin: int, signal: Array) -> None:
    """Window frames and add them into a signal at `(begin + t)·hop`.

    Args:
        frames: `(count, at least len(window))`, real frames.
        window: the synthesis window, already divided by the overlapped squares.
        signal: one-dimensional, long enough for the last frame.
    """
    length = len(window)
    for t in range(frames.shape[0]):
        place = signal[(begin + t) * hop : (begin + t) * hop + length]
        frame = frames[t]
        for n in range(length):
            place[n] += frame[n] * window[n]


@compiled
def cut_frames(signal: Array, window: Array, hop: int, begin: int, frames: Array) -> None:
    """Cut windowed frames out of a signal: the counterpart of `overlap_add`.

    Beyond the window, `frames` must hold zeros already.
    """
    length = len(window)
    for t in range(frames.shape[0]):
        place = signal[(begin + t) * hop : (begin + t) * hop + length]
        frame = frames[t]
        for n in range(length):
            frame[n] = place[n] * window[n]


@compiled
def project_frames(
    spectrum: Array,
    previous: Array,
    target: Array,
    first: int,
    slot: Array,
    edges: Array,
    rise: Array,
    momentum: float,
    out: Array,
) -> None:
    """One step of fast Griffin-Lim with the magnitudes fitted to the mel picture.

    Keeps the magnitudes that the sound has, scaled per mel band to the picture, and the phase of
    `c = X + momentum·(X - previous)`. Complex numbers come as pairs of float32.

    Args:
        spectrum: `(frames, 2·fft_bins)`, X of the sound as it is.
        previous: `(frames, 2·bins)`, X of the step before; replaced by `spectrum`.
        target: `(frames, slots)`, the picture's band sums.
        first: the FFT bin where the bands begin.
        slot, edges, rise: the bands.
        momentum: 0.99 in Perraudin, Balazs, Søndergaard, *A Fast Griffin-Lim Algorithm* (2013).
        out: `(frames, 2·fft_bins)`, receives the new coefficients of the bands' bins.
    """
    bins = len(rise)
    magnitude = np.empty(bins, np.float32)
    sums = np.empty(target.shape[1], np.float32)
    alpha = np.float32(momentum)
    tiny = np.float32(1e-30)
    for t in range(spectrum.shape[0]):
        x = spectrum[t, 2 * first : 2 * (first + bins)]
        result = out[t, 2 * first : 2 * (first + bins)]
        before = previous[t]
        for i in range(bins):
            magnitude[i] = np.sqrt(x[2 * i] * x[2 * i] + x[2 * i + 1] * x[2 * i + 1])
        _band_gains(magnitude, target[t], slot, edges, rise, sums)
        for i in range(bins):
            real = x[2 * i] + alpha * (x[2 * i] - before[2 * i])
            imag = x[2 * i + 1] + alpha * (x[2 * i + 1] - before[2 * i + 1])
            scale = magnitude[i] / np.sqrt(real * real + imag * imag + tiny)
            result[2 * i] = real * scale
            result[2 * i + 1] = imag * scale
            before[2 * i] = x[2 * i]
            before[2 * i + 1] = x[2 * i + 1]
