"""From noise to latents: text → image, image → image and inpainting, in one loop.

A picture is drawn by walking from noise towards what the UNet takes for a clean picture, guided by
the prompt (Ho & Salimans, "Classifier-Free Diffusion Guidance", 2022). Any diffusers scheduler says
how far each step goes. Pictures of one batch go their ways side by side, each as if alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from generation.checkpoint import Checkpoint
from generation.circular import set_circular
from generation.errors import BadRequestError
from generation.latents import decode, encode, preview
from generation.schedulers import SAMPLERS, StepNoise, new_scheduler, set_steps
from generation.windows import Windows, lay_out

__all__ = [
    "SAMPLERS",
    "Frame",
    "Sampling",
    "Step",
    "decode",
    "encode",
    "initial_noise",
    "preview",
    "sample",
]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture to draw.

    Attributes:
        noise: shape `(channels, height, width)`, standard normal, float32, on the CPU.
        positive: embedding of the prompt, shape `(tokens, width)`.
        negative: embedding of what to steer away from, shaped alike.
        guidance_scale: 1 follows the prompt as trained, more follows it more closely.
        init: latents to start from, shaped like `noise`; None starts from noise alone.
        strength: share of the steps that is run from `init`, 0 to 1; at least one step is.
        mask: where to draw, shape `(height, width)`: 1 draws anew, 0 keeps `init` exactly.
    """

    noise: Tensor
    positive: Tensor
    negative: Tensor
    guidance_scale: float
    init: Tensor | None = None
    strength: float = 1.0
    mask: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How all pictures of a batch are drawn.

    Attributes:
        steps: denoising steps for a strength of 1.
        sampler: a name of `SAMPLERS`; empty is the checkpoint's own.
        loop: True makes pictures rings in time, False pictures with two ends.
        rescale: how far guidance is kept from raising the contrast, 0 (not at all) to 1.
        guided: share of the steps that are guided, 0 to 1, from the first on; the last ones, which
            draw what is small, follow the prompt as trained, for half of the work (Kynkäänniemi et
            al., "Applying Guidance in a Limited Interval", 2024).
    """

    steps: int
    sampler: str = ""
    loop: bool = True
    rescale: float = 0.0
    guided: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """How far the drawing has come.

    Attributes:
        done: steps run, 1 to `total`.
        total: steps that this run takes: fewer than asked for where the strength is below 1.
        latents: the clean pictures as foreseen now, shape `(n, channels, height, width)`, float32,
            on the checkpoint's device.
    """

    done: int
    total: int
    latents: Tensor


def initial_noise(seeds: Sequence[int], channels: int, height: int, width: int) -> Tensor:
    """Standard normal latents, shape `(len(seeds), channels, height, width)`, float32.

    Made on the CPU whatever the device, one generator per picture, so that a seed means the same
    picture on every device and in every batch.
    """
    return torch.stack(
        [
            torch.randn(
                (channels, height, width), generator=torch.Generator("cpu").manual_seed(seed)
            )
            for seed in seeds
        ]
    )


@torch.inference_mode()
def sample(
    checkpoint: Checkpoint,
    frames: Sequence[Frame],
    sampling: Sampling,
    on_step: Callable[[Step], None],
) -> Tensor:
    """Draw pictures.

    With the same steps as diffusers' `StableDiffusionPipeline`, `…Img2ImgPipeline` and, for masks,
    `…InpaintPipeline` with a UNet of four channels: at every step, what is to be kept is `init`
    with as much noise as the picture has by then; at the end it is `init` itself. Pictures wider
    than 2,048 columns are drawn in overlapping windows.

    Args:
        frames: of one size, number of tokens and number of steps; they may differ in the rest.
        sampling: how.
        on_step: told after each step; what it raises ends the run.

    Returns:
        Latents, shape `(n, channels, height, width)`, float32, on the checkpoint's device.

    Raises:
        BadRequestError: a frame or the sampling cannot be drawn; the sentence says why.
    """
    _check(checkpoint, frames, sampling)
    batch = _Batch(checkpoint, frames)
    scheduler = new_scheduler(checkpoint, sampling.sampler)
    timesteps = _timesteps(scheduler, sampling.steps, frames[0], checkpoint.device)
    predict = _Predictor(checkpoint, frames, sampling)
    latents = batch.start(scheduler, timesteps[:1])
    guided = math.ceil(sampling.guided * len(timesteps))
    with_noise = StepNoise(batch.noise.cpu())
    for done, timestep in enumerate(timesteps, start=1):
        model_input = scheduler.scale_model_input(latents, timestep)
        prediction = predict(model_input, timestep, guided=done <= guided)
        with with_noise:
            latents = scheduler.step(prediction, timestep, latents, return_dict=False)[0]
        following = timesteps[done : done + 1] if done < len(timesteps) else None
        latents = batch.keep(latents, scheduler, following)
        clean = _foreseen(scheduler, model_input, prediction, timestep)
        on_step(Step(done, len(timesteps), batch.keep(clean, scheduler, None)))
    return latents


class _Batch:
    """The frames' tensors, stacked on the device, and how to start from and keep their inits."""

    def __init__(self, checkpoint: Checkpoint, frames: Sequence[Frame]) -> None:
        device = checkpoint.device
        self.noise = torch.stack([frame.noise for frame in frames]).to(device, torch.float32)
        nothing = torch.zeros_like(frames[0].noise)
        inits = [nothing if frame.init is None else frame.init for frame in frames]
        self.init = torch.stack([init.to(device, torch.float32) for init in inits])
        everything = torch.ones(frames[0].noise.shape[1:])
        masks = [everything if frame.mask is None else frame.mask for frame in frames]
        self.mask = torch.stack([mask.to(device, torch.float32)[None] for mask in masks])
        self.masked = any(frame.mask is not None for frame in frames)
        # diffusers starts from noise alone where a mask is drawn at full strength, but from a
        # noised picture without one; they differ where the last step of training kept a trace.
        alone = [f.init is None or (f.mask is not None and f.strength == 1) for f in frames]
        self._from_noise = torch.tensor(alone, device=device)[:, None, None, None]

    def start(self, scheduler: Any, timestep: Tensor) -> Tensor:
        noise: Tensor = self.noise * scheduler.init_noise_sigma
        if bool(self._from_noise.all()):
            return noise
        noised = scheduler.add_noise(self.init, self.noise, timestep.expand(len(self.noise)))
        return torch.where(self._from_noise, noise, noised)

    def keep(self, latents: Tensor, scheduler: Any, timestep: Tensor | None) -> Tensor:
        """`latents` where to draw, elsewhere `init` noised as for `timestep` (None: clean)."""
        if not self.masked:
            return latents
        kept = self.init
        if timestep is not None:
            kept = scheduler.add_noise(kept, self.noise, timestep.expand(len(kept)))
        return (1 - self.mask) * kept + self.mask * latents


