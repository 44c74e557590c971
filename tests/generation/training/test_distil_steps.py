"""Few-step drawing: the grid, the target, and a student that learns and draws."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler

from generation.training import distil_steps as ds
from generation.training.draw import draw, load
from generation.training.export import export, few_step_scheduler
from generation.training.latents import Latents
from generation.training.text.encoder import load_text
from generation.training.unet import TextContext, signal_shares


def test_the_grid_is_the_one_that_is_drawn_on() -> None:
    scheduler = few_step_scheduler()
    assert isinstance(scheduler, DDIMScheduler)
    for steps in (4, 8):
        scheduler.set_timesteps(steps)
        assert ds.grid_of(steps).tolist() == [*scheduler.timesteps.tolist(), -1]


def test_a_step_is_what_the_scheduler_does() -> None:
    scheduler, shares = few_step_scheduler(), signal_shares()
    scheduler.set_timesteps(4)
    generator = torch.Generator().manual_seed(0)
    x, v = torch.randn((2, 3, 4, 8, 8), generator=generator)
    for now, then in zip(ds.grid_of(4)[:-1], ds.grid_of(4)[1:], strict=True):
        levels = [ds.amplitudes(shares, step.expand(3)) for step in (now, then)]
        ours = ds.ddim(x, v, levels[0], levels[1])
        theirs = scheduler.step(v, int(now), x).prev_sample
        assert torch.allclose(ours, theirs, atol=1e-3)


def test_the_target_leads_where_the_teacher_ended() -> None:
    shares = signal_shares()
    generator = torch.Generator().manual_seed(1)
    x, goal = torch.randn((2, 4, 4, 8, 8), generator=generator)
    grid = ds.grid_of(4)
    here, there = ds.amplitudes(shares, grid[:-1]), ds.amplitudes(shares, grid[1:])
    v = ds.v_that_leads(x, goal, here, there)
    assert torch.allclose(ds.ddim(x, v, here, there), goal, atol=1e-4)


def options(work: Path, steps: int) -> argparse.Namespace:
    return argparse.Namespace(work=work, grid=2, substeps=2, guidance=2.0, batch=2, rate=3e-3,
                              steps=steps, cool_down=0, minutes=None, log_every=5)  # fmt: skip


def test_a_student_comes_nearer_to_its_teacher_and_draws(work: Path) -> None:
    asked = options(work, 16)
    teacher = ds.load_unet(work / "unet" / "ema").eval().requires_grad_(False)
    data = Latents(work / "clips", work / "latents")
    context = TextContext(*load_text(work / "text"))
    student = ds.load_unet(work / "unet" / "ema")
    trainer = ds.make_trainer(student, teacher, data, context, work / "student.pt", asked)
    trainer.warm_up_steps = 2
    trainer.run(asked.steps, log_every=4)
    assert trainer.curve[-1]["loss"] < trainer.curve[0]["loss"]
    student.save_pretrained(work / "few-steps" / "ema")
    export(work, work / "few", few_steps=2)
    told = json.loads((work / "few" / "riffbot.json").read_text())
    assert (told["steps"], told["guidance_scale"]) == (2, 1.0)
    first, second = draw(load(work / "few"), ["techno", "techno"], [1, 2])
    assert first.shape == (512, 512)
    assert not np.array_equal(first, second)
