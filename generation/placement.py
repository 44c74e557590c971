"""Where and how a checkpoint is computed: device, precision, and whether it fits."""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from generation import remembered
from generation.errors import CheckpointError

_DTYPES = {
    "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16,
}  # fmt: skip
# bfloat16 rounds to three digits: only a clear gain is worth that.
_WORTH_IT = 1.25
_PICTURE = 512 * 512


@dataclass(frozen=True, slots=True)
class Placement:
    """How the parts of a checkpoint are held.

    Attributes:
        device: where.
        dtype: precision of weights and activations.
        compiled: whether the UNet goes through `torch.compile`.
    """

    device: torch.device
    dtype: torch.dtype
    compiled: bool = False

    @property
    def half(self) -> bool:
        """Whether weights take 16 bits."""
        return self.dtype.itemsize == 2


def choose_device(wanted: str) -> torch.device:
    """The device to draw on: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises:
        CheckpointError: this machine has no such device.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise CheckpointError(
            f'This machine has no device {wanted!r}; set engine.device to "auto" or "cpu".'
        ) from error
    return device


def choose_placement(
    device: torch.device,
    stored: torch.dtype = torch.float32,
    *,
    wanted: str = "auto",
    compiled: bool = False,
) -> Placement:
    """Decide the precision for a device.

    A GPU draws in float16, or in bfloat16 where the weights are stored so (their range may not fit
    float16) and the GPU computes in it. A processor draws in float32, unless it has instructions
    for bfloat16 and a short timing shows that they are clearly faster.

    Args:
        device: where to draw.
        stored: precision of the weights on disk.
        wanted: `auto`, `float32`, `float16` or `bfloat16`.
        compiled: as in `Placement`; needs a compiler that this machine has.

    Raises:
        CheckpointError: there is no such precision, or nothing to compile with.
    """
    if wanted != "auto" and wanted not in _DTYPES:
        raise CheckpointError(
            f"I do not know the precision {wanted!r}; there are auto, {', '.join(_DTYPES)}."
        )
    if compiled and not _can_compile(device):
        raise CheckpointError(
            "torch.compile needs Triton on a GPU and a C++ compiler elsewhere; this machine has "
            "none, so please turn it off."
        )
    dtype = _DTYPES[wanted] if wanted != "auto" else _natural_dtype(device, stored)
    return Placement(device, dtype, compiled)


def check_room(needed: int, placement: Placement, name: str) -> None:
    """Refuse a checkpoint that does not fit, before any of it is loaded.

    Args:
        needed: bytes, from `needed_bytes`.
        placement: where it would go.
        name: of the checkpoint.

    Raises:
        CheckpointError: the sentence says how much is needed and how much is free.
    """
    free = free_bytes(placement.device)
    if free is not None and needed > free:
        where = "memory" if placement.device.type == "cpu" else "memory of the graphics card"
        raise CheckpointError(
            f"The checkpoint {name!r} needs about {needed / 1e9:.1f} GB of {where} and only "
            f"{free / 1e9:.1f} GB are free: close other programs, or use a smaller checkpoint "
            "such as the starter."
        )


def needed_bytes(weights: int, vae_channels: int, placement: Placement) -> int:
    """Bytes to hold the weights and to draw one picture of 512×512.

    Args:
        weights: how many there are in all parts.
        vae_channels: of the autoencoder at full resolution, where drawing needs the most: about
            three layers' worth of a whole picture at once.
        placement: decides the bytes of each.
    """
    each = placement.dtype.itemsize
    return weights * each + 3 * _PICTURE * vae_channels * each


def free_bytes(device: torch.device) -> int | None:
    """Memory that could be used on a device now, in bytes; None where nobody can tell."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What this process holds in reserve is free to it.
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free) + int(held)
    if device.type == "mps":
        limit = torch.mps.recommended_max_memory()
        return int(limit) - int(torch.mps.current_allocated_memory())
    limits = [_linux_available(), _cgroup_available(), _address_space_left()]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else _physical()


def _natural_dtype(device: torch.device, stored: torch.dtype) -> torch.dtype:
    if device.type == "cuda":
        if stored == torch.bfloat16 and torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16
        return torch.float16
    if device.type == "mps":
        return torch.float16
    if device.type == "cpu" and _has_bfloat16():
        return torch.bfloat16 if faster_in_bfloat16() else torch.float32
    return torch.float32


def _has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself; without, it is many times slower."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, lambda: False)()) for probe in probes)


@functools.cache
def faster_in_bfloat16() -> bool:
    """Time one layer of each kind in both precisions; remember the answer on disk.

    It is remembered because the precision decides the picture: the same machine must not change
    its mind between two starts.
    """
    key = f"{_processor()}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    known = remembered.recall("bfloat16", key)
    if isinstance(known, bool):
        return known
    answer = timed_gain() > _WORTH_IT
    remembered.note("bfloat16", key, answer)
    return answer


@torch.inference_mode()
def timed_gain() -> float:
    """How many times faster a convolution and a matrix product are in bfloat16 than in float32."""
    return _seconds(torch.float32) / _seconds(torch.bfloat16)


def _seconds(dtype: torch.dtype) -> float:
    layout = torch.channels_last
    kernel = torch.zeros(320, 320, 3, 3, dtype=dtype).to(memory_format=layout)
    picture = torch.zeros(1, 320, 32, 32, dtype=dtype).to(memory_format=layout)
    matrix, tokens = torch.zeros(640, 640, dtype=dtype), torch.zeros(1024, 640, dtype=dtype)
    return remembered.best_seconds(
        lambda: (functional.conv2d(picture, kernel, padding=1), tokens @ matrix)
    )


def _can_compile(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.utils._triton.has_triton())
    from torch._inductor import cpp_builder  # noqa: PLC0415  (slow to import, rarely needed)

    try:
        return bool(cpp_builder.get_cpp_compiler())
    except Exception:
        return False  # it raises its own errors, all of which mean that there is none


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return models[0] if models else platform.machine()


def _linux_available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        fields = {line.partition(":")[0]: line.partition(":")[2] for line in lines}
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return None


def _cgroup_available() -> int | None:
    """What a container's limit leaves (cgroup version 2); files it has cached can be dropped."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = int((folder / "memory.max").read_text())
        used = int((folder / "memory.current").read_text())
        lines = (folder / "memory.stat").read_text().splitlines()
        cached = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    except (OSError, ValueError, IndexError):
        return None  # no container, no limit ("max"), or another version
    return limit - used + cached


def _address_space_left() -> int | None:
    """What `ulimit -v` leaves, where one was set."""
    try:
        import resource  # noqa: PLC0415  (not on Windows)

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY:
            return None
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError, ValueError):
        return None
    return limit - pages * os.sysconf("SC_PAGE_SIZE")


def _physical() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
