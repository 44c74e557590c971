"""The measuring tape is measured: each figure on pictures whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from generation.errors import GenerationError
from generation.training import evaluate as ev
from generation.training import growth, metrics, questions
from generation.training.captions import facts_of
from generation.training.classifier import STYLE_NAMES, judge_pictures, train_judge
from generation.training.compose import compose
from generation.training.draw import Way
from generation.training.export import export
from generation.training.render import picture
from generation.training.report import Section, write_report
from generation.training.shards import Clips, write_shard
from generation.training.state import save_state
from generation.training.waves import LOOP_SAMPLES, Wave, add_wrapped


def clicks(beats: int, late: float = 0.0) -> Wave:
    """A decaying click on every beat, `late` beats behind it."""
    loop = np.zeros(LOOP_SAMPLES, np.float32)
    time = np.arange(6000) / 44_100
    click = (np.sin(2 * np.pi * 900 * time) * np.exp(-time / 0.02)).astype(np.float32)
    for beat in range(beats):
        add_wrapped(loop, round((beat + late) * LOOP_SAMPLES / beats), click)
    return loop


def chord(tonic: int, minor: bool) -> Wave:
    """The notes of a cadence in a key, at once."""
    third, sixth = (3, 8) if minor else (4, 9)
    turns = np.arange(LOOP_SAMPLES) / 44_100
    degrees = {0: 3, 2: 1, third: 2, 5: 1, 7: 2.5, sixth: 1}
    notes = [(weight, 440 * 2 ** ((60 + tonic + degree - 69) / 12))
             for degree, weight in degrees.items()]  # fmt: skip
    return sum(w * np.sin(2 * np.pi * f * turns) for w, f in notes) / 10  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [(120, "right"), (123, "right"), (60, "octave"), (240, "octave"), (80, "octave"),
     (100, "wrong"), (0, "wrong")],
)  # fmt: skip
def test_tempi_are_compared_with_octaves_apart(measured: float, verdict: str) -> None:
    assert metrics.tempo_verdict(measured, 120) == verdict


def test_loops_that_start_between_beats_are_noticed() -> None:
    assert metrics.starts_on_beat(picture(clicks(8)), 8)
    assert not metrics.starts_on_beat(picture(clicks(8, late=0.5)), 8)


def test_seams_are_noticed() -> None:
    whole = picture(clicks(9, late=0.3))
    cut = whole.copy()
    cut[:, :100] = 0
    assert metrics.seam(whole) < 1
    assert metrics.seam(cut) > 3


@pytest.mark.parametrize("tonic", [0, 4, 9])
@pytest.mark.parametrize("minor", [False, True])
def test_keys_are_heard(tonic: int, minor: bool) -> None:
    heard = metrics.measure_key(picture(chord(tonic, minor)))
    same = {(tonic, "minor" if minor else "major")}
    same.add(((tonic + (3 if minor else -3)) % 12, "major" if minor else "minor"))
    assert heard in same


def test_frechet_distance_matches_its_formula_for_spheres() -> None:
    rng = np.random.default_rng(0)
    first = rng.standard_normal((20_000, 4))
    second = 2 * rng.standard_normal((20_000, 4)) + 3
    # |difference of means|² + width · (difference of deviations)²
    assert metrics.frechet_distance(first, second) == pytest.approx(4 * 9 + 4 * 1, rel=0.05)
    assert metrics.frechet_distance(first, first) == pytest.approx(0, abs=1e-6)


def test_nearest_finds_copies() -> None:
    library = np.random.default_rng(1).standard_normal((50, 8))
    rows, distance = metrics.nearest(library[[7, 31]], library)
    assert rows.tolist() == [7, 31]
    assert np.allclose(distance, 0, atol=1e-6)


def test_the_judge_learns_and_resumes(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(2)
    names = ["techno", "rain"] * 8
    pictures = rng.integers(180, 255, (16, 512, 512)).astype(np.uint8)
    pictures[::2, :, ::64] = 0
    facts = [facts_of(compose(name, i), "none") for i, name in enumerate(names)]
    write_shard(tmp_path / "clips", 0, pictures, facts)
    clips = Clips(tmp_path / "clips")
    judge = train_judge(clips, tmp_path / "judge.pt", steps=80, batch=8)
    named, _, features = judge_pictures(judge, list(pictures))
    guessed = [STYLE_NAMES[int(i)] for i in named.argmax(1)]
    assert np.mean([a == b for a, b in zip(guessed, names, strict=True)]) >= 0.9
    again = train_judge(clips, tmp_path / "judge.pt", steps=80, batch=8)
    assert torch.equal(judge_pictures(again, list(pictures))[2], features)


def test_prompts_are_repeatable_and_say_what_they_are() -> None:
    plan = questions.Plan(per_style=1, plain_seeds=2, tempos=5, wordings=10)
    asked = questions.questions_of(plan)
    assert asked == questions.questions_of(plan)
    assert {facts.style for _, facts in asked.captions} == set(STYLE_NAMES)
    assert all(facts.style in STYLE_NAMES for _, facts in [*asked.unseen, *asked.reworded])
    assert len(asked.plain) == 2 * len(questions.PLAIN_REQUESTS)
    assert all(f"{round(facts.bpm)} bpm" in text for text, facts in asked.timed)
    everything = questions.questions_of(questions.Plan(per_style=0, tempos=0))
    assert len(everything.unseen) > len(asked.unseen)


def test_a_tempo_is_said_as_the_picture_holds_it() -> None:
    assert questions.tempo_words(8) == "94 bpm"
    assert questions.tempo_words(16, columns=1024) == "94 bpm"


def test_the_report_has_a_picture_and_a_player_for_every_loop(tmp_path: Path) -> None:
    drawn = picture(clicks(8))
    path = write_report(tmp_path, {"style accuracy": 0.5},
                        [Section("<lo-fi>", [("a & b", drawn)], [("real", drawn)])])  # fmt: skip
    text = path.read_text("utf-8")
    assert "&lt;lo-fi&gt;" in text
    assert "a &amp; b" in text
    assert text.count("<audio") == 2
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".html", ".png", ".png", ".wav", ".wav"]


@pytest.fixture(scope="module")
def evaluated(work: Path) -> Path:
    """The miniature training directory with renders to judge by, judged in two steps."""
    for name in ("held-out", "other-font"):
        if not (work / name).exists():
            (work / name).symlink_to(work / "clips")
    export(work, work / "evaluated")
    return work


def test_the_whole_evaluation_runs(evaluated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ev, "JUDGE_STEPS", 2)
    plan = questions.Plan(2, plain_seeds=1, tempos=2, wordings=2, styles=("techno", "rain"))
    report = evaluated / "report"
    table = ev.evaluate(evaluated, evaluated / "evaluated", plan, report, Way(2))
    assert all(np.isfinite(value) for value in table.values())
    assert table["Fréchet, floor: two halves of real renders"] >= 0
    shares = [value for name, value in table.items() if "accuracy" in name or "recall" in name]
    assert all(0 <= share <= 1 for share in shares)
    assert json.loads((report / "table.json").read_text()) == table
    text = (report / "index.html").read_text("utf-8")
    assert all(request in text for request in questions.PLAIN_REQUESTS)


def test_ways_to_draw_are_compared_on_the_same_prompts(
    evaluated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ev, "JUDGE_STEPS", 2)
    ways = {"2 steps": Way(2), "again": Way(2), "loops": Way(2, seed_loops=True, strength=0.5)}
    rows = ev.compare_ways(evaluated, evaluated / "evaluated", 2, ways)
    assert rows.keys() == ways.keys()
    first, again = rows["2 steps"], rows["again"]
    assert all(first[name] == again[name] for name in first if "seconds" not in name)


def test_growth_is_kept_by_samples_seen(tmp_path: Path) -> None:
    growth.record(tmp_path, {"tempo within 4%": 0.1})
    assert growth.as_markdown(tmp_path) == ""
    for samples, tempo in ((800, 0.3), (400, 0.2), (800, 0.5)):
        curve = [{"samples": float(samples), "hours": 0.1, "v_mse": 0.4}]
        save_state(tmp_path / "unet" / "state.pt", {"curve": curve})
        growth.record(tmp_path, {"tempo within 4%": tempo})
    assert [stage["samples"] for stage in growth.stages(tmp_path)] == [400, 800]
    last = growth.as_markdown(tmp_path).splitlines()[-1]
    assert last.startswith("| 800 ")
    assert "| 0.500 |" in last


def test_evaluation_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(GenerationError, match="held-out renders"):
        ev.make_ruler(tmp_path, 4)
