from __future__ import annotations

import mmap
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from generation.errors import CheckpointError
from generation.weights import Source, build_empty, count_weights, open_weights

CPU = torch.device("cpu")


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.linear = torch.nn.Linear(5, 6)


def read(file: Path) -> dict[str, torch.Tensor]:
    with open_weights([file]) as opened:
        return {name: tensor.clone() for name, tensor in opened.tensors.items()}


def save(model: torch.nn.Module, file: Path) -> Path:
    tensors = dict(model.state_dict())
    if file.suffix == ".safetensors":
        save_file(tensors, file)
    else:
        torch.save(tensors, file)
    return file


@settings(max_examples=25, deadline=None)
@given(
    shapes=st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=1, max_size=5),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.int64]),
    suffix=st.sampled_from([".safetensors", ".bin"]),
)
def test_what_was_saved_is_read(
    tmp_path_factory: pytest.TempPathFactory, shapes: list[Any], dtype: torch.dtype, suffix: str
) -> None:
    file = tmp_path_factory.mktemp("weights") / f"x{suffix}"
    tensors = {f"t{n}": (torch.randn(shape) * 9).to(dtype) for n, shape in enumerate(shapes)}
    if suffix == ".bin":
        torch.save(tensors, file)
    else:
        save_file(tensors, file)
    found = read(file)
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_views_of_one_storage_are_read_from_a_pickle(tmp_path: Path) -> None:
    whole = torch.arange(24.0).view(4, 6)
    tensors = {"turned": whole.t(), "row": whole[2], "whole": whole}
    torch.save(tensors, tmp_path / "x.bin")
    found = read(tmp_path / "x.bin")
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_pickles_of_before_2020_are_read(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 4), "b": torch.arange(5)}
    torch.save(tensors, tmp_path / "x.bin", _use_new_zipfile_serialization=False)
    found = read(tmp_path / "x.bin")
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_a_model_is_filled_in_the_precision_and_layout_it_is_used_in(
    tmp_path: Path, suffix: str
) -> None:
    saved = Model()
    source = Source("unet", (save(saved, tmp_path / f"x{suffix}"),))
    model = build_empty(Model)
    assert all(parameter.is_meta for parameter in model.parameters())
    source.fill(model, dtype=torch.bfloat16, device=CPU)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, saved.get_parameter(name).to(torch.bfloat16))
    assert model.conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_some_weights_can_be_read_again_in_place(tmp_path: Path) -> None:
    saved = Model()
    source = Source("unet", (save(saved, tmp_path / "x.safetensors"),))
    model = build_empty(Model)
    source.fill(model, dtype=torch.float32, device=CPU)
    conv, linear = model.conv.weight, model.linear.weight
    conv.zero_()
    linear.zero_()
    source.fill(model, dtype=torch.float32, device=CPU, only=["conv.weight"])
    assert model.conv.weight is conv
    assert torch.equal(conv, saved.conv.weight)
    assert not linear.any()


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_a_file_is_not_held_beside_the_model(tmp_path: Path, suffix: str) -> None:
    """Pages that were read are given back at once, so both are never in memory together."""

    class Large(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.ParameterList(torch.empty(1024, 1024) for _ in range(24))

    saved = Large()
    for parameter in saved.parameters():
        torch.nn.init.constant_(parameter, 1.0)
    source = Source("unet", (save(saved, tmp_path / f"x{suffix}"),))
    del saved
    model = build_empty(Large)
    before, peaks = resident(), []
    source = Source("unet", source.files, lambda name: (peaks.append(resident()), (name,))[1])
    with open_weights(source.files) as opened:
        for tensor in opened.tensors.values():
            tensor.sum()
            opened.release(tensor)
            peaks.append(resident())
    assert max(peaks) - before < 24e6  # 96 MB were read
    source.fill(model, dtype=torch.float32, device=CPU)
    assert resident() - before < 1.3 * 24 * 4 * 1024**2


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="needs a way to give memory back")
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_weights_can_stay_in_the_file_and_give_their_memory_back(
    tmp_path: Path, suffix: str
) -> None:
    def build() -> torch.nn.Sequential:
        return torch.nn.Sequential(*(torch.nn.Linear(2048, 2048) for _ in range(8)))

    saved = build()
    source = Source("unet", (save(saved, tmp_path / f"x{suffix}"),))
    model = build_empty(
        lambda: torch.nn.Sequential(*(torch.nn.Linear(2048, 2048) for _ in range(8)))
    )
    pages = source.fill(model, dtype=torch.float32, device=CPU, mapped=True)
    assert pages is not None
    x, before = torch.randn(1, 2048), resident()
    expected = saved(x)
    assert torch.equal(model(x), expected)
    assert resident() - before > 100e6
    pages.release()
    assert resident() - before < 30e6
    assert torch.equal(model(x), expected)


def test_weights_that_need_a_change_do_not_stay_in_the_file(tmp_path: Path) -> None:
    source = Source("unet", (save(Model(), tmp_path / "x.safetensors"),))
    model = build_empty(Model)
    assert source.fill(model, dtype=torch.float16, device=CPU, mapped=True) is None


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cut(file: Path, share: float) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    file = save(Model(), tmp_path / f"x{suffix}")
    cut(file, share)
    with pytest.raises(CheckpointError, match=r"damaged|cut short"):
        read(file)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{",
        b'{"a":1}',
        b'{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[-8,-4]}}',
        b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}',
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: bytes) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 4)
    with pytest.raises(CheckpointError, match=r"damaged|cut short"):
        read(file)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("/tmp/riffbot-must-not-exist"),))


@pytest.mark.parametrize("plain", [False, True])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, plain: bool) -> None:
    file, target = tmp_path / "x.bin", Path("/tmp/riffbot-must-not-exist")
    content = {"a": torch.zeros(1), "b": Bomb()}
    if plain:
        file.write_bytes(pickle.dumps({"b": Bomb()}))
    else:
        torch.save(content, file)
    with pytest.raises(CheckpointError, match=r"safetensors"):
        read(file)
    assert not target.exists()


def test_missing_and_misshapen_weights_are_named(tmp_path: Path) -> None:
    saved = Model()
    saved.linear = torch.nn.Linear(5, 7)
    source = Source("unet", (save(saved, tmp_path / "x.safetensors"),))
    with pytest.raises(CheckpointError, match=r"linear\.weight has the shape \(7, 5\)"):
        source.fill(build_empty(Model), dtype=torch.float32, device=CPU)
    save_file({"conv.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="lacks 3 of its 4 weights"):
        source.fill(build_empty(Model), dtype=torch.float32, device=CPU)


def test_weights_are_counted_by_precision(tmp_path: Path) -> None:
    save_file(
        {"a": torch.zeros(6, dtype=torch.float16), "b": torch.zeros(4), "c": torch.arange(9)},
        tmp_path / "x.safetensors",
    )
    assert count_weights([tmp_path / "x.safetensors"]) == {torch.float16: 6, torch.float32: 4}
