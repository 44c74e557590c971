"""Sound is a ring: exact length, no clipping, the same from the same seed, nothing cut off."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from generation.training import synthesis
from generation.training.compose import Note, Part, Piece, compose
from generation.training.effects import EFFECTS, apply_effects
from generation.training.noises import NOISES, make_noise
from generation.training.render import picture, render_waveform
from generation.training.soundfont import SoundfontPlayer, is_available
from generation.training.waves import LOOP_SAMPLES, add_wrapped, loudness, wrap

needs_fluidsynth = pytest.mark.skipif(
    not is_available("fluidr3"), reason="fluidsynth and fluid-soundfont-gm are not installed"
)


def tone() -> np.ndarray:
    turns = np.arange(LOOP_SAMPLES) / LOOP_SAMPLES
    return (0.2 * np.sin(2 * np.pi * 2253 * turns)).astype(np.float32)


def test_wrapping_keeps_every_sample() -> None:
    sound = np.arange(10, dtype=np.float32)
    assert wrap(sound, 4).tolist() == [0 + 4 + 8, 1 + 5 + 9, 2 + 6, 3 + 7]
    loop = np.zeros(4, np.float32)
    add_wrapped(loop, 3, np.ones(2, np.float32))
    assert loop.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("name", EFFECTS)
def test_effects_know_no_edge(name: str) -> None:
    """An effect of a turned loop is the turned effect, for effects that do not look at time."""
    rng = np.random.default_rng(1)
    loop = (tone() * rng.random(LOOP_SAMPLES)).astype(np.float32)
    treated = apply_effects(loop, (name,), 8, np.random.default_rng(2))
    assert treated.shape == loop.shape
    assert np.isfinite(treated).all()
    # one loop is 8 equal beats: turning by half a loop keeps every beat-locked effect in place
    if name not in ("rotary", "vibrato", "wow", "chorus"):
        turned = apply_effects(np.roll(loop, LOOP_SAMPLES // 2), (name,), 8,
                               np.random.default_rng(2))  # fmt: skip
        assert np.allclose(np.roll(treated, LOOP_SAMPLES // 2), turned, atol=2e-3)


def test_unknown_effects_are_named() -> None:
    with pytest.raises(ValueError, match="sparkle"):
        apply_effects(tone(), ("sparkle",), 8, np.random.default_rng(0))


@pytest.mark.parametrize("name", NOISES)
def test_noises_are_loops_of_one_loudness(name: str) -> None:
    sound = make_noise(name, np.random.default_rng(3))
    assert sound.shape == (LOOP_SAMPLES,)
    assert loudness(sound) == pytest.approx(0.1, rel=0.01)
    again = make_noise(name, np.random.default_rng(3))
    assert np.array_equal(sound, again)


def test_synthesised_notes_sound_at_their_pitch() -> None:
    part = Part("sine lead", (Note(0.0, 4.0, 69, 100),))
    loop = synthesis.play(part, 4, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(loop))
    assert np.argmax(spectrum) / 5.12 == pytest.approx(440, abs=4)


@pytest.mark.parametrize("name", ["chiptune", "techno", "rain", "gamelan", "trance"])
def test_styles_without_a_soundfont_render(name: str) -> None:
    for seed in range(30):
        piece = compose(name, seed)
        synthetic = Piece(piece.style, piece.beats, piece.tonic, piece.scale, tuple(
            part for part in piece.parts if part.instrument in
            ("square lead", "pulse lead", "chip kit", "chip triangle", "gong chime", "synth kit",
             "saw lead", "supersaw", "pluck", "acid bass")), piece.textures, piece.effects,
            piece.tags, piece.seed)  # fmt: skip
        if synthetic.parts or synthetic.textures:
            break
    loop = render_waveform(synthetic, None)
    assert loop.shape == (LOOP_SAMPLES,)
    assert np.abs(loop).max() == pytest.approx(0.9, abs=1e-4)
    assert np.array_equal(loop, render_waveform(synthetic, None))
    drawn = picture(loop)
    assert drawn.shape == (512, 512)
    assert drawn.min() == 0 < drawn.mean() < 255


@needs_fluidsynth
def test_soundfont_renders_are_repeatable_and_their_tails_wrap() -> None:
    player = SoundfontPlayer()
    piece = compose("jazz trio", 5)
    first, second = (render_waveform(piece, player) for _ in range(2))
    assert first.shape == (LOOP_SAMPLES,)
    assert np.abs(first).max() == pytest.approx(0.9, abs=1e-4)
    assert np.abs(first - second).max() < 0.05  # the player's own interpolation dithers
    late = Part("vibraphone", (Note(3.9, 0.5, 72, 110),))
    stem = player.play([late], 4)[0]
    assert np.abs(stem[:20_000]).max() > 0.2 * np.abs(stem).max()


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_rap_speaks() -> None:
    part = Part("rap voice", (Note(0.0, 1.0, 60, 100),))
    assert loudness(synthesis.play(part, 4, np.random.default_rng(0))) > 0.01
