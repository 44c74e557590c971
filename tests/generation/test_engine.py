from __future__ import annotations

import hashlib
import io
import json
import wave
from dataclasses import replace
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from generation.engine import Engine, EngineOptions
from generation.errors import BadRequestError, GenerationError, RiffCancelledError
from generation.ladder import climb
from generation.request import (
    AdapterUse,
    Clip,
    GenerationRequest,
    Length,
    Point,
    Progress,
    Side,
    Source,
)
from generation.sampler import sample
from generation.seeds import SeedLoop, SeedLoops, prompt_embedding
from generation.spectrogram import params_from_image
from generation.tags import read_tags
from generation.task import Task
from generation.tiles import decode_in_tiles
from tests.generation.styles import reader_of
from tests.generation.tiny import tiny_checkpoint

EarlierClip = tuple[Clip, dict[str, Source]]

REQUEST = GenerationRequest("lo-fi beat", seed=7, steps=4)


def ignore(progress: Progress) -> None:
    pass


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def grey(clip: Clip) -> np.ndarray:
    with Image.open(clip.files["png"]) as image:
        return np.asarray(image.convert("L")).astype(int)


def test_the_same_seed_gives_the_same_bytes(engine: Engine, clips: Path) -> None:
    [first] = engine.make(REQUEST, clips / "a", "x", ignore)
    engine.make(replace(REQUEST, seed=8), clips / "c", "x", ignore)
    [again] = engine.make(REQUEST, clips / "b", "x", ignore)
    for kind in ("png", "wav", "mp3"):
        assert digest(first.files[kind]) == digest(again.files[kind])
    other = clips / "c" / "x.png"
    assert digest(str(other)) != digest(first.files["png"])


def test_other_arithmetic_stays_within_two_grey_levels(engine: Engine, clips: Path) -> None:
    """What the README promises for other machines, by computing in another order on this one."""
    pictures: list[np.ndarray] = []
    threads, kernels = torch.get_num_threads(), torch.backends.mkldnn.enabled
    try:
        for name, (count, onednn) in {"a": (2, True), "b": (1, True), "c": (1, False)}.items():
            torch.set_num_threads(count)
            torch.backends.mkldnn.enabled = onednn  # type: ignore[assignment]
            [clip] = engine.make(REQUEST, clips, name, ignore)
            pictures.append(grey(clip))
    finally:
        torch.set_num_threads(threads)
        torch.backends.mkldnn.enabled = kernels
    assert np.abs(pictures[1] - pictures[0]).max() <= 2
    assert np.abs(pictures[2] - pictures[0]).max() <= 2


def test_a_loop_is_whole_and_its_end_meets_its_start(engine: Engine, clips: Path) -> None:
    [clip] = engine.make(REQUEST, clips, "x", ignore)
    assert (clip.seconds, clip.sample_rate, clip.samples) == (5.12, 44100, 225_792)
    with wave.open(clip.files["wav"]) as file:
        assert file.getnframes() == clip.samples
        samples = np.frombuffer(file.readframes(clip.samples), "<i2").astype(np.float64)
    assert np.sqrt(np.mean(samples**2)) > 300  # not silence
    assert np.abs(samples).max() < 32767  # not clipped
    steps = np.diff(samples)
    assert abs(samples[0] - samples[-1]) < 2 * np.sqrt(np.mean(steps**2)) + 1


def test_the_picture_is_in_riffusions_format_and_tells_its_recipe(
    engine: Engine, clips: Path
) -> None:
    [clip] = engine.make(REQUEST, clips, "x", ignore)
    with Image.open(clip.files["png"]) as image:
        assert (image.size, image.mode) == ((512, 512), "RGB")
        assert params_from_image(image).max_frequency == 10000
    for kind in ("png", "mp3"):
        recipe = read_tags(Path(clip.files[kind]).read_bytes()).recipe
        assert recipe == clip.recipe
        assert (recipe["prompt"], recipe["seed"], recipe["steps"]) == ("lo-fi beat", "7", "4")


def test_several_clips_use_the_next_seeds(quick: Engine, clips: Path) -> None:
    both = quick.make(replace(REQUEST, clips=2), clips / "a", "x", ignore)
    [second] = quick.make(replace(REQUEST, seed=8), clips / "b", "x", ignore)
    assert [Path(clip.files["png"]).name for clip in both] == ["x.png", "x-2.png"]
    assert np.abs(grey(both[1]) - grey(second)).max() <= 2  # drawn in one batch, not alone


