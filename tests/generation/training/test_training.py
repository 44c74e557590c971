"""The whole way in miniature: shards, autoencoder, latents, denoiser, resume, export, drawing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from generation.errors import CheckpointError, GenerationError
from generation.integrity import read_licence
from generation.sampler import decode
from generation.seeds import SeedLoops, prompt_embedding
from generation.training import autoencoder as ae
from generation.training import unet as un
from generation.training.draw import Way, draw, load
from generation.training.export import export, refresh_card
from generation.training.latents import Latents, load_autoencoder
from generation.training.optim import Muon
from generation.training.shards import Clips, shard_numbers
from generation.training.state import Ema, Trainer, step_rng
from generation.training.team import Team, free_port
from generation.training.text.encoder import load_text
from tests.generation.training.conftest import SMALL, SMALL_UNET


def test_shards_are_seen_only_when_whole(work: Path) -> None:
    clips = Clips(work / "clips")
    assert len(clips) == 4
    assert clips.picture(2).shape == (512, 512)
    (work / "clips" / "facts-00007.part").write_text("[")
    assert shard_numbers(work / "clips") == [0]


def test_the_autoencoder_learns_and_wraps(work: Path) -> None:
    clips = Clips(work / "clips")
    torch.manual_seed(1)
    model = ae.new_autoencoder(SMALL)
    before = ae.psnr(model, clips)
    trainer = ae.make_trainer(clips, model, work / "ae-test.pt", batch=1, rate=3e-3)
    trainer.warm_up_steps = 5
    trainer.run(30, log_every=10)
    assert trainer.curve[-1]["loss"] < 0.8 * trainer.curve[0]["loss"]
    assert ae.psnr(model, clips) > before + 1


@torch.inference_mode()
def test_decoding_is_a_ring(work: Path) -> None:
    model = load_autoencoder(work / "autoencoder" / "vae")
    latents = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(2))
    turned = model.decode(latents.roll(5, -1)).sample
    assert torch.allclose(turned, model.decode(latents).sample.roll(40, -1), atol=1e-4)


@torch.inference_mode()
def test_whitening_changes_latents_and_not_pictures(work: Path) -> None:
    clips = Clips(work / "clips")
    torch.manual_seed(3)
    model = ae.new_autoencoder(SMALL)
    picture = ae.to_model(clips.picture(0)[None])
    before = model.decode(model.encode(picture).latent_dist.mean).sample
    ae.whiten(model, clips)
    after = model.decode(model.encode(picture).latent_dist.mean).sample
    assert torch.allclose(before, after, atol=1e-3)
    latents = torch.cat([model.encode(ae.to_model(clips.picture(i)[None])).latent_dist.mean
                         for i in range(4)])  # fmt: skip
    assert latents.mean((0, 2, 3)).abs().max() < 0.01
    assert (latents.std((0, 2, 3)) - 1).abs().max() < 0.01


def test_the_noise_schedule_ends_in_pure_noise() -> None:
    shares = un.signal_shares()
    assert shares[-1] == 0
    assert shares[0] > 0.99
    assert (shares.diff() < 0).all()


@pytest.mark.parametrize("batch", [1, 4, 7])
def test_three_quarters_of_the_training_is_for_what_seed_loops_need(batch: int) -> None:
    generator = torch.Generator().manual_seed(3)
    steps = torch.stack([un.training_steps(batch, generator) for _ in range(8000 // batch)])
    assert steps.dtype == torch.int64
    assert steps.min() >= 0
    assert steps.max() <= 999
    assert (steps.diff(dim=1) >= 0).all()
    assert (steps < 650).float().mean() == pytest.approx(0.75, abs=0.02)
    for part in (steps[steps < 650], steps[steps >= 650] - 650):
        counts = torch.histc(part.float(), 5, 0, int(part.max()) + 1)
        assert counts.min() > 0.85 * counts.max()


def unet_trainer(work: Path, name: str) -> Trainer:
    torch.manual_seed(4)
    data = Latents(work / "clips", work / "latents")
    context = un.TextContext(*load_text(work / "text"))
    return un.make_trainer(un.new_unet(SMALL_UNET), data, context, work / name, batch=2, rate=3e-3)


def test_the_denoiser_learns_and_resumes_to_the_same_weights(work: Path) -> None:
    whole = unet_trainer(work, "whole.pt")
    whole.warm_up_steps = 2
    whole.run(8, log_every=4)
    assert whole.curve[-1]["v_mse"] < whole.curve[0]["v_mse"]
    unet_trainer(work, "cut.pt").run(0)
    for end in (3, 8):
        part = unet_trainer(work, "cut.pt")
        part.warm_up_steps = 2
        part.run(end)
    assert part.step == whole.step == 8
    ours, theirs = part.model.state_dict(), whole.model.state_dict()
    assert all(torch.allclose(ours[key], theirs[key], atol=1e-6) for key in ours)
    assert part.ema is not None
    assert whole.ema is not None
    pairs = zip(part.ema.model.parameters(), whole.ema.model.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)


def test_a_run_stops_on_its_clock_and_has_saved(work: Path) -> None:
    trainer = unet_trainer(work, "clock.pt")
    trainer.run(1000, minutes=0.0)
    assert 1 <= trainer.step < 1000
    assert unet_trainer(work, "clock.pt").step == trainer.step


def test_a_lone_team_leaves_gradients_alone() -> None:
    line = nn.Linear(3, 1)
    line(torch.ones(1, 3)).sum().backward()
    assert line.weight.grad is not None
    before = line.weight.grad.clone()
    assert Team().average_gradients(line, stop=True)
    assert torch.equal(before, line.weight.grad)


def _share_gradients(rank: int, port: int, folder: str) -> None:
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    line, team = nn.Linear(2, 1, bias=False), Team(rank, 2)
    line.weight.grad = torch.full((1, 2), float(rank + 1))
    stop = team.average_gradients(line, stop=rank == 1)
    mean = line.weight.grad.tolist()
    torch.save([mean, stop, _updated(team)], Path(folder, f"{rank}.pt"))
    torch.distributed.destroy_process_group()


def _updated(team: Team) -> list[Tensor]:
    """Three matrices after two updates with gradients that all members have."""
    torch.manual_seed(5)
    model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(3)))
    optimizer = Muon(model, 0.1, 0.01, team=team)
    for _ in range(2):
        for value in model.parameters():
            value.grad = torch.randn_like(value)
        optimizer.step()
    return [value.detach() for value in model.parameters()]


def test_two_processes_share_gradients_updates_and_stop_together(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_share_gradients, (free_port(), str(tmp_path)), nprocs=2)
    alone = _updated(Team())
    for rank in range(2):
        mean, stop, updated = torch.load(tmp_path / f"{rank}.pt")
        assert (mean, stop) == ([[1.5, 1.5]], True)
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(alone, updated, strict=True))


def test_the_average_follows_the_model() -> None:
    line = nn.Linear(2, 2)
    ema = Ema(line, 0.9)
    with torch.no_grad():
        line.weight.add_(1)
    for step in range(200):
        ema.update(line, step)
    averaged = dict(ema.model.named_parameters())["weight"]
    assert torch.allclose(averaged, line.weight, atol=1e-4)


def test_a_step_draws_the_same_and_another_step_does_not() -> None:
    def drawn(step: int, process: int = 0) -> tuple[float, Tensor]:
        rng, noise = step_rng(1, step, process)
        return float(rng.random()), torch.randn(3, generator=noise)

    assert drawn(5)[0] == drawn(5)[0]
    assert torch.equal(drawn(5)[1], drawn(5)[1])
    assert len({drawn(5)[0], drawn(6)[0], drawn(5, 1)[0]}) == 3


def test_the_exported_folder_draws_with_ours_and_with_stock_diffusers(work: Path) -> None:
    folder = work / "checkpoint"
    size = export(work, folder)
    digests = json.loads((folder / "sha256.json").read_text())
    assert size == sum((folder / name).stat().st_size for name in digests)
    first, again, other = draw(load(folder), ["techno", "techno", "rain"], [7, 7, 8], Way(2))
    assert first.shape == (512, 512)
    assert np.abs(first.astype(int) - again).max() <= 1
    assert not np.array_equal(first, other)
    assert read_licence(folder) == "mit"
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 60_000_000
    from diffusers import StableDiffusionPipeline  # noqa: PLC0415 - slow to import

    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline("techno", num_inference_steps=2, height=512, width=512).images[0]
    assert image.size == (512, 512)


def test_a_checkpoint_carries_seed_loops_and_draws_from_them(work: Path) -> None:
    folder = work / "with-seeds"
    export(work, folder)
    stored = SeedLoops.load(folder)
    assert {loop.style for loop in stored.loops} == {"techno", "rain", "jazz trio", "guitar solo"}
    checkpoint = load(folder)
    asked = prompt_embedding(checkpoint, "techno")
    assert asked.shape == (384,)
    way = Way(4, seed_loops=True, strength=0.25)
    (near,) = draw(checkpoint, ["techno"], [0], way, stored)
    start = decode(checkpoint, stored.latents(stored.choose(stored.scores("techno", asked)))[None])[
        0
    ]
    (free,) = draw(checkpoint, ["techno"], [0], Way(4))
    apart = [np.abs(start.astype(int) - one).mean() for one in (near, free)]
    assert apart[0] < apart[1]


def test_text_encoder_keys_have_the_prefix_that_old_readers_need(work: Path) -> None:
    keys = load_file(work / "text" / "text_encoder" / "model.safetensors").keys()
    assert all(key.startswith("text_model.") for key in keys)


def test_the_card_is_written_anew_with_figures_and_sealed(work: Path) -> None:
    folder = work / "carded"
    export(work, folder)
    (work / "report").mkdir(exist_ok=True)
    (work / "report" / "table.json").write_text('{"style accuracy on captions": 0.5}')
    refresh_card(work, folder)
    card = (folder / "README.md").read_text("utf-8")
    assert "| style accuracy on captions | 0.500 |" in card
    digest = hashlib.sha256(card.encode()).hexdigest()
    assert json.loads((folder / "sha256.json").read_text())["README.md"] == digest
    load(folder)
    (folder / "riffbot.json").write_text("{}")
    with pytest.raises(CheckpointError, match="damaged"):
        load(folder)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(GenerationError, match="unet"):
        export(tmp_path, tmp_path / "out")
    with pytest.raises(GenerationError, match="latents"):
        Latents(tmp_path / "clips", tmp_path / "latents")
    with pytest.raises(GenerationError, match="autoencoder"):
        load_autoencoder(tmp_path)
