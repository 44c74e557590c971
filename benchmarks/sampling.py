"""Where the time of drawing goes: `python benchmarks/sampling.py`.

Every stage is measured in turns with its alternative, in one process on one thread, in seconds of
that thread (the median of the turns), because the machine may be busy. Columns:

- *share*: of a whole default picture, text → pixels;
- *arithmetic*: the multiply-adds of a stage at the speed that a matrix product reaches in this run,
  over what the stage took: 100% cannot be beaten by another order of the same arithmetic.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from generation import circular
from generation.allocator import keep_freed_memory
from generation.checkpoint import Checkpoint, load_checkpoint
from generation.sampler import decode, encode, preview

Work = Callable[[], Any]


def thread_seconds(works: Mapping[str, Work], turns: int) -> dict[str, float]:
    """Median seconds of this thread for each, taking turns."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(turns + 1):
        for name, work in works.items():
            start = time.thread_time()
            work()
            if turn:  # the first only warms up
                taken[name].append(time.thread_time() - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def flops(work: Work) -> float:
    """Floating-point operations of convolutions and products, two a multiply-add."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def step(checkpoint: Checkpoint, rows: int) -> Work:
    """One UNet step of `rows` rows, 5.12 s each."""
    unet = checkpoint.unet
    x = torch.randn(rows, 4, 64, 64).contiguous(memory_format=torch.channels_last)
    text = torch.randn(rows, 32, unet.config.cross_attention_dim)
    return lambda: unet(x, torch.tensor(500), encoder_hidden_states=text, return_dict=False)


def padded_by_torch(work: Work) -> Work:
    """The same with rings made by `functional.pad`."""

    def slow(conv: torch.nn.Conv2d) -> circular.Forward:
        pad_y, pad_x = (int(pad) for pad in conv.padding)

        def forward(x: torch.Tensor, weight: Any, bias: Any) -> torch.Tensor:
            ring = functional.pad(x, (pad_x, pad_x, 0, 0), mode="circular")
            return functional.conv2d(ring, weight, bias, conv.stride, (pad_y, 0))

        return forward

    ours = circular._wrapping

    def switched() -> None:
        for model in MODELS:
            circular.set_circular(model, False)
        circular._wrapping = slow
        try:
            for model in MODELS:
                circular.set_circular(model, True)
            work()
        finally:
            circular._wrapping = ours
            for model in MODELS:
                circular.set_circular(model, False)
                circular.set_circular(model, True)

    return switched


MODELS: list[torch.nn.Module] = []


@torch.inference_mode()
def stages(checkpoint: Checkpoint, turns: int) -> None:
    """Print the table of stages, and the ratios of what was done about them."""
    latents = torch.randn(1, 4, 64, 64)
    pictures = decode(checkpoint, latents)
    square = torch.randn(1024, 1024)
    MODELS.extend((checkpoint.unet, checkpoint.vae))
    for model in MODELS:
        circular.set_circular(model, True)
    works: dict[str, Work] = {
        "UNet step, 1 row": step(checkpoint, 1),
        "UNet step, 2 rows": step(checkpoint, 2),
        "UNet step, 8 rows": step(checkpoint, 8),
        "decode": lambda: decode(checkpoint, latents),
        "encode": lambda: encode(checkpoint, pictures),
        "preview": lambda: preview(checkpoint, latents),
    }
    operations = {name: flops(work) for name, work in works.items()}
    by_torch = {f"{name}, padded by torch": padded_by_torch(works[name])
                for name in ("UNet step, 2 rows", "decode")}  # fmt: skip
    product = {"matrix product": lambda: square @ square}
    seconds = thread_seconds({**works, **by_torch, **product}, turns)
    speed = 2 * 1024**3 / seconds["matrix product"]
    count = checkpoint.preferences.steps
    whole = count * seconds["UNet step, 2 rows"] + seconds["decode"]
    print(f"matrix product: {speed / 1e9:.0f} GFLOP/s on one thread\n")
    print("| stage | seconds | times | share | arithmetic |\n|---|---|---|---|---|")
    for name, times in (("UNet step, 2 rows", count), ("decode", 1), ("preview", count)):
        share = times * seconds[name] / whole
        print(f"| {name} | {seconds[name]:.4f} | {times} | {share:.1%} | "
              f"{operations[name] / speed / seconds[name]:.0%} |")  # fmt: skip
    for name in ("UNet step, 1 row", "UNet step, 8 rows", "encode"):
        print(f"| {name} | {seconds[name]:.4f} | | | "
              f"{operations[name] / speed / seconds[name]:.0%} |")  # fmt: skip
    print()
    for name in by_torch:
        print(f"{name}: {seconds[name] / seconds[name.partition(', padded')[0]]:.2f} × ours")


@torch.inference_mode()
def decodes(checkpoint: Checkpoint, turns: int) -> None:
    """Print seconds and page faults of one decode in this process."""
    latents = torch.randn(1, 4, 64, 64)
    decode(checkpoint, latents)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    seconds = thread_seconds({"decode": lambda: decode(checkpoint, latents)}, turns)["decode"]
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // (turns + 1)
    print(f"{seconds} {faults}")


def allocator(turns: int) -> None:
    """Print what keeping freed memory does to a decode, processes taking turns."""
    results: dict[str, list[tuple[float, int]]] = {"keep": [], "give": []}
    for _ in range(3):
        for mode, found in results.items():
            command = [sys.executable, __file__, "--decode", mode, "--turns", str(turns)]
            seconds, faults = subprocess.check_output(command, text=True).split()
            found.append((float(seconds), int(faults)))
    kept, given = (sorted(results[mode])[1] for mode in ("keep", "give"))
    print(f"decode, memory given back: {given[0] / kept[0]:.2f} × with it kept "
          f"({given[1]:,} page faults against {kept[1]:,})")  # fmt: skip


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", default="starter")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--decode", choices=("keep", "give"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.decode == "keep" or not options.decode:
        keep_freed_memory()
    checkpoint = load_checkpoint(options.checkpoint, torch.device("cpu"))
    if options.decode:
        decodes(checkpoint, options.turns)
    else:
        stages(checkpoint, options.turns)
        allocator(options.turns)


if __name__ == "__main__":
    main()
