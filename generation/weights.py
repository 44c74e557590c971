"""Read the weights of a model without holding them twice.

Loading a model as the libraries do it costs up to twice its size: once for the file, once for the
model that was filled with random numbers first. Here the model is built without memory (on
PyTorch's *meta* device), the file is mapped, and each tensor is copied once, into its final
precision, layout and device; the pages it was read from are given back at once. The peak is the
model plus its largest tensor.
"""

from __future__ import annotations

import json
import mmap
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from generation.errors import CheckpointError

Tensors = dict[str, torch.Tensor]
# The name, or names, under which a file may hold the model's weight of that name.
OtherNames = Callable[[str], tuple[str, ...]]

_MAX_HEADER = 100_000_000
_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one tensor lies in a file.

    Attributes:
        offset: of its storage, in bytes from the start of the file.
        count: elements of its storage.
        start: of the tensor in its storage, in elements.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    count: int
    start: int = 0


@dataclass(slots=True)
class WeightsFile:
    """A mapped file of weights; its tensors are views of the mapping, for reading only."""

    tensors: Tensors
    pages: mmap.mmap | None = None
    base: int = 0

    def release(self, tensor: torch.Tensor) -> None:
        """Give back the pages that were read for this tensor; reading it again still works."""
        start = tensor.data_ptr() - self.base
        size = tensor.numel() * tensor.element_size()
        if self.pages is not None and 0 <= start < len(self.pages):
            _release(self.pages, start, min(start + size, len(self.pages)))


@dataclass(slots=True)
class OpenWeights:
    """One or several files of weights as one."""

    files: list[WeightsFile]
    tensors: Tensors

    def release(self, tensor: torch.Tensor) -> None:
        """As in `WeightsFile`."""
        for file in self.files:
            file.release(tensor)


@dataclass(frozen=True, slots=True)
class Pages:
    """The mapped files that some weights of a model still lie in."""

    maps: tuple[mmap.mmap, ...]

    def release(self) -> None:
        """Give back their memory; the next use reads them from the file (or its cache) again."""
        for pages in self.maps:
            _release(pages, 0, len(pages))


@contextmanager
def open_weights(files: Iterable[Path]) -> Iterator[OpenWeights]:
    """Map one or several files of weights.

    Raises:
        CheckpointError: a file is damaged, cut short, or a pickle that brings code.
    """
    opened = [_open(file) for file in files]
    tensors = {name: tensor for file in opened for name, tensor in file.tensors.items()}
    try:
        yield OpenWeights(opened, tensors)
    finally:
        tensors.clear()
        for file in opened:
            file.tensors.clear()
        # Views that somebody still holds keep a mapping; it ends with the last of them.


def _open(path: Path) -> WeightsFile:
    entries = _entries(path)
    if isinstance(entries, WeightsFile):
        return entries
    with path.open("rb") as stream:
        pages = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    base = _flat(pages, torch.uint8, len(pages), 0).data_ptr()
    tensors = {name: _view(pages, entry) for name, entry in entries.items()}
    return WeightsFile(tensors, pages, base)


def _release(pages: mmap.mmap, start: int, end: int) -> None:
    if hasattr(mmap, "MADV_DONTNEED"):
        first = start // mmap.PAGESIZE * mmap.PAGESIZE
        pages.madvise(mmap.MADV_DONTNEED, first, end - first)


def count_weights(files: Iterable[Path]) -> dict[torch.dtype, int]:
    """How many weights these files hold, by the precision that they are stored in.

    Raises:
        CheckpointError: as `open_weights`.
    """
    counts: dict[torch.dtype, int] = {}
    for path in files:
        entries = _entries(path)
        found: Iterable[tuple[torch.dtype, int]] = (
            ((tensor.dtype, tensor.numel()) for tensor in entries.tensors.values())
            if isinstance(entries, WeightsFile)
            else ((entry.dtype, entry.count) for entry in entries.values())
        )
        for dtype, count in found:
            if dtype.is_floating_point:
                counts[dtype] = counts.get(dtype, 0) + count
    return counts


def _same_name(name: str) -> tuple[str, ...]:
    return (name,)


