"""What we draw is what diffusers' own pipelines draw, where they can do the same thing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from generation.checkpoint import Checkpoint
from generation.prompts import PromptEncoder
from generation.sampler import Frame, Sampling, initial_noise, sample
from generation.schedulers import StepNoise, new_scheduler
from tests.generation.tiny import tiny_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

HEIGHT, WIDTH = 8, 16
GUIDANCE = 4.0
STEPS = 4
SEED = 5

KINDS = {
    "dpmpp": (diffusers.DPMSolverMultistepScheduler, "epsilon"),
    "dpmpp-v": (diffusers.DPMSolverMultistepScheduler, "v_prediction"),
    "euler": (diffusers.EulerDiscreteScheduler, "epsilon"),
    "euler-v": (diffusers.EulerDiscreteScheduler, "v_prediction"),
    "ddim": (diffusers.DDIMScheduler, "epsilon"),
    "unipc": (diffusers.UniPCMultistepScheduler, "epsilon"),
    "heun": (diffusers.HeunDiscreteScheduler, "epsilon"),
    "pndm": (diffusers.PNDMScheduler, "epsilon"),
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small spend more time on waiting for a second thread than on arithmetic."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=list(KINDS))
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return tiny_checkpoint(*KINDS[request.param])


def pipeline(checkpoint: Checkpoint, kind: Any, sampler: str = "") -> Any:
    built = kind(
        vae=checkpoint.vae,
        text_encoder=checkpoint.text_encoder,
        tokenizer=checkpoint.tokenizer,
        unet=checkpoint.unet,
        scheduler=new_scheduler(checkpoint, sampler),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    built.set_progress_bar_config(disable=True)
    return built


def texts(checkpoint: Checkpoint) -> tuple[Tensor, Tensor]:
    encoder = PromptEncoder(checkpoint)
    return encoder.encode("a beat"), encoder.encode("hum")


def common(checkpoint: Checkpoint) -> dict[str, Any]:
    positive, negative = texts(checkpoint)
    return {
        "prompt_embeds": positive[None],
        "negative_prompt_embeds": negative[None],
        "guidance_scale": GUIDANCE,
        "num_inference_steps": STEPS,
        "output_type": "latent",
    }


def ours(checkpoint: Checkpoint, sampler: str = "", **where: Any) -> Tensor:
    [noise] = initial_noise([SEED], 4, HEIGHT, WIDTH)
    frame = Frame(noise, *texts(checkpoint), GUIDANCE, **where)
    return sample(checkpoint, [frame], Sampling(STEPS, sampler, loop=False), lambda step: None)


def init() -> Tensor:
    return initial_noise([77], 4, HEIGHT, WIDTH)[0] * 0.8


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    assert ours.std() > 0.1
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


def test_text_to_image(checkpoint: Checkpoint) -> None:
    noise = initial_noise([SEED], 4, HEIGHT, WIDTH)
    pipe = pipeline(checkpoint, diffusers.StableDiffusionPipeline)
    theirs = pipe(latents=noise, **common(checkpoint)).images
    assert_same(ours(checkpoint), theirs)


@pytest.mark.parametrize("sampler", ["lcm", "tcd", "dpmpp_sde", "euler_a", "ddpm"])
def test_text_to_image_with_noise_at_every_step(sampler: str) -> None:
    checkpoint = tiny_checkpoint()
    noise = initial_noise([SEED], 4, HEIGHT, WIDTH)
    pipe = pipeline(checkpoint, diffusers.StableDiffusionPipeline, sampler)
    # Their pipeline asks TCD for no noise unless told; it was distilled for its own default.
    eta = {"eta": 0.3} if sampler == "tcd" else {}
    with StepNoise(noise):
        theirs = pipe(latents=noise, **eta, **common(checkpoint)).images
    assert_same(ours(checkpoint, sampler), theirs)


@pytest.mark.parametrize("strength", [0.3, 0.75, 1.0])
def test_image_to_image(checkpoint: Checkpoint, strength: float) -> None:
    pipe = pipeline(checkpoint, diffusers.StableDiffusionImg2ImgPipeline)
    theirs = pipe(
        image=init()[None],
        strength=strength,
        generator=torch.Generator().manual_seed(SEED),
        **common(checkpoint),
    ).images
    assert_same(ours(checkpoint, init=init(), strength=strength), theirs)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_inpainting(checkpoint: Checkpoint, strength: float) -> None:
    mask = torch.zeros(HEIGHT, WIDTH)
    mask[2:6, 5:11] = 1
    pipe = pipeline(checkpoint, diffusers.StableDiffusionInpaintPipeline)
    scale = checkpoint.downscale
    theirs = pipe(
        image=init()[None],
        mask_image=mask.repeat_interleave(scale, 0).repeat_interleave(scale, 1)[None, None],
        masked_image_latents=torch.zeros(1, 4, HEIGHT, WIDTH),  # for UNets of nine channels only
        height=HEIGHT * scale,
        width=WIDTH * scale,
        strength=strength,
        generator=torch.Generator().manual_seed(SEED),
        **common(checkpoint),
    ).images
    drawn = ours(checkpoint, init=init(), strength=strength, mask=mask)
    assert_same(drawn, theirs)
    assert torch.equal(drawn[0][:, mask == 0], init()[:, mask == 0])


def test_the_pipelines_own_prompt_encoding() -> None:
    checkpoint = tiny_checkpoint()
    pipe = pipeline(checkpoint, diffusers.StableDiffusionPipeline)
    theirs, _ = pipe.encode_prompt("a beat", checkpoint.device, 1, False)
    assert torch.allclose(PromptEncoder(checkpoint).encode("a beat"), theirs[0], atol=1e-6)


def test_a_unet_that_was_distilled_with_its_guidance() -> None:
    checkpoint = tiny_checkpoint(diffusers.LCMScheduler, time_cond_proj_dim=8)
    noise = initial_noise([SEED], 4, HEIGHT, WIDTH)
    pipe = pipeline(checkpoint, diffusers.LatentConsistencyModelPipeline)
    options = common(checkpoint)
    del options["negative_prompt_embeds"]
    with StepNoise(noise):
        theirs = pipe(latents=noise, **options).images
    assert_same(ours(checkpoint), theirs)
