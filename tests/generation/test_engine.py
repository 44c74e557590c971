from __future__ import annotations

import hashlib
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from generation.checkpoint import Checkpoint
from generation.circular import make_circular
from generation.engine import Engine
from generation.errors import BadRequestError, RiffCancelledError
from generation.prompts import embed
from generation.request import GenerationRequest, Length, Progress
from generation.sampler import decode, denoise, initial_noise
from generation.spectrogram import params_from_image
from generation.tags import read_tags

REQUEST = GenerationRequest("lo-fi beat", seed=7, steps=4)


def ignore(progress: Progress) -> None:
    pass


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_the_same_seed_gives_the_same_bytes(engine: Engine, clips: Path) -> None:
    [first] = engine.make(REQUEST, clips / "a", "x", ignore)
    engine.make(replace(REQUEST, seed=8), clips / "c", "x", ignore)
    [again] = engine.make(REQUEST, clips / "b", "x", ignore)
    for kind in ("png", "wav", "mp3"):
        assert digest(first.files[kind]) == digest(again.files[kind])
    other = clips / "c" / "x.png"
    assert digest(str(other)) != digest(first.files["png"])


def test_other_arithmetic_stays_within_two_grey_levels(engine: Engine, clips: Path) -> None:
    """What the README promises for other machines, by computing in another order on this one."""
    pictures = []
    threads, kernels = torch.get_num_threads(), torch.backends.mkldnn.enabled
    try:
        for name, (count, onednn) in {"a": (2, True), "b": (1, True), "c": (1, False)}.items():
            torch.set_num_threads(count)
            torch.backends.mkldnn.enabled = onednn  # type: ignore[assignment]
            [clip] = engine.make(REQUEST, clips, name, ignore)
            with Image.open(clip.files["png"]) as image:
                pictures.append(np.asarray(image.convert("L")).astype(int))
    finally:
        torch.set_num_threads(threads)
        torch.backends.mkldnn.enabled = kernels
    assert np.abs(pictures[1] - pictures[0]).max() <= 2
    assert np.abs(pictures[2] - pictures[0]).max() <= 2


def test_a_loop_is_whole_and_its_end_meets_its_start(engine: Engine, clips: Path) -> None:
    [clip] = engine.make(REQUEST, clips, "x", ignore)
    assert (clip.seconds, clip.sample_rate, clip.samples) == (5.12, 44100, 225_792)
    with wave.open(clip.files["wav"]) as file:
        assert file.getnframes() == clip.samples
        samples = np.frombuffer(file.readframes(clip.samples), "<i2").astype(np.float64)
    assert np.sqrt(np.mean(samples**2)) > 300  # not silence
    assert np.abs(samples).max() < 32767  # not clipped
    steps = np.diff(samples)
    assert abs(samples[0] - samples[-1]) < 2 * np.sqrt(np.mean(steps**2)) + 1


def test_the_picture_is_in_riffusions_format_and_tells_its_recipe(
    engine: Engine, clips: Path
) -> None:
    [clip] = engine.make(REQUEST, clips, "x", ignore)
    with Image.open(clip.files["png"]) as image:
        assert (image.size, image.mode) == ((512, 512), "RGB")
        assert params_from_image(image).max_frequency == 10000
    for kind in ("png", "mp3"):
        recipe = read_tags(Path(clip.files[kind]).read_bytes()).recipe
        assert recipe == clip.recipe
        assert (recipe["prompt"], recipe["seed"], recipe["steps"]) == ("lo-fi beat", "7", "4")


def test_several_clips_use_the_next_seeds(engine: Engine, clips: Path) -> None:
    both = engine.make(replace(REQUEST, clips=2), clips / "a", "x", ignore)
    [second] = engine.make(replace(REQUEST, seed=8), clips / "b", "x", ignore)
    assert [Path(clip.files["png"]).name for clip in both] == ["x.png", "x-2.png"]
    assert digest(both[1].files["png"]) == digest(second.files["png"])


@pytest.mark.parametrize(("seconds", "width"), [(2.56, 256), (7.7, 768)])
def test_other_lengths_are_drawn_to_the_nearest_width(
    engine: Engine, clips: Path, seconds: float, width: int
) -> None:
    [clip] = engine.make(replace(REQUEST, steps=1, length=Length(seconds)), clips, "x", ignore)
    with Image.open(clip.files["png"]) as image:
        assert image.width == width
    assert clip.samples == width * 441


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, length=Length(0.5)),
        replace(REQUEST, length=Length(500)),
        replace(REQUEST, length=Length(8, "beats")),
        replace(REQUEST, kind="remix"),
    ],
)
def test_what_cannot_be_made_is_refused(
    engine: Engine, clips: Path, request_: GenerationRequest
) -> None:
    with pytest.raises(BadRequestError):
        engine.make(request_, clips, "x", ignore)


