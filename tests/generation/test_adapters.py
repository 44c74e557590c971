from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from generation import single_file
from generation.checkpoint import Checkpoint, CheckpointOptions, load_checkpoint
from generation.errors import BadRequestError
from generation.prompts import PromptEncoder
from generation.request import AdapterUse
from tests.generation.small_checkpoint import CPU, drawn, write_tiny

LINEAR = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
OUT = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_out.0"
CONV = "down_blocks.0.resnets.0.conv1"
TEXT = "encoder.layers.0.self_attn.q_proj"
RANK, ALPHA = 2, 1.0

Layers = dict[tuple[str, str], tuple[torch.Tensor, torch.Tensor]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("adapters") / "tiny")


@pytest.fixture
def loras(tmp_path: Path) -> Path:
    place = tmp_path / "loras"
    place.mkdir()
    return place


@pytest.fixture
def checkpoint(folder: Path, loras: Path) -> Checkpoint:
    return load_checkpoint(str(folder), CPU, CheckpointOptions(loras=loras))


@pytest.fixture
def layers(checkpoint: Checkpoint) -> Layers:
    """Random products for one layer of each kind."""
    generator = torch.Generator().manual_seed(3)
    made = {}
    for part, name in (
        ("unet", LINEAR),
        ("unet", OUT),
        ("unet", CONV),
        ("text_encoder", TEXT),
    ):
        weight = getattr(checkpoint, part).get_submodule(name).weight
        up = torch.randn(weight.shape[0], RANK, generator=generator)
        down = torch.randn(RANK, *weight.shape[1:], generator=generator)
        made[part, name] = (up[:, :, None, None] if weight.dim() == 4 else up, down)
    return made


def kohya(layers: Layers, name: str = "plain") -> dict[str, torch.Tensor]:
    """As most LoRAs are published: names with underscores, in one of two naming schemes."""
    prefixes = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_"}
    tensors = {}
    for (part, layer), (up, down) in layers.items():
        if part == "unet" and name == "original":
            layer = single_file.unet_name(f"{layer}.weight", 2, [1, 2, 3]).removesuffix(".weight")
        key = prefixes[part] + layer.replace(".", "_")
        tensors |= {f"{key}.lora_up.weight": up, f"{key}.lora_down.weight": down}
        tensors[f"{key}.alpha"] = torch.tensor(ALPHA)
    return tensors


def peft(layers: Layers) -> dict[str, torch.Tensor]:
    """As diffusers and peft save them; alpha is in the metadata."""
    tensors = {}
    for (part, layer), (up, down) in layers.items():
        tensors |= {f"{part}.{layer}.lora_B.weight": up, f"{part}.{layer}.lora_A.weight": down}
    return tensors


def old_diffusers(layers: Layers) -> dict[str, torch.Tensor]:
    """As diffusers saved attention processors in 2023; there alpha is the rank."""
    tensors = {}
    for (part, layer), (up, down) in layers.items():
        stem, _, last = layer.rpartition(".")
        if last == "0":
            stem, _, last = stem.rpartition(".")
        key = f"{part}.{stem}.processor.{last}_lora"
        if part == "text_encoder":
            key = f"{part}.text_model.{layer}.lora_linear_layer"
        elif "conv" in layer:
            key = f"{part}.{layer}.lora"
        scale = ALPHA / RANK
        tensors |= {f"{key}.up.weight": up * scale, f"{key}.down.weight": down}
    return tensors


def expected(checkpoint: Checkpoint, layers: Layers, weight: float) -> dict[str, torch.Tensor]:
    """W + weight · alpha/rank · up · down, written out as sums over the rank."""
    made = {}
    for (part, layer), (up, down) in layers.items():
        base = getattr(checkpoint, part).get_submodule(layer).weight.detach().clone()
        change = sum(
            up.flatten(1)[:, r].view(-1, *[1] * (base.dim() - 1)) * down[r][None]
            for r in range(RANK)
        )
        made[f"{part}.{layer}"] = base + weight * ALPHA / RANK * change
    return made


def now(checkpoint: Checkpoint, layers: Layers) -> dict[str, torch.Tensor]:
    return {
        f"{part}.{layer}": getattr(checkpoint, part).get_submodule(layer).weight.detach().clone()
        for part, layer in layers
    }


@pytest.mark.parametrize("written", ["plain", "original", "peft", "old"])
def test_a_lora_adds_its_products_however_it_is_written(
    checkpoint: Checkpoint, layers: Layers, loras: Path, written: str
) -> None:
    metadata = None
    if written == "peft":
        tensors = peft(layers)
        alphas = {f"{part}.lora_alpha": ALPHA for part in ("unet", "text_encoder")}
        metadata = {"lora_adapter_metadata": json.dumps(alphas)}
    else:
        tensors = old_diffusers(layers) if written == "old" else kohya(layers, written)
    save_file(
        {key: tensor.contiguous() for key, tensor in tensors.items()},
        loras / "warm.safetensors",
        metadata,
    )
    wanted = expected(checkpoint, layers, 0.5)
    checkpoint.apply_adapters([AdapterUse("warm", 0.5)])
    found = now(checkpoint, layers)
    assert all(torch.allclose(found[key], wanted[key], atol=1e-6) for key in wanted)


