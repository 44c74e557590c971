"""How figures grow with training: one line for every evaluated stage of the denoiser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generation.training.state import load_state

SHOWN = (
    "style accuracy on captions", "style accuracy on held-out wordings", "tempo within 4%",
    "Fréchet, generated",
)  # fmt: skip


def _file(work: Path) -> Path:
    return work / "growth.json"


def stages(work: Path) -> list[dict[str, float]]:
    """Return what was recorded so far: samples seen, hours, v error and figures of each stage."""
    file = _file(work)
    return list(json.loads(file.read_text("utf-8"))) if file.exists() else []


def record(work: Path, table: Mapping[str, float]) -> None:
    """Add an evaluation of the denoiser as it is now; a second one of a stage replaces it."""
    state: dict[str, Any] | None = load_state(work / "unet" / "state.pt")
    if state is None or not state["curve"]:
        return
    last = state["curve"][-1]
    stage = {name: float(last[name]) for name in ("samples", "hours", "v_mse")}
    kept = [one for one in stages(work) if one["samples"] != stage["samples"]]
    kept.append({**stage, **table})
    kept.sort(key=lambda one: one["samples"])
    _file(work).write_text(json.dumps(kept, indent=2) + "\n", "utf-8")


def as_markdown(work: Path) -> str:
    """Return the growth as a Markdown table, or nothing if nothing was recorded."""
    recorded = stages(work)
    if not recorded:
        return ""
    lines = ["| samples | hours | v error | " + " | ".join(SHOWN) + " |", "|---" * 7 + "|"]
    for one in recorded:
        figures = " | ".join(f"{one[name]:.3f}" if name in one else "" for name in SHOWN)
        lines.append(
            f"| {one['samples']:.0f} | {one['hours']:.1f} | {one['v_mse']:.3f} | {figures} |"
        )
    return "\n".join(lines)