class _Predictor:
    """The guided UNet: all rows, and the unconditional halves of those that need one, at once."""

    def __init__(self, checkpoint: Checkpoint, frames: Sequence[Frame], sampling: Sampling) -> None:
        unet, device = checkpoint.unet, checkpoint.device
        self._unet = unet
        self._rescale = sampling.rescale
        scales = [frame.guidance_scale for frame in frames]
        self._condition: Tensor | None = None
        if unet.config.time_cond_proj_dim is not None:
            # Distilled with its guidance (Luo et al., "Latent Consistency Models", 2023).
            self._condition = guidance_embedding(
                torch.tensor(scales) - 1, int(unet.config.time_cond_proj_dim)
            ).to(device, unet.dtype)
            scales = [1.0] * len(frames)
        self._guided = [row for row, scale in enumerate(scales) if scale != 1]
        self._scales = torch.tensor([scales[row] for row in self._guided], device=device).float()
        negatives = [frames[row].negative for row in self._guided]
        embeddings = [*negatives, *(frame.positive for frame in frames)]
        self._embeddings = torch.stack([e.to(device, unet.dtype) for e in embeddings])
        width = frames[0].noise.shape[-1]
        self._windows: Windows | None = lay_out(
            width, _cell(checkpoint), checkpoint.downscale, ring=sampling.loop
        )
        # A window is no ring, not even on one.
        set_circular(unet, sampling.loop and self._windows is None)

    def __call__(self, x: Tensor, timestep: Tensor, *, guided: bool = True) -> Tensor:
        """Predict, float32, from model input `(n, channels, height, width)`."""
        predict = self._guide if guided and self._guided else self._follow
        if self._windows is None:
            return predict(x, timestep)
        return self._windows.predict(x, lambda window: predict(window, timestep))

    def _follow(self, x: Tensor, timestep: Tensor) -> Tensor:
        return self._run(x, timestep, self._embeddings[len(self._guided) :])

    def _run(self, rows: Tensor, timestep: Tensor, embeddings: Tensor) -> Tensor:
        prediction: Tensor = self._unet(
            rows.to(self._unet.dtype).contiguous(memory_format=torch.channels_last),
            timestep,
            encoder_hidden_states=embeddings,
            timestep_cond=self._condition,
            return_dict=False,
        )[0]
        return prediction.float()

    def _guide(self, x: Tensor, timestep: Tensor) -> Tensor:
        prediction = self._run(torch.cat([x[self._guided], x]), timestep, self._embeddings)
        negative, every = prediction[: len(self._guided)], prediction[len(self._guided) :]
        positive = every[self._guided]
        guided: Tensor = negative + self._scales[:, None, None, None] * (positive - negative)
        if self._rescale:
            guided = rescaled(guided, positive, self._rescale)
        if len(self._guided) == len(x):
            return guided
        every = every.clone()
        every[self._guided] = guided
        return every