def test_cancelling_between_steps_leaves_no_file(engine: Engine, clips: Path) -> None:
    seen: list[Progress] = []

    def stop_at_two(progress: Progress) -> None:
        seen.append(progress)
        if progress == Progress("drawing", 2, 4):
            raise RiffCancelledError("stop")

    with pytest.raises(RiffCancelledError):
        engine.make(REQUEST, clips, "x", stop_at_two)
    assert seen[-1].done == 2
    assert list(clips.iterdir()) == []


def test_progress_is_told_at_every_step(engine: Engine, clips: Path) -> None:
    seen: list[Progress] = []
    engine.make(REQUEST, clips, "x", seen.append)
    assert [p.done for p in seen if p.stage == "drawing"] == [0, 1, 2, 3, 4]
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)


def test_the_picture_is_a_ring(engine: Engine) -> None:
    """Noise rolled in time gives the picture rolled in time: no column is the first one."""
    checkpoint = engine.checkpoint
    embeddings = embed(checkpoint, ["", "techno synth"])
    noise = initial_noise([3], checkpoint.latent_channels, 64, 64)
    # By whole UNet cells, so that its strided levels sample the same places.
    cells = checkpoint.width_multiple // checkpoint.downscale
    pictures = [
        decode(
            checkpoint,
            denoise(
                checkpoint,
                embeddings,
                torch.roll(noise, roll, dims=-1),
                steps=2,
                guidance_scale=4.0,
                on_step=lambda done, steps: None,
            ),
        )[0]
        for roll in (0, cells)
    ]
    rolled = np.roll(pictures[0], checkpoint.width_multiple, axis=1).astype(int)
    assert np.abs(rolled - pictures[1]).max() <= 2


def test_flat_drawing_equals_diffusers_own_pipeline(flat_checkpoint: Checkpoint) -> None:
    checkpoint = flat_checkpoint
    embeddings = embed(checkpoint, ["drums", "jazz piano melody"])
    noise = initial_noise([5], checkpoint.latent_channels, 64, 64)
    ours = denoise(
        checkpoint,
        embeddings,
        noise,
        steps=3,
        guidance_scale=4.0,
        on_step=lambda done, steps: None,
    )
    pipeline = StableDiffusionPipeline(
        vae=checkpoint.vae,
        text_encoder=checkpoint.text_encoder,
        tokenizer=checkpoint.tokenizer,
        unet=checkpoint.unet,
        scheduler=checkpoint.new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt_embeds=embeddings[1:],
        negative_prompt_embeds=embeddings[:1],
        latents=noise,
        num_inference_steps=3,
        guidance_scale=4.0,
        output_type="latent",
    ).images
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_wrapping_changes_only_the_edges_of_one_convolution() -> None:
    conv = torch.nn.Conv2d(2, 3, 3, padding=1)
    x = torch.randn(1, 2, 8, 8)
    flat = conv(x)
    make_circular(conv)
    ring = conv(x)
    assert torch.allclose(flat[..., 1:-1], ring[..., 1:-1], atol=1e-6)
    assert not torch.allclose(flat[..., 0], ring[..., 0])
    assert torch.allclose(conv(torch.roll(x, 3, -1)), torch.roll(ring, 3, -1), atol=1e-5)


def test_long_prompts_are_read_to_the_end(engine: Engine) -> None:
    checkpoint = engine.checkpoint
    words = " ".join(["slow", "warm", "dusty", "piano"] * 12)
    one, two = (embed(checkpoint, ["", f"{words} {end}"]) for end in ("drums", "choir"))
    window = checkpoint.preferences.max_tokens
    assert window is not None
    assert one.shape == (2, 2 * window, checkpoint.unet.config.cross_attention_dim)
    assert torch.allclose(one[:, :window], two[:, :window])
    assert not torch.allclose(one[1, window:], two[1, window:])


def test_short_prompts_are_embedded_as_the_encoder_itself_does(engine: Engine) -> None:
    checkpoint = engine.checkpoint
    tokens = checkpoint.tokenizer(
        "jazz piano",
        padding="max_length",
        max_length=checkpoint.preferences.max_tokens,
        return_tensors="pt",
    )
    with torch.inference_mode():
        theirs = checkpoint.text_encoder(
            tokens.input_ids, attention_mask=tokens.attention_mask
        ).last_hidden_state
    assert torch.allclose(embed(checkpoint, ["jazz piano"]), theirs, atol=1e-5)