@pytest.mark.parametrize(("seconds", "width"), [(2.56, 256), (6.4, 640)])
def test_other_lengths_are_drawn_to_the_nearest_width(
    quick: Engine, clips: Path, seconds: float, width: int
) -> None:
    [clip] = quick.make(replace(REQUEST, steps=1, length=Length(seconds)), clips, "x", ignore)
    with Image.open(clip.files["png"]) as image:
        assert image.width == width
    assert clip.samples == width * 441


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, length=Length(0.5)),
        replace(REQUEST, length=Length(500)),
        replace(REQUEST, length=Length(8, "beats")),
        replace(REQUEST, kind="remix", sources=(Source("init", "ab" * 32),)),
        replace(REQUEST, sources=(Source("init", "ab" * 32),)),
        replace(REQUEST, sampler="abacus"),
        replace(REQUEST, adapters=(AdapterUse("none"),)),
    ],
)
def test_what_cannot_be_made_is_refused(
    quick: Engine, clips: Path, request_: GenerationRequest
) -> None:
    with pytest.raises(BadRequestError):
        quick.make(request_, clips, "x", ignore)


def test_cancelling_between_steps_leaves_no_file(quick: Engine, clips: Path) -> None:
    seen: list[Progress] = []

    def stop_at_two(progress: Progress) -> None:
        seen.append(progress)
        if progress == Progress("drawing", 2, 4):
            raise RiffCancelledError("stop")

    with pytest.raises(RiffCancelledError):
        quick.make(REQUEST, clips, "x", stop_at_two)
    assert seen[-1].done == 2
    assert not clips.exists()


@pytest.mark.parametrize("stage", ["sounding", "encoding"])
def test_cancelling_one_of_a_batch_late_leaves_its_files_out(
    stage: str, quick: Engine, clips: Path
) -> None:
    def stop(progress: Progress) -> None:
        if progress.stage == stage and progress.done:
            raise RiffCancelledError("stop")

    short = replace(REQUEST, steps=1, length=Length(2.56), clips=2)
    outcomes = quick.make_batch([Task(short, clips, "gone", stop), Task(short, clips, "x", ignore)])
    assert isinstance(outcomes[0], RiffCancelledError)
    assert isinstance(outcomes[1], list)
    kinds = ["mp3", "png", "wav"]
    expected = [f"{stem}.{kind}" for stem in ("x-2", "x") for kind in kinds]
    assert sorted(path.name for path in clips.iterdir()) == expected


def test_progress_is_told_at_every_step(quick: Engine, clips: Path) -> None:
    seen: list[Progress] = []
    quick.make(REQUEST, clips, "x", seen.append)
    assert [p.done for p in seen if p.stage == "drawing"] == [0, 1, 2, 3, 4]
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)


def test_a_batch_gives_what_each_request_gives_alone(quick: Engine, clips: Path) -> None:
    requests = [
        replace(REQUEST, length=Length(2.56)),
        replace(REQUEST, length=Length(2.56), prompt="techno synth", seed=9, guidance_scale=2.0),
        replace(REQUEST, length=Length(3.84), steps=2),
    ]
    together = quick.make_batch(
        [Task(request, clips, f"t{at}", ignore) for at, request in enumerate(requests)]
    )
    for at, (request, outcome) in enumerate(zip(requests, together, strict=True)):
        assert isinstance(outcome, list)
        [alone] = quick.make(request, clips, f"a{at}", ignore)
        assert np.abs(grey(outcome[0]) - grey(alone)).max() <= 2
        assert outcome[0].recipe == alone.recipe