def test_applying_is_idempotent_and_taking_off_is_exact(
    checkpoint: Checkpoint, layers: Layers, loras: Path
) -> None:
    for name in ("warm", "cold"):
        save_file(kohya(layers), loras / f"{name}.safetensors")
    before = now(checkpoint, layers)
    picture = drawn(checkpoint)
    warm, both = [AdapterUse("warm")], [AdapterUse("warm"), AdapterUse("cold", -0.5)]
    checkpoint.apply_adapters(warm)
    once = now(checkpoint, layers)
    changed = drawn(checkpoint)
    checkpoint.apply_adapters(warm)
    assert all(torch.equal(now(checkpoint, layers)[key], once[key]) for key in once)
    checkpoint.apply_adapters(both)
    assert checkpoint.adapters.applied == tuple(both)
    checkpoint.apply_adapters(warm)
    assert all(torch.equal(now(checkpoint, layers)[key], once[key]) for key in once)
    checkpoint.apply_adapters([])
    assert all(torch.equal(now(checkpoint, layers)[key], before[key]) for key in before)
    assert np.array_equal(drawn(checkpoint), picture)
    assert not np.array_equal(changed, picture)


@pytest.mark.parametrize("written", [kohya, peft, old_diffusers])
def test_it_draws_as_diffusers_with_peft_does(
    checkpoint: Checkpoint,
    layers: Layers,
    loras: Path,
    folder: Path,
    written: Callable[[Layers], dict[str, torch.Tensor]],
) -> None:
    from diffusers import StableDiffusionPipeline  # noqa: PLC0415

    # Not every combination of the two libraries takes a LoRA of the text encoder, nor in the old
    # format one of a convolution.
    some = {place: pair for place, pair in layers.items() if place[1] in (LINEAR, OUT)}
    save_file(written(some), loras / "warm.safetensors")
    checkpoint.apply_adapters([AdapterUse("warm", 0.7)])
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, safety_checker=None, feature_extractor=None
    )
    pipeline.load_lora_weights(str(loras), weight_name="warm.safetensors", adapter_name="warm")
    pipeline.set_adapters(["warm"], [0.7])
    inputs = torch.randn(1, 4, 8, 8), torch.tensor(9), torch.randn(1, 5, 24)
    with torch.inference_mode():
        ours, theirs = (unet(*inputs).sample for unet in (checkpoint.unet, pipeline.unet))
    assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize(
    ("place", "name", "sampler", "steps"),
    [
        ("lcm-lora-sdv1-5/pytorch_lora_weights.safetensors", "lcm-lora-sdv1-5", "lcm", 4),
        ("Hyper-SD15-8steps-CFG-lora.safetensors", "Hyper-SD15-8steps-CFG-lora", "ddim", 8),
        ("Hyper-SD15-1step-lora.safetensors", "Hyper-SD15-1step-lora", "tcd", 1),
    ],
)
def test_few_step_loras_load_as_they_are_published(
    checkpoint: Checkpoint,
    layers: Layers,
    loras: Path,
    place: str,
    name: str,
    sampler: str,
    steps: int,
) -> None:
    """LCM-LoRA and Hyper-SD: a UNet's layers in kohya's names, half precision, few steps."""
    unet = {key: pair for key, pair in layers.items() if key[0] == "unet"}
    tensors = {key: tensor.half() for key, tensor in kohya(unet).items()}
    (loras / place).parent.mkdir(exist_ok=True)
    save_file(tensors, loras / place)
    plain = drawn(checkpoint, sampler, steps)
    checkpoint.apply_adapters([AdapterUse(name, 1.0)])
    quick = drawn(checkpoint, sampler, steps)
    assert checkpoint.adapters.names() == [name]
    assert quick.std() > 0
    assert not np.array_equal(quick, plain)


