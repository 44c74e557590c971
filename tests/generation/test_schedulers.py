"""Samplers by name, and the noise that goes into them."""

from __future__ import annotations

import diffusers
import pytest
import torch

from generation.errors import BadRequestError
from generation.sampler import initial_noise
from generation.schedulers import SAMPLERS, StepNoise, new_scheduler, set_steps
from tests.generation.tiny import tiny_checkpoint

ROWS = initial_noise([1, 2, 3], 4, 16, 32)


def draws(noise: torch.Tensor, count: int = 2) -> list[torch.Tensor]:
    with StepNoise(noise):
        return [torch.randn(tuple(noise.shape)) for _ in range(count)]


def test_every_name_makes_a_scheduler_trained_as_the_checkpoint() -> None:
    checkpoint = tiny_checkpoint(diffusers.DPMSolverMultistepScheduler, "v_prediction")
    for name, sampler in SAMPLERS.items():
        scheduler = new_scheduler(checkpoint, name)
        assert type(scheduler).__name__ == sampler.scheduler
        assert scheduler.config.prediction_type == "v_prediction"
        assert scheduler.config.beta_schedule == "scaled_linear"
        assert scheduler.config.timestep_spacing == "trailing"
        assert not scheduler.config.get("clip_sample")
        set_steps(scheduler, 4, torch.device("cpu"))
        assert int(scheduler.timesteps[0]) == 999


def test_no_name_is_the_checkpoints_own_and_pndm_gives_way() -> None:
    euler = tiny_checkpoint(diffusers.EulerDiscreteScheduler)
    assert isinstance(new_scheduler(euler), diffusers.EulerDiscreteScheduler)
    assert new_scheduler(euler).config.timestep_spacing == "linspace"
    own = new_scheduler(tiny_checkpoint(diffusers.PNDMScheduler))
    assert isinstance(own, diffusers.DPMSolverMultistepScheduler)
    assert own.config.timestep_spacing == "trailing"


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadRequestError, match=r"'magic'; I know dpmpp, .*euler.*, tcd\.$"):
        new_scheduler(tiny_checkpoint(), "magic")


def test_steps_that_a_sampler_cannot_take_are_refused() -> None:
    scheduler = new_scheduler(tiny_checkpoint(), "lcm")
    with pytest.raises(BadRequestError, match="80 steps"):
        set_steps(scheduler, 80, torch.device("cpu"))


def test_noise_of_a_step_is_white_and_unlike_any_other() -> None:
    first, second = draws(ROWS)
    for one in (first, second):
        assert float(one.mean()) == pytest.approx(0, abs=0.03)
        assert float(one.std()) == pytest.approx(1, abs=0.03)
    everything = torch.stack([ROWS, first, second]).flatten(0, 1).flatten(1)
    correlation = torch.corrcoef(everything) - torch.eye(9)
    assert correlation.abs().max() < 0.1


def test_noise_of_a_step_is_the_same_alone_and_in_a_batch() -> None:
    together = draws(ROWS)
    for row in range(3):
        alone = draws(ROWS[row : row + 1])
        for one, other in zip(together, alone, strict=True):
            assert torch.equal(one[row : row + 1], other)


def test_noise_of_a_step_moves_with_the_frames_own() -> None:
    a, b = draws(ROWS[:1])[0], draws(ROWS[1:2])[0]
    between = draws(0.6 * ROWS[:1] + 0.8 * ROWS[1:2])[0]
    assert torch.allclose(between, 0.6 * a + 0.8 * b, atol=1e-6)
    assert torch.equal(draws(ROWS.roll(5, -1))[1], draws(ROWS)[1].roll(5, -1))


def test_other_noise_is_left_to_chance() -> None:
    with StepNoise(ROWS):
        assert torch.randn(3, 4).shape == (3, 4)
        assert torch.rand(tuple(ROWS.shape)).min() >= 0
