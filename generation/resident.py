"""How much memory this process holds, on each platform, without another dependency."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def resident_bytes() -> int:
    """Bytes of physical memory that this process holds now; 0 where the platform will not say."""
    read = {"linux": _linux, "darwin": _darwin, "win32": _windows}.get(sys.platform)
    if read is not None:
        with suppress(OSError, AttributeError, ValueError):
            return read()
    return 0


def return_free_memory() -> None:
    """Give back to the system what was freed but is kept by the allocator for next time.

    glibc keeps blocks of up to 32 MiB in its heaps, where a batch that ran out of memory leaves
    hundreds of MiB that the next, smaller one cannot use as a whole.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # musl has no such call
            ctypes.CDLL(None).malloc_trim(0)


def be_the_first_to_go() -> None:
    """Where the system has to end a process to save memory, let it be this one, not the bot."""
    if sys.platform == "linux":
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("500", "ascii")


def _linux() -> int:
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class _MachTaskBasicInfo(ctypes.Structure):
    """`mach_task_basic_info` of <mach/task_info.h>."""

    _fields_ = (
        ("virtual_size", ctypes.c_uint64),
        ("resident_size", ctypes.c_uint64),
        ("resident_size_max", ctypes.c_uint64),
        ("user_time", ctypes.c_int32 * 2),
        ("system_time", ctypes.c_int32 * 2),
        ("policy", ctypes.c_int32),
        ("suspend_count", ctypes.c_int32),
    )


def _darwin() -> int:
    system = ctypes.CDLL(None)
    info = _MachTaskBasicInfo()
    count = ctypes.c_uint32(ctypes.sizeof(info) // 4)
    task = ctypes.c_uint32.in_dll(system, "mach_task_self_")
    basic_info = 20
    status = system.task_info(task, basic_info, ctypes.byref(info), ctypes.byref(count))
    return 0 if status else int(info.resident_size)


class _ProcessMemoryCounters(ctypes.Structure):
    """`PROCESS_MEMORY_COUNTERS` of <psapi.h>."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("page_faults", ctypes.c_uint32),
        ("peak_working_set", ctypes.c_size_t),
        ("working_set", ctypes.c_size_t),
        ("quota_peak_paged_pool", ctypes.c_size_t),
        ("quota_paged_pool", ctypes.c_size_t),
        ("quota_peak_nonpaged_pool", ctypes.c_size_t),
        ("quota_nonpaged_pool", ctypes.c_size_t),
        ("pagefile", ctypes.c_size_t),
        ("peak_pagefile", ctypes.c_size_t),
    )


def _windows() -> int:
    kernel: Any = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined, unused-ignore]
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    kernel.K32GetProcessMemoryInfo.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]
    counters = _ProcessMemoryCounters(size=ctypes.sizeof(_ProcessMemoryCounters))
    done = kernel.K32GetProcessMemoryInfo(
        kernel.GetCurrentProcess(), ctypes.byref(counters), counters.size
    )
    return int(counters.working_set) if done else 0
