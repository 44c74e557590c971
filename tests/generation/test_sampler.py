"""Drawing: every row as if alone, what is kept kept, rings without a seam, refusals in words."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from torch import Tensor

from generation.checkpoint import Checkpoint
from generation.errors import BadRequestError, RiffCancelledError
from generation.prompts import PromptEncoder
from generation.sampler import (
    SAMPLERS,
    Frame,
    Sampling,
    Step,
    decode,
    initial_noise,
    rescaled,
    sample,
)
from tests.generation.tiny import CELL, tiny_checkpoint

HEIGHT, WIDTH = 8, 16
TOLERANCE = 1e-4
"""Of a row in a batch, relative to the largest number of the row alone: float32, other order."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small spend more time on waiting for a second thread than on arithmetic."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return tiny_checkpoint(diffusers.DPMSolverMultistepScheduler)


def frame(checkpoint: Checkpoint, seed: int = 1, width: int = WIDTH, **options: Any) -> Frame:
    encoder = PromptEncoder(checkpoint)
    [noise] = initial_noise([seed], 4, HEIGHT, width)
    positive = encoder.encode("abcdef"[seed % 6])
    given = {"guidance_scale": 4.0, **options}
    return Frame(noise, positive, encoder.encode("x"), **given)


def draw(checkpoint: Checkpoint, *frames: Frame, **sampling: Any) -> Tensor:
    return sample(checkpoint, frames, Sampling(**{"steps": 3, **sampling}), lambda step: None)


def assert_close(one: Tensor, other: Tensor) -> None:
    assert float((one - other).abs().max()) < TOLERANCE * float(other.abs().max())


def picture(seed: int = 9, width: int = WIDTH) -> Tensor:
    return initial_noise([seed], 4, HEIGHT, width)[0]


@pytest.mark.parametrize("sampler", ["", *SAMPLERS])
def test_a_row_is_the_same_alone_and_in_a_batch_of_four(
    checkpoint: Checkpoint, sampler: str
) -> None:
    """With other guidance, inits and masks beside it."""
    left = (torch.arange(WIDTH) < 8).float().expand(HEIGHT, WIDTH)
    frames = [
        frame(checkpoint, 1),
        frame(checkpoint, 2, guidance_scale=1.0),
        frame(checkpoint, 3, guidance_scale=7.5, init=picture()),
        frame(checkpoint, 4, init=picture(), mask=left),
    ]
    together = draw(checkpoint, *frames, sampler=sampler)
    assert together.shape == (4, 4, HEIGHT, WIDTH)
    assert together.dtype == torch.float32
    for row, one in enumerate(frames):
        assert_close(together[row], draw(checkpoint, one, sampler=sampler)[0])
    assert_apart(together)


def assert_apart(rows: Tensor) -> None:
    for one in range(len(rows)):
        for other in range(one):
            assert (rows[one] - rows[other]).abs().max() > 0.1


@pytest.mark.parametrize("sampler", ["", "lcm"])
def test_the_same_seed_gives_the_same_bytes(checkpoint: Checkpoint, sampler: str) -> None:
    first, again = (draw(checkpoint, frame(checkpoint), sampler=sampler) for _ in range(2))
    assert torch.equal(first, again)
    assert np.array_equal(decode(checkpoint, first), decode(checkpoint, again))