@dataclass(frozen=True, slots=True)
class Source:
    """The files of one model, and where they keep each of its weights."""

    part: str
    files: tuple[Path, ...]
    names: OtherNames = _same_name

    def fill(
        self,
        model: torch.nn.Module,
        *,
        dtype: torch.dtype,
        device: torch.device,
        only: Iterable[str] | None = None,
        mapped: bool = False,
    ) -> Pages | None:
        """Give a model its weights.

        Args:
            model: one without memory, or one already filled.
            dtype: of all floating-point weights.
            device: where they go.
            only: names of the weights to read (again); None reads all.
            mapped: leave weights that need no change where they are, in the file: memory that the
                system can take back at any time. They must never be written to. An autoencoder,
                which works once per picture, keeps even its convolutions as they lie.

        Returns:
            What some weights still lie in, if any do.

        Raises:
            CheckpointError: a weight is missing or has another shape, or the file is damaged.
        """
        names = model.state_dict()
        wanted = names if only is None else {name: names[name] for name in only}
        filled: Tensors = {}
        left_in_place = False
        with open_weights(self.files) as opened, torch.inference_mode(False), torch.no_grad():
            found = self._find(opened.tensors, wanted)
            for name in wanted:
                one = found.pop(name)
                kept = mapped and _is_ready(one, dtype, device, any_layout=self.part == "vae")
                filled[name] = one if kept else _copy(one, dtype, device)
                left_in_place |= kept
                opened.release(one)
            maps = tuple(file.pages for file in opened.files if file.pages is not None)
        for name, tensor in filled.items():
            _put(model, name, tensor)
        return Pages(maps) if left_in_place else None

    def _find(self, stored: Tensors, wanted: Mapping[str, torch.Tensor]) -> Tensors:
        tensors: Tensors = {}
        for name, place in wanted.items():
            for other in self.names(name):
                one = _part_of(stored, other)
                if one is not None:
                    # Attention was once written as convolutions of one pixel.
                    flat = one.dim() == 4 and one.shape[2:] == (1, 1) and place.dim() == 2
                    tensors[name] = one[:, :, 0, 0] if flat else one
                    break
        missing = [name for name in wanted if name not in tensors]
        if missing:
            raise CheckpointError(
                f"The {spoken(self.part)} of this checkpoint lacks {len(missing)} of its "
                f"{len(wanted)} weights (such as {missing[0]}); it may be of another family, or "
                "its files incomplete."
            )
        for name, place in wanted.items():
            if tensors[name].shape != place.shape:
                raise CheckpointError(
                    f"The {spoken(self.part)} of this checkpoint does not fit its configuration: "
                    f"{name} has the shape {tuple(tensors[name].shape)}, not {tuple(place.shape)}."
                )
        return tensors


def build_empty(build: Callable[[], Any]) -> Any:
    """Build a model without memory; only its constants are real.

    Raises:
        CheckpointError: the model has a constant that no file brings.
    """
    with torch.device("meta"):
        model = build()
    saved = set(model.state_dict())
    for path, buffer in list(model.named_buffers()):
        if path not in saved:
            owner, _, name = path.rpartition(".")
            setattr(model.get_submodule(owner), name, _constant(name, buffer))
    return model.eval().requires_grad_(False)


def spoken(part: str) -> str:
    """A part's name as people say it."""
    return {"unet": "UNet", "vae": "autoencoder (VAE)"}.get(part, part.replace("_", " "))


def _part_of(stored: Tensors, name: str) -> torch.Tensor | None:
    """A tensor by name; `name#1/3` is the second third of it along its first axis."""
    name, _, share = name.partition("#")
    tensor = stored.get(name)
    if tensor is None or not share:
        return tensor
    index, count = map(int, share.split("/"))
    rows = tensor.shape[0] // count
    return tensor[index * rows : (index + 1) * rows]


def _constant(name: str, buffer: torch.Tensor) -> torch.Tensor:
    # The two that text encoders keep outside their weights.
    if name == "position_ids":
        return torch.arange(buffer.shape[-1]).expand(buffer.shape).clone()
    if name == "token_type_ids":
        return torch.zeros(buffer.shape, dtype=torch.long)
    raise CheckpointError(f"This checkpoint's text encoder needs {name}, which I cannot make.")


