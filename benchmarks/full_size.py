"""A full-size Stable Diffusion 1.5 checkpoint (random weights) here and in plain diffusers.

    python benchmarks/full_size.py [--folder DIR] [--steps 3] [--rounds 2] [--layouts new old]

Each run is a child process of its own, and the two take turns, so that a busy machine is unfair to
both: load, read the prompt, draw 512×512 with classifier-free guidance from the same latents with
the same scheduler in float32, decode. Reported are the seconds per step (the fastest of all), to
decode and to load, in time of the processor, which other programs disturb less than the clock on
the wall, and the peak of resident memory; each as a ratio to diffusers' `StableDiffusionPipeline`;
and by how many grey levels the pictures differ. The checkpoint is made in a temporary folder (4.3
GB a layout) unless `--folder` names one, where it is kept.

diffusers loads with less memory where `accelerate` is installed; the report says whether it is.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from full_size_checkpoint import write

PROMPT, NEGATIVE, GUIDANCE = "slow jazz piano with rain", "drums", 7.0
Clock = npt.NDArray[np.float64]  # seconds on the wall, and of the processor
Grey = npt.NDArray[np.uint8]
_CPU = torch.device("cpu")


def run_ours(folder: Path, steps: int) -> dict[str, Any]:
    """Load and draw with `generation`."""
    from generation.allocator import keep_freed_memory  # noqa: PLC0415
    from generation.checkpoint import load_checkpoint  # noqa: PLC0415
    from generation.prompts import PromptEncoder  # noqa: PLC0415
    from generation.sampler import Frame, Sampling, decode, sample  # noqa: PLC0415

    keep_freed_memory()  # as the worker does
    start = _clock()
    checkpoint = load_checkpoint(str(folder), _CPU)
    loaded = _clock()
    encoder = PromptEncoder(checkpoint)
    frame = Frame(_noise(), encoder.encode(PROMPT), encoder.encode(NEGATIVE), GUIDANCE)
    times = [_clock()]
    latents = sample(
        checkpoint,
        [frame],
        Sampling(steps, "dpmpp", loop=False),
        lambda step: times.append(_clock()),
    )
    drawn = _clock()
    picture = decode(checkpoint, latents, loop=False)[0]
    return _result(picture, loaded - start, times, _clock() - drawn)


def run_theirs(folder: Path, steps: int) -> dict[str, Any]:
    """Load and draw with diffusers alone, without the safety checker."""
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline  # noqa: PLC0415

    start = _clock()
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        torch_dtype=torch.float32, local_files_only=True,
    )  # fmt: skip
    loaded = _clock()
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="trailing"
    )
    pipeline.set_progress_bar_config(disable=True)
    times: list[Clock] = []

    def stamp(_pipe: Any, _step: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        times.append(_clock())
        return values

    times.append(_clock())
    latents = pipeline(
        PROMPT, negative_prompt=NEGATIVE, guidance_scale=GUIDANCE, latents=_noise()[None],
        num_inference_steps=steps, output_type="latent", callback_on_step_end=stamp,
    ).images  # fmt: skip
    drawn = _clock()
    with torch.inference_mode():
        [image] = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    decoded = _clock()
    grey = ((image.mean(dim=0).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return _result(grey.numpy(), loaded - start, times, decoded - drawn)


def _clock() -> Clock:
    return np.array([time.perf_counter(), time.process_time()])


def _noise() -> torch.Tensor:
    return torch.randn((4, 64, 64), generator=torch.Generator("cpu").manual_seed(1))


def _result(picture: Grey, load: Clock, times: list[Clock], decode: Clock) -> dict[str, Any]:
    # The first step of theirs begins with the prompt; it is nobody's fastest.
    steps = np.diff(times, axis=0)[1:] if len(times) > 2 else np.diff(times, axis=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    measured = {"load": load, "step": steps.min(axis=0), "decode": decode}
    return {
        "wall": {key: float(clock[0]) for key, clock in measured.items()},
        "processor": {key: float(clock[1]) for key, clock in measured.items()},
        "peak": peak,
        "picture": picture.tolist(),
    }


_RUNS = {"ours": run_ours, "theirs": run_theirs}


def _child(who: str, folder: Path, steps: int) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [sys.executable, __file__, "--child", who, file.name]
        command += ["--folder", str(folder), "--steps", str(steps)]
        # Threads that spin while they wait for each other would count as work.
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
        subprocess.run(command, check=True, env=environment)
        result: dict[str, Any] = json.loads(Path(file.name).read_text())
    for clock in ("wall", "processor"):
        times = ", ".join(f"{key} {seconds:.1f}" for key, seconds in result[clock].items())
        print(f"{who}: {clock} {times}; peak {result['peak'] / 1e9:.2f} GB", file=sys.stderr)
    return result


def compare(folder: Path, layout: str, steps: int, rounds: int) -> None:
    """Run both in turns and print one row of the table."""
    results: dict[str, list[dict[str, Any]]] = {who: [] for who in _RUNS}
    for number in range(rounds):
        order = list(_RUNS) if number % 2 else list(reversed(_RUNS))
        for who in order:
            results[who].append(_child(who, folder, steps))
    cells = []
    for key in ("step", "decode", "load"):
        best = {who: min(run["processor"][key] for run in runs) for who, runs in results.items()}
        cells.append(_ratio(best["ours"], best["theirs"]))
    peaks = {who: max(run["peak"] for run in runs) / 1e9 for who, runs in results.items()}
    cells.append(_ratio(peaks["ours"], peaks["theirs"]))
    ours, theirs = (np.array(results[who][0]["picture"], int) for who in ("ours", "theirs"))
    different = f"{np.abs(ours - theirs).max()} (levels {ours.min()} to {ours.max()})"
    print(f"| {layout} | {' | '.join(cells)} | {different} |", flush=True)


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours:.2f} / {theirs:.2f} = **{ours / theirs:.2f}**"


@contextlib.contextmanager
def _checkpoint(folder: Path | None, layout: Any) -> Iterator[Path]:
    with contextlib.ExitStack() as stack:
        root = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        place = root / layout
        if not (place / "model_index.json").is_file():
            write(place, layout)
        yield place


def main() -> None:
    """Print the table, or be one of its runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--layouts", nargs="+", choices=("new", "old"), default=["new", "old"])
    parser.add_argument("--child", nargs=2, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        who, file = options.child
        Path(file).write_text(json.dumps(_RUNS[who](options.folder, options.steps)))
        return
    accelerate = "with" if importlib.util.find_spec("accelerate") else "without"
    print(f"float32, {torch.get_num_threads()} threads, diffusers {accelerate} accelerate\n")
    print("| layout | s per step | s to decode | s to load | peak GB | largest difference |")
    print("|---|---|---|---|---|---|", flush=True)
    for layout in options.layouts:
        with _checkpoint(options.folder, layout) as folder:
            compare(folder, layout, options.steps, options.rounds)


if __name__ == "__main__":
    main()
