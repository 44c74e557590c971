"""Judge a checkpoint: `python -m generation.training.evaluate`.

Draws pictures for composer captions, held-out wordings and five plain requests, measures them
beside real renders, prints a table and writes an HTML report with pictures and players.
`--quick` draws a share of them; `--ways N` compares samplers, steps and seed loops instead.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from generation.checkpoint import STARTER, Checkpoint, resolve
from generation.errors import GenerationError
from generation.seeds import SeedLoops
from generation.training import figures, growth, metrics
from generation.training.classifier import (
    JUDGE_STEPS,
    Judge,
    instruments_found,
    quality,
    train_judge,
)
from generation.training.draw import Way, draw, load
from generation.training.options import add_work, run
from generation.training.questions import (
    QUICK,
    Drawn,
    Plan,
    Question,
    Questions,
    questions_of,
    tempo_prompts,
)
from generation.training.report import Section, write_report
from generation.training.shards import Clips, Render
from generation.training.tempo import BeatCounter, train_beat_counter

WAYS: Mapping[str, Way] = {
    "20 steps": Way(20),
    "12 steps": Way(12),
    "8 steps": Way(8),
    "6 steps": Way(6),
    "4 steps": Way(4),
    "8 steps, UniPC": Way(8, sampler="unipc"),
    "8 steps, Euler": Way(8, sampler="euler"),
    "8 steps, DDIM": Way(8, sampler="ddim"),
    "8 steps, guidance 2.5": Way(8, guidance_scale=2.5),
    "8 steps, guidance 6": Way(8, guidance_scale=6),
    "12 steps of a seed loop": Way(12, seed_loops=True),
    "8 steps of a seed loop": Way(8, seed_loops=True),
    "6 steps of a seed loop": Way(6, seed_loops=True),
    "4 steps of a seed loop": Way(4, seed_loops=True),
    "8 steps of a seed loop, 0.6 guided": Way(8, guided=0.6, seed_loops=True),
    "8 steps of a seed loop, 0.4 guided": Way(8, guided=0.4, seed_loops=True),
    "4 steps of a seed loop, 0.4 guided": Way(4, guided=0.4, seed_loops=True),
    "12 steps of a seed loop, strength 0.75": Way(12, seed_loops=True, strength=0.75),
}


@dataclass(frozen=True)
class Ruler:
    """What measures: the judge, the beat counter, and real renders to set beside."""

    judge: Judge
    counter: BeatCounter
    clips: Clips
    real: Sequence[Render]
    other: Sequence[Render]


@dataclass(frozen=True)
class Drawings:
    """All that was drawn, by what it is for; `plain` holds one group a request."""

    captions: Sequence[Drawn]
    reworded: Sequence[Drawn]
    unseen: Sequence[Drawn]
    timed: Sequence[Drawn]
    plain: Sequence[Sequence[Drawn]]


def make_ruler(work: Path, yardsticks: int, judge_minutes: float | None = None) -> Ruler:
    """Load or train what measures, from the clips of a training directory."""
    clips, held_out, other = (Clips(work / name) for name in ("clips", "held-out", "other-font"))
    if not len(clips) or not len(held_out) or not len(other):
        raise GenerationError(
            "Evaluation needs held-out renders; run python -m generation.training.data and the"
            " same with --evaluation."
        )
    judge = train_judge(clips, work / "judge" / "state.pt", JUDGE_STEPS, judge_minutes)
    counter = train_beat_counter(clips, work / "judge" / "beats.pt")
    return Ruler(judge, counter, clips, held_out.spread(yardsticks), other.spread(yardsticks))


def draw_questions(
    checkpoint: Checkpoint,
    questions: Sequence[Question],
    seeds: Sequence[int],
    way: Way,
    stored: SeedLoops,
) -> list[Drawn]:
    """Draw each question with its seed."""
    pictures = draw(checkpoint, [prompt for prompt, _ in questions], seeds, way, stored)
    return [
        Drawn(facts, picture, prompt)
        for (prompt, facts), picture in zip(questions, pictures, strict=True)
    ]


def draw_all(
    checkpoint: Checkpoint, plan: Plan, asked: Questions, way: Way, stored: SeedLoops
) -> Drawings:
    """Draw everything that the table needs; plain requests use seeds 0, 1, 2 and so on."""
    groups = [asked.captions, asked.reworded, asked.unseen, asked.timed, asked.plain]
    everything = [question for group in groups for question in group]
    seeds = [*range(1000, 1000 + len(everything) - len(asked.plain))]
    seeds += [*range(plan.plain_seeds)] * (len(asked.plain) // max(plan.plain_seeds, 1))
    drawn = draw_questions(checkpoint, everything, seeds, way, stored)
    sets: list[list[Drawn]] = []
    for group in groups:
        sets.append(drawn[: len(group)])
        drawn = drawn[len(group) :]
    step = plan.plain_seeds
    by_prompt = [sets[4][i : i + step] for i in range(0, len(sets[4]), step)] if step else []
    return Drawings(sets[0], sets[1], sets[2], sets[3], by_prompt)


def real_figures(ruler: Ruler) -> dict[str, float]:
    """Return what real renders reach, and how far the judge is to be believed."""
    real_quality = quality(ruler.judge, ruler.real)
    other_quality = quality(ruler.judge, ruler.other)
    timed = figures.rhythm_figures(ruler.real, ruler.counter)
    unheard = figures.rhythm_figures(ruler.other, ruler.counter)
    return {
        "judge: style accuracy on held-out renders": real_quality.style_accuracy,
        "judge: style accuracy on an unheard soundfont": other_quality.style_accuracy,
        "judge: instrument recall on held-out renders": real_quality.instrument_recall,
        "judge: instrument recall on an unheard soundfont": other_quality.instrument_recall,
        **{f"real renders: {name}": value for name, value in timed.items()},
        "unheard soundfont: tempo within 4%": unheard.get("tempo within 4%", 0.0),
        "real renders: key agreement": figures.key_agreement(ruler.real),
        "real renders: seam": figures.median_seam(ruler.real),
    }


def drawn_figures(ruler: Ruler, checkpoint: Checkpoint, drawn: Drawings) -> dict[str, float]:
    """Measure the drawings."""
    judge = ruler.judge
    pictures = [one.picture for one in drawn.captions]
    everything = [*drawn.captions, *drawn.reworded, *drawn.unseen, *drawn.timed]
    through = figures.rebuilt(checkpoint, ruler.real)
    apart = figures.distances(judge, pictures, through, ruler.real, ruler.other)
    plain = [one for group in drawn.plain for one in group]
    return {
        "style accuracy on captions": figures.style_accuracy(judge, drawn.captions),
        "style accuracy on held-out wordings": figures.style_accuracy(judge, drawn.reworded),
        "style accuracy on far-fetched wordings": figures.style_accuracy(judge, drawn.unseen),
        "style accuracy on the plain requests": figures.style_accuracy(judge, plain),
        "instrument recall on captions": instruments_found(
            figures.heard_instruments(judge, drawn.captions), [one.facts for one in drawn.captions]
        ),
        **figures.rhythm_figures(drawn.timed, ruler.counter),
        "key agreement where asked": figures.key_agreement(drawn.captions),
        "seam (1 = like the 95th percentile column)": figures.median_seam(everything),
        "autoencoder: PSNR on held-out renders, dB": figures.psnr(
            [one.picture for one in ruler.real], through
        ),
        **{f"Fréchet, {name}": value for name, value in apart.items()},
        "nearest training clip, relative to real ones": figures.copying(
            judge, pictures, ruler.real, ruler.clips
        ),
        "diversity over seeds": figures.diversity(
            judge, [[one.picture for one in group] for group in drawn.plain]
        ),
    }


def sections_of(drawn: Drawings, held_out: Clips) -> list[Section]:
    """Lay out the report: plain requests beside real renders of their styles, then wordings."""
    sections = []
    for group in drawn.plain:
        style = group[0].facts.style
        rows = [i for i, facts in enumerate(held_out.facts) if facts.style == style][:8]
        sections.append(
            Section(
                f"“{group[0].prompt}”, seeds 0 to {len(group) - 1}, beside real renders",
                [(one.prompt, one.picture) for one in group],
                [(style, held_out.picture(i)) for i in rows],
            )
        )
    unseen = [(one.prompt, one.picture) for one in [*drawn.reworded[:40], *drawn.unseen[:40]]]
    timed = [(one.prompt, one.picture) for one in drawn.timed[:24]]
    return [*sections, Section("Held-out wordings", unseen, []), Section("Tempi", timed, [])]


def evaluate(
    work: Path, folder: Path, plan: Plan, report: Path, way: Way | None = None
) -> dict[str, float]:
    """Draw, measure and report the checkpoint in `folder`; returns the table."""
    ruler = make_ruler(work, plan.yardsticks)
    checkpoint = load(folder)
    stored = SeedLoops.load(folder)
    asked = questions_of(plan)
    drawn = draw_all(checkpoint, plan, asked, way or Way(), stored)
    table = {**real_figures(ruler), **drawn_figures(ruler, checkpoint, drawn)}
    write_report(report, table, sections_of(drawn, Clips(work / "held-out")))
    (report / "table.json").write_text(json.dumps(table, indent=2) + "\n", "utf-8")
    return table


def compare_ways(
    work: Path, folder: Path, count: int, ways: Mapping[str, Way] = WAYS
) -> dict[str, dict[str, float]]:
    """Draw the same `count` timed prompts, with the same seeds, in several ways."""
    ruler = make_ruler(work, 256)
    checkpoint, stored = load(folder), SeedLoops.load(folder)
    truth = figures.features(ruler.judge, [one.picture for one in ruler.real])
    questions = tempo_prompts(count)
    rows: dict[str, dict[str, float]] = {}
    for name, way in ways.items():
        if way.seed_loops and not len(stored):
            continue
        started = time.process_time()
        drawn = draw_questions(checkpoint, questions, range(count), way, stored)
        seconds = (time.process_time() - started) / count
        seen = figures.features(ruler.judge, [one.picture for one in drawn])
        rows[name] = {
            "style accuracy": figures.style_accuracy(ruler.judge, drawn),
            **figures.rhythm_figures(drawn, ruler.counter),
            "Fréchet": metrics.frechet_distance(truth, seen),
            "CPU seconds a picture": seconds,
        }
        print(name, json.dumps({k: round(v, 3) for k, v in rows[name].items()}), flush=True)
    return rows


def _print(table: Mapping[str, float]) -> None:
    width = max(map(len, table))
    for name, value in table.items():
        print(f"{name:<{width}}  {value:8.3f}")


def main() -> None:
    """Evaluate the checkpoint of the training directory, or another one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_work(parser)
    parser.add_argument("--checkpoint", default=None, help="default: WORK/checkpoint")
    parser.add_argument("--report", type=Path, default=None, help="default: WORK/report")
    parser.add_argument("--quick", action="store_true", help="draw a share of the pictures")
    parser.add_argument("--per-style", type=int, default=None)
    parser.add_argument("--seed-loops", action="store_true", help="start from seed loops")
    parser.add_argument("--ways", type=int, default=0, metavar="N",
                        help="compare ways to draw on N timed prompts")  # fmt: skip
    options = parser.parse_args()
    asked = options.checkpoint or str(options.work / "checkpoint")
    folder = resolve(asked) if asked == STARTER else Path(asked)
    if options.ways:
        rows = compare_ways(options.work, folder, options.ways)
        (options.work / "ways.json").write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
        return
    plan = QUICK if options.quick else Plan()
    if options.per_style is not None:
        plan = replace(plan, per_style=options.per_style)
    report = options.report or options.work / "report"
    table = evaluate(options.work, folder, plan, report, Way(seed_loops=options.seed_loops))
    _print(table)
    if options.checkpoint is None and not options.seed_loops:
        growth.record(options.work, table)
    print(f"Report: {report / 'index.html'}")


if __name__ == "__main__":
    run(main)
