from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import diffusers
import pytest
import torch
import transformers
from diffusers import UNet2DConditionModel

from generation import parts
from generation.checkpoint import choose_device, load_checkpoint, resolve
from generation.errors import CheckpointError

CPU = torch.device("cpu")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the checkpoint that ships, to break."""
    return Path(shutil.copytree(resolve("starter"), tmp_path / "mine"))


def cut_short(folder: Path) -> None:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:100_000])


def lose_the_vae(folder: Path) -> None:
    shutil.rmtree(folder / "vae")


def name_a_class(part: str, library: str, name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "model_index.json"
        index = json.loads(file.read_text())
        index[part] = [library, name]
        file.write_text(json.dumps(index))

    return change


def borrow(package: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "riffbot.json").write_text(
            json.dumps({"name": "mine", "borrowed": {"tokenizer": f"{package}/x"}})
        )

    return change


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_short, "unet/.* is cut short: .* may be incomplete"),
        (lose_the_vae, r"autoencoder \(VAE\) of the checkpoint is missing"),
        (name_a_class("unet", "os", "system"), "cannot draw with"),
        (name_a_class("unet", "diffusers", "FluxTransformer2DModel"), "cannot draw with"),
        (name_a_class("scheduler", "diffusers", "AutoencoderKL"), "cannot draw with"),
        (borrow("no_such_package_here"), "pip install no-such-package-here"),
        (lambda folder: (folder / "model_index.json").write_text("{"), "cannot be read as JSON"),
        (lambda folder: (folder / "riffbot.json").write_text('{"nme": 1}'), "key I do not know"),
    ],
)
def test_a_damaged_checkpoint_is_refused_with_a_sentence(
    copy: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(copy)
    with pytest.raises(CheckpointError, match=words) as caught:
        load_checkpoint(str(copy), CPU)
    assert "\n" not in str(caught.value)


def test_parts_that_do_not_fit_are_refused(copy: Path) -> None:
    UNet2DConditionModel(
        block_out_channels=(32, 32, 32, 32),
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=8,
    ).save_pretrained(copy / "unet")
    with pytest.raises(CheckpointError, match="do not fit together"):
        load_checkpoint(str(copy), CPU)


def test_nothing_but_the_folders_name_ties_us_to_the_starter(copy: Path) -> None:
    ours, theirs = load_checkpoint("starter", CPU), load_checkpoint(str(copy), CPU)
    assert ours.fingerprint == theirs.fingerprint
    assert (ours.downscale, ours.width_multiple) == (8, 64)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model_index\.json"):
        resolve(str(tmp_path))


@pytest.mark.parametrize("part", ["unet", "vae", "scheduler"])
def test_the_fingerprint_sees_every_byte(copy: Path, part: str) -> None:
    (copy / "sha256.json").unlink(missing_ok=True)  # sealed, it would be refused
    before = load_checkpoint(str(copy), CPU).fingerprint
    file = next((copy / part).glob("*.safetensors"), None)
    if file is None:
        file = copy / "scheduler" / "scheduler_config.json"
        file.write_text(file.read_text().replace("0.012", "0.013"))
    else:
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
    assert load_checkpoint(str(copy), CPU).fingerprint != before


def test_a_device_that_is_not_there_is_refused() -> None:
    assert choose_device("cpu") == CPU
    with pytest.raises(CheckpointError, match="no device"):
        choose_device("toaster")
    if not torch.cuda.is_available():
        with pytest.raises(CheckpointError, match="no device 'cuda'"):
            choose_device("cuda")


def test_every_class_a_checkpoint_may_name_exists() -> None:
    libraries = {"diffusers": diffusers, "transformers": transformers}
    for classes in parts.CLASSES.values():
        for library, name in classes:
            assert hasattr(libraries[library], name)
