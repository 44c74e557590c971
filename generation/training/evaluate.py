"""Judge a checkpoint: `python -m generation.training.evaluate`.

Draws pictures for composer captions, held-out wordings and five plain requests, measures them
beside real renders, prints a table and writes an HTML report with pictures and players.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from generation.errors import GenerationError
from generation.training import metrics
from generation.training.autoencoder import to_model, to_pictures
from generation.training.captions import (
    ClipFacts,
    caption,
    facts_of,
    reworded_prompts,
    unseen_prompts,
)
from generation.training.classifier import (
    STYLE_NAMES,
    Judge,
    instruments_found,
    judge_pictures,
    labels,
    quality,
    train_judge,
)  # fmt: skip
from generation.training.compose import STYLES, compose
from generation.training.draw import draw, load
from generation.training.latents import load_autoencoder
from generation.training.options import add_work, run
from generation.training.report import Section, write_report
from generation.training.shards import Clips

PLAIN_REQUESTS = (
    "lo-fi beat", "guitar solo with distortion", "jazz piano melody", "techno synth",
    "classical violin",
)  # fmt: skip
PLAIN_STYLES = ("lo-fi hip hop", "guitar solo", "jazz trio", "techno", "violin solo")
JUDGE_STEPS = 4000
_SEED = 40_000_000


@dataclass(frozen=True)
class Drawn:
    """What was asked, and the picture that came."""

    prompt: str
    facts: ClipFacts
    picture: np.ndarray


def caption_prompts(
    per_style: int, styles: Sequence[str] = STYLE_NAMES
) -> list[tuple[str, ClipFacts]]:
    """Return captions of clips that were never rendered, `per_style` for each of the styles."""
    rng = np.random.default_rng(_SEED)
    prompts = []
    for name in styles:
        for index in range(per_style):
            facts = facts_of(compose(name, _SEED + index), "none")
            prompts.append((caption(facts, rng), facts))
    return prompts


def wordings(
    pairs: Sequence[tuple[str, str]], limit: int | None = None
) -> list[tuple[str, ClipFacts]]:
    """Return held-out (phrase, style) pairs, or about `limit` of them, with facts to match."""
    chosen = pairs if limit is None else pairs[:: max(1, len(pairs) // limit)]
    return [(text, ClipFacts(0, style, "none", 8, -1, "major", (), ())) for text, style in chosen]


def tempo_prompts(count: int) -> list[tuple[str, ClipFacts]]:
    """Return prompts that ask a rhythmic style for an exact tempo."""
    rng = np.random.default_rng(_SEED + 1)
    rhythmic = [name for name, style in STYLES.items() if style.rhythmic and not style.solo]
    prompts = []
    for index in range(count):
        name = rhythmic[int(rng.integers(len(rhythmic)))]
        facts = facts_of(compose(name, _SEED + 500_000 + index), "none")
        prompts.append((f"{name} {round(facts.bpm)} bpm", facts))
    return prompts


def style_accuracy(judge: Judge, drawn: Sequence[Drawn]) -> float:
    """Return the share of pictures whose style the judge names first."""
    named, _, _ = judge_pictures(judge, [one.picture for one in drawn])
    styles, _ = labels([one.facts for one in drawn])
    return float((named.argmax(1) == styles).float().mean())


def rhythm_figures(drawn: Sequence[Drawn]) -> dict[str, float]:
    """Measure tempo, steadiness and downbeat of pictures that were asked for a tempo."""
    verdicts, shaky, downbeat = [], [], []
    for one in drawn:
        tempo = metrics.measure_tempo(one.picture)
        # after the tempo lock only a whole number of beats can be heard: compare with that grid
        verdicts.append(metrics.tempo_verdict(tempo.bpm, one.facts.bpm))
        shaky.append(tempo.unsteadiness)
        downbeat.append(metrics.starts_on_beat(one.picture, one.facts.beats))
    return {
        "tempo within 4%": verdicts.count("right") / len(drawn),
        "tempo an octave or a third off": verdicts.count("octave") / len(drawn),
        "beat unsteadiness (median)": float(np.median(shaky)),
        "starts on a beat": float(np.mean(downbeat)),
    }


def _key_agrees(drawn: Drawn) -> bool:
    tonic, mode = metrics.measure_key(drawn.picture)
    minor = "minor" in drawn.facts.scale or drawn.facts.scale == "blues"
    shift = 3 if minor else -3  # the relative key has the same notes
    wanted = {(drawn.facts.tonic, minor), ((drawn.facts.tonic + shift) % 12, not minor)}
    return (tonic, mode == "minor") in wanted


def key_agreement(drawn: Sequence[Drawn]) -> float:
    """Return the share of pictures in the asked key or its relative."""
    asked = [one for one in drawn if one.facts.tonic >= 0 and " in " in one.prompt]
    return float(np.mean([_key_agrees(one) for one in asked])) if asked else 0.0


def distances(judge: Judge, generated: Sequence[np.ndarray], work: Path) -> dict[str, float]:
    """Return Fréchet distances to held-out renders, with the yardsticks beside them."""
    held_out, other = Clips(work / "held-out"), Clips(work / "other-font")
    real = [held_out.picture(i) for i in range(len(held_out))]

    def features(pictures: Sequence[np.ndarray]) -> np.ndarray:
        values: np.ndarray = judge_pictures(judge, pictures)[2].double().numpy()
        return values

    truth = features(real)
    rows = np.random.default_rng(0).permutation(len(truth))
    half = len(rows) // 2
    model = load_autoencoder(work / "autoencoder" / "vae")
    with torch.inference_mode():
        rebuilt = [
            to_pictures(model.decode(model.encode(to_model(p[None])).latent_dist.mean).sample)[0]
            for p in real[:256]
        ]
    return {
        "floor: two halves of real renders": metrics.frechet_distance(
            truth[rows[:half]], truth[rows[half:]]),
        "autoencoder's reconstructions": metrics.frechet_distance(truth, features(rebuilt)),
        "renders of another soundfont": metrics.frechet_distance(
            truth, features([other.picture(i) for i in range(len(other))])),
        "generated": metrics.frechet_distance(truth, features(generated)),
    }  # fmt: skip


def copying(judge: Judge, generated: Sequence[np.ndarray], clips: Clips, work: Path) -> float:
    """Return how near generated pictures lie to their nearest training clip, beside real ones.

    1 means as near as held-out renders lie to theirs; much less than 1 would mean copying.
    """
    count = min(len(clips), 2000)
    library = judge_pictures(judge, [clips.picture(i) for i in range(count)])[2].double().numpy()
    held_out = Clips(work / "held-out")
    real = [held_out.picture(i) for i in range(min(len(held_out), len(generated)))]
    ours = judge_pictures(judge, generated)[2].double().numpy()
    theirs = judge_pictures(judge, real)[2].double().numpy()
    near, usual = metrics.nearest(ours, library)[1], metrics.nearest(theirs, library)[1]
    return float(np.median(near) / np.median(usual))


def diversity(judge: Judge, per_prompt: Sequence[Sequence[np.ndarray]]) -> float:
    """Return the mean distance between pictures of one prompt, over that between prompts."""
    groups = [judge_pictures(judge, group)[2].double().numpy() for group in per_prompt]
    within = np.mean([np.linalg.norm(g[:, None] - g[None], axis=-1).mean() for g in groups])
    everything = np.concatenate(groups)
    between = np.linalg.norm(everything[:, None] - everything[None], axis=-1).mean()
    return float(within / between)


@dataclass(frozen=True)
class Plan:
    """How much to draw: pictures a style, seeds a plain request, timed prompts, wordings.

    `styles` are those that captions are drawn for; `steps` None takes the checkpoint's own.
    """

    per_style: int = 10
    plain_seeds: int = 20
    tempos: int = 100
    wordings: int | None = None
    styles: tuple[str, ...] = STYLE_NAMES
    steps: int | None = None


@dataclass(frozen=True)
class Drawings:
    """All that was drawn, by what it is for; `plain` holds one group a request."""

    captions: Sequence[Drawn]
    reworded: Sequence[Drawn]
    unseen: Sequence[Drawn]
    timed: Sequence[Drawn]
    plain: Sequence[Sequence[Drawn]]


def draw_all(folder: Path, plan: Plan) -> Drawings:
    """Draw everything that the table needs; plain requests use seeds 0, 1, 2 and so on."""
    plain = [
        (prompt, ClipFacts(0, style, "none", 8, -1, "major", (), ()))
        for prompt, style in zip(PLAIN_REQUESTS, PLAIN_STYLES, strict=True)
        for _ in range(plan.plain_seeds)
    ]
    groups = [
        caption_prompts(plan.per_style, plan.styles),
        wordings(reworded_prompts(), plan.wordings),
        wordings(unseen_prompts(), plan.wordings),
        tempo_prompts(plan.tempos),
        plain,
    ]
    asked = [pair for group in groups for pair in group]
    seeds = [*range(1000, 1000 + len(asked) - len(plain))]
    seeds += list(range(plan.plain_seeds)) * len(PLAIN_REQUESTS)
    pictures = draw(load(folder), [prompt for prompt, _ in asked], seeds, plan.steps)
    drawn = [Drawn(text, facts, p) for (text, facts), p in zip(asked, pictures, strict=True)]
    sets: list[list[Drawn]] = []
    for group in groups:
        sets.append(drawn[: len(group)])
        drawn = drawn[len(group) :]
    step = plan.plain_seeds
    by_prompt = [sets[4][i : i + step] for i in range(0, len(sets[4]), step)] if step else []
    return Drawings(sets[0], sets[1], sets[2], sets[3], by_prompt)


def tabulate(work: Path, judge: Judge, drawn: Drawings) -> dict[str, float]:
    """Measure the drawings beside real renders."""
    clips, held_out = Clips(work / "clips"), Clips(work / "held-out")
    real_quality = quality(judge, held_out)
    other_quality = quality(judge, Clips(work / "other-font"))
    real = [Drawn("", held_out.facts[i], held_out.picture(i)) for i in range(len(held_out))]
    timed_real = [one for one in real if STYLES[one.facts.style].rhythmic]
    pictures = [one.picture for one in drawn.captions]
    _, heard, _ = judge_pictures(judge, pictures)
    everything = [*drawn.captions, *drawn.reworded, *drawn.unseen, *drawn.timed]
    timed = rhythm_figures(timed_real[: len(drawn.timed)])
    return {
        "judge: style accuracy on held-out renders": real_quality.style_accuracy,
        "judge: style accuracy on an unheard soundfont": other_quality.style_accuracy,
        "judge: instrument recall on an unheard soundfont": other_quality.instrument_recall,
        "style accuracy on captions": style_accuracy(judge, drawn.captions),
        "style accuracy on held-out wordings": style_accuracy(judge, drawn.reworded),
        "style accuracy on far-fetched wordings": style_accuracy(judge, drawn.unseen),
        "style accuracy on the plain requests": style_accuracy(
            judge, [one for group in drawn.plain for one in group]
        ),
        "instrument recall on captions": instruments_found(
            heard, [one.facts for one in drawn.captions]
        ),
        **{f"real renders: {name}": value for name, value in timed.items()},
        **rhythm_figures(drawn.timed),
        "key agreement where asked": key_agreement(drawn.captions),
        "seam (1 = like the 95th percentile column)": float(
            np.median([metrics.seam(one.picture) for one in everything])
        ),
        **{f"Fréchet, {name}": value for name, value in distances(judge, pictures, work).items()},
        "nearest training clip, relative to real ones": copying(judge, pictures, clips, work),
        "diversity over seeds": diversity(
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
    return [*sections, Section("Held-out wordings", unseen, [])]


def evaluate(
    work: Path, checkpoint: Path, plan: Plan, judge_minutes: float | None = None
) -> dict[str, float]:
    """Draw, measure and report; returns the table."""
    clips, held_out = Clips(work / "clips"), Clips(work / "held-out")
    if not len(clips) or not len(held_out) or not len(Clips(work / "other-font")):
        raise GenerationError(
            "Evaluation needs held-out renders; run python -m generation.training.data and the"
            " same with --evaluation."
        )
    judge = train_judge(clips, work / "judge" / "state.pt", JUDGE_STEPS, judge_minutes)
    drawn = draw_all(checkpoint, plan)
    table = tabulate(work, judge, drawn)
    write_report(work / "report", table, sections_of(drawn, held_out))
    (work / "report" / "table.json").write_text(json.dumps(table, indent=2) + "\n", "utf-8")
    return table


def main() -> None:
    """Evaluate the checkpoint of the training directory, or another one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_work(parser)
    parser.add_argument("--checkpoint", type=Path, default=None, help="default: WORK/checkpoint")
    parser.add_argument("--per-style", type=int, default=10)
    parser.add_argument("--plain-seeds", type=int, default=20)
    parser.add_argument("--tempos", type=int, default=100)
    parser.add_argument("--wordings", type=int, default=None, help="default: all of them")
    parser.add_argument("--judge-minutes", type=float, default=None)
    options = parser.parse_args()
    plan = Plan(options.per_style, options.plain_seeds, options.tempos, options.wordings)
    checkpoint = options.checkpoint or options.work / "checkpoint"
    table = evaluate(options.work, checkpoint, plan, options.judge_minutes)
    width = max(map(len, table))
    for name, value in table.items():
        print(f"{name:<{width}}  {value:8.3f}")
    print(f"Report: {options.work / 'report' / 'index.html'}")


if __name__ == "__main__":
    run(main)