def test_one_task_of_a_batch_ends_without_the_others(quick: Engine, clips: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.stage == "drawing" and progress.done == 1:
            raise RiffCancelledError("stop")

    def stumble(progress: Progress) -> None:
        raise ValueError("a bug, not a message")

    short = replace(REQUEST, steps=2, length=Length(2.56))
    outcomes = quick.make_batch(
        [
            Task(short, clips, "cancelled", stop),
            Task(replace(short, sources=(Source("init", "ab" * 32),)), clips, "bad", ignore),
            Task(short, clips, "buggy", stumble),
            Task(short, clips, "good", ignore),
        ]
    )
    assert isinstance(outcomes[0], RiffCancelledError)
    assert isinstance(outcomes[1], BadRequestError)
    assert isinstance(outcomes[2], GenerationError)
    assert "bug" not in str(outcomes[2])
    assert isinstance(outcomes[3], list)
    assert sorted(path.name for path in clips.iterdir()) == ["good.mp3", "good.png", "good.wav"]


def test_a_picture_that_cannot_be_decoded_whole_is_decoded_in_small_tiles(
    quick: Engine, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = replace(REQUEST, steps=2)
    [whole] = quick.make(request, clips, "whole", ignore)
    widths: list[int] = []

    def short_of_memory(vae: Any, latents: torch.Tensor, width: int, *, loop: bool) -> torch.Tensor:
        widths.append(width)
        if width > 16:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return decode_in_tiles(vae, latents, width, loop=loop)

    monkeypatch.setattr("generation.latents.decode_in_tiles", short_of_memory)
    engine = Engine(EngineOptions(), quick.checkpoint)
    task = Task(request, clips, "tiles", ignore)
    [(_, outcome)] = climb(engine.make_batch, engine.relieve, [task], fresh=True)
    assert isinstance(outcome, list)
    assert widths == [64, 64, 16]
    assert np.abs(grey(outcome[0]) - grey(whole)).max() <= 2


def test_a_batch_that_does_not_fit_is_made_in_parts(
    quick: Engine, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def short_of_memory(checkpoint: Any, frames: Any, *rest: Any) -> torch.Tensor:
        sizes.append(len(frames))
        if len(frames) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return sample(checkpoint, frames, *rest)

    monkeypatch.setattr("generation.artist.sample", short_of_memory)
    short = replace(REQUEST, steps=1, length=Length(2.56))
    tasks = [Task(replace(short, seed=seed), clips, f"t{seed}", ignore) for seed in range(4)]
    outcomes = list(climb(quick.make_batch, quick.relieve, tasks, fresh=True))
    assert [task.stem for task, _ in outcomes] == ["t0", "t1", "t2", "t3"]
    assert all(isinstance(outcome, list) for _, outcome in outcomes)
    assert sizes == [4, 4, 2, 2]


def test_previews_are_drawn_when_they_are_asked_for(engine: Engine, clips: Path) -> None:
    seen: list[bytes] = []
    request = replace(REQUEST, steps=3, start="noise")
    task = Task(request, clips, "x", ignore, lambda look: seen.append(look()))
    engine.make_batch([task])
    assert len(seen) == 3
    with Image.open(io.BytesIO(seen[-1])) as image:
        assert image.size == (64, 64)
    [clip] = engine.make(request, clips, "y", ignore)
    small = Image.fromarray(grey(clip).astype(np.uint8)).resize((64, 64), Image.Resampling.BOX)
    with Image.open(io.BytesIO(seen[-1])) as image:
        shown = np.asarray(image.convert("L")).astype(float)
    assert np.corrcoef(np.asarray(small).astype(float).ravel(), shown.ravel())[0, 1] > 0.8


def test_a_loop_with_a_tempo_is_exactly_in_tempo(quick: Engine, clips: Path) -> None:
    [clip] = quick.make(replace(REQUEST, steps=1, bpm=90), clips, "x", ignore)
    assert clip.samples == round(8 * 60 / 90 * 44100)
    assert (clip.recipe["bpm"], clip.recipe["beats"]) == ("90", "8")
    with wave.open(clip.files["wav"]) as file:
        assert file.getnframes() == clip.samples


def test_a_recipe_makes_the_clip_again(quick: Engine, clips: Path) -> None:
    """Whatever was asked for, and also for one clip out of several."""
    short = replace(REQUEST, steps=2, length=Length(2.56), clips=2)
    blend = replace(short, kind="blend", points=(Point("rain", seed=3), Point("drums", seed=4)))
    mix = replace(short, kind="mix", points=(Point("rain", 2, seed=3), Point("drums", 1)))
    for name, request in {
        "text": replace(short, negative="voices", guidance_scale=3.0),
        "blend": replace(blend, alphas=(0.25, 0.5)),
        "mix": mix,
        "variation": replace(short, kind="variation", variation=0.4),
    }.items():
        made = quick.make(request, clips / name, "x", ignore)
        assert digest(made[0].files["png"]) != digest(made[1].files["png"])
        again = GenerationRequest.from_json(json.loads(made[1].recipe["request"]))
        [copy] = quick.make(again, clips / name, "again", ignore)
        assert np.abs(grey(copy) - grey(made[1])).max() <= 2, name


def test_a_blend_goes_from_one_end_to_the_other(quick: Engine, clips: Path) -> None:
    short = replace(REQUEST, steps=3, length=Length(2.56))
    ends = Point("church bells", seed=1), Point("techno", seed=2, guidance_scale=2.0)
    way = quick.make(replace(short, kind="blend", points=ends, clips=3), clips, "b", ignore)
    [first] = quick.make(replace(short, prompt="church bells", seed=1), clips, "1", ignore)
    last_alone = replace(short, prompt="techno", seed=2, guidance_scale=2.0)
    [last] = quick.make(last_alone, clips, "2", ignore)
    assert np.abs(grey(way[0]) - grey(first)).max() <= 2
    assert np.abs(grey(way[2]) - grey(last)).max() <= 2
    between = [np.abs(grey(way[1]) - grey(end)).mean() for end in (first, last)]
    assert max(between) < np.abs(grey(first) - grey(last)).mean() * 1.2
    assert min(between) > 1


def test_a_mix_of_one_prompt_is_that_prompt(quick: Engine, clips: Path) -> None:
    short = replace(REQUEST, steps=2, length=Length(2.56))
    [plain] = quick.make(short, clips, "plain", ignore)
    points = (Point("lo-fi beat", 3), Point("lo-fi beat", 1))
    [mixed] = quick.make(replace(short, kind="mix", points=points), clips, "mix", ignore)
    assert np.abs(grey(mixed) - grey(plain)).max() <= 2
    assert mixed.recipe["prompt"] == "75% lo-fi beat + 25% lo-fi beat"


def test_a_variation_is_nearer_the_smaller_its_distance(quick: Engine, clips: Path) -> None:
    short = replace(REQUEST, steps=3, length=Length(2.56))
    [plain] = quick.make(short, clips, "plain", ignore)
    distances = []
    for distance in (0.0, 0.2, 1.0):
        request = replace(short, kind="variation", variation=distance)
        [clip] = quick.make(request, clips, f"v{distance}", ignore)
        distances.append(np.abs(grey(clip) - grey(plain)).mean())
    assert distances[0] < 0.5 < distances[1] < distances[2]


@pytest.fixture(scope="module")
def bells(quick: Engine, sources: Path, tmp_path_factory: pytest.TempPathFactory) -> EarlierClip:
    """An earlier clip, and its files as sources."""
    request = replace(REQUEST, prompt="church bells", length=Length(2.56))
    [clip] = quick.make(request, tmp_path_factory.mktemp("clips"), "x", ignore)
    kinds = ("wav", "png")
    return clip, {kind: stored(sources, Path(clip.files[kind]).read_bytes()) for kind in kinds}


def test_a_remix_keeps_less_of_its_source_the_stronger_it_is(
    engine: Engine, clips: Path, sources: Path
) -> None:
    loop = resources.files("generation") / "seed_images" / "og_beat.png"
    with Image.open(io.BytesIO(loop.read_bytes())) as image:
        original = np.asarray(image.convert("L")).astype(int)
    init = stored(sources, loop.read_bytes())
    remix = replace(REQUEST, kind="remix", sources=(init,), steps=6)
    distances = []
    for strength in (0.2, 0.7, 1.0):
        [made] = engine.make(replace(remix, strength=strength), clips, str(strength), ignore)
        assert made.samples == 225_792  # as long as its source
        distances.append(np.abs(grey(made) - original).mean())
    assert distances == sorted(distances)
    assert distances[0] < 0.5 * distances[2]


def test_a_mask_keeps_every_pixel_outside(
    quick: Engine, clips: Path, sources: Path, bells: EarlierClip
) -> None:
    clip, by_kind = bells
    half = Image.new("L", (256, 512), 0)
    half.paste(255, (128, 0, 256, 512))
    buffer = io.BytesIO()
    half.save(buffer, "PNG")
    mask = replace(stored(sources, buffer.getvalue()), role="mask")
    request = replace(REQUEST, kind="remix", sources=(by_kind["png"], mask), strength=1.0)
    [made] = quick.make(request, clips, "x", ignore)
    difference = np.abs(grey(made) - grey(clip))
    assert difference[:, :128].max() <= 1
    assert difference[:, 128:].mean() > 3


def test_a_remix_can_be_longer_or_in_tempo(quick: Engine, clips: Path, bells: EarlierClip) -> None:
    _, by_kind = bells
    remix = replace(REQUEST, kind="remix", sources=(by_kind["wav"],), steps=2)
    [longer] = quick.make(replace(remix, length=Length(5.12)), clips, "x", ignore)
    assert longer.samples == 225_792
    [timed] = quick.make(replace(remix, bpm=100), clips, "y", ignore)
    assert timed.samples == round(5 * 60 / 100 * 44100)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("loop", [True, False])
def test_an_extension_leaves_the_old_samples_untouched(
    quick: Engine, clips: Path, bells: EarlierClip, side: Side, loop: bool
) -> None:
    clip, by_kind = bells
    request = replace(
        REQUEST, kind="extend", sources=(by_kind["wav"],), side=side, loop=loop, length=Length(5.12)
    )
    [made] = quick.make(request, clips, "x", ignore)
    assert made.samples == 225_792
    with wave.open(clip.files["wav"]) as file:
        old = file.readframes(clip.samples)
    with wave.open(made.files["wav"]) as file:
        new = file.readframes(made.samples)
    kept, added = (new[: len(old)], new[len(old) :])
    if side == "left":
        kept, added = new[-len(old) :], new[: -len(old)]
    assert kept == old
    assert np.abs(np.frombuffer(added, "<i2").astype(int)).max() > 300


def test_an_extension_has_to_be_longer(quick: Engine, clips: Path, bells: EarlierClip) -> None:
    _, by_kind = bells
    request = replace(REQUEST, kind="extend", sources=(by_kind["wav"],), length=Length(2.7))
    with pytest.raises(BadRequestError, match="longer whole"):
        quick.make(request, clips, "x", ignore)


LOOPS = ("rain", "techno")


def with_loops(folder: Path) -> Engine:
    """An engine whose checkpoint has a stored loop for each of `LOOPS`."""
    checkpoint = tiny_checkpoint(vae_channels=(4, 4, 4, 8))
    latents = torch.randn((2, 4, 64, 64), generator=torch.Generator().manual_seed(5))
    embeddings = torch.stack([prompt_embedding(checkpoint, prompt) for prompt in LOOPS])
    loops = [SeedLoop(prompt, prompt, 8) for prompt in LOOPS]
    SeedLoops.pack(loops, latents, reader_of(embeddings, LOOPS)).save(folder)
    return Engine(EngineOptions(checkpoint=str(folder), inversion="fast"), checkpoint)


def test_a_riff_starts_from_the_stored_loop_that_fits(clips: Path, tmp_path: Path) -> None:
    stored = with_loops(tmp_path)

    def drawn(name: str, **changes: Any) -> np.ndarray:
        request = replace(REQUEST, prompt="techno", seed=2, length=Length(5.12), **changes)
        [clip] = stored.make(request, clips, name, ignore)
        assert clip.recipe.get("start", "") == changes.get("start", "").replace("noise", "")
        return grey(clip)

    plain, noise, loop = drawn("a"), drawn("b", start="noise"), drawn("c", start="loop")
    assert np.abs(plain - noise).max() == 0
    assert np.abs(loop - noise).mean() > 1
    # At 94 the loop of eight beats is taken as it is.
    assert drawn("d", start="loop", bpm=94).shape == (512, 512)


def test_a_blend_fades_from_one_stored_loop_to_the_other(clips: Path, tmp_path: Path) -> None:
    stored = with_loops(tmp_path)
    points = tuple(Point(prompt, seed=3) for prompt in LOOPS)
    blend = replace(REQUEST, kind="blend", points=points, clips=3, start="loop", seed=3)
    made = [grey(clip) for clip in stored.make(blend, clips, "blend", ignore)]
    ends = [
        grey(
            stored.make(replace(REQUEST, prompt=prompt, start="loop", seed=3), clips, at, ignore)[0]
        )
        for at, prompt in zip("ab", LOOPS, strict=True)
    ]
    assert np.abs(made[0] - ends[0]).max() <= 2
    assert np.abs(made[-1] - ends[1]).max() <= 2
    whole = np.abs(ends[0] - ends[1]).mean()
    steps = [np.abs(after - before).mean() for before, after in pairwise(made)]
    assert max(steps) < 0.75 * whole


def test_a_piece_that_is_no_loop_begins_and_ends_in_silence(quick: Engine, clips: Path) -> None:
    [clip] = quick.make(replace(REQUEST, steps=2, loop=False), clips, "x", ignore)
    with wave.open(clip.files["wav"]) as file:
        samples = np.frombuffer(file.readframes(clip.samples), "<i2").astype(int)
    assert abs(samples[0]) + abs(samples[-1]) <= 4
    assert np.abs(samples).max() > 3000


def test_long_prompts_are_read_to_the_end(quick: Engine, clips: Path) -> None:
    words = " ".join(["slow", "warm", "dusty", "piano"] * 12)
    short = replace(REQUEST, steps=1, length=Length(2.56))
    one, two = (
        quick.make(replace(short, prompt=f"{words} {end}"), clips, end, ignore)[0]
        for end in ("drums", "choir")
    )
    assert np.abs(grey(one) - grey(two)).max() > 0


def stored(folder: Path, data: bytes) -> Source:
    name = hashlib.sha256(data).hexdigest()
    path = folder / name[:2] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return Source("init", name)
