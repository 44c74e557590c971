"""Training state on disk: saved whole or not at all, so that any training run can be resumed.

Steps draw their data and noise from the step's number, never from a generator that lives on;
a run that was interrupted therefore ends with the same weights as one that was not.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from generation.training.optim import Muon
from generation.training.team import Team


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state so that a crash leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    temporary.replace(path)


def load_state(path: Path) -> dict[str, Any] | None:
    """Read a state back, or None if there is none yet."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def step_rng(seed: int, step: int, process: int = 0) -> tuple[np.random.Generator, torch.Generator]:
    """Return the random generators of one training step."""
    rng = np.random.default_rng([seed, step, process])
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    return rng, noise


def warm_up(step: int, peak: float, steps: int) -> float:
    """Return a learning rate that rises linearly for `steps` and then stays at `peak`."""
    return peak * min(1.0, (step + 1) / steps)


def cool_down(step: int, end: int, steps: int) -> float:
    """Return the share of the learning rate that is left: 1, then linearly to 0 in `steps`.

    A long constant rate and a short descent reach what a whole cosine does (Hu et al., 2024,
    "warm-up, stable, decay"), and a longer run can go on from before the descent.
    """
    return 1.0 if steps <= 0 else max(0.0, min(1.0, (end - step) / steps))


class Ema:
    """Exponential moving average of a model's parameters, with the early steps corrected."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Start from the model as it is; `decay` is reached after about 10 / (1 - decay) steps."""
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards `model`; early on faster, so that the start is soon forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        pairs = zip(self.model.parameters(), model.parameters(), strict=True)
        averages, values = map(list, zip(*pairs, strict=True))
        torch._foreach_lerp_(averages, values, 1 - decay)


class Trainer:
    """Steps a model, logs, saves every so often, stops on a clock or at a step, resumes.

    `loss_of` is called with the step and returns the loss to descend and figures to log.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_of: Callable[[int], tuple[Tensor, dict[str, float]]],
        path: Path,
        *,
        rate: float,
        warm_up_steps: int = 100,
        ema_decay: float | None = 0.999,
        weight_decay: float = 0.01,
        batch: int = 1,
        clip: float = 1.0,
        team: Team | None = None,
        muon: bool = True,
    ) -> None:
        """Set up the optimiser and load the state at `path` if there is one.

        `batch` counts the samples of all processes of the `team` together.
        """
        self.team = team or Team()
        self.model = model
        self.loss_of = loss_of
        self.path = path
        self.rate, self.warm_up_steps, self.clip, self.batch = rate, warm_up_steps, clip, batch
        self.optimizer = Muon(model, rate, weight_decay, matrices=muon, team=self.team)
        self.ema = Ema(model, ema_decay) if ema_decay is not None else None
        self.end, self.cool_down_steps = 0, 0
        self.step = 0
        self.cooled_for = 0
        self.seconds = 0.0
        self.curve: list[dict[str, float]] = []
        state = load_state(path)
        if state is not None:
            self._restore(state)

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.ema is not None:
            self.ema.model.load_state_dict(state["ema"])
        self.step, self.seconds, self.curve = state["step"], state["seconds"], state["curve"]
        self.cooled_for = state.get("cooled_for", 0)

    @property
    def warm_path(self) -> Path:
        """Where the state from before the cool-down is kept, for a longer run to go on from."""
        return self.path.with_name(f"{self.path.stem}-before-cool-down{self.path.suffix}")

    def save(self, path: Path | None = None) -> None:
        """Write everything that a resumed run needs; of a team only the first member does."""
        if self.team.rank != 0:
            return
        save_state(path or self.path, {
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.model.state_dict() if self.ema is not None else None,
            "step": self.step, "seconds": self.seconds, "curve": self.curve,
            "cooled_for": self.cooled_for,
        })  # fmt: skip

    def take_step(self, stop: bool = False) -> tuple[dict[str, float], bool]:
        """Do one optimiser step; returns its figures, and whether anyone in the team stops."""
        rate = warm_up(self.step, self.rate, self.warm_up_steps)
        rate *= cool_down(self.step, self.end, self.cool_down_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, figures = self.loss_of(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        stop = self.team.average_gradients(self.model, stop)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update(self.model, self.step)
        self.step += 1
        return {"loss": float(loss.detach()), **figures}, stop

    def run(
        self,
        steps: int,
        minutes: float | None = None,
        log_every: int = 50,
        save_minutes: float = 5.0,
        cool_down_steps: int = 0,
        keep_cooled: bool = False,
    ) -> None:
        """Train until `steps` in all are done or `minutes` of this run have passed; save often.

        The rate falls to 0 in the last `cool_down_steps`. If an earlier run has cooled down for
        another end, this one goes on from before that, or with `keep_cooled` from its end: what
        the descent learned is then not thrown away (Wen et al., 2024, "WSD-S"). A model that has
        had so many steps already is left as it is.
        """
        self._plan(steps, cool_down_steps, keep_cooled)
        started = saved = time.monotonic()
        sums: dict[str, float] = {}
        count = 0
        stop = False
        try:
            while self.step < steps and not stop:
                before = time.monotonic()
                self._enter_cool_down()
                late = minutes is not None and before - started > 60 * minutes
                figures, stop = self.take_step(late)
                for name, value in figures.items():
                    sums[name] = sums.get(name, 0.0) + value
                now = time.monotonic()
                self.seconds += now - before
                count += 1
                if count == log_every or self.step == steps:
                    self._log({name: value / count for name, value in sums.items()})
                    sums, count = {}, 0
                if now - saved > 60 * save_minutes:
                    self.save()
                    saved = now
        finally:
            self.save()

    def _plan(self, steps: int, cool_down_steps: int, keep_cooled: bool) -> None:
        if self.cooled_for not in (0, steps) and self.step < steps:
            self.cooled_for = 0
            warm = None if keep_cooled else load_state(self.warm_path)
            if warm is not None:
                self._restore(warm)
        self.end, self.cool_down_steps = steps, cool_down_steps

    def _enter_cool_down(self) -> None:
        begins = self.end - self.cool_down_steps
        if self.cool_down_steps and self.step >= begins and not self.cooled_for:
            self.save(self.warm_path)
            self.cooled_for = self.end

    def _log(self, figures: dict[str, float]) -> None:
        entry = {"step": float(self.step), "samples": float(self.step * self.batch),
                 "hours": self.seconds / 3600, **figures}  # fmt: skip
        self.curve.append(entry)
        if self.team.rank != 0:
            return
        text = "  ".join(f"{name} {value:.4g}" for name, value in entry.items())
        print(text, flush=True)
