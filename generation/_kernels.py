"""The inner loops of the inversion, compiled.

Arrays are time-major, `(frames, bins)`, because one frame is what fits the cache. Nothing here
runs in parallel or depends on the number of threads: the same input gives the same bytes.
Mel bands come as the two arrays of `generation.mel.MelBands` (`lower`, `rise`); band values live
in rows of `mel_bins + 2` slots, with band j in slot j + 1, so that bins below the first and above
the last centre need no special case.
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
    try:
        return cast(F, njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})(function))
    except RuntimeError:
        return cast(F, njit(nogil=True, fastmath={"contract", "reassoc"})(function))


@compiled
def fit_magnitudes(
    target: Array, density: Array, lower: Array, rise: Array, updates: int, out: Array
) -> None:
    """Spread mel values over FFT bins: multiplicative updates from an interpolated start.

    Args:
        target: `(frames, slots)`, the wanted band sums on this grid.
        density: `(frames, slots)`, the target divided by each band's row sum: where to start.
        lower, rise: the bands.
        updates: how many times to apply `A ← A·Fᵀ(target / F·A)`.
        out: `(frames, bins)`, receives the magnitudes.
    """
    frames, bins = out.shape
    slots = target.shape[1]
    sums = np.empty(slots, np.float32)
    for t in range(frames):
        for i in range(bins):
            slot = lower[i] + 1
            start = density[t, slot]
            out[t, i] = start + rise[i] * (density[t, slot + 1] - start)
        for _ in range(updates):
            sums[:] = np.float32(_SILENT)
            for i in range(bins):
                slot = lower[i] + 1
                up = rise[i] * out[t, i]
                sums[slot] += out[t, i] - up
                sums[slot + 1] += up
            for j in range(1, slots - 1):
                sums[j] = target[t, j] / sums[j]
            sums[0] = sums[1]
            sums[slots - 1] = sums[slots - 2]
            for i in range(bins):
                slot = lower[i] + 1
                out[t, i] *= sums[slot] + rise[i] * (sums[slot + 1] - sums[slot])


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
    for t in range(frames.shape[0]):
        offset = (begin + t) * hop
        for n in range(len(window)):
            signal[offset + n] += frames[t, n] * window[n]


@compiled
def cut_frames(signal: Array, window: Array, hop: int, begin: int, frames: Array) -> None:
    """Cut windowed frames out of a signal: the counterpart of `overlap_add`; pads with zeros."""
    for t in range(frames.shape[0]):
        offset = (begin + t) * hop
        for n in range(len(window)):
            frames[t, n] = signal[offset + n] * window[n]
        for n in range(len(window), frames.shape[1]):
            frames[t, n] = 0.0


@compiled
def project_frames(
    spectrum: Array,
    previous: Array,
    target: Array,
    first: int,
    lower: Array,
    rise: Array,
    momentum: float,
    out: Array,
) -> None:
    """One step of fast Griffin-Lim with the magnitudes fitted to the mel picture.

    Keeps the magnitudes that the sound has, scaled per mel band to the picture, and the phase of
    `c = X + momentum·(X - previous)`.

    Args:
        spectrum: `(frames, n_fft // 2 + 1)`, complex X of the sound as it is.
        previous: `(frames, bins)`, X of the step before; replaced by `spectrum`.
        target: `(frames, slots)`, the picture's band sums.
        first, lower, rise: the bands.
        momentum: 0.99 in Perraudin, Balazs, Søndergaard, *A Fast Griffin-Lim Algorithm* (2013).
        out: `(frames, n_fft // 2 + 1)`, receives the new coefficients of the bands' bins.
    """
    frames, bins = previous.shape
    slots = target.shape[1]
    magnitude = np.empty(bins, np.float32)
    gain = np.empty(bins, np.float32)
    sums = np.empty(slots, np.float32)
    alpha = np.float32(momentum)
    tiny = np.float32(_SILENT)
    for t in range(frames):
        for i in range(bins):
            x = spectrum[t, first + i]
            magnitude[i] = np.sqrt(x.real * x.real + x.imag * x.imag)
        sums[:] = tiny
        for i in range(bins):
            slot = lower[i] + 1
            up = rise[i] * magnitude[i]
            sums[slot] += magnitude[i] - up
            sums[slot + 1] += up
        for j in range(1, slots - 1):
            sums[j] = target[t, j] / sums[j]
        sums[0] = sums[1]
        sums[slots - 1] = sums[slots - 2]
        for i in range(bins):
            slot = lower[i] + 1
            gain[i] = magnitude[i] * (sums[slot] + rise[i] * (sums[slot + 1] - sums[slot]))
        for i in range(bins):
            x = spectrum[t, first + i]
            before = previous[t, i]
            real = x.real + alpha * (x.real - before.real)
            imag = x.imag + alpha * (x.imag - before.imag)
            scale = gain[i] / np.sqrt(real * real + imag * imag + np.float32(1e-30))
            out[t, first + i] = complex(real * scale, imag * scale)
            previous[t, i] = x
