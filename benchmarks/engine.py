"""Text → MP3 and PNG, end to end, by stage: python benchmarks/engine.py

Draws riffs with the engine that the bot uses, in this process, warm, and reports for batches of
1, 2, 4 and 8 the seconds per clip of every stage, as multiples of real time too; for single riffs
also by number of denoising steps; and the peak memory. Settings take turns within every round, so
that another load on the machine falls on all of them alike; medians are reported.

Beside it stands the arithmetic limit: the multiply-adds of the UNet, the decoder and the text
encoder, counted on the modules as they run, over the rate that this machine's matrix product (of
the same dtype and threads) reaches in the same run.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from generation.allocator import keep_freed_memory
from generation.engine import Engine, EngineOptions
from generation.request import GenerationRequest, Progress
from generation.task import Task

PROMPTS = (
    "lo-fi beat",
    "jazz piano",
    "techno synth",
    "church bells",
    "funk",
    "rain",
    "choir",
    "taiko",
)
STAGES = ("reading", "drawing", "decoding", "sounding", "encoding")


class Clock:
    """Seconds by stage, from the progress that the engine reports."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stage, self._since = "reading", time.perf_counter()

    def note(self, progress: Progress) -> None:
        """Any riff of the batch has come so far."""
        # After the last denoising step the engine decodes until it reports the first sound.
        done = progress.stage == "drawing" and progress.done == progress.total
        self._enter("decoding" if done else progress.stage)

    def stop(self) -> None:
        """The last stage is over."""
        self._enter("done")

    def _enter(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[self._stage] += now - self._since
        self._stage, self._since = stage, now


def run(engine: Engine, request: GenerationRequest, batch: int, folder: Path) -> dict[str, float]:
    """Make `batch` riffs together; seconds per clip by stage."""
    clock = Clock()
    tasks = [
        Task(
            replace(request, prompt=PROMPTS[index % len(PROMPTS)], seed=index),
            folder,
            f"clip{index}",
            clock.note,
        )
        for index in range(batch)
    ]
    started = time.perf_counter()
    outcomes = engine.make_batch(tasks)
    _synchronise(engine)
    total = time.perf_counter() - started
    clock.stop()
    for outcome in outcomes:
        if not isinstance(outcome, list):
            raise outcome
    return {**{stage: clock.seconds[stage] / batch for stage in STAGES}, "total": total / batch}


def matrix_rate(engine: Engine, seconds: float = 0.5) -> float:
    """Multiply-adds per second of a large matrix product in the engine's dtype."""
    size = 2048
    options: Any = {"device": engine.checkpoint.device, "dtype": engine.checkpoint.unet.dtype}
    a, b = torch.randn(size, size, **options), torch.randn(size, size, **options)
    a @ b
    _synchronise(engine)
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        a @ b
        _synchronise(engine)
        count += 1
    return count * size**3 / (time.perf_counter() - started)


def multiply_adds(engine: Engine, request: GenerationRequest, folder: Path) -> float:
    """Multiply-adds of one riff, counted as torch runs them."""
    with FlopCounterMode(display=False) as counter:
        engine.make(request, folder, "count", lambda progress: None)
    return counter.get_total_flops() / 2


def _peak_bytes() -> int:
    """The most memory that this process ever held; 0 where the platform does not say."""
    if importlib.util.find_spec("resource") is None:
        return 0
    resource: Any = importlib.import_module("resource")
    peak = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else peak * 1024


def _synchronise(engine: Engine) -> None:
    if engine.checkpoint.device.type == "cuda":
        torch.cuda.synchronize()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def median(rows: list[dict[str, float]]) -> dict[str, float]:
    """The median of each column."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", default="starter")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--inversion", default="standard")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--steps", type=int, nargs="+", default=[4, 6, 8])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    keep_freed_memory()  # as the worker does
    engine = Engine(
        EngineOptions(
            checkpoint=options.checkpoint, device=options.device, inversion=options.inversion
        )
    )
    engine.warm_up()
    request = GenerationRequest("lo-fi beat", seed=0)
    default = engine.checkpoint.preferences.steps
    settings = [(default, batch) for batch in options.batches]
    settings += [(steps, 1) for steps in options.steps if steps != default]
    rows: dict[tuple[int, int], list[dict[str, float]]] = defaultdict(list)
    rates = []
    with scratch() as folder:
        work = {
            steps: multiply_adds(engine, replace(request, steps=steps), folder)
            for steps, batch in settings
            if batch == 1
        }
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            rates.append(matrix_rate(engine))
            for steps, batch in settings:
                made = run(engine, replace(request, steps=steps), batch, folder)
                rows[steps, batch].append(made)
    rate = statistics.median(rates)
    table = [
        {
            "steps": steps,
            "batch": batch,
            **median(rows[steps, batch]),
            "limit": work[steps] / rate if steps in work else float("nan"),
        }
        for steps, batch in settings
    ]
    if options.json:
        print(json.dumps({"rate": rate, "peak_bytes": _peak_bytes(), "rows": table}))
        return
    print(f"{engine.checkpoint.preferences.name} on {engine.checkpoint.device}, "
          f"{torch.get_num_threads()} threads, {engine.checkpoint.unet.dtype}")  # fmt: skip
    print(f"matrix product: {rate / 1e9:.0f} G multiply-adds a second; "
          f"peak memory: {_peak_bytes() / 2**20:.0f} MiB")  # fmt: skip
    head = ("steps", "batch", *STAGES, "s a clip", "× real time", "limit", "of limit")
    print(" | ".join(head))
    for row in table:
        cells = [f"{row['steps']}", f"{row['batch']}"]
        cells += [f"{row[stage]:.2f}" for stage in STAGES]
        cells += [f"{row['total']:.2f}", f"{row['total'] / 5.12:.2f}", f"{row['limit']:.2f}"]
        cells.append(f"{row['limit'] / row['total']:.0%}")
        print(" | ".join(cells))


if __name__ == "__main__":
    main()