def test_what_does_not_fit_is_refused_and_changes_nothing(
    checkpoint: Checkpoint, layers: Layers, loras: Path
) -> None:
    before = now(checkpoint, layers)
    plain = kohya(layers)
    up = next(key for key in plain if key.endswith("lora_up.weight"))
    files = {
        "large": {**plain, up: torch.zeros(99, RANK)},
        "xl": {"lora_te2_text_model_x.lora_up.weight": torch.zeros(1, 1)},
        "half": {key: tensor for key, tensor in plain.items() if key != up},
        "dora": {**plain, up.replace("lora_up.weight", "dora_scale"): torch.zeros(1)},
    }
    for name, tensors in files.items():
        save_file(tensors, loras / f"{name}.safetensors")
    save_file(plain, loras / "good.safetensors")
    (loras / "cut.safetensors").write_bytes((loras / "good.safetensors").read_bytes()[:300])
    for name, words in {
        "large": "another size",
        "xl": "another family",
        "half": "another family",
        "dora": "another kind",
        "cut": "cut short",
        "none": "I have cut, dora, good",
    }.items():
        with pytest.raises(BadRequestError, match=words):
            checkpoint.apply_adapters([AdapterUse("good"), AdapterUse(name)])
        assert checkpoint.adapters.applied == ()
    assert all(torch.equal(now(checkpoint, layers)[key], before[key]) for key in before)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", "", "a/b", "a\0b"])
def test_names_cannot_leave_the_folder(checkpoint: Checkpoint, loras: Path, name: str) -> None:
    save_file({"a": torch.zeros(1)}, loras.parent / "secret.safetensors")
    with pytest.raises(BadRequestError, match="no LoRA called"):
        checkpoint.apply_adapters([AdapterUse(name)])


def test_without_a_folder_there_are_none(folder: Path) -> None:
    bare = load_checkpoint(str(folder), CPU)
    assert bare.adapters.names() == []
    bare.apply_adapters([])
    with pytest.raises(BadRequestError, match="There are none"):
        bare.apply_adapters([AdapterUse("warm")])


@pytest.mark.parametrize("written", ["diffusers", "web ui", "web ui safetensors"])
def test_textual_inversions_become_words(folder: Path, tmp_path: Path, written: str) -> None:
    vectors = torch.randn(2, 24)
    place = tmp_path / "words"
    place.mkdir()
    if written == "diffusers":
        save_file({"<whatever>": vectors}, place / "dusty.safetensors")
    elif written == "web ui":
        content = {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "x"}
        torch.save(content, place / "dusty.pt")
    else:
        save_file({"emb_params": vectors}, place / "dusty.safetensors")
    save_file({"emb_params": torch.randn(1, 99)}, place / "of another model.safetensors")
    (place / "broken.bin").write_bytes(b"nonsense")
    loaded = load_checkpoint(str(folder), CPU, CheckpointOptions(inversions=place))
    assert loaded.inversions == {"<dusty>": 2}
    ids = [loaded.tokenizer.convert_tokens_to_ids(word) for word in ("<dusty>", "<dusty>_1")]
    embedding = loaded.text_encoder.get_input_embeddings()
    assert torch.equal(embedding(torch.tensor(ids)), vectors)
    plain = load_checkpoint(str(folder), CPU)
    words = PromptEncoder(loaded).encode("piano")
    assert torch.equal(words, PromptEncoder(plain).encode("piano"))
    with_word = PromptEncoder(loaded).encode("piano <dusty>")
    assert not torch.allclose(with_word, words)


def test_loras_from_the_file_survive_a_turn_of_the_autoencoder(
    checkpoint: Checkpoint, layers: Layers, loras: Path
) -> None:
    """Memory that is given back is the file's, never a weight that a LoRA has changed."""
    save_file(kohya(layers), loras / "warm.safetensors")
    checkpoint.apply_adapters([AdapterUse("warm")])
    before = now(checkpoint, layers)
    drawn(checkpoint)
    drawn(checkpoint)
    assert all(torch.equal(now(checkpoint, layers)[key], before[key]) for key in before)


def test_the_same_lora_works_on_a_single_file(
    folder: Path, layers: Layers, loras: Path, tmp_path: Path
) -> None:
    from tests.generation.test_checkpoint_shapes import as_single_file  # noqa: PLC0415

    save_file(kohya(layers), loras / "warm.safetensors")
    file = as_single_file(folder, tmp_path / "mine.safetensors")
    options = CheckpointOptions(loras=loras, configs=str(folder), offline=True)
    loaded = load_checkpoint(str(file), CPU, options)
    before = now(loaded, layers)
    loaded.apply_adapters([AdapterUse("warm")])
    assert not torch.equal(now(loaded, layers)[f"unet.{CONV}"], before[f"unet.{CONV}"])
    loaded.apply_adapters([])
    assert all(torch.equal(now(loaded, layers)[key], before[key]) for key in before)


def test_a_copy_of_the_files_is_not_needed(folder: Path, tmp_path: Path) -> None:
    """A model whose files are deleted while it is loaded goes on drawing."""
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    expected_picture = drawn(load_checkpoint(str(folder), CPU))
    loaded = load_checkpoint(str(copy), CPU)
    assert load_file(copy / "unet" / "diffusion_pytorch_model.safetensors")
    shutil.rmtree(copy)
    assert np.array_equal(drawn(loaded), expected_picture)