def test_without_guidance_the_negative_half_is_not_computed(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    forward = checkpoint.unet.forward

    def counted(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        rows.append(len(x))
        return forward(x, *args, **kwargs)

    monkeypatch.setattr(checkpoint.unet, "forward", counted)
    plain, guided = (frame(checkpoint, guidance_scale=scale) for scale in (1.0, 3.0))
    draw(checkpoint, plain, plain, steps=1)
    draw(checkpoint, plain, guided, guided, steps=1)
    draw(checkpoint, guided, steps=1)
    assert rows == [2, 5, 2]
    rows.clear()
    draw(checkpoint, plain, guided, steps=5, guided=0.4)
    assert rows == [3, 3, 2, 2, 2]


def test_the_last_steps_may_follow_the_prompt_as_it_is(checkpoint: Checkpoint) -> None:
    guided, plain = (frame(checkpoint, guidance_scale=scale) for scale in (30.0, 1.0))
    assert torch.equal(draw(checkpoint, guided, guided=1.0), draw(checkpoint, guided))
    assert_close(draw(checkpoint, guided, guided=0.0), draw(checkpoint, plain))
    half = draw(checkpoint, guided, guided=0.5)
    for share in (0.0, 1.0):
        assert_apart(torch.cat([half, draw(checkpoint, guided, guided=share)]))


def test_guidance_of_one_is_the_prompt_as_it_is(checkpoint: Checkpoint) -> None:
    almost = draw(checkpoint, frame(checkpoint, guidance_scale=1 + 1e-6))
    assert_close(draw(checkpoint, frame(checkpoint, guidance_scale=1.0)), almost)


@pytest.mark.parametrize(
    ("strength", "steps"), [(0.0, 1), (0.01, 1), (0.25, 2), (0.5, 5), (0.99, 9), (1.0, 10)]
)
def test_strength_is_the_share_of_the_steps_that_is_run_and_at_least_one(
    checkpoint: Checkpoint, strength: float, steps: int
) -> None:
    seen: list[Step] = []
    one = frame(checkpoint, init=picture(), strength=strength)
    sample(checkpoint, [one], Sampling(10), seen.append)
    assert [step.done for step in seen] == list(range(1, steps + 1))
    assert {step.total for step in seen} == {steps}
    assert all(step.latents.shape == (1, 4, HEIGHT, WIDTH) for step in seen)


def test_a_weaker_remix_stays_nearer_to_its_source(checkpoint: Checkpoint) -> None:
    distances = [
        float((draw(checkpoint, frame(checkpoint, init=picture(), strength=s), steps=8) - picture())
              .abs().mean())
        for s in (0.0, 0.5, 1.0)
    ]  # fmt: skip
    assert distances == sorted(distances)
    assert distances[0] < distances[2] / 3


@pytest.mark.parametrize("sampler", ["", "euler", "ddim", "tcd"])
def test_what_a_mask_keeps_is_kept_to_the_bit(checkpoint: Checkpoint, sampler: str) -> None:
    mask = torch.zeros(HEIGHT, WIDTH)
    mask[:, 4:12] = 1
    mask[:, 4] = 0.5
    one = frame(checkpoint, init=picture(), mask=mask)
    drawn = draw(checkpoint, one, sampler=sampler, steps=4)[0]
    assert torch.equal(drawn[:, mask == 0], picture()[:, mask == 0])
    assert (drawn - picture())[:, mask == 1].abs().min(0).values.max() > 0.1
    whole = replace(one, mask=torch.ones(HEIGHT, WIDTH))
    assert_close(draw(checkpoint, whole, sampler=sampler), draw(checkpoint, replace(
        whole, init=None, mask=None), sampler=sampler))  # fmt: skip


@pytest.mark.parametrize("sampler", ["", "euler_a"])
@pytest.mark.parametrize("loop", [True, False])
def test_on_a_ring_no_column_is_the_first(checkpoint: Checkpoint, sampler: str, loop: bool) -> None:
    one = frame(checkpoint)
    turned = replace(one, noise=one.noise.roll(CELL, -1))
    here, there = (draw(checkpoint, f, sampler=sampler, loop=loop)[0] for f in (one, turned))
    difference = float((here.roll(CELL, -1) - there).abs().max() / here.abs().max())
    assert (difference < TOLERANCE) == loop


@pytest.mark.parametrize("loop", [True, False])
def test_wide_pictures_are_drawn_in_windows(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, loop: bool
) -> None:
    widths: list[int] = []
    forward = checkpoint.unet.forward

    def watched(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        widths.append(x.shape[-1])
        return forward(x, *args, **kwargs)

    monkeypatch.setattr(checkpoint.unet, "forward", watched)
    columns = 1536  # 3,072 pixels at the tiny autoencoder's scale
    wide = frame(checkpoint, width=columns)
    drawn = draw(checkpoint, wide, steps=1, loop=loop)[0]
    assert drawn.shape[-1] == columns
    assert max(widths) <= 512
    assert sum(widths) < 1.6 * columns
    if loop:  # by the windows' distance, a ring may be turned
        distance = columns // len(widths)
        turned = replace(wide, noise=wide.noise.roll(distance, -1))
        again = draw(checkpoint, turned, steps=1, loop=loop)[0]
        assert_close(again, drawn.roll(distance, -1))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_the_picture_that_a_step_foresees_comes_true(prediction: str) -> None:
    tiny = tiny_checkpoint(diffusers.DPMSolverMultistepScheduler, prediction)
    seen: list[Tensor] = []
    drawn = sample(tiny, [frame(tiny)], Sampling(6, "dpmpp"), lambda s: seen.append(s.latents))
    # the last step goes all the way to the picture that it foresees
    assert_close(seen[-1], drawn)


@pytest.mark.parametrize("sampler", ["dpmpp", "euler", "ddim", "lcm", "tcd", "unipc"])
def test_noise_alone_at_the_start_is_no_division_by_zero(sampler: str) -> None:
    """Zero terminal SNR, where the first input holds nothing of the picture."""
    tiny = tiny_checkpoint(diffusers.DPMSolverMultistepScheduler, "v_prediction")
    config = {**tiny.scheduler.config, "rescale_betas_zero_snr": True}
    zero = replace(tiny, scheduler=diffusers.DPMSolverMultistepScheduler(**{
        name: value for name, value in config.items() if not name.startswith("_")}))  # fmt: skip
    seen: list[Tensor] = []
    drawn = sample(
        zero,
        [frame(zero, init=picture(), strength=1.0), frame(zero, 2)],
        Sampling(3, sampler),
        lambda step: seen.append(step.latents),
    )
    assert all(tensor.isfinite().all() for tensor in (drawn, *seen))


def test_rescaled_guidance_has_the_contrast_of_the_prompt_alone(checkpoint: Checkpoint) -> None:
    guided, positive = 5 * picture(1)[None], picture(2)[None]
    for share in (0.0, 0.7, 1.0):
        wanted = share * float(positive.std()) + (1 - share) * float(guided.std())
        assert float(rescaled(guided, positive, share).std()) == pytest.approx(wanted, rel=1e-4)
    one = frame(checkpoint, guidance_scale=9.0)
    assert (draw(checkpoint, one) - draw(checkpoint, one, rescale=0.7)).abs().max() > 0.01


def test_what_the_listener_raises_ends_the_run(checkpoint: Checkpoint) -> None:
    seen: list[int] = []

    def stop(step: Step) -> None:
        seen.append(step.done)
        if step.done == 2:
            raise RiffCancelledError("stop")

    with pytest.raises(RiffCancelledError):
        sample(checkpoint, [frame(checkpoint)], Sampling(5), stop)
    assert seen == [1, 2]


def test_bfloat16_draws_the_starters_picture(flat_checkpoint: Checkpoint) -> None:
    """As on a GPU, the UNet and the autoencoder in half precision, the schedule in single."""
    encoder = PromptEncoder(flat_checkpoint)
    texts = [encoder.encode(text) for text in ("lo-fi beat with piano", "")]
    frames = [Frame(noise, texts[0], texts[1], 4.0) for noise in initial_noise([1, 2], 4, 64, 16)]
    half = replace(
        flat_checkpoint,
        unet=copy.deepcopy(flat_checkpoint.unet).bfloat16(),
        vae=copy.deepcopy(flat_checkpoint.vae).bfloat16(),
    )
    whole, halved = (
        decode(part, draw(part, *frames, steps=3)).astype(float) for part in (flat_checkpoint, half)
    )
    for one, other in zip(whole, halved, strict=True):
        assert one.std() > 5
        assert 10 * np.log10(255**2 / np.square(one - other).mean()) >= 35


def bad(checkpoint: Checkpoint) -> Iterator[tuple[str, list[Frame], Sampling]]:
    one, fine = frame(checkpoint), Sampling(4)
    masked = replace(one, init=picture(), mask=torch.ones(HEIGHT, WIDTH))
    yield "nothing to draw", [], fine
    yield "at least one", [one], Sampling(0)
    yield "guided share", [one], Sampling(4, guided=float("nan"))
    yield "guidance", [replace(one, guidance_scale=float("nan"))], fine
    yield "strength", [replace(masked, strength=float("nan"))], fine
    yield "strength", [replace(masked, strength=1.5)], fine
    yield "mask is empty", [replace(masked, mask=torch.zeros(HEIGHT, WIDTH))], fine
    yield "mask has another size", [replace(masked, mask=torch.ones(HEIGHT, 4))], fine
    yield "between 0", [replace(masked, mask=torch.full((HEIGHT, WIDTH), float("nan")))], fine
    yield "needs a sound", [replace(masked, init=None)], fine
    yield "another size", [replace(one, init=picture(width=32))], fine
    yield "one length", [replace(one, negative=one.negative[:3])], fine
    yield "of one size", [one, frame(checkpoint, width=32)], fine
    yield "same steps", [masked, replace(masked, strength=0.5)], fine
    yield "multiples of 8", [frame(checkpoint, width=6)], fine
    yield "do not know the sampler 'x'; I know dpmpp", [one], Sampling(4, "x")


def test_what_cannot_be_drawn_is_refused_in_one_sentence(checkpoint: Checkpoint) -> None:
    for words, frames, sampling in bad(checkpoint):
        with pytest.raises(BadRequestError, match=words) as caught:
            sample(checkpoint, frames, sampling, lambda step: None)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith((".", "white."))
