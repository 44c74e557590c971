"""Samplers by name, and the noise that some of them add at every step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import diffusers
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from generation.checkpoint import Checkpoint
from generation.errors import BadRequestError


@dataclass(frozen=True, slots=True)
class Sampler:
    """A way to walk from noise to a picture.

    Attributes:
        scheduler: name of its class in diffusers.
        changes: what it sets in the checkpoint's own scheduler configuration, which says the rest
            (how noise was added in training, what the UNet predicts).
    """

    scheduler: str
    changes: Mapping[str, Any] = field(default_factory=dict)


# "Trailing" steps begin at the very last step of training, which is pure noise where the schedule
# has zero terminal SNR (Lin et al., "Common Diffusion Noise Schedules and Sample Steps Are Flawed",
# 2024), and waste none of a dozen steps. Clipping is for pictures, not for latents; diffusers turns
# it on where a configuration that was written for another scheduler does not mention it.
_TRAILING: Mapping[str, Any] = {"timestep_spacing": "trailing"}
_PLAIN: Mapping[str, Any] = {**_TRAILING, "clip_sample": False}

SAMPLERS: Mapping[str, Sampler] = {
    "dpmpp": Sampler(
        "DPMSolverMultistepScheduler",
        {**_TRAILING, "algorithm_type": "dpmsolver++", "solver_order": 2},
    ),
    "dpmpp_sde": Sampler(
        "DPMSolverMultistepScheduler",
        {**_TRAILING, "algorithm_type": "sde-dpmsolver++", "solver_order": 2},
    ),
    "unipc": Sampler("UniPCMultistepScheduler", _TRAILING),
    "euler": Sampler("EulerDiscreteScheduler", _TRAILING),
    "euler_a": Sampler("EulerAncestralDiscreteScheduler", _TRAILING),
    "ddim": Sampler("DDIMScheduler", _PLAIN),
    "ddpm": Sampler("DDPMScheduler", _PLAIN),
    "lcm": Sampler("LCMScheduler", _PLAIN),
    "tcd": Sampler("TCDScheduler", _PLAIN),
}
"""LCM and TCD are for checkpoints or LoRAs distilled for a few steps (LCM, Hyper-SD)."""


def new_scheduler(checkpoint: Checkpoint, sampler: str = "") -> Any:
    """A scheduler with no state of an earlier run.

    Args:
        sampler: a name of `SAMPLERS`; empty takes the checkpoint's own, with DPM-Solver++ in place
            of PNDM (which the first Stable Diffusion checkpoints name, and which needs twice the
            steps for the same picture).

    Raises:
        BadRequestError: there is no sampler of that name.
    """
    if not sampler:
        if not isinstance(checkpoint.scheduler, diffusers.PNDMScheduler):
            return checkpoint.new_scheduler()
        sampler = "dpmpp"
    if sampler not in SAMPLERS:
        names = ", ".join(SAMPLERS)
        raise BadRequestError(f"I do not know the sampler {sampler!r}; I know {names}.")
    chosen = SAMPLERS[sampler]
    kind: Any = getattr(diffusers, chosen.scheduler)
    known = inspect.signature(kind.__init__).parameters
    config = {**checkpoint.scheduler.config, **chosen.changes}
    return kind(**{name: value for name, value in config.items() if name in known})


def set_steps(scheduler: Any, steps: int, device: torch.device) -> None:
    """Lay out `steps` denoising steps.

    Raises:
        BadRequestError: this sampler cannot draw in that many.
    """
    try:
        scheduler.set_timesteps(steps, device=device)
    except (ValueError, IndexError, AssertionError) as error:
        raise BadRequestError(
            f"This sampler cannot draw in {steps} steps; please ask for another number."
        ) from error


class StepNoise(TorchFunctionMode):
    """While entered, answers a scheduler's calls for noise from the noise of the frames.

    diffusers' schedulers draw what they add at a step from one global source. Here each row gets
    its own: the k-th draw of a run shuffles the rows of the frame's own noise over channels and
    frequencies, each with a random shift in time and a random sign. This is white noise again,
    unrelated to that of other draws, and

    - a frame gets the same noise alone, in any batch and on every device;
    - it is linear in the frame's noise: frames between two seeds get noise between theirs, so that
      a blend moves smoothly with stochastic samplers too;
    - a frame rolled in time gets its noise rolled in time: a ring has no first column.
    """

    def __init__(self, noise: Tensor) -> None:
        """Answer from `noise`, shape `(n, channels, height, width)`, on the CPU."""
        super().__init__()
        self._noise = noise
        self._draws = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Answer `torch.randn` of the frames' shape, and let everything else pass."""
        named = dict(kwargs or {})
        # Called as diffusers does, with the shape as one argument.
        if func is torch.randn and args in [(self._noise.shape,), (tuple(self._noise.shape),)]:
            return self._draw().to(device=named.get("device"), dtype=named.get("dtype"))
        return func(*args, **named)

    def _draw(self) -> Tensor:
        self._draws += 1
        count, channels, height, width = self._noise.shape
        lines = channels * height
        random = torch.Generator("cpu").manual_seed(self._draws)
        order = torch.randperm(lines, generator=random)
        shifts = torch.randint(width, (lines, 1), generator=random)
        signs = torch.randint(2, (lines, 1), generator=random) * 2.0 - 1.0
        columns = (torch.arange(width) + shifts) % width
        shuffled = self._noise.reshape(count, lines, width)[:, order]
        drawn = shuffled.gather(2, columns.expand(count, lines, width)) * signs
        return drawn.reshape(self._noise.shape)
