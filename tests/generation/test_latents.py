"""The autoencoder's two ways, in tiles or whole, and the quick look."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray

from generation import tiles
from generation.checkpoint import Checkpoint
from generation.latents import decode, encode, preview
from generation.sampler import initial_noise
from generation.tiles import decode_in_tiles, reach
from tests.generation.tiny import tiny_checkpoint

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return tiny_checkpoint()


def spectrogram(width: int = 256) -> Picture:
    """Partials that fade and a beat, dark on white, shape (512, width)."""
    y, x = np.mgrid[0:512, 0:width]
    partials = np.exp(-(((y % 64) - 32) ** 2) / 20) * np.exp(-(x % 64) / 40) * (y / 512)
    beat = np.exp(-(x % 32) / 6) * np.exp(-(512 - y) / 200)
    return np.asarray(255 * (1 - np.clip(0.8 * partials + 0.5 * beat, 0, 1))).astype(np.uint8)


def test_there_and_back_is_almost_the_same_picture(flat_checkpoint: Checkpoint) -> None:
    picture = spectrogram()
    latents = encode(flat_checkpoint, picture[None])
    assert latents.shape == (1, flat_checkpoint.latent_channels, 64, 32)
    again = decode(flat_checkpoint, latents)[0]
    assert again.shape == picture.shape
    assert np.corrcoef(again.ravel(), picture.ravel())[0, 1] > 0.9


def test_encoding_is_the_posteriors_mode_scaled(checkpoint: Checkpoint) -> None:
    picture = spectrogram(64)[:64]
    vae = checkpoint.vae
    ours = encode(checkpoint, picture[None], loop=False)
    with torch.inference_mode():
        x = torch.from_numpy(picture).float()[None, None].repeat(1, 3, 1, 1) / 127.5 - 1
        theirs = vae.encode(x).latent_dist.mean * vae.config.scaling_factor
    assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("loop", [True, False])
def test_a_rolled_picture_on_a_ring_gives_rolled_latents(
    checkpoint: Checkpoint, loop: bool
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, 32, 64), np.uint8)
    latents = encode(checkpoint, picture, loop=loop)
    rolled = encode(checkpoint, np.roll(picture, 8, axis=2), loop=loop)
    assert torch.allclose(rolled, latents.roll(4, -1), atol=1e-4) == loop
    back = decode(checkpoint, latents, loop=loop).astype(int)
    turned = decode(checkpoint, latents.roll(4, -1), loop=loop)
    assert (np.abs(np.roll(back, 8, axis=2) - turned).max() <= 1) == loop


@pytest.mark.parametrize("loop", [True, False])
def test_tiles_draw_the_starters_picture_within_two_grey_levels(
    flat_checkpoint: Checkpoint, loop: bool
) -> None:
    picture = spectrogram(512)[None, 384:]
    picture[..., 256:] = 255  # tiles of very different loudness
    latents = encode(flat_checkpoint, picture, loop=loop)
    whole = decode(flat_checkpoint, latents, loop=loop).astype(int)
    tiled = decode(flat_checkpoint, latents, loop=loop, tile=24)  # 64 = 24 + 24 + 16
    assert np.abs(whole - tiled).max() <= 2


def test_tiles_are_exact_after_as_many_looks_as_there_are_norms(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pass makes one more norm exact: what it sees no longer depends on the tiles."""
    vae = checkpoint.vae
    latents = initial_noise([1, 2], 4, 8, 64)
    monkeypatch.setattr(tiles, "LOOKS", 10)
    with torch.inference_mode():
        for loop in (True, False):
            whole = decode_in_tiles(vae, latents, 64, loop=loop)
            tiled = decode_in_tiles(vae, latents, 20, loop=loop)
            assert torch.allclose(tiled, whole, atol=1e-4 * float(whole.std()))
    assert all("forward" not in vars(module) for module in vae.modules())


def test_the_reach_of_the_last_levels_is_what_they_see(checkpoint: Checkpoint) -> None:
    """Change one column of latents: nothing further away than `reach` changes (norms apart)."""
    decoder = checkpoint.vae.decoder
    low = initial_noise([1], 16, 4, 64)
    changed = low.clone()
    changed[..., 32] += 1
    norms = [module for module in decoder.modules() if isinstance(module, torch.nn.GroupNorm)]
    for norm in norms:
        norm.forward = lambda x: x  # type: ignore[method-assign]
    try:
        pictures = []
        with torch.inference_mode():
            for x in (low, changed):
                for block in decoder.up_blocks:
                    x = block(x)
                pictures.append(decoder.conv_out(x))
    finally:
        for norm in norms:
            del norm.forward
    different = (pictures[0] != pictures[1]).flatten(0, 2).any(0).nonzero().flatten() / 2
    furthest = max(32 - float(different.min()), float(different.max()) - 32.5)
    assert reach(decoder) - 1 <= furthest <= reach(decoder)


def test_a_tiny_autoencoder_encodes_and_decodes_too(checkpoint: Checkpoint) -> None:
    torch.manual_seed(0)
    vae = AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    ).eval()
    tiny = replace(checkpoint, vae=vae)
    picture = spectrogram(64)[None, :32]
    latents = encode(tiny, picture)
    assert latents.shape == (1, 4, 16, 32)
    assert decode(tiny, latents, tile=8).shape == picture.shape


def test_a_preview_is_the_picture_seen_from_afar(flat_checkpoint: Checkpoint) -> None:
    picture = spectrogram()
    latents = encode(flat_checkpoint, np.stack([picture, picture[:, ::-1]]))
    before = preview(flat_checkpoint, latents)
    assert before.shape == (2, 64, 32)
    whole = decode(flat_checkpoint, latents).reshape(2, 64, 8, 32, 8).mean((2, 4))
    assert np.corrcoef(before.ravel(), whole.ravel())[0, 1] > 0.9
    after = preview(flat_checkpoint, latents)
    assert np.corrcoef(after.ravel(), whole.ravel())[0, 1] > 0.9
    assert np.abs(after - whole).mean() < 8


def test_a_preview_of_a_blank_picture_is_no_error(checkpoint: Checkpoint) -> None:
    decode(checkpoint, torch.zeros(1, 4, 8, 8))
    assert preview(checkpoint, torch.zeros(1, 4, 8, 8)).shape == (1, 8, 8)
