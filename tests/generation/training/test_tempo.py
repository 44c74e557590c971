"""Beats are counted: on clicks whose number is known, and by a network that learns them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from generation.training.captions import facts_of
from generation.training.compose import compose
from generation.training.metrics import tempo_verdict
from generation.training.render import picture
from generation.training.shards import Clips, write_shard
from generation.training.tempo import (
    COUNTS,
    measure_tempo,
    pulses,
    strongest_count,
    train_beat_counter,
    unsteadiness,
)
from tests.generation.training.test_evaluate import clicks


@pytest.mark.parametrize("beats", COUNTS)
def test_the_strongest_pulse_is_of_the_right_family(beats: int) -> None:
    drawn = picture(clicks(beats))
    assert tempo_verdict(strongest_count(pulses(drawn)), beats) != "wrong"
    assert unsteadiness(drawn, beats) < 0.1


def test_where_the_loop_begins_and_how_loud_it_is_change_nothing() -> None:
    drawn = picture(clicks(9, late=0.3))
    turned = np.roll(drawn, 137, axis=1)
    assert np.allclose(pulses(drawn), pulses(turned))


def test_counts_are_learned_and_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    beats = [8, 9, 12] * 12
    pictures = np.stack([picture(clicks(n)) for n in (8, 9, 12)] * 12)
    pictures = (pictures - rng.integers(0, 9, pictures.shape)).clip(0, 255).astype(np.uint8)
    facts = [facts_of(compose("techno", i), "none") for i in range(36)]
    told = [type(one)(**{**one.to_json(), "beats": n})  # type: ignore[arg-type]
            for one, n in zip(facts, beats, strict=True)]  # fmt: skip
    write_shard(tmp_path / "clips", 0, pictures, told)
    counter = train_beat_counter(Clips(tmp_path / "clips"), tmp_path / "beats.pt")
    again = train_beat_counter(Clips(tmp_path / "clips"), tmp_path / "beats.pt")
    unseen = [np.roll(picture(clicks(n)), 40, axis=1) for n in (12, 8, 9)]
    assert [tempo.beats for tempo in measure_tempo(unseen, counter)] == [12, 8, 9]
    assert measure_tempo(unseen, again) == measure_tempo(unseen, counter)
    assert measure_tempo([], counter) == []
