"""Every shape that a checkpoint comes in draws what diffusers draws from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from diffusers.loaders import single_file_utils
from safetensors.torch import load_file, save_file

from generation import single_file
from generation.checkpoint import CheckpointOptions, load_checkpoint
from generation.errors import CheckpointError
from tests.generation.small_checkpoint import CPU, SIZES, drawn, drawn_by_diffusers, write_tiny


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny") / "new")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny") / "old", "old")


def as_single_file(folder: Path, file: Path) -> Path:
    """Put a diffusers folder into the original layout, with our table of names."""
    tensors = {}
    for part, stem in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        config = json.loads((folder / part / "config.json").read_text())
        names = single_file.other_names(part, config)
        for name, tensor in load_file(folder / part / f"{stem}.safetensors").items():
            old = names(name)[0]
            attention = part == "vae" and ".attn_1." in old and tensor.dim() == 2
            tensors[old] = tensor[:, :, None, None] if attention else tensor
    save_file(tensors, file)
    return file


def test_the_new_layout_draws_as_in_diffusers(new: Path) -> None:
    ours = drawn(load_checkpoint(str(new), CPU))
    theirs = drawn_by_diffusers(new)
    assert np.ptp(ours) > 3  # a picture, not a flat grey
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_the_old_layout_draws_as_in_diffusers_and_as_the_new_one(new: Path, old: Path) -> None:
    ours = drawn(load_checkpoint(str(old), CPU))
    assert np.abs(ours.astype(int) - drawn_by_diffusers(old)).max() <= 1
    assert np.array_equal(ours, drawn(load_checkpoint(str(new), CPU)))


def test_a_single_file_draws_as_the_folder_it_was_made_from(new: Path, tmp_path: Path) -> None:
    file = as_single_file(new, tmp_path / "mine.safetensors")
    options = CheckpointOptions(configs=str(new), offline=True)
    loaded = load_checkpoint(str(file), CPU, options)
    assert loaded.preferences.name == "mine"
    assert np.array_equal(drawn(loaded), drawn(load_checkpoint(str(new), CPU)))


def test_the_original_names_are_those_that_diffusers_converts_from(
    new: Path, tmp_path: Path
) -> None:
    """Our table against diffusers' own, which was written in the other direction."""
    tensors = load_file(as_single_file(new, tmp_path / "mine.safetensors"))
    configs = {
        part: json.loads((new / part / "config.json").read_text()) for part in ("unet", "vae")
    }
    converted = {
        "unet": single_file_utils.convert_ldm_unet_checkpoint(dict(tensors), configs["unet"]),
        "vae": single_file_utils.convert_ldm_vae_checkpoint(dict(tensors), configs["vae"]),
    }
    for part, found in converted.items():
        expected = load_file(new / part / "diffusion_pytorch_model.safetensors")
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_an_open_clip_text_encoder_is_taken_apart(new: Path, tmp_path: Path) -> None:
    """Stable Diffusion 2 keeps queries, keys and values in one tensor."""
    file = as_single_file(new, tmp_path / "two.safetensors")
    tensors = load_file(file)
    start = "cond_stage_model.transformer.text_model."
    clip = {key.removeprefix(start): t for key, t in tensors.items() if key.startswith(start)}
    kept = {key: tensor for key, tensor in tensors.items() if not key.startswith(start)}
    prefix = "cond_stage_model.model."
    kept[f"{prefix}token_embedding.weight"] = clip["embeddings.token_embedding.weight"]
    kept[f"{prefix}positional_embedding"] = clip["embeddings.position_embedding.weight"]
    for kind in ("weight", "bias"):
        kept[f"{prefix}ln_final.{kind}"] = clip[f"final_layer_norm.{kind}"]
        for layer in range(int(SIZES.text["num_hidden_layers"])):
            ours, theirs = f"encoder.layers.{layer}", f"{prefix}transformer.resblocks.{layer}"
            qkv = [clip[f"{ours}.self_attn.{which}_proj.{kind}"] for which in "qkv"]
            kept[f"{theirs}.attn.in_proj_{kind}"] = torch.cat(qkv)
            for mine, other in (
                ("self_attn.out_proj", "attn.out_proj"),
                ("layer_norm1", "ln_1"),
                ("layer_norm2", "ln_2"),
                ("mlp.fc1", "mlp.c_fc"),
                ("mlp.fc2", "mlp.c_proj"),
            ):
                kept[f"{theirs}.{other}.{kind}"] = clip[f"{ours}.{mine}.{kind}"]
    save_file({key: tensor.contiguous() for key, tensor in kept.items()}, file)
    loaded = load_checkpoint(str(file), CPU, CheckpointOptions(configs=str(new), offline=True))
    assert np.array_equal(drawn(loaded), drawn(load_checkpoint(str(new), CPU)))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("conditioner.embedders.1.model.ln_final.weight", "Stable Diffusion XL"),
        ("double_blocks.0.img_attn.norm.key_norm.scale", "Flux"),
        ("model.diffusion_model.joint_blocks.0.x_block.mlp.fc1.weight", "Stable Diffusion 3"),
        ("lora_unet_mid_block.lora_up.weight", "LoRA"),
        ("something.else", "original layout"),
    ],
)
def test_a_single_file_of_another_family_is_refused(
    new: Path, tmp_path: Path, key: str, words: str
) -> None:
    file = tmp_path / "other.safetensors"
    save_file({key: torch.zeros(1)}, file)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(str(file), CPU, CheckpointOptions(configs=str(new), offline=True))