def rescaled(guided: Tensor, positive: Tensor, share: float) -> Tensor:
    """Guidance with the contrast of the unguided prediction (Lin et al., 2024, section 3.4).

    φ·x·std(positive)/std(x) + (1−φ)·x of each row, with φ = `share`.
    """
    axes = tuple(range(1, guided.ndim))
    ratio = positive.std(axes, keepdim=True) / guided.std(axes, keepdim=True).clamp_min(1e-6)
    return share * guided * ratio + (1 - share) * guided


def guidance_embedding(scales: Tensor, width: int) -> Tensor:
    """Sines and cosines of 1000·(guidance − 1), as UNets distilled with their guidance read it.

    Args:
        scales: guidance − 1 of each row, shape `(n,)`.
        width: even.

    Returns:
        Shape `(n, width)`.
    """
    half = width // 2
    rates = torch.exp(torch.arange(half) * -(math.log(10_000) / (half - 1)))
    angles = 1000 * scales[:, None].float() * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _timesteps(scheduler: Any, steps: int, frame: Frame, device: torch.device) -> Tensor:
    """The steps to run: the last ones of the schedule, if `init` is to be partly kept."""
    set_steps(scheduler, steps, device)
    skipped = (steps - _steps(frame, steps)) * scheduler.order
    if frame.init is not None and hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(skipped)
    timesteps: Tensor = scheduler.timesteps[skipped:]
    return timesteps


def _steps(frame: Frame, steps: int) -> int:
    return steps if frame.init is None else max(1, min(steps, int(steps * frame.strength)))


def _foreseen(scheduler: Any, x: Tensor, prediction: Tensor, timestep: Tensor) -> Tensor:
    """The clean picture that a prediction amounts to.

    From x = √ᾱ·clean + √(1−ᾱ)·noise with the prediction of ε, or of v = √ᾱ·noise − √(1−ᾱ)·clean.
    """
    kind = scheduler.config.prediction_type
    if kind == "sample":
        return prediction
    share: Tensor = scheduler.alphas_cumprod[int(timestep)].to(x.device, torch.float32)
    signal, rest = share.sqrt(), (1 - share).sqrt()
    if kind == "v_prediction":
        return signal * x - rest * prediction
    # With zero terminal SNR the first input is noise alone, which says nothing about the picture.
    return (x - rest * prediction) / signal.clamp_min(1e-2)


def _cell(checkpoint: Checkpoint) -> int:
    """Latent sides must be multiples of this to pass through every level of the UNet."""
    return checkpoint.width_multiple // checkpoint.downscale


def _check(checkpoint: Checkpoint, frames: Sequence[Frame], sampling: Sampling) -> None:
    if not frames:
        raise BadRequestError("There is nothing to draw.")
    if sampling.steps < 1:
        raise BadRequestError(f"I cannot draw in {sampling.steps} steps: it takes at least one.")
    if not 0 <= sampling.guided <= 1:
        raise BadRequestError(f"The guided share has to be 0 to 1, not {sampling.guided:g}.")
    shape, tokens = frames[0].noise.shape, frames[0].positive.shape
    cell = _cell(checkpoint)
    if any(side == 0 or side % cell for side in shape[1:]):
        sides = " × ".join(str(side * checkpoint.downscale) for side in reversed(shape[1:]))
        raise BadRequestError(
            f"I cannot draw a picture of {sides}: both sides have to be multiples of "
            f"{checkpoint.width_multiple}."
        )
    for frame in frames:
        _check_frame(frame)
        if frame.noise.shape != shape or frame.positive.shape != tokens:
            raise BadRequestError("Pictures drawn together have to be of one size.")
        if _steps(frame, sampling.steps) != _steps(frames[0], sampling.steps):
            raise BadRequestError("Pictures drawn together have to take the same steps.")


def _check_frame(frame: Frame) -> None:
    if not math.isfinite(frame.guidance_scale):
        raise BadRequestError("The guidance has to be a number.")
    if not 0 <= frame.strength <= 1:  # NaN is neither
        raise BadRequestError(f"The strength has to be between 0 and 1, not {frame.strength:g}.")
    if frame.negative.shape != frame.positive.shape:
        raise BadRequestError("The prompt and the negative prompt have to be of one length.")
    if frame.init is not None and frame.init.shape != frame.noise.shape:
        raise BadRequestError("What I start from has another size than the picture I am to draw.")
    if frame.mask is None:
        return
    if frame.init is None:
        raise BadRequestError("A mask needs a sound or picture that it masks.")
    if frame.mask.shape != frame.noise.shape[1:]:
        raise BadRequestError("The mask has another size than the picture that it masks.")
    if not bool(((frame.mask >= 0) & (frame.mask <= 1)).all()):
        raise BadRequestError("A mask has to lie between 0 (keep) and 1 (draw anew).")
    if not bool((frame.mask > 0).any()):
        raise BadRequestError("The mask is empty, so there is nothing to draw: paint a part white.")