def _copy(one: torch.Tensor, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    target = torch.empty(
        one.shape, dtype=_dtype(one, dtype), device=device, memory_format=_layout(one)
    )
    return target.copy_(one)


def _is_ready(
    one: torch.Tensor, dtype: torch.dtype, device: torch.device, *, any_layout: bool
) -> bool:
    """Whether a weight can be used as it lies in the file."""
    return (
        device.type == "cpu"
        and one.dtype == _dtype(one, dtype)
        and (any_layout or one.is_contiguous(memory_format=_layout(one)))
        and one.data_ptr() % one.element_size() == 0
    )


def _dtype(one: torch.Tensor, dtype: torch.dtype) -> torch.dtype:
    return dtype if one.is_floating_point() else one.dtype


def _layout(one: torch.Tensor) -> torch.memory_format:
    # Convolutions are fastest, on every device, where the channels of a pixel lie together.
    return torch.channels_last if one.dim() == 4 else torch.contiguous_format


def _put(model: torch.nn.Module, name: str, tensor: torch.Tensor) -> None:
    owner_name, _, last = name.rpartition(".")
    owner = model.get_submodule(owner_name)
    old = getattr(owner, last)
    if not isinstance(old, torch.nn.Parameter):
        setattr(owner, last, tensor)
    elif old.is_meta:
        setattr(owner, last, torch.nn.Parameter(tensor, requires_grad=False))
    else:
        old.data = tensor  # whoever holds the parameter sees it


def _entries(path: Path) -> dict[str, Entry] | WeightsFile:
    try:
        if path.suffix == ".safetensors":
            return _safetensors_entries(path)
        return _pickle_entries(path)
    except OSError as error:
        raise CheckpointError(
            f"{_short(path)} cannot be read: {error.strerror or 'it is damaged'}."
        ) from error


def _safetensors_entries(path: Path) -> dict[str, Entry]:
    """Read the header: 8 bytes of its length, then JSON (the format's own description)."""
    size = path.stat().st_size
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 0 < length <= min(_MAX_HEADER, size - 8):
                raise ValueError("header")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        entries = {name: _entry(one, 8 + length) for name, one in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{_short(path)} is damaged or cut short: its list of weights cannot be read. "
            "Please download it again."
        ) from error
    end = max(
        (entry.offset + entry.count * entry.dtype.itemsize for entry in entries.values()), default=0
    )
    if end > size:
        raise CheckpointError(
            f"{_short(path)} is cut short: it should have {end} bytes and has {size}, so it may "
            "be incomplete. Please download it again."
        )
    return entries


def _entry(one: Mapping[str, Any], data: int) -> Entry:
    dtype = _DTYPES[one["dtype"]]
    shape = tuple(int(edge) for edge in one["shape"])
    count = 1
    for edge in shape:
        count *= edge
    start, end = one["data_offsets"]
    if start < 0 or end - start != count * dtype.itemsize or min(shape, default=0) < 0:
        raise ValueError("offsets")
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return Entry(dtype, shape, tuple(strides), data + start, count)


def _pickle_entries(path: Path) -> dict[str, Entry] | WeightsFile:
    """Find the tensors of a `.bin` without running it: PyTorch's restricted unpickler.

    Under `FakeTensorMode` no data is read; each storage knows where in the file it lies.
    """
    try:
        with FakeTensorMode():
            loaded = torch.load(path, map_location="cpu", weights_only=True)
        found = _named_tensors(loaded)
        entries = {name: _fake_entry(tensor) for name, tensor in found.items()}
        if None not in entries.values():
            return {name: entry for name, entry in entries.items() if entry is not None}
        # The format of before 2020 has no such places; it is read whole.
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        return WeightsFile(_named_tensors(loaded))
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{_short(path)} holds more than weights (a pickle with code of its own), so I do not "
            "open it; look for the same model as .safetensors."
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{_short(path)} is damaged or incomplete. Please download it again."
        ) from error


def read_metadata(path: Path) -> Mapping[str, str]:
    """The texts that a `.safetensors` file carries beside its weights."""
    _safetensors_entries(path)
    with path.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    found = header.get("__metadata__") or {}
    return {str(key): str(value) for key, value in found.items()}


def _named_tensors(loaded: Any) -> Tensors:
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping):
        raise ValueError("no dictionary of weights")
    tensors: Tensors = {}
    for name, one in loaded.items():
        inner = one.items() if isinstance(one, Mapping) else [("", one)]
        for key, value in inner:
            if isinstance(value, torch.Tensor):
                tensors[f"{name}.{key}" if key else str(name)] = value.detach()
    return tensors


def _fake_entry(tensor: torch.Tensor) -> Entry | None:
    storage = tensor.untyped_storage()
    offset = getattr(storage, "_checkpoint_offset", None)
    if offset is None:
        return None
    count = storage.nbytes() // tensor.element_size()
    stride, shape = tensor.stride(), tuple(tensor.shape)
    return Entry(tensor.dtype, shape, stride, offset, count, int(tensor.storage_offset()))


def _view(mapped: mmap.mmap, entry: Entry) -> torch.Tensor:
    if not entry.count:
        return torch.empty(entry.shape, dtype=entry.dtype)
    flat = _flat(mapped, entry.dtype, entry.count, entry.offset)
    return flat.as_strided(entry.shape, entry.stride, entry.start)


def _flat(mapped: mmap.mmap, dtype: torch.dtype, count: int, offset: int) -> torch.Tensor:
    with warnings.catch_warnings():
        # PyTorch warns that it cannot keep us from writing here; nothing does.
        warnings.simplefilter("ignore", UserWarning)
        return torch.frombuffer(mapped, dtype=dtype, count=count, offset=offset)


def _short(path: Path) -> str:
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name
