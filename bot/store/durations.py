"""How long jobs took, by model, steps and length, and what that foretells of the next ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from generation.request import DEFAULT_SECONDS

FIRST_GUESS = 8.0
DEFAULT_STEPS = 12
# The newest of about ten measurements counts as much as the nine before: a machine's load changes.
_MEMORY = 10

Key = tuple[int, float]
"""Denoising steps (0: the checkpoint's own) and seconds of sound."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Foretells seconds of work from what was measured with one model."""

    measured: Mapping[Key, float]

    def seconds(self, steps: int, audio: float) -> float:
        """Seconds that a job takes: as measured, or else in proportion to the nearest measured."""
        exact = self.measured.get((steps, audio))
        if exact is not None:
            return exact
        wanted = _work(steps, audio)
        if not self.measured:
            return FIRST_GUESS * wanted
        near = min(self.measured, key=lambda key: abs(_work(*key) - wanted))
        return self.measured[near] * wanted / _work(*near)


def note(tx: sqlite3.Connection, model: str, job_id: str, batch: int) -> None:
    """Remember how long a job that was just rendered took: its share of its batch."""
    tx.execute(
        "INSERT INTO durations (model, steps, seconds, mean, count) "
        "SELECT ?, steps, seconds, max(rendered_at - started_at, 0) / ?, 1 FROM jobs "
        "WHERE id = ? AND started_at IS NOT NULL ON CONFLICT DO UPDATE SET "
        "mean = mean + (excluded.mean - mean) / min(count + 1, ?), count = count + 1",
        (model, batch, job_id, _MEMORY),
    )


def forecast(db: sqlite3.Connection, model: str) -> Forecast:
    """What is known of this model."""
    rows = db.execute("SELECT steps, seconds, mean FROM durations WHERE model = ?", (model,))
    return Forecast({(row["steps"], row["seconds"]): row["mean"] for row in rows})


def _work(steps: int, audio: float) -> float:
    """Rough amount of work; 1 is a default riff. A third of it does not depend on the steps."""
    return audio / DEFAULT_SECONDS * (0.33 + 0.67 * (steps or DEFAULT_STEPS) / DEFAULT_STEPS)
