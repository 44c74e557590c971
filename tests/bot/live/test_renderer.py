from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.live.grid import SAMPLE_RATE, Grid
from bot.live.renderer import pcm, render
from bot.live.safe_loop import safe_sound, safe_take
from bot.live.sounds import Sound, Sounds, gain_for, stretch
from bot.live.timeline import Segment, Take, Timeline
from generation.errors import MediaError
from generation.loudness import integrated_loudness
from generation.request import Clip
from tests.bot.live.house import tone

LOOP = 8820


def sine(hertz: float, samples: int = LOOP) -> Sound:
    rounds = round(hertz * samples / SAMPLE_RATE)
    turn = 2 * np.pi * rounds * np.arange(samples) / samples
    return np.asarray(np.rint(8000 * np.sin(turn)), dtype=np.int16)[None, :]


SOUNDS = {"a": sine(200), "b": sine(300), "c": sine(400, 5000)}


def sound_of(take: Take) -> Sound:
    return SOUNDS[take.id]


def segment(number: int, start: int, name: str, fade: int = 2205) -> Segment:
    samples = SOUNDS[name].shape[1]
    origin = 0 if samples == LOOP else start
    return Segment(number, start, fade, origin, Take(name, samples))


TIMELINE = Timeline(
    [segment(1, 0, "a", 1), segment(2, 20_000, "b"), segment(3, 40_000, "c"),
     segment(4, 60_000, "a")]
)  # fmt: skip


def heard(first: int, end: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return render(TIMELINE.window(first, end + 1), sound_of, first, end)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 80_000), min_size=1, max_size=8))
def test_it_is_the_same_in_whatever_pieces(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), 80_000]
    pieces = [heard(a, b) for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate(pieces, axis=1), heard(0, 80_000))


def test_loops_and_joins_have_no_click_and_no_hole() -> None:
    sound = heard(0, 80_000)[0]
    steps = np.abs(np.diff(sound))
    steepest = max(float(np.abs(np.diff(one[0] / 32768)).max()) for one in SOUNDS.values())
    assert steps.max() <= 1.5 * steepest
    loudness = np.sqrt(np.convolve(sound**2, np.ones(441) / 441, "valid"))
    assert loudness.min() > 0.5 * 8000 / 32768 * np.sqrt(0.5)


def test_two_that_are_alike_do_not_swell() -> None:
    alike = Timeline([segment(1, 0, "a", 1), segment(2, 10_000, "a")])
    [_, second] = list(alike)
    levelled = Segment(2, 10_000, 2205, 0, second.take, correlation=1.0)
    plain = render([next(iter(alike)), second], sound_of, 0, 20_000)
    level = render([next(iter(alike)), levelled], sound_of, 0, 20_000)
    assert np.abs(level).max() == pytest.approx(8000 / 32768, rel=1e-3)
    assert np.abs(plain).max() > 1.3 * 8000 / 32768


def test_sixteen_bits_are_cut_off_not_wrapped() -> None:
    loud = np.array([[2.0, -2.0, 0.5], [0.0, 1.0, -1.0]], dtype=np.float32)
    assert pcm(loud).tolist() == [[32767, 0], [-32768, 32767], [16384, -32768]]


@given(st.floats(60, 200), st.sampled_from([4, 8, 16]))
@settings(max_examples=10, deadline=None)
def test_the_safe_loop_has_no_seam_at_any_tempo(bpm: float, beats: int) -> None:
    grid = Grid(bpm, beats)
    sound = safe_sound(grid)[0].astype(int)
    assert len(sound) == grid.loop
    assert abs(sound[0] - sound[-1]) <= np.abs(np.diff(sound)).max()


def test_takes_are_brought_to_one_loudness(tmp_path: Path) -> None:
    sounds, grid = Sounds(tmp_path), Grid(120, 8)
    (tmp_path / "x.wav").write_bytes(tone(grid.loop, 440, 0.5))
    clip = Clip(0, {"wav": "x.wav"}, 4.0, SAMPLE_RATE, grid.loop, {"seed": "1"})
    take = sounds.take_of("job", clip, -16)
    for one in (take, safe_take(grid, tmp_path, -16)):
        loud = sounds.of(one).astype(np.float32) * np.float32(one.gain / 32768)
        assert integrated_loudness(loud, SAMPLE_RATE) == pytest.approx(-16, abs=0.5)
    assert gain_for(np.zeros((1, 100), dtype=np.int16), -16) == 1.0
    assert gain_for(np.full((1, grid.loop), 32767, dtype=np.int16), -1) <= 1.0


def test_files_that_are_gone_are_said_to_be(tmp_path: Path) -> None:
    take = Take("gone", 10, files={"wav": "gone.wav"})
    sounds = Sounds(tmp_path)
    assert not sounds.is_there(take)
    with pytest.raises(MediaError, match="not kept"):
        sounds.of(take)


def test_only_the_latest_sounds_are_kept(tmp_path: Path) -> None:
    sounds = Sounds(tmp_path, most=2)
    (tmp_path / "x.wav").write_bytes(tone(4410, 440))
    takes = [Take(str(number), 4410, files={"wav": "x.wav"}) for number in range(4)]
    for take in takes:
        sounds.of(take)
    assert [sounds.known(take) is not None for take in takes] == [False, False, True, True]


def test_a_loop_goes_round_from_its_origin() -> None:
    sound = np.arange(5, dtype=np.int16)[None, :]
    assert stretch(sound, 100, 98, 8)[0].tolist() == [3, 4, 0, 1, 2, 3, 4, 0]
