"""The rows of the evaluation's table: figures of drawings, each beside what real renders reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from generation import latents as pictures_and_latents
from generation.checkpoint import Checkpoint
from generation.training import metrics
from generation.training.classifier import Judge, judge_pictures, labels
from generation.training.questions import Drawn
from generation.training.shards import Clips, Render
from generation.training.tempo import BeatCounter, is_rhythmic, measure_tempo


def features(judge: Judge, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Return the judge's features of pictures: shape (pictures, 128)."""
    values: np.ndarray = judge_pictures(judge, pictures)[2].double().numpy()
    return values


def style_accuracy(judge: Judge, drawn: Sequence[Drawn]) -> float:
    """Return the share of pictures whose style the judge names first."""
    named, _, _ = judge_pictures(judge, [one.picture for one in drawn])
    styles, _ = labels([one.facts for one in drawn])
    return float((named.argmax(1) == styles).float().mean())


def rhythm_figures(drawn: Sequence[Render], counter: BeatCounter) -> dict[str, float]:
    """Measure tempo, steadiness and downbeat of pictures that should hold so many beats.

    After the tempo lock a loop lasts exactly its beats at the asked tempo, so that the tempo is
    right if, and only if, the picture holds the asked number of beats.
    """
    timed = [one for one in drawn if is_rhythmic(one.facts)]
    if not timed:
        return {}
    tempi = measure_tempo([one.picture for one in timed], counter)
    verdicts = [
        metrics.tempo_verdict(tempo.beats, one.facts.beats)
        for tempo, one in zip(tempi, timed, strict=True)
    ]
    family = [
        metrics.tempo_verdict(tempo.strongest, one.facts.beats) != "wrong"
        for tempo, one in zip(tempi, timed, strict=True)
    ]
    downbeat = [metrics.starts_on_beat(one.picture, one.facts.beats) for one in timed]
    return {
        "tempo within 4%": verdicts.count("right") / len(timed),
        "tempo an octave or a third off": verdicts.count("octave") / len(timed),
        "asked pulse among the strongest": float(np.mean(family)),
        "beat unsteadiness (median)": float(np.median([tempo.unsteadiness for tempo in tempi])),
        "starts on a beat": float(np.mean(downbeat)),
    }


def _key_agrees(one: Render) -> bool:
    tonic, mode = metrics.measure_key(one.picture)
    minor = "minor" in one.facts.scale or one.facts.scale == "blues"
    shift = 3 if minor else -3  # the relative key has the same notes
    wanted = {(one.facts.tonic, minor), ((one.facts.tonic + shift) % 12, not minor)}
    return (tonic, mode == "minor") in wanted


def key_agreement(renders: Sequence[Render]) -> float:
    """Return the share of pictures in their key or its relative; one in twelve is by chance.

    Of drawings only those count whose prompt names a key.
    """
    judged = [
        one for one in renders
        if one.facts.tonic >= 0 and (not isinstance(one, Drawn) or " in " in one.prompt)
    ]  # fmt: skip
    return float(np.mean([_key_agrees(one) for one in judged])) if judged else 0.0


def median_seam(drawn: Sequence[Render]) -> float:
    """Return the median step across the loop point (see `metrics.seam`)."""
    return float(np.median([metrics.seam(one.picture) for one in drawn]))


def rebuilt(checkpoint: Checkpoint, drawn: Sequence[Render]) -> list[np.ndarray]:
    """Return pictures after a way through the checkpoint's autoencoder."""
    through = []
    for one in drawn:
        latents = pictures_and_latents.encode(checkpoint, one.picture[None])
        through += list(pictures_and_latents.decode(checkpoint, latents))
    return through


def psnr(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> float:
    """Return the mean peak signal-to-noise ratio of picture pairs in dB."""
    errors = [
        np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
        for a, b in zip(first, second, strict=True)
    ]
    return float(np.mean([10 * np.log10(255.0**2 / max(float(error), 1e-9)) for error in errors]))


def distances(
    judge: Judge,
    generated: Sequence[np.ndarray],
    reconstructions: Sequence[np.ndarray],
    real: Sequence[Render],
    other: Sequence[Render],
) -> dict[str, float]:
    """Return Fréchet distances to held-out renders, with the yardsticks beside them.

    `other` are the same pieces as `real`, played by another soundfont, in the same order. What is
    generated are other pieces, and few samples lie further apart than many, so both are compared
    in halves as well: each has as many samples, and none of the pieces of the half beside it.
    """
    truth = features(judge, [one.picture for one in real])
    rows = np.random.default_rng(0).permutation(len(truth))
    first, second = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    played = features(judge, [one.picture for one in other])
    drawn = features(judge, generated)
    some = np.random.default_rng(1).permutation(len(drawn))[: len(second)]
    between = metrics.frechet_distance
    return {
        "floor: two halves of real renders": between(truth[first], truth[second]),
        "halves, the second by another soundfont": between(truth[first], played[second]),
        "halves, the second generated": between(truth[first], drawn[some]),
        "autoencoder's reconstructions": between(truth, features(judge, reconstructions)),
        "renders of another soundfont": between(truth, played),
        "generated": between(truth, drawn),
    }


def copying(
    judge: Judge, generated: Sequence[np.ndarray], real: Sequence[Render], clips: Clips
) -> float:
    """Return how near generated pictures lie to their nearest training clip, beside real ones.

    1 means as near as held-out renders lie to theirs; much less than 1 would mean copying.
    """
    library = features(judge, [one.picture for one in clips.spread(2000)])
    near = metrics.nearest(features(judge, generated), library)[1]
    usual = metrics.nearest(features(judge, [one.picture for one in real]), library)[1]
    return float(np.median(near) / max(np.median(usual), 1e-9))


def diversity(judge: Judge, per_prompt: Sequence[Sequence[np.ndarray]]) -> float:
    """Return the mean distance between pictures of one prompt, over that between prompts."""
    groups = [features(judge, group) for group in per_prompt]
    within = np.mean([np.linalg.norm(g[:, None] - g[None], axis=-1).mean() for g in groups])
    everything = np.concatenate(groups)
    between = np.linalg.norm(everything[:, None] - everything[None], axis=-1).mean()
    return float(within / max(between, 1e-9))


def heard_instruments(judge: Judge, drawn: Sequence[Drawn]) -> torch.Tensor:
    """Return the judge's instrument logits, shape (pictures, instruments)."""
    return judge_pictures(judge, [one.picture for one in drawn])[1]
