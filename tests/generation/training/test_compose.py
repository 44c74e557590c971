"""Every style keeps the composer's promises."""

from __future__ import annotations

import numpy as np
import pytest

from generation.training.compose import STYLES, choose_style, compose, style
from generation.training.compose.instruments import INSTRUMENTS
from generation.training.compose.score import MAX_BEATS, MIN_BEATS
from generation.training.compose.theory import nearest_pitch, parse_chord, voice_chord
from generation.training.effects import EFFECTS
from generation.training.noises import NOISES

SEEDS = range(6)


@pytest.mark.parametrize("name", STYLES)
def test_pieces_are_whole_beats_in_range_and_repeatable(name: str) -> None:
    for seed in SEEDS:
        piece = compose(name, seed)
        assert MIN_BEATS <= piece.beats <= MAX_BEATS
        assert piece.parts or piece.textures
        assert piece == compose(name, seed)
        for part in piece.parts:
            assert part.instrument in INSTRUMENTS
            assert all(written.partition(":")[0] in EFFECTS for written in part.effects)
            for note in part.notes:
                assert 0 <= note.start < piece.beats
                assert 0 < note.length <= piece.beats
                assert 1 <= note.velocity <= 127
                assert 12 <= note.pitch <= 120
        assert all(texture in NOISES for texture, _ in piece.textures)


def test_the_repertoire_is_as_large_as_promised() -> None:
    used = {
        part.instrument
        for name in STYLES
        for seed in range(8)
        for part in compose(name, seed).parts
    }
    assert len(STYLES) >= 40
    assert len(used) + len(NOISES) >= 60


def test_seeds_vary_a_style_and_choose_among_styles() -> None:
    assert len({compose("lo-fi hip hop", seed).parts for seed in SEEDS}) == len(SEEDS)
    assert len({choose_style(seed) for seed in range(300)}) > len(STYLES) // 2


def test_beats_can_be_asked_for() -> None:
    assert all(compose("techno", 3, beats=count).beats == count for count in range(4, 17))


def test_a_style_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="two styles"):
        style("techno", beats=(8,))(lambda sketch: None)


@pytest.mark.parametrize(
    ("numeral", "classes"),
    [("I", {0, 4, 7}), ("ii7", {2, 5, 9, 0}), ("bVII", {10, 2, 5}), ("V7b9", {7, 11, 2, 5, 8}),
     ("im6", {0, 3, 7, 9}), ("#ivo7", {6, 9, 0, 3}), ("i5", {0, 7}), ("Imaj7", {0, 4, 7, 11})],
)  # fmt: skip
def test_roman_numerals_mean_their_notes(numeral: str, classes: set[int]) -> None:
    assert set(parse_chord(numeral, 0).pitch_classes) == classes
    shifted = set(parse_chord(numeral, 5).pitch_classes)
    assert shifted == {(one + 5) % 12 for one in classes}


@pytest.mark.parametrize("numeral", ["X", "Iq", "h7"])
def test_unknown_numerals_are_named(numeral: str) -> None:
    with pytest.raises(ValueError, match=numeral):
        parse_chord(numeral, 0)


def test_voicings_hold_every_tone_and_move_little() -> None:
    rng = np.random.default_rng(0)
    previous: tuple[int, ...] = ()
    for _ in range(200):
        numeral = str(rng.choice(["I", "ii7", "V7", "vi7", "IVmaj7", "bVII"]))
        chord = parse_chord(numeral, int(rng.integers(12)))
        voicing = voice_chord(chord, 62, previous)
        assert {pitch % 12 for pitch in voicing} == set(chord.pitch_classes)
        assert list(voicing) == sorted(set(voicing))
        assert abs(np.mean(voicing) - 62) < 9
        previous = voicing


def test_nearest_pitch_is_nearest() -> None:
    assert all(
        nearest_pitch(pc, target) % 12 == pc and abs(nearest_pitch(pc, target) - target) <= 6
        for pc in range(12)
        for target in range(30, 90)
    )
