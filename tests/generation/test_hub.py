from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from generation import hub
from generation.checkpoint import CheckpointOptions, load_checkpoint
from generation.errors import CheckpointError
from generation.hub import Download, Wanted, fetch, is_hub_id
from tests.generation.small_checkpoint import CPU, drawn, write_tiny
from tests.peers.hub.server import Hub, Repository

NAME = "somebody/tiny-riffs"
UNET = "unet/diffusion_pytorch_model.safetensors"
CHUNK = 65536
CARD = b"---\nlicense: creativeml-openrail-m\ntags:\n- music\n---\n# Tiny\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("hub") / "tiny")


@pytest.fixture
def peer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    unwanted = {
        "README.md": CARD,
        "safety_checker/pytorch_model.bin": b"unwanted",
        "unet/diffusion_pytorch_model.bin": b"unwanted",
        "vae/diffusion_pytorch_model.non_ema.safetensors": b"unwanted",
        "v1-5-pruned.ckpt": b"unwanted",
    }
    with Hub({NAME: Repository({**files, **unwanted})}) as one:
        monkeypatch.setenv("HF_ENDPOINT", one.url)
        # Ten megabytes by default, which is more than our whole checkpoint.
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
        yield one


def test_a_checkpoint_is_downloaded_and_draws_as_the_folder_it_came_from(
    peer: Hub, folder: Path, tmp_path: Path
) -> None:
    loaded = load_checkpoint(NAME, CPU, CheckpointOptions(hub_cache=tmp_path))
    assert loaded.preferences.name == NAME
    assert loaded.preferences.licence == "creativeml-openrail-m"
    assert np.array_equal(drawn(loaded), drawn(load_checkpoint(str(folder), CPU)))
    asked = {path.split("/", 5)[-1] for method, path, _ in peer.requests if method == "GET"}
    assert UNET in asked
    assert not any("safety" in path or path.endswith((".bin", ".ckpt")) for path in asked)
    assert not any("non_ema" in path for path in asked)


def test_afterwards_nobody_is_asked(peer: Hub, tmp_path: Path) -> None:
    first = fetch(NAME, cache=tmp_path)
    asked = len(peer.requests)
    assert fetch(NAME, cache=tmp_path) == first
    assert fetch(NAME, cache=tmp_path, offline=True) == first
    assert len(peer.requests) == asked


def test_progress_covers_all_files_and_never_goes_back(
    peer: Hub, folder: Path, tmp_path: Path
) -> None:
    told: list[Download] = []
    fetch(NAME, cache=tmp_path, on_download=told.append)
    [total] = {one.total for one in told}
    done = [one.done for one in told]
    assert done == sorted(done)
    assert done[-1] == total
    assert total > (folder / UNET).stat().st_size


def test_a_cut_connection_is_taken_up_where_it_broke(
    peer: Hub, folder: Path, tmp_path: Path
) -> None:
    size = (folder / UNET).stat().st_size
    peer.repositories[NAME].cuts[UNET] = [size // 2]
    told: list[Download] = []
    place = fetch(NAME, cache=tmp_path, on_download=told.append)
    assert (place / UNET).read_bytes() == (folder / UNET).read_bytes()
    whole, rest = peer.got(UNET)
    assert (whole, rest) == ("", f"bytes={size // 2 // CHUNK * CHUNK}-")
    assert told[-1].done == told[-1].total


def test_a_download_that_was_stopped_is_resumed_by_the_next(
    peer: Hub, folder: Path, tmp_path: Path
) -> None:
    class StopError(Exception):
        pass

    half = (folder / UNET).stat().st_size // 2
    seen = 0

    def stop(progress: Download) -> None:
        nonlocal seen
        seen += progress.file == UNET
        if seen * CHUNK > half:
            raise StopError

    with pytest.raises(StopError):
        fetch(NAME, cache=tmp_path, on_download=stop)
    with pytest.raises(CheckpointError, match="not downloaded completely"):
        fetch(NAME, cache=tmp_path, offline=True)
    place = fetch(NAME, cache=tmp_path)
    assert (place / UNET).read_bytes() == (folder / UNET).read_bytes()
    first, second = peer.got(UNET)
    assert first == ""
    assert int(second.removeprefix("bytes=").removesuffix("-")) > half - 3 * CHUNK
    small = len([path for method, path, _ in peer.requests if path.endswith("merges.txt")])
    assert small <= 2  # one HEAD and one GET: what was there is not asked for again


def test_a_revision_can_be_named(peer: Hub, tmp_path: Path) -> None:
    commit = peer.repositories[NAME].commit
    assert fetch(f"{NAME}@{commit}", cache=tmp_path) == fetch(f"{NAME}@main", cache=tmp_path)
    with pytest.raises(CheckpointError, match="not its version 'nightly'"):
        fetch(f"{NAME}@nightly", cache=tmp_path)


def test_settings_come_without_weights(peer: Hub, tmp_path: Path) -> None:
    place = fetch(NAME, cache=tmp_path, wanted=Wanted.SETTINGS)
    assert (place / "tokenizer" / "vocab.json").is_file()
    assert not list(place.rglob("*.safetensors"))
    with pytest.raises(CheckpointError, match="not downloaded completely"):
        fetch(NAME, cache=tmp_path, offline=True)


def test_an_autoencoder_comes_alone(peer: Hub, tmp_path: Path) -> None:
    place = fetch(NAME, cache=tmp_path, wanted=Wanted.VAE)
    names = {path.relative_to(place).as_posix() for path in place.rglob("*.*") if path.is_file()}
    assert names == {"vae/config.json", "vae/diffusion_pytorch_model.safetensors"}


def test_what_the_hub_refuses_is_said_in_a_sentence(peer: Hub, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no checkpoint 'nobody/nothing'"):
        fetch("nobody/nothing", cache=tmp_path)
    peer.repositories["some/gated"] = Repository({}, gated=True)
    with pytest.raises(CheckpointError, match="wants its terms accepted"):
        fetch("some/gated", cache=tmp_path)
    peer.repositories["some/poems"] = Repository({"README.md": CARD, "config.json": b"{}"})
    with pytest.raises(CheckpointError, match="no checkpoint that I can use"):
        fetch("some/poems", cache=tmp_path)


def test_without_a_network_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Hub({}) as gone:
        url = gone.url
    monkeypatch.setenv("HF_ENDPOINT", url)
    with pytest.raises(CheckpointError, match="cannot reach the hub") as caught:
        load_checkpoint(NAME, CPU, CheckpointOptions(hub_cache=tmp_path))
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match="told to stay offline"):
        load_checkpoint(NAME, CPU, CheckpointOptions(hub_cache=tmp_path, offline=True))


def test_a_full_disk_is_noticed_before_the_download(
    peer: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_SPARE", 10**18)
    with pytest.raises(CheckpointError, match="GB are free on the disk"):
        fetch(NAME, cache=tmp_path)
    assert peer.got(UNET) == []


@pytest.mark.parametrize(
    ("name", "is_id"),
    [
        ("riffusion/riffusion-model-v1", True),
        ("a/b@main", True),
        ("a/b@refs/pr/1", True),
        ("starter", False),
        ("./models/mine", False),
        ("/models/mine", False),
        ("a/b/c", False),
        ("../b", False),
    ],
)
def test_hub_ids_are_told_from_paths(name: str, is_id: bool) -> None:
    assert is_hub_id(name) is is_id


def test_the_library_is_not_imported_for_those_who_do_not_need_it() -> None:
    code = "import sys, generation.hub; sys.exit('huggingface_hub' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