def test_a_single_file_of_another_size_is_refused(new: Path, tmp_path: Path) -> None:
    wide = write_tiny(tmp_path / "wide", intermediate_size=64)
    file = as_single_file(new, tmp_path / "mine.safetensors")
    with pytest.raises(CheckpointError, match="does not fit its configuration"):
        load_checkpoint(str(file), CPU, CheckpointOptions(configs=str(wide), offline=True))


def test_an_index_of_another_family_is_refused(new: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(new, tmp_path / "xl"))
    for entry, words in (("text_encoder_2", "Stable Diffusion XL"), ("transformer", "Flux")):
        index = json.loads((new / "model_index.json").read_text())
        index[entry] = ["somewhere", "Something"]
        (folder / "model_index.json").write_text(json.dumps(index))
        with pytest.raises(CheckpointError, match=words):
            load_checkpoint(str(folder), CPU)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"in_channels": 9}, "inpainting"),
        ({"num_class_embeds": 1000}, "wants more than a text"),
        ({"cross_attention_dim": 32}, "do not fit together"),
        ({"block_out_channels": "many"}, "cannot be used"),
    ],
)
def test_a_unet_that_needs_other_inputs_is_refused_before_it_is_loaded(
    new: Path, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    folder = Path(shutil.copytree(new, tmp_path / "other"))
    file = folder / "unet" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(str(folder), CPU)


def test_half_precision_copies_are_enough(new: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(new, tmp_path / "half"))
    for file in folder.rglob("*.safetensors"):
        tensors = {name: tensor.half() for name, tensor in load_file(file).items()}
        save_file(tensors, file.with_name(f"{file.stem}.fp16.safetensors"))
        file.unlink()
    loaded = load_checkpoint(str(folder), CPU, CheckpointOptions(dtype="float32"))
    assert {parameter.dtype for parameter in loaded.unet.parameters()} == {torch.float32}
    whole = drawn(load_checkpoint(str(new), CPU)).astype(int)
    assert np.abs(drawn(loaded) - whole).mean() < 2


def test_a_tiny_autoencoder_takes_the_place_of_the_large_one(new: Path, tmp_path: Path) -> None:
    """TAESD's layout: a repository of its own, whose folder is the autoencoder's."""
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    )
    tiny.save_pretrained(tmp_path / "taesd")
    loaded = load_checkpoint(str(new), CPU, CheckpointOptions(vae=str(tmp_path / "taesd")))
    assert isinstance(loaded.vae, AutoencoderTiny)
    assert loaded.downscale == 8
    assert drawn(loaded).shape == (64, 128)
    assert loaded.fingerprint != load_checkpoint(str(new), CPU).fingerprint


def test_a_folder_without_an_autoencoder_cannot_lend_one(new: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no autoencoder"):
        load_checkpoint(str(new), CPU, CheckpointOptions(vae=str(tmp_path)))
