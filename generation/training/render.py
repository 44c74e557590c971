"""From a composed piece to sound, and from sound to the picture that the model learns."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from generation.spectrogram import SpectrogramParams, image_from_waveform
from generation.training import synthesis
from generation.training.compose import Piece
from generation.training.compose.instruments import INSTRUMENTS
from generation.training.effects import apply_effects
from generation.training.noises import make_noise
from generation.training.soundfont import SoundfontPlayer
from generation.training.waves import LOOP_SAMPLES, Wave, decibels, loudness

PARAMS = SpectrogramParams()
_STEM_LOUDNESS = 0.1


def render_waveform(piece: Piece, player: SoundfontPlayer | None) -> Wave:
    """Render a piece to one loop: shape (225,792,), float32, peak 0.9 (silence stays silent).

    Every stem is brought to one loudness before its own gain, so a mix does not depend on how loud
    a soundfont's makers recorded an instrument. `player` may be None for pieces that need none.
    """
    rng = np.random.default_rng([piece.seed, zlib.crc32(piece.style.encode()), 7])
    sampled = [part for part in piece.parts if INSTRUMENTS[part.instrument].synth is None]
    if sampled and player is None:
        raise ValueError(f"“{piece.style}” needs a soundfont player.")
    stems = player.play(sampled, piece.beats) if sampled and player is not None else []
    by_part = {id(part): stem for part, stem in zip(sampled, stems, strict=True)}
    mix = np.zeros(LOOP_SAMPLES, np.float32)
    for part in piece.parts:
        stem = by_part.get(id(part))
        if stem is None:
            stem = synthesis.play(part, piece.beats, rng)
        stem = stem * np.float32(_STEM_LOUDNESS / max(loudness(stem), 1e-4))
        stem = apply_effects(stem, part.effects, piece.beats, rng)
        mix += np.float32(decibels(part.gain + float(rng.normal(0, 1.5)))) * stem
    for name, gain in piece.textures:
        mix += np.float32(decibels(gain)) * make_noise(name, rng)
    mix = apply_effects(mix, piece.effects, piece.beats, rng)
    peak = float(np.abs(mix).max())
    return mix * np.float32(0.9 / peak) if peak > 1e-6 else mix


def picture(waveform: Wave) -> NDArray[np.uint8]:
    """Draw a loop as a Riffusion picture; returns grey levels of shape (512, 512)."""
    image = image_from_waveform(waveform, PARAMS, circular=True)
    return np.asarray(image.convert("L"), np.uint8)
